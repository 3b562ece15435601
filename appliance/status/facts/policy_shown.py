"""The owner's limits in a few lines: what policy.yaml says, rule by rule."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.documents.in_words import in_words
from appliance.errors import ApplianceError
from appliance.policy.policy import load_policy
from appliance.settings.settings import Settings


@dataclass(frozen=True)
class PolicyRule:
    """A rule that the file names, and what it says, as one would write it in YAML."""

    rule: str
    value: str


@dataclass(frozen=True)
class PolicyShown:
    """The policy that is in force; ``problem`` says why there is none that can be read."""

    file: str
    is_there: bool
    rules: tuple[PolicyRule, ...]
    problem: str | None = None


def policy_shown(settings: Settings) -> PolicyShown:
    """Never raises: a policy that cannot be read is said to be so."""
    file = settings.policy_file
    if not file.exists():
        return PolicyShown(str(file), is_there=False, rules=())
    try:
        policy = load_policy(file)
    except ApplianceError as error:
        return PolicyShown(str(file), is_there=True, rules=(), problem=error.what)
    found = policy.model_dump(mode="json", exclude_unset=True)
    rules = tuple(PolicyRule(rule, in_words(value)) for rule, value in found.items())
    return PolicyShown(str(file), is_there=True, rules=rules)
