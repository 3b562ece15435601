"""Management calls about people, API tokens and the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from appliance.contract.calls import Problem
from appliance.dashboard.api.appliances import Admin, Deck, Given, Limit, Viewer
from appliance.dashboard.api.people_answers import PasswordMade, PersonMade, TokenMade
from appliance.dashboard.security import Role
from appliance.dashboard.store.access import audit, people, second_factors, tokens
from appliance.dashboard.store.access.rows import AuditRow, PersonRow, TokenRow
from appliance.dashboard.web.access import api_role

router = APIRouter(
    prefix="/v1",
    tags=["management"],
    dependencies=[Depends(api_role("viewer"))],
    responses={code: {"model": Problem} for code in (401, 403, 404, 409, 413, 422, 429, 503)},
)


class NewPerson(Given):
    """A person to add."""

    name: str = Field(min_length=1, max_length=64)
    role: Role


class PersonPatch(Given):
    """What to change of a person."""

    role: Role | None = None
    disabled: bool | None = None


class NewToken(Given):
    """An API token to make."""

    name: str = Field(min_length=1, max_length=80)
    role: Role
    days: int = Field(default=365, ge=1, le=3650)


@router.get("/people")
def list_people(context: Deck) -> list[PersonRow]:
    """Everybody who may sign in, with their roles."""
    with context.database.read() as session:
        return people.people(session)


@router.post("/people", status_code=201)
def add_person(actor: Admin, context: Deck, given: NewPerson) -> PersonMade:
    """Add a person; the one-time password is shown this once."""
    person_id, one_time = people.create_person(context.database, actor, given.name, given.role)
    return PersonMade(id=person_id, one_time_password=one_time)


@router.patch("/people/{person_id}")
def change_person(actor: Admin, context: Deck, person_id: str, given: PersonPatch) -> PersonRow:
    """Change a person's role, or disable or enable them."""
    people.change_person(context.database, actor, person_id, role=given.role, disabled=given.disabled)
    with context.database.read() as session:
        return people.person(session, person_id)


@router.post("/people/{person_id}/password", status_code=201)
def reset_password(actor: Admin, context: Deck, person_id: str) -> PasswordMade:
    """A one-time password for a person, shown this once; ends their sessions."""
    return PasswordMade(one_time_password=people.reset_password(context.database, actor, person_id))


@router.delete("/people/{person_id}/second-factor", status_code=204)
def reset_second_factor(actor: Admin, context: Deck, person_id: str) -> None:
    """Take away another person's second factor; ends their sessions."""
    second_factors.reset(context.database, actor, person_id)


@router.get("/tokens")
def list_tokens(context: Deck) -> list[TokenRow]:
    """Every API token, never the tokens themselves."""
    with context.database.read() as session:
        return tokens.tokens(session)


@router.post("/tokens", status_code=201)
def add_token(actor: Viewer, context: Deck, given: NewToken) -> TokenMade:
    """Make a token of at most one's own role; it is shown this once."""
    token_id, token = tokens.create_token(context.database, actor, given.name, given.role, given.days)
    return TokenMade(id=token_id, token=token)


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_token(actor: Viewer, context: Deck, token_id: str) -> None:
    """Make a token useless: one's own, or as an admin any."""
    tokens.revoke_token(context.database, actor, token_id)


@router.get("/audit")
def list_audit(
    context: Deck,
    search: str = "",
    before: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    limit: Limit = 100,
) -> list[AuditRow]:
    """Every change, newest first; ``before`` is the last id seen."""
    with context.database.read() as session:
        found = audit.entries(session, before=before, subject=search[:80], limit=limit)
    return found
