"""What the dashboard may be shown of the databases themselves."""

from __future__ import annotations

from appliance.policy.policy import Policy
from appliance.policy.refusal import Refusal


def check_connection_test(policy: Policy, connection: str) -> tuple[Refusal, ...]:
    """Why the dashboard may not have a connection tried: only what runs may use is opened for it."""
    if connection in (policy.read or ()) or connection in (policy.write or ()):
        return ()
    return (Refusal("read", f"The connection `{connection}` may be neither read from nor delivered to."),)


def check_scan(policy: Policy, connection: str) -> tuple[Refusal, ...]:
    """Every reason why the dashboard may not be shown what a connection's columns are."""
    refusals = []
    if policy.share_catalog != "names":
        what = "The columns of this appliance's databases are not shown to the dashboard."
        refusals.append(Refusal("share_catalog", what))
    if connection not in (policy.read or ()):
        refusals.append(Refusal("read", f"The connection `{connection}` may not be read from."))
    return tuple(refusals)
