"""What a version of a workflow would keep that the present one does not. Pure.

Judged by the document alone, as an appliance judges what its owner has not approved yet: which pattern wins
depends on all of them, so that what cannot be seen to be harmless counts as keeping more.
"""

from __future__ import annotations

from appliance.policy.approvals import Choice
from appliance.workflow.document import Workflow
from appliance.workflow.matching.kept import kept_patterns


def widening(present: Workflow | None, wanted: Workflow) -> tuple[str, ...]:
    """Each way in which ``wanted`` may keep more, in words; none where it keeps no more. Without a present
    version, all that it keeps is more.
    """
    rest = wanted.unlisted == "keep"
    if not kept_patterns(wanted) and not rest:
        return ()
    now = Choice.of(wanted)
    was = Choice.of(present) if present else None
    found = [f"keeps {each}" for each in now.kept if was is None or each not in was.kept]
    if rest and (present is None or present.unlisted != "keep"):
        found.append("keeps whatever nothing names (unlisted: keep)")
    if was is None or now.keeps_no_more_than(was):
        return tuple(found)
    found += [f"masks {each} no more" for each in was.masked if each not in now.masked]
    found += [f"follows no more {each}" for each in was.references if each not in now.references]
    found += [f"follows {each}" for each in now.references if each not in was.references]
    found += [f"takes in {each}" for each in now.include if each not in was.include]
    found += [f"leaves {each} out no more" for each in was.exclude if each not in now.exclude]
    if now.source != was.source:
        found.append(f"reads {now.source} instead of {was.source}")
    before, after = (tuple(each.preset for each in choice.layers[1:]) for choice in (was, now))
    if before != after:
        found.append(
            f"uses the presets {', '.join(after) or 'none'} instead of {', '.join(before) or 'none'}"
        )
    if not found:
        found.append("has its rules in other places, of which the first has the first word")
    return tuple(found)
