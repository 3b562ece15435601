"""Settings through which a mask's SQL gets its keys and word lists, so that neither stands in SQL text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from appliance.keys.keys import binding_value
from appliance.masking.compiled import Binding
from appliance.masking.word_lists import word_list_of


@dataclass(frozen=True)
class KeyName:
    """Whose key: a mask's, by its name in the catalogue, in a domain. Neither has a slash in it."""

    mask: str
    domain: str

    def __str__(self) -> str:
        return f"{self.mask}/{self.domain}"


_SHORT = {"key": "k", "inner_pad": "i", "outer_pad": "o"}
"""A start-up packet has little room."""


def key_binding(key: KeyName, part: Literal["key", "inner_pad", "outer_pad"]) -> Binding:
    """One part of a key. No mask's name holds two underscores side by side, so two keys have two settings."""
    return Binding(setting=f"appliance.{_SHORT[part]}_{key.mask}__{key.domain}", part=part, domain=str(key))


def words_binding(key: str) -> Binding:
    """A word list by its key."""
    return Binding(setting=f"appliance.words_{key}", part="dictionary", domain=key)


def secret_settings(key: bytes, bindings: Iterable[Binding]) -> dict[str, str]:
    """Setting and value of each binding that comes from a key, the key being that of a source and epoch."""
    return {
        binding.setting: binding_value(key, binding) for binding in bindings if binding.part != "dictionary"
    }


def word_settings(bindings: Iterable[Binding]) -> dict[str, str]:
    """Setting and value of each word list. Raises ValueError for one that this release does not have."""
    return {
        binding.setting: word_list_of(binding.domain).setting_value
        for binding in bindings
        if binding.part == "dictionary"
    }
