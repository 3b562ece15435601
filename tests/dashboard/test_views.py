"""Templates and what they are given: each reads nothing but its view, and no field of it goes unread."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from pkgutil import walk_packages

import pytest
from jinja2 import meta, nodes

from appliance.dashboard import app, pages
from appliance.dashboard.pages.rendering import View, environment

OF_A_PAGE = {"navigation", "actor", "note", "may_admin", "theme", "path", "csrf", "may_edit"}
"""What ``page`` and ``fragment`` add by themselves."""


def views(kind: type[View] = View) -> list[type[View]]:
    """Every view that there is."""
    return [each for below in kind.__subclasses__() for each in (below, *views(below))]


def stored(tree: nodes.Node) -> list[nodes.Name]:
    """The names that a template gives a value itself."""
    return [each for each in tree.find_all(nodes.Name) if each.ctx in {"store", "param"}]


def read_by(name: str) -> set[str]:
    """The names that a template and all that it includes or extends take from outside."""
    loader = environment().loader
    assert loader is not None
    tree = environment().parse(loader.get_source(environment(), name)[0])
    imported = {
        each if isinstance(each, str) else each[1]
        for found in tree.find_all(nodes.FromImport)
        for each in found.names
    }
    # What is imported or set at the top is known in the blocks too; in includes, loops' names as well.
    set_here = {each.name for found in tree.find_all(nodes.Assign) for each in stored(found)}
    named = meta.find_undeclared_variables(tree) - set(environment().globals) - imported - set_here
    for other in tree.find_all((nodes.Include, nodes.Extends)):
        for file in (other, *other.find_all(nodes.Const)):
            if isinstance(file, nodes.Const) and str(file.value).endswith(".html"):
                named |= read_by(file.value) - imported - {each.name for each in stored(tree)}
    return named


for _module in walk_packages(pages.__path__, f"{pages.__name__}."):
    import_module(_module.name)
VIEWS = views()


def test_every_view_is_found() -> None:
    assert app.ErrorPage in VIEWS and len(VIEWS) > 30


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.template)
def test_a_template_reads_only_what_its_view_gives(view: type[View]) -> None:
    given = {field.name for field in fields(view)} | OF_A_PAGE
    assert read_by(view.template) <= given


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.template)
def test_no_field_of_a_view_goes_unread(view: type[View]) -> None:
    own = set(view.__annotations__) - {"template"}
    read = read_by(view.template).union(*(read_by(page.template) for page in views(view)))
    assert own <= read, "by its template or by that of the page around it"
