"""Settings through which a mask's SQL gets its keys and word lists, so that neither stands in SQL text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from appliance.keys import binding_value
from appliance.masking.compiled import Binding
from appliance.masking.word_lists import word_list_of


def key_binding(domain: str, part: Literal["key", "inner_pad", "outer_pad", "seed"]) -> Binding:
    """One part of the key of a mask domain."""
    return Binding(setting=f"appliance.mask_{domain}_{part}", part=part, domain=domain)


def words_binding(key: str) -> Binding:
    """A word list by its key."""
    return Binding(setting=f"appliance.words_{key}", part="dictionary", domain=key)


def bound_settings(key: bytes, bindings: Iterable[Binding]) -> dict[str, str]:
    """Setting and value of each binding, for ``set_config(setting, value, true)`` in the copying transaction.

    ``key`` is the appliance's mask key. Raises ValueError for a word list this release does not have.
    """
    return {
        binding.setting: (
            word_list_of(binding.domain).setting_value
            if binding.part == "dictionary"
            else binding_value(key, binding)
        )
        for binding in bindings
    }
