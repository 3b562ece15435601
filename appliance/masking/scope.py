"""Where a mask is compiled: which table it stands in, and the keys and words that its SQL will ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.masking.bindings import key_binding, words_binding
from appliance.masking.compiled import Binding
from appliance.masking.shape import Value, column_value
from appliance.masking.word_lists import WordList
from appliance.workflow.catalog import Column, Table

LONG_TEXT_BYTES = 1_000_000
"""Longer text enters an HMAC as two keyed 64-bit hashes: 1 GB and a pad do not fit into one datum."""


@dataclass
class Scope:
    """Collects the bindings of one column's expression."""

    table: Table
    column: Column
    encoding: str = "UTF8"
    bindings: dict[str, Binding] = field(default_factory=dict)

    def seed(self, domain: str) -> str:
        """The secret 64-bit seed of a mask domain, read once a statement."""
        binding = self._bind(key_binding(domain, "seed"))
        return f"(SELECT current_setting('{binding.setting}')::bigint)"

    def text_hash(self, text: str, domain: str) -> str:
        """A keyed 64-bit hash of a text expression, for picks from small sets; NULL for NULL."""
        return f"hashtextextended({text}, {self.seed(domain)})"

    def hmac(self, text: str, domain: str) -> str:
        """HMAC-SHA-256 (RFC 2104) of a text expression's bytes, as bytea; NULL for NULL.

        ``decode`` of escaped text gives the bytes without looking at them, so text that is not valid in the
        database's encoding cannot make it fail, as ``convert_to`` would, with the bytes in the server's log.
        """
        seed = self.seed(domain)
        hashes = f"hashtextextended({text}, {seed}), ':', hashtextextended({text}, {seed} # 1)"
        message = (
            f"CASE WHEN octet_length({text}) > {LONG_TEXT_BYTES}"
            f" THEN concat('long:', octet_length({text}), ':', {hashes}) ELSE {text} END"
        )
        return self._hmac_of(f"decode(replace({message}, E'\\\\', E'\\\\\\\\'), 'escape')", domain)

    def hmac_bytes(self, value: str, domain: str) -> str:
        """HMAC-SHA-256 of a bytea expression."""
        message = f"CASE WHEN octet_length({value}) > {LONG_TEXT_BYTES} THEN sha256({value}) ELSE {value} END"
        return self._hmac_of(message, domain)

    def word(self, words: WordList, number: str) -> str:
        """One word of a list, by any non-negative int expression."""
        binding = self._bind(words_binding(words.key))
        array = f"(SELECT current_setting('{binding.setting}')::name[])"
        return f"({array})[1 + mod({number}, {len(words)})]::text"

    def subject_text(self, names: Sequence[str]) -> str:
        """A text expression that identifies a row's subject by some of its columns; never NULL."""
        by_name = {column.name: column for column in self.table.columns}
        parts = [f"coalesce({column_value(by_name[name]).key_text}, '')" for name in names]
        return parts[0] if len(parts) == 1 else f"concat_ws(chr(31), {', '.join(parts)})"

    def alias(self, wanted: str) -> str:
        """A name that no column of the table has, for use inside a subquery."""
        taken = {column.name for column in self.table.columns}
        while wanted in taken:
            wanted += "_"
        return wanted

    def _hmac_of(self, message: str, domain: str) -> str:
        inner, outer = (self._pad(domain, "inner_pad"), self._pad(domain, "outer_pad"))
        return f"sha256({outer} || sha256({inner} || {message}))"

    def _pad(self, domain: str, part: str) -> str:
        binding = self._bind(key_binding(domain, "inner_pad" if part == "inner_pad" else "outer_pad"))
        return f"(SELECT decode(current_setting('{binding.setting}'), 'hex'))"

    def _bind(self, binding: Binding) -> Binding:
        return self.bindings.setdefault(binding.setting, binding)


def low_bits(hash_sql: str) -> str:
    """A non-negative int of 30 bits out of a 64-bit hash."""
    return f"({hash_sql} & 1073741823)::int"


def high_bits(hash_sql: str) -> str:
    """Another 30 bits of the same hash, independent of the low ones."""
    return f"(({hash_sql} >> 32) & 1073741823)::int"


def unless_empty(value: Value, masked: str) -> str:
    """The masked text; empty text stays empty, for it says nothing about anyone."""
    return f"CASE WHEN {value.text} = '' THEN '' ELSE {masked} END"


def never_itself(masked: str, value: Value, instead: str) -> str:
    """The masked text, or where that happens to be the value itself, something else."""
    return f"coalesce(nullif({masked}, {value.text}), {instead})"
