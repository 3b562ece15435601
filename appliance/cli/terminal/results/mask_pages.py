"""How masks are listed and explained on a terminal."""

from __future__ import annotations

import json
from typing import Any

import typer
import yaml
from pydantic import JsonValue

from appliance.cli.terminal.output import print_table
from appliance.masking.compiled import PROOFS
from appliance.masking.mask import Mask, Params, fitting_types
from appliance.masking.registry import MASKS


def print_list() -> None:
    """One line each."""
    print_table(["mask", "what it does"], [[mask.name, mask.summary] for mask in MASKS.values()])
    typer.echo("\nMore about one, with examples: appliance masks NAME [OPTION=VALUE …]")


def list_json() -> list[dict[str, str]]:
    """The same for programs."""
    return [
        {"name": mask.name, "summary": mask.summary, "types": fitting_types(mask)} for mask in MASKS.values()
    ]


def print_mask(mask: Mask[Any], params: Params) -> None:
    """All about one mask."""
    typer.echo(f"{mask.name}: {mask.summary}\n")
    facts = [("types", fitting_types(mask)), *_promises(mask), ("proof", PROOFS[mask.proof])]
    facts += [("hides", _sentence(mask.hides)), ("lets through", _sentence(mask.learnt))]
    for label, text in facts:
        typer.echo(f"  {label:<15}{_plain(text)}")
    if mask.params.model_fields:
        typer.echo("\nOptions:")
        for name, field in mask.params.model_fields.items():
            default = "needed" if field.is_required() else f"default {json.dumps(field.get_default())}"
            typer.echo(f"  {name:<15}{_plain(field.description or '')} ({default})")
    typer.echo(f"\nExample: schema.table.column: {_written(mask, params)}")
    for before, after in mask.examples(params):
        typer.echo(f"  {before}  becomes  {after}")
    typer.echo("Computed from these options, under a key of the examples: yours gives other values.")


def mask_json(mask: Mask[Any], params: Params) -> dict[str, JsonValue]:
    """The same for programs."""
    return {
        "name": mask.name,
        "summary": mask.summary,
        "types": fitting_types(mask),
        "promises": dict(_promises(mask)),
        "proof": PROOFS[mask.proof],
        "hides": mask.hides,
        "lets_through": mask.learnt,
        "options": mask.params.model_json_schema().get("properties", {}),
        "options_of_examples": params.model_dump(mode="json", exclude_unset=True),
        "examples": [{"before": before, "after": after} for before, after in mask.examples(params)],
    }


def _promises(mask: Mask[Any]) -> list[tuple[str, str]]:
    promises = mask.promises
    return [
        ("unique", promises.unique),
        ("deterministic", promises.deterministic),
        ("keeps NULL", promises.keeps_null),
        ("length", promises.length),
        ("format", promises.format),
    ]


def _written(mask: Mask[Any], params: Params) -> str:
    """The mask as a workflow has it."""
    given = params.model_dump(mode="json", exclude_unset=True)
    if not given:
        return '"null"' if mask.name == "null" else mask.name
    text = yaml.safe_dump(
        {"mask": mask.name, **given}, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1000
    )
    return text.strip()


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _plain(text: str) -> str:
    return text.replace("`", "")
