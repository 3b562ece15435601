"""Print the JSON Schema of appliance.yaml."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _settings() -> None:
    """Print the JSON Schema of appliance.yaml."""


@app.command()
def schema() -> None:
    """Print the JSON Schema of appliance.yaml. Editors check the file by it."""
    from appliance.documents.json_schema import document_schema, printed  # noqa: PLC0415 - help does without
    from appliance.settings.settings import Settings  # noqa: PLC0415

    typer.echo(printed(document_schema(Settings, "Settings")), nl=False)
