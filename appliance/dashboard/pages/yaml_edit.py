"""Changes a YAML document where its data changed; leaves every other line, comments included, as it is."""

from __future__ import annotations

from typing import Any

import yaml

from appliance.workflow.loading import document_yaml


def edit(text: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """The text of ``before``, changed to say ``after``; written afresh where that is not possible."""
    if before == after and text.strip():
        return text
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        node = None
    if not isinstance(node, yaml.MappingNode) or node.flow_style or not before:
        return document_yaml(after)
    lines = text.splitlines()
    edited = _edit_mapping(lines, (0, len(lines)), node, before, after)
    return "\n".join(edited).rstrip() + "\n"


def _edit_mapping(
    lines: list[str],
    span: tuple[int, int],
    node: yaml.MappingNode,
    before: dict[str, Any],
    after: dict[str, Any],
) -> list[str]:
    starts = [key.start_mark.line for key, _ in node.value]
    if len(set(starts)) != len(starts):
        return _rendered(after, _indent(node))
    indent = _indent(node)
    result = lines[span[0] : starts[0]] if starts else lines[span[0] : span[1]]
    ends = [*starts[1:], span[1]]
    written: set[str] = set()
    for (key_node, value_node), start, end in zip(node.value, starts, ends, strict=True):
        key = str(key_node.value)
        block, tail = _without_tail(lines[start:end])
        if key in after and key in before and key not in written:
            old, new = before[key], after[key]
            inside = isinstance(value_node, yaml.MappingNode) and not value_node.flow_style
            if old == new:
                result += block
            elif inside and isinstance(old, dict) and isinstance(new, dict) and old and new:
                result.append(lines[start])
                result += _edit_mapping(lines, (start + 1, start + len(block)), value_node, old, new)
            else:
                result += _rendered({key: new}, indent)
        written.add(key)
        result += tail
    added = {key: value for key, value in after.items() if key not in written}
    return result + (_rendered(added, indent) if added else [])


def _indent(node: yaml.MappingNode) -> str:
    return " " * (node.value[0][0].start_mark.column if node.value else 0)


def _rendered(data: dict[str, Any], indent: str) -> list[str]:
    return [indent + line for line in document_yaml(data).rstrip("\n").split("\n")]


def _without_tail(block: list[str]) -> tuple[list[str], list[str]]:
    """The blank and comment lines at a block's end belong to what follows it."""
    end = len(block)
    while end > 1 and (not block[end - 1].strip() or block[end - 1].lstrip().startswith("#")):
        end -= 1
    return block[:end], block[end:]
