"""Changes a YAML document where its data changed; leaves every other line, comments included, as it is."""

from __future__ import annotations

import json
from difflib import SequenceMatcher
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
            elif _is_list(value_node) and isinstance(old, list) and isinstance(new, list) and old and new:
                result.append(lines[start])
                result += _edit_sequence(lines, (start + 1, start + len(block)), value_node, old, new)
            else:
                result += _rendered({key: new}, indent)
        written.add(key)
        result += tail
    added = {key: value for key, value in after.items() if key not in written}
    return result + (_rendered(added, indent) if added else [])


def _is_list(node: yaml.Node) -> bool:
    return isinstance(node, yaml.SequenceNode) and not node.flow_style


def _edit_sequence(
    lines: list[str], span: tuple[int, int], node: yaml.Node, before: list[Any], after: list[Any]
) -> list[str]:
    """The entries that stay keep their lines; the others are written where they belong."""
    assert isinstance(node, yaml.SequenceNode)  # noqa: S101 - _is_list has looked
    starts = [each.start_mark.line for each in node.value]
    indent = " " * node.start_mark.column
    if len(set(starts)) != len(starts) or len(starts) != len(before):
        return _entries(after, indent)
    ends = [*starts[1:], span[1]]
    blocks = [_without_tail(lines[start:end]) for start, end in zip(starts, ends, strict=True)]
    result = lines[span[0] : starts[0]]
    matcher = SequenceMatcher(a=[_key(each) for each in before], b=[_key(each) for each in after])
    for tag, a, b, c, d in matcher.get_opcodes():
        if (
            tag == "replace"
            and b - a == d - c
            and all(map(_is_within, node.value[a:b], before[a:b], after[c:d]))
        ):
            for place, now in zip(range(a, b), after[c:d], strict=True):
                each = node.value[place]
                assert isinstance(each, yaml.MappingNode)  # noqa: S101 - _is_within has looked
                block, tail = blocks[place]
                span = (starts[place], starts[place] + len(block))
                result += _edit_mapping(lines, span, each, before[place], now) + tail
            continue
        if tag != "equal":
            result += _entries(after[c:d], indent)
        for block, tail in blocks[a:b]:
            result += block + tail if tag == "equal" else tail
    return result


def _is_within(node: yaml.Node, before: Any, after: Any) -> bool:
    """Whether an entry is one key with a mapping on lines of its own, and only that has changed."""
    if not isinstance(node, yaml.MappingNode) or node.flow_style or len(node.value) != 1:
        return False
    value = node.value[0][1]
    one_key = isinstance(after, dict) and isinstance(before, dict) and after.keys() == before.keys()
    lines = isinstance(value, yaml.MappingNode) and not value.flow_style
    return one_key and lines and all(isinstance(each, dict) and each for each in after.values())


def _key(entry: Any) -> str:
    return json.dumps(entry, sort_keys=True, ensure_ascii=False)


def _entries(data: list[Any], indent: str) -> list[str]:
    if not data:
        return []
    return _indented(document_yaml(data), indent)


def _indented(text: str, indent: str) -> list[str]:
    return [indent + line if line else line for line in text.rstrip("\n").split("\n")]


def _indent(node: yaml.MappingNode) -> str:
    return " " * (node.value[0][0].start_mark.column if node.value else 0)


def _rendered(data: dict[str, Any], indent: str) -> list[str]:
    return _indented(document_yaml(data), indent)


def _without_tail(block: list[str]) -> tuple[list[str], list[str]]:
    """The blank and comment lines at a block's end belong to what follows it."""
    end = len(block)
    while end > 1 and (not block[end - 1].strip() or block[end - 1].lstrip().startswith("#")):
        end -= 1
    return block[:end], block[end:]
