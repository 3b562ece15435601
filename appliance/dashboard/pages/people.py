"""People, API tokens, and the page about the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.pages.rendering import View, page
from appliance.dashboard.security import ROLES, Role
from appliance.dashboard.store.access import people, tokens
from appliance.dashboard.store.access.rows import PersonRow, TokenRow
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.errors import WrongRequestError

router = APIRouter()
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]


@dataclass(frozen=True)
class PeoplePage(View):
    """Everybody; a one-time password that was made just now is shown with its person's name."""

    template: ClassVar[str] = "people.html"
    rows: list[PersonRow]
    roles: tuple[Role, ...]
    one_time: str | None
    one_time_name: str


@dataclass(frozen=True)
class TokensPage(View):
    """Every token; one that was made just now is shown with its name."""

    template: ClassVar[str] = "tokens.html"
    rows: list[TokenRow]
    roles: list[Role]
    """That the visitor may give."""
    token: str | None
    token_name: str


@dataclass(frozen=True)
class ApiCall:
    """A call of the API, as its document describes it."""

    method: str
    path: str
    about: str
    tag: str


@dataclass(frozen=True)
class ApiPage(View):
    """Every call that an API token can make."""

    template: ClassVar[str] = "api.html"
    calls: list[ApiCall]
    url: str


def _people_page(
    request: Request, visitor: Visit, one_time: str | None = None, one_time_name: str = ""
) -> Response:
    with visitor.context.database.read() as session:
        rows = people.people(session)
    return page(visitor, request, PeoplePage(rows, ROLES, one_time, one_time_name))


@router.get("/people")
def people_page(request: Request, visitor: Visitor) -> Response:
    return _people_page(request, visitor)


@router.post("/people")
def add_person(request: Request, visitor: Visitor, form: Form) -> Response:
    """Add a person; their one-time password is on this answer and nowhere else."""
    visitor.needs("admin")
    name = text_of(form, "name").strip()
    _, one_time = people.create_person(visitor.context.database, visitor.actor, name, text_of(form, "role"))
    return _people_page(request, visitor, one_time=one_time, one_time_name=name)


@router.post("/people/{person_id}/password", dependencies=[Depends(checked_form)])
def reset_password(request: Request, person_id: str, visitor: Visitor) -> Response:
    """A new one-time password for a person."""
    visitor.needs("admin")
    one_time = people.reset_password(visitor.context.database, visitor.actor, person_id)
    with visitor.context.database.read() as session:
        name = people.person(session, person_id).name
    return _people_page(request, visitor, one_time=one_time, one_time_name=name)


@router.post("/people/{person_id}/role")
def change_role(person_id: str, visitor: Visitor, form: Form) -> Response:
    """Give another role."""
    visitor.needs("admin")
    people.change_person(visitor.context.database, visitor.actor, person_id, role=text_of(form, "role"))
    return RedirectResponse("/people?note=role", 303)


@router.post("/people/{person_id}/disabled")
def disable(person_id: str, visitor: Visitor, form: Form) -> Response:
    """Disable or enable a person."""
    visitor.needs("admin")
    disabled = text_of(form, "disabled") == "yes"
    people.change_person(visitor.context.database, visitor.actor, person_id, disabled=disabled)
    return RedirectResponse(f"/people?note={'disabled' if disabled else 'enabled'}", 303)


def _tokens_page(
    request: Request, visitor: Visit, token: str | None = None, token_name: str = ""
) -> Response:
    with visitor.context.database.read() as session:
        rows = tokens.tokens(session)
    roles = [role for role in ROLES if visitor.actor.may(role)]
    return page(visitor, request, TokensPage(rows, roles, token, token_name))


@router.get("/tokens")
def tokens_page(request: Request, visitor: Visitor) -> Response:
    return _tokens_page(request, visitor)


@router.post("/tokens")
def add_token(request: Request, visitor: Visitor, form: Form) -> Response:
    """Make a token; it is on this answer and nowhere else."""
    days = text_of(form, "days")
    if not (days.isascii() and days.isdigit()):
        raise WrongRequestError("A token lasts a whole number of days.", "", "Choose another number of days.")
    name = text_of(form, "name")
    _, token = tokens.create_token(
        visitor.context.database, visitor.actor, name, text_of(form, "role"), int(days)
    )
    return _tokens_page(request, visitor, token=token, token_name=name)


@router.post("/tokens/{token_id}/revoke", dependencies=[Depends(checked_form)])
def revoke_token(token_id: str, visitor: Visitor) -> Response:
    """Make a token useless."""
    tokens.revoke_token(visitor.context.database, visitor.actor, token_id)
    return RedirectResponse("/tokens?note=token-revoked", 303)


@router.get("/api")
def api_page(request: Request, visitor: Visitor) -> Response:
    """Every call that an API token can make, from the OpenAPI document."""
    document = request.app.openapi()
    calls = [
        ApiCall(method.upper(), path, call.get("summary", ""), call["tags"][0])
        for path, methods in document["paths"].items()
        for method, call in methods.items()
    ]
    url = visitor.context.settings.public_url.rstrip("/")
    return page(visitor, request, ApiPage(calls, url))
