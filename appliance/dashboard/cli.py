"""``appliance-dashboard``: runs the dashboard, and the few things to do on its server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from appliance.dashboard.app import create_app
from appliance.dashboard.notifying.notifier import send_tests
from appliance.dashboard.notifying.settings import read_notify
from appliance.dashboard.openid.provider import Provider
from appliance.dashboard.settings import Settings, configured, first_password, from_environment
from appliance.dashboard.store.access import openid_people, people, second_factors, tokens
from appliance.dashboard.store.appliances import fleet
from appliance.dashboard.store.database import Database, StoreAwayError
from appliance.dashboard.web import onboarding
from appliance.dashboard.web.context import Context
from appliance.errors import ApplianceError, WrongRequestError

cli = typer.Typer(
    help="The dashboard for a fleet of appliances. Settings are DASHBOARD_* environment variables.",
    no_args_is_help=False,
    add_completion=False,
    rich_markup_mode=None,
)
Role = Annotated[str, typer.Option(help="viewer, editor or admin.")]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _open() -> tuple[Settings, Database]:
    settings = from_environment()
    database = Database(settings.database)
    database.migrate()
    return settings, database


@cli.callback(invoke_without_command=True)
def default(call: typer.Context) -> None:
    """Serve where no command is given."""
    if call.invoked_subcommand is None:
        serve()


@cli.command()
def serve() -> None:
    """Run the dashboard. At its first start it makes ``admin`` and prints a one-time password."""
    settings = from_environment()
    if settings.notify:
        read_notify(Path(settings.notify))
    context = Context.open(settings)
    with context.database.read() as session:
        is_first = not session.count("SELECT count(*) FROM person")
    if is_first and settings.local_accounts:
        password = first_password(settings)
        _, one_time = people.create_person(context.database, people.SYSTEM, "admin", "admin", password)
        with_what = (
            f"one-time password {one_time}" if one_time else f"password in {settings.first_password_file}"
        )
        _say(f"First start. Sign in at {settings.public_url} as admin with the {with_what}")
    sys.stdout.flush()
    uvicorn.run(
        create_app(settings, context),
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.tls_certificate or None,
        ssl_keyfile=settings.tls_key or None,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        server_header=False,
        access_log=False,
        log_level="info",
        limit_concurrency=1500,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
    )


@cli.command("create-user")
def create_user(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: Role = "viewer",
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
) -> None:
    """Add a person. Prints a one-time password unless one is given on standard input."""
    _, database = _open()
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    _, one_time = people.create_person(database, people.SYSTEM, name, role, password)
    if one_time:
        _say(one_time)


@cli.command("reset-password")
def reset_password(name: Annotated[str, typer.Argument(help="Whose password.")]) -> None:
    """Print a new one-time password for a person; ends their sessions."""
    _, database = _open()
    _say(people.reset_password(database, people.SYSTEM, _person_id(database, name)))


@cli.command("reset-second-factor")
def reset_second_factor(name: Annotated[str, typer.Argument(help="Whose second factor.")]) -> None:
    """Take away a person's second factor; ends their sessions."""
    _, database = _open()
    second_factors.reset(database, people.SYSTEM, _person_id(database, name))
    _say(f"{name} signs in with the password alone, until a second factor is set up anew.")


def _person_id(database: Database, name: str) -> str:
    with database.read() as session:
        return str(people.person_named(session, name).id)


@cli.command("check-openid")
def check_openid() -> None:
    """Ask the OpenID Connect provider what it offers, and print what to register there."""
    provider = _provider(from_environment())
    found, keys = provider.description(), provider.keys()
    _say(f"{provider.configuration.issuer} answers, and publishes {len(keys.keys)} key(s).")
    _say(f"Redirect URI to register there: {provider.configuration.redirect_uri}")
    _say(f"Page after a sign-out there: {provider.back_address}")
    lacking = set(provider.configuration.scopes) - set(
        found.get("scopes_supported", provider.configuration.scopes)
    )
    if lacking:
        _say(f"It does not list these scopes: {', '.join(sorted(lacking))}")


@cli.command("hand-to-openid")
def hand_to_openid(
    name: Annotated[str, typer.Argument(help="Whose account.")],
    subject: Annotated[str, typer.Argument(help="The person's subject (sub) at the provider.")],
) -> None:
    """Let a person with a password sign in through the provider from now on, and no other way."""
    settings, database = _open()
    issuer = _provider(settings).configuration.issuer
    openid_people.hand_over(database, people.SYSTEM, name, issuer, subject)
    _say(f"{name} signs in through {issuer} from now on; the password is gone.")


def _provider(settings: Settings) -> Provider:
    configuration = configured(settings)
    if configuration is None:
        raise WrongRequestError(
            "No provider is set.", "DASHBOARD_OPENID_ISSUER is empty.", "Set it, then type this again."
        )
    return Provider(configuration)


@cli.command("create-token")
def create_token(
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    role: Role = "viewer",
    days: Annotated[int, typer.Option(help="How long it is good for.")] = 365,
) -> None:
    """Print a new API token."""
    _, database = _open()
    _say(tokens.create_token(database, people.SYSTEM, name, role, days)[1])


@cli.command("notify-test")
def notify_test(name: Annotated[str | None, typer.Argument(help="Only this address.")] = None) -> None:
    """Send a test to each address that DASHBOARD_NOTIFY names. Exit status 1 if one does not arrive."""
    found = send_tests(from_environment(), name)
    for address, why in found.items():
        _say(f"{address}: not sent: {why}" if why else f"{address}: sent")
    if any(found.values()):
        raise typer.Exit(1)


@cli.command("add-appliance")
def add_appliance(
    name: Annotated[str, typer.Argument(help="The appliance's name.")],
    token_only: Annotated[bool, typer.Option(help="Print nothing but the enrolment token.")] = False,
) -> None:
    """Add an appliance, or make a new token for one that is there, and print how to enrol it."""
    settings, database = _open()
    with database.read() as session:
        known = session.value(str, "SELECT id FROM appliance WHERE name = ?", name)
    if known is None:
        _, token = fleet.create(database, people.SYSTEM, name)
    else:
        token = fleet.new_enrolment(database, people.SYSTEM, known)
    _say(token if token_only else onboarding.commands(settings, token)["enrol"])


def main() -> None:
    """Run a command; a known failure is shown in plain words."""
    try:
        cli()
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        sys.exit(int(error.exit_code))
    except StoreAwayError as error:
        sys.stderr.write(f"The store does not answer ({error}).\nNext: check DASHBOARD_DATABASE.\n")
        sys.exit(1)
