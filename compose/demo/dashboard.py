"""The dashboard's API, as the demo uses it: with a token, for what a person does on the pages."""

from __future__ import annotations

from typing import Any

import httpx

from appliance.errors import ApplianceError, WorkFailedError

from .stack import Stack

ADMIN = "admin"
TOKEN_NAME = "make demo"
KEPT_TOKEN = "/var/lib/appliance-dashboard/demo-token"
GIVE_TOKEN = f"""
umask 077
if [ ! -s {KEPT_TOKEN} ]; then
    appliance-dashboard create-token "{TOKEN_NAME}" --role editor >{KEPT_TOKEN}.new
    mv {KEPT_TOKEN}.new {KEPT_TOKEN}
fi
cat {KEPT_TOKEN}
"""
TELL_PASSWORD = f"""
from appliance.dashboard.store.database import Database
from appliance.dashboard.security import password_matches
from appliance.dashboard.settings import first_password, from_environment

settings = from_environment()
password = first_password(settings) or ""
with Database(settings.database).read() as session:
    usable = "SELECT password FROM person WHERE name = ? AND disabled_at IS NULL"
    hashed = session.value(str, usable, "{ADMIN}")
print(password if password_matches(hashed, password) else "")
"""
"""Not by signing in: that would stand in the audit log as if a person had."""


class Dashboard:
    """One dashboard, and a token that may edit there. The token is kept beside the store that knows it."""

    def __init__(self, stack: Stack) -> None:
        """Raises WorkFailedError when it gives no token, or does not take the one that it gave."""
        self.url = stack.address("dashboard")
        self._stack = stack
        self._client = httpx.Client(base_url=self.url, timeout=30)
        self._sign_in_with_token()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON. Raises WorkFailedError with what the dashboard says is wrong."""
        answer = self._send(method, path, body)
        if not answer.is_success:
            raise _problem(answer)
        return answer.json() if answer.content else None

    def find(self, path: str) -> Any:
        """The same for what may not be there: None then."""
        answer = self._send("GET", path)
        if answer.status_code == 404:
            return None
        if not answer.is_success:
            raise _problem(answer)
        return answer.json()

    def password(self) -> str | None:
        """What opens it for ``admin``, as it was made at the first start; None where they have changed it."""
        return self._stack.execute("dashboard", "python", "-c", TELL_PASSWORD).strip() or None

    def _sign_in_with_token(self) -> None:
        for last_try in (False, True):
            token = self._stack.execute("dashboard", "sh", "-euc", GIVE_TOKEN).strip()
            self._client.headers["authorization"] = f"Bearer {token}"
            answer = self._send("GET", "/v1/appliances")
            if answer.is_success:
                return
            if answer.status_code != 401 or last_try:
                raise _problem(answer)
            # It was revoked, or has expired.
            self._stack.execute("dashboard", "rm", "-f", KEPT_TOKEN)

    def _send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        try:
            return self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise WorkFailedError(
                f"The dashboard at {self.url} does not answer ({type(error).__name__}).",
                "",
                self._stack.command("logs", "dashboard"),
            ) from None


def _problem(answer: httpx.Response) -> ApplianceError:
    try:
        said = answer.json()
    except ValueError:
        said = {}
    what = said.get("what") or f"The dashboard answered {answer.status_code}."
    return WorkFailedError(
        what, said.get("why") or "", said.get("next_step") or "make demo, or make clean and again"
    )
