"""Where a mask is compiled: which table it stands in, and the keys and words that its SQL will ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from appliance.masking.bindings import KeyName, key_binding, words_binding
from appliance.masking.compiled import Binding, CompiledColumn, SubjectLookup
from appliance.masking.expressions.drawing import INTEGER_HEADER, Digest, Message, text_message
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.of_subject import key_message, subject_message
from appliance.masking.shape import Value, column_value, shape_of
from appliance.masking.word_lists import WordList
from appliance.workflow.catalog import Column, Table
from appliance.workflow.matching.link import Link, own_link


@dataclass
class Scope:
    """Collects the bindings of one column's expression."""

    table: Table
    column: Column
    encoding: str = "UTF8"
    bindings: dict[str, Binding] = field(default_factory=dict)
    beneath: dict[str, str] | None = None
    """Where a query computes the column's digests for itself, below the expression: by their names there."""
    links: tuple[Link, ...] = ()
    """Whose the table's rows are."""
    subjects: dict[str, None] = field(default_factory=dict)
    """Whose keys were drawn from, in words."""
    lookups: dict[str, SubjectLookup] = field(default_factory=dict)
    """What was looked up for that."""
    undecided: bool = False
    """A mask would draw from a row's subject by itself, and there are several."""
    several: bool = False
    """The value is one of a list: others' names may stand in it."""
    row: Mapping[str, CompiledColumn] | None = None
    """What becomes of other columns of the row, for masks that read them; None where that is not known."""

    def anew(self, *, beneath: dict[str, str] | None = None) -> Scope:
        """The same place, with nothing collected yet."""
        return Scope(self.table, self.column, self.encoding, beneath=beneath, row=self.row, links=self.links)

    def digest(self, key: KeyName, message: Message) -> Digest:
        """A keyed digest, of which at most ``drawing.SHOWN_BYTES`` may be shown; NULL for NULL.

        Mentioned twice, it is computed twice: see ``drawn``.
        """
        return Digest(f"sha256({self.prefix(key, message.header)} || {message.body})")

    def prefix(self, key: KeyName, header: str) -> str:
        """The key and a header (hex), read once a statement."""
        binding = self._bind(key_binding(key, "key"))
        return f"(SELECT decode(current_setting('{binding.setting}') || '{header}', 'hex'))"

    def hmac(self, key: KeyName, message: Message) -> Digest:
        """HMAC-SHA-256 of header and message, all of which may be shown; NULL for NULL."""
        inner, outer = (self._bind(key_binding(key, part)) for part in ("inner_pad", "outer_pad"))
        begun = f"(SELECT decode(current_setting('{inner.setting}') || '{message.header}', 'hex'))"
        pad = f"(SELECT decode(current_setting('{outer.setting}'), 'hex'))"
        return Digest(f"sha256({pad} || sha256({begun} || {message.body}))")

    def drawn(self, value: Value, key: KeyName, message: Message, use: Callable[[Digest], str]) -> str:
        """An expression that mentions a keyed digest as often as it likes: it is computed once a row.

        NULL where the value is NULL, which costs no digest.
        """
        digest = self.digest(key, message).sql
        if self.beneath is not None and value.sql == identifier(self.column.name):
            place = self.table.columns.index(self.column)
            name = identifier(self.alias(f"appliance_digest_{place}_{len(self.beneath)}"))
            self.beneath[name] = f"CASE WHEN {value.sql} IS NOT NULL THEN {digest} END"
            return f"CASE WHEN {value.sql} IS NOT NULL THEN {use(Digest(name))} END"
        name = identifier(self.alias("appliance_digest"))
        once = f"(SELECT {use(Digest(name))} FROM (SELECT {digest} AS {name} OFFSET 0) AS appliance_draw)"
        return f"CASE WHEN {value.sql} IS NOT NULL THEN {once} END"

    def word(self, words: WordList, number: str) -> str:
        """One word of a list, by any non-negative int expression."""
        binding = self._bind(words_binding(words.key))
        array = f"(SELECT current_setting('{binding.setting}')::name[])"
        return f"({array})[1 + mod({number}, {len(words)})]::text"

    def subject(self, names: Sequence[str]) -> Message:
        """What identifies a row's subject by some of its columns; never NULL.

        Of several columns each has its length before it, so that no two subjects are hashed alike.
        """
        by_name = {column.name: column for column in self.table.columns}
        message = key_message([column_value(by_name[name]) for name in names])
        if message.header == INTEGER_HEADER:
            return Message(message.header, f"coalesce({message.body}, '')")
        if len(names) > 1:
            return message
        (value,) = (column_value(by_name[name]) for name in names)
        return text_message(f"coalesce({value.key_text}, '')")

    def link(self, wanted: str | Sequence[str] | None, *, by_itself: bool) -> Link | None:
        """Whose key a mask draws from, if anyone's: by the name or columns in its rule, or by itself."""
        if isinstance(wanted, str) and any(each.name == wanted for each in self.links):
            return next(each for each in self.links if each.name == wanted)
        if wanted is not None:
            names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
            return next((each for each in self.links if each.is_keyed_by(names)), None)
        if not by_itself or not self.links:
            return None
        found = own_link(self.links)
        self.undecided |= found is None
        return None if found is not None and found.decides_itself(self.column) else found

    def of_subject(self, link: Link, own: Message) -> Message:
        """What a mask of the column draws from where a row's subject decides."""
        message, lookups = subject_message(link, own, self.column, self.alias)
        self.subjects.setdefault(link.said)
        self.lookups |= {each.name: each for each in lookups}
        return message

    @contextmanager
    def in_list(self) -> Iterator[None]:
        """While the elements of a list are compiled."""
        before, self.several = self.several, True
        try:
            yield
        finally:
            self.several = before

    def in_twin(self, name: str) -> Value:
        """Another column of the row as it is in the twin. Raises KeyError for one that is not known."""
        compiled = (self.row or {})[name]
        for binding in compiled.bindings:
            self._bind(binding)
        self.lookups |= {each.name: each for each in compiled.lookups}
        (column,) = (each for each in self.table.columns if each.name == name)
        return Value(f"({compiled.sql})", shape_of(column))

    def alias(self, wanted: str) -> str:
        """A name that no column of the table has, for use inside a subquery."""
        taken = {column.name for column in self.table.columns}
        while wanted in taken:
            wanted += "_"
        return wanted

    def _bind(self, binding: Binding) -> Binding:
        return self.bindings.setdefault(binding.setting, binding)


def unless_empty(value: Value, masked: str) -> str:
    """The masked text; empty text stays empty, for it says nothing about anyone."""
    return f"CASE WHEN {value.text} = '' THEN '' ELSE {masked} END"


def never_itself(masked: str, value: Value, instead: str) -> str:
    """The masked text, or where that happens to be the value itself, something else."""
    return f"coalesce(nullif({masked}, {value.text}), {instead})"
