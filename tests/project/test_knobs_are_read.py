"""A knob for something that is not there is a defect: whatever may be set is read by code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic import BaseModel

from appliance.cli.main import app
from appliance.connections.database import Connection
from appliance.dashboard.settings import Settings as DashboardSettings
from appliance.policy.policy import Policy
from appliance.settings.settings import Settings, variables
from appliance.workflow.document import Workflow
from provisioning.knobs import Knobs

ROOT = Path(__file__).resolve().parents[2]
FOR_PEOPLE = {
    # Read by the people who open the document, and by the dashboard's editor, not by the appliance.
    "Workflow.description",
    "KeptBecause.because",
}
NAME = re.compile(r"\b(?:APPLIANCE|DASHBOARD)_[A-Z][A-Z0-9_]*[A-Z0-9]\b")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def code() -> Iterator[Path]:
    for folder in ("appliance", "provisioning", "dags", "compose", "bench"):
        yield from (ROOT / folder).rglob("*.py")


@cache
def reads() -> frozenset[str]:
    """Names that are read as an attribute of something, in code or in a template."""
    found = {
        node.attr
        for path in code()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    for template in (ROOT / "appliance").rglob("*.html"):
        found |= set(re.findall(r"\.([a-z_]+)", template.read_text()))
    return frozenset(found)


@cache
def texts_in_code() -> frozenset[str]:
    return frozenset(
        node.value
        for path in code()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from models_in(inner)


def documented(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> Iterator[tuple[str, str]]:
    """(model, field) of a document, and of all that may stand within it."""
    seen = set() if seen is None else seen
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        yield model.__name__, name
        for inner in models_in(field.annotation):
            yield from documented(inner, seen)


@pytest.mark.parametrize("model", [Settings, Policy, Workflow, Connection])
def test_every_field_of_a_document_is_read(model: type[BaseModel]) -> None:
    found = list(documented(model))
    assert len(found) > 5, "the document is looked at"
    assert {f"{kind}.{name}" for kind, name in found if name not in reads()} - FOR_PEOPLE == set()


@pytest.mark.parametrize("knobs", [Knobs, DashboardSettings])
def test_every_knob_of_the_deploy_and_of_the_dashboard_is_read(knobs: type) -> None:
    assert {field.name for field in fields(knobs)} - reads() == set()


def commands(command: Any) -> Iterator[Any]:
    yield command
    inner = getattr(command, "commands", {})
    for name in inner:
        yield from commands(inner[name])


def test_every_argument_and_option_of_a_command_is_read() -> None:
    checked = 0
    for command in commands(typer.main.get_command(app)):
        function = getattr(command.callback, "__wrapped__", command.callback)
        if function is None:
            continue
        body = next(
            node
            for node in ast.walk(tree_of(Path(function.__code__.co_filename)))
            if isinstance(node, ast.FunctionDef) and node.name == function.__name__
        ).body
        used = {node.id for line in body for node in ast.walk(line) if isinstance(node, ast.Name)}
        for parameter in command.params:
            # One with a callback of its own is read there.
            if parameter.name not in {"help", "install_completion", "show_completion"} and not (
                parameter.callback or parameter.name in used
            ):
                raise AssertionError(f"{command.name} does not read {parameter.name}")
            checked += 1
    assert checked > 50, "the commands are looked at"


def test_what_a_program_without_commands_is_called_with_is_read() -> None:
    unread = {
        (path.name, option)
        for path in code()
        for option in arguments_of(tree_of(path))
        if option not in {node.attr for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)}
    }
    assert unread == set()


def arguments_of(tree: ast.Module) -> Iterator[str]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".add_argument"):
            given = {each.arg: each.value for each in call.keywords}
            names = [each.value for each in call.args if isinstance(each, ast.Constant)]
            named = given.get("dest") or ast.Constant(max(map(str, names), key=len))
            yield str(ast.literal_eval(named)).lstrip("-").replace("-", "_")


def test_every_variable_that_is_written_about_or_set_is_read() -> None:
    known = set(variables()) | {f"DASHBOARD_{field.name.upper()}" for field in fields(DashboardSettings)}
    known |= texts_in_code()
    unknown = {
        (str(path.relative_to(ROOT)), name)
        for folder in ("docs", "systemd", "compose", "provisioning", "scripts")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".md", ".service", ".conf", ".yaml", ".yml", ".sh", ".py", ".env", ".j2"}
        for name in NAME.findall(path.read_text(encoding="utf-8"))
        if name not in known
    }
    assert unknown == set()
