"""The workflow's own SQL in what was proven, for ``verify``: after the proof, before anyone sees it."""

from __future__ import annotations

from contextlib import closing

from appliance.postgres.plan import Plan
from appliance.postgres.proof.parts import loads
from appliance.postgres.proof.queries import row_count
from appliance.postgres.proof.results import TwinProof, VerifiedTwins
from appliance.postgres.twin.after_load import AfterLoadRecord, run_once
from appliance.steps.calling.context import StepContext
from appliance.steps.records.run_files import VERIFIED


def with_after_load(context: StepContext, plan: Plan, proofs: tuple[TwinProof, ...]) -> tuple[TwinProof, ...]:
    """The proofs, with what the SQL has changed; written down together. Raises our errors."""
    texts = context.spec.after_load
    if not texts:
        return proofs
    counts = {each.relation.qualified: row_count(each) for each in loads(plan)}
    timeout_s = context.spec.workflow.limits.after_load_timeout_min * 60
    done = []
    for target, proof in zip(plan.targets, proofs, strict=True):
        with closing(context.connect_target(target.connection, target.next_database)) as session:
            record = run_once(session, texts, counts, timeout_s)
        _tell(context, target.connection, record)
        done.append(proof.model_copy(update={"after_load": record}))
    VERIFIED.write(context.run_dir, VerifiedTwins(twins=tuple(done)))
    return tuple(done)


def _tell(context: StepContext, connection: str, record: AfterLoadRecord) -> None:
    changed = "; ".join(change.text for change in record.changes) or "no row"
    if not record.counted:
        changed = "rows were not counted: the server's track_counts is off"
    context.notice(f"after_load on {connection}: {changed}.")
    for name, what in (
        ("made", record.made),
        ("dropped", record.dropped),
        ("dropped constraints:", record.constraints_dropped),
    ):
        if what:
            context.notice(f"after_load on {connection} {name} {', '.join(what)}.")


def mending(*, after_load: bool) -> str:
    """The next step where verification has failed; ``after_load``: whether SQL of the workflow's own ran."""
    own = " its after_load if a constraint is," if after_load else ""
    return (
        "No reader has seen the failed copy. Mend the workflow's masks if one of them is named,"
        f"{own} else start the run again."
    )
