"""One's own second factor, on the account page; an admin takes away another person's."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard import second_factor
from appliance.dashboard.pages.sign_in import Setup, account_page
from appliance.dashboard.store.access import people, second_factors
from appliance.dashboard.web import access
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.context import take
from appliance.errors import RefusedError, WrongRequestError

router = APIRouter()
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]


@router.post("/account/second-factor")
def begin(request: Request, visitor: Visitor, form: Form) -> Response:
    """Show a new secret to who knows the password. It counts once its first code was right."""
    access.limit_sign_in(request, visitor.context, visitor.actor.name)
    visitor.needs_password()
    people.confirm_password(visitor.context.database, visitor.actor, text_of(form, "password"))
    secret = second_factor.new_secret()
    sealed = second_factor.seal(visitor.context.secret_key, visitor.actor.person_id or "", secret)
    return _setup(request, visitor, secret, sealed)


def _setup(request: Request, visitor: Visit, secret: str, sealed: str, wrong: bool = False) -> Response:
    picture = second_factor.qr_image(secret, visitor.actor.name)
    return account_page(request, visitor, setup=Setup(secret, picture, sealed, wrong))


@router.post("/account/second-factor/on")
def turn_on(request: Request, visitor: Visitor, form: Form) -> Response:
    """Take the secret; the recovery codes are on this answer and nowhere else."""
    context = visitor.context
    take(context.limits.second_factor, visitor.actor.person_id or "")
    key, person_id, sealed = context.secret_key, visitor.actor.person_id or "", text_of(form, "sealed")
    secret = second_factor.unseal(key, person_id, sealed, second_factor.SETUP_SECONDS)
    try:
        codes = second_factors.set_up(
            context.database,
            key,
            visitor.actor,
            sealed=sealed,
            code=text_of(form, "code")[:64],
            keep_session=visitor.secret,
        )
    except WrongRequestError:
        if secret is None:
            raise
        return _setup(request, visitor, secret, sealed, wrong=True)
    context.limits.second_factor.give_back(visitor.actor.person_id or "")
    return account_page(request, visitor, codes=codes)


@router.post("/account/second-factor/codes")
def new_codes(request: Request, visitor: Visitor, form: Form) -> Response:
    """Other recovery codes, on this answer and nowhere else."""
    context = visitor.context
    take(context.limits.second_factor, visitor.actor.person_id or "")
    codes = second_factors.new_codes(
        context.database, context.secret_key, visitor.actor, text_of(form, "code")[:64]
    )
    context.limits.second_factor.give_back(visitor.actor.person_id or "")
    return account_page(request, visitor, codes=codes)


@router.post("/account/second-factor/off")
def turn_off(visitor: Visitor, form: Form) -> Response:
    """Go without, where the dashboard lets people."""
    context = visitor.context
    if context.settings.require_second_factor:
        raise RefusedError(
            "The second factor stays on.",
            "This dashboard asks everybody for one.",
            "For another phone, ask an admin to reset it.",
            rule="second_factor",
        )
    take(context.limits.second_factor, visitor.actor.person_id or "")
    second_factors.turn_off(context.database, context.secret_key, visitor.actor, text_of(form, "code")[:64])
    context.limits.second_factor.give_back(visitor.actor.person_id or "")
    return RedirectResponse("/account?note=second-factor-off", 303)


@router.post("/people/{person_id}/second-factor", dependencies=[Depends(checked_form)])
def reset(person_id: str, visitor: Visitor) -> Response:
    """Take away another person's, whose phone is lost."""
    visitor.needs("admin")
    second_factors.reset(visitor.context.database, visitor.actor, person_id)
    return RedirectResponse("/people?note=second-factor-reset", 303)
