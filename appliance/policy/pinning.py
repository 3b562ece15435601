"""Writing the release to stay on into ``policy.yaml``, where everything else stays as its owner wrote it."""

from __future__ import annotations

import yaml

from appliance.documents import strict_yaml
from appliance.documents.model import validate
from appliance.errors import WrongRequestError
from appliance.policy.policy import Policy

_UPDATES, _PIN = "updates", "pin"


def with_pin(text: str, version: str | None, source_name: str) -> str:
    """The policy's text with that pin; None takes it away. Comments and the order of keys stay.

    Raises WrongDocumentError for a policy that is wrong already, WrongRequestError for one that is written in
    a way that cannot be changed in place.
    """
    before = _policy(text, source_name)
    written = "null" if version is None else f'"{version}"'
    changed = _spliced(text, written)
    after = _policy(changed, source_name)
    wanted = before.model_copy(update={_UPDATES: before.updates.model_copy(update={_PIN: version})})
    if after != wanted:
        raise WrongRequestError(
            f"{source_name} is written in a way that cannot be changed in place.",
            "",
            f"Write it yourself: updates: {{pin: {written}}}",
        )
    return changed


def _policy(text: str, source_name: str) -> Policy:
    if not _has_keys(text):
        return Policy()
    return validate(Policy, strict_yaml.load(text, source_name))


def _has_keys(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def _spliced(text: str, written: str) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader) if _has_keys(text) else None
    updates = _value(root, _UPDATES)
    if updates is None:
        if isinstance(root, yaml.MappingNode) and root.flow_style:
            return _inserted(text, root.start_mark.index + 1, f"{_UPDATES}: {{{_PIN}: {written}}}, ")
        end = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{end}{_UPDATES}:\n  {_PIN}: {written}\n"
    pin = _value(updates, _PIN)
    if pin is not None:
        return text[: pin.start_mark.index] + _spaced(text, pin) + written + text[pin.end_mark.index :]
    if not isinstance(updates, yaml.MappingNode):
        return text[: updates.start_mark.index] + f" {{{_PIN}: {written}}}" + text[updates.end_mark.index :]
    if updates.flow_style:
        more = ", " if updates.value else ""
        return _inserted(text, updates.start_mark.index + 1, f"{_PIN}: {written}{more}")
    indent = " " * updates.start_mark.column
    return _inserted(text, updates.start_mark.index, f"{_PIN}: {written}\n{indent}")


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _spaced(text: str, node: yaml.Node) -> str:
    """``pin:`` with nothing behind it needs a blank."""
    return " " if text[node.start_mark.index - 1 : node.start_mark.index] == ":" else ""


def _inserted(text: str, at: int, more: str) -> str:
    return text[:at] + more + text[at:]
