"""Say which images your containers may run: trust a tag, load images from a file, list them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="IMAGE", help="As workflows name it: with its tag.")]


@app.callback()
def _images() -> None:
    """Images that `container` deliveries run: what a tag means here is said once, and kept by digest."""


@app.command()
def trust(
    image: Reference,
    pull: Annotated[
        bool, typer.Option("--pull", help="Ask the registry, even if an image of that tag is here.")
    ] = False,
) -> None:
    """Take what a tag means now as what it means in workflows, until it is trusted again.

    The image that is here is meant, else the one that its registry has. Credentials for registries are in
    registries.json beside policy.yaml, as docker login writes them.
    """
    from appliance.cli.work.host.trusting_images import trust_image  # noqa: PLC0415 - help must be instant

    for line in trust_image(image, pull=pull):
        typer.echo(line)


@app.command()
def forget(image: Reference) -> None:
    """Trust a tag no more. A run that has begun goes on."""
    from appliance.cli.work.host.trusting_images import forget_image  # noqa: PLC0415

    typer.echo(forget_image(image))


@app.command()
def load(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A tar of images, as docker save makes it.")],
) -> None:
    """Load images from a file, with no registry at all. What they are called is printed; trust them then."""
    from appliance.cli.work.host.trusting_images import load_images  # noqa: PLC0415

    for name in load_images(file):
        typer.echo(f"{name} is here. Next: sudo appliance images trust {name}")


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the images that policy names or that were trusted: what each means, and whether it is here."""
    from appliance.cli.terminal.output import print_json, print_table  # noqa: PLC0415
    from appliance.cli.work.host.trusting_images import known_images  # noqa: PLC0415

    found = known_images()
    if as_json:
        print_json([each.as_json() for each in found])
        return
    rows = [each.row() for each in found]
    columns = ("image", "means", "trusted", "by", "policy", "here")
    print_table(columns, rows, empty="Policy names no image, and none was trusted.")
