"""A document as rows, one for each piece, with what is known of it: levels of subqueries, each over the last.

Every level reads the pieces once, in order or sorted by depth, so that a document of twice the size takes
twice the time. Where it matters which element a piece stands in, a window carries it: the last tag opened at
a depth is what everything deeper stands in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.masking.expressions.sql_text import literal
from appliance.masking.xml.characters import TOKENS
from appliance.masking.xml.paths import ANY, XmlPath

TEXT, CDATA, OPENING, EMPTY, CLOSING = range(5)
"""Kinds of pieces. An element is an opening and a closing tag, or an empty one."""
_LOCAL_NAME = literal(r"^</?(?:[^ \t\n\r/>]*:)?([^ \t\n\r/>:]+)")


@dataclass
class Levels:
    """Rows with the columns ``tok`` (the piece), ``ord`` (its place), ``kind``, ``name`` (local), ``depth``
    (the root's is 1; a text's is its element's), each named after ``prefix``.
    """

    prefix: str
    sql: str
    _flags: dict[tuple[int, str], str] = field(default_factory=dict)

    def name(self, column: str) -> str:
        """A column's name, which no column of the source's table has."""
        return f"{self.prefix}_{column}"

    def add(self, where: str = "", **columns: str) -> None:
        """One more level, with these columns beside those that there are."""
        made = "".join(f", {sql} AS {self.name(name)}" for name, sql in columns.items())
        which = f" WHERE {where}" if where else ""
        self.sql = f"SELECT *{made} FROM ({self.sql}) AS appliance_level{which} OFFSET 0"

    @property
    def in_order(self) -> str:
        """The window of all pieces up to this one."""
        return f"(ORDER BY {self.name('ord')} ROWS UNBOUNDED PRECEDING)"

    @property
    def at_depth(self) -> str:
        """The window of all tags of one depth up to this one: an element's two tags are neighbours in it."""
        kind, depth, place = self.name("kind"), self.name("depth"), self.name("ord")
        return f"(PARTITION BY {kind} >= {OPENING}, {depth} ORDER BY {place} ROWS UNBOUNDED PRECEDING)"

    @property
    def begins(self) -> str:
        """The piece begins an element."""
        return f"{self.name('kind')} IN ({OPENING}, {EMPTY})"

    def match(self, paths: Sequence[XmlPath]) -> list[str]:
        """Add what must be known for it; a condition for each path, that a piece begins such an element."""
        tests = {
            (depth, name): f"a{number}"
            for number, (depth, name) in enumerate(
                dict.fromkeys(
                    (depth, name) for path in paths for depth, name in enumerate(path.top, 1) if name != ANY
                )
            )
        }
        place, depth = self.name("ord"), self.name("depth")
        if tests:
            self.add(
                **{
                    column: f"max(CASE WHEN {self.begins} AND {depth} = {level} THEN 2 * {place}"
                    f" + ({self.name('name')} = {literal(name)})::int END) OVER {self.in_order}"
                    for (level, name), column in tests.items()
                }
            )
        chains = self._chains(paths)
        return [self._condition(path, tests, chains) for path in paths]

    def _condition(
        self, path: XmlPath, tests: dict[tuple[int, str], str], chains: dict[tuple[str, ...], str]
    ) -> str:
        length = len(path.top) + len(path.anywhere)
        parts = [self.begins, f"{self.name('depth')} {'>=' if path.anywhere else '='} {length}"]
        parts += [
            f"coalesce(mod({self.name(tests[level, name])}, 2), 0) = 1"
            for level, name in enumerate(path.top, 1)
            if name != ANY
        ]
        if path.anywhere:
            parts.append(chains[path.anywhere])
        return f"({' AND '.join(parts)})"

    def _chains(self, paths: Sequence[XmlPath]) -> dict[tuple[str, ...], str]:
        """For the names behind each ``//``: the condition that an element and those above it have them."""
        ends = list(dict.fromkeys(path.anywhere for path in paths if path.anywhere))
        found = {names: self._called(names[0]) for names in ends}
        if max(map(len, ends), default=0) < 2:
            return found
        kind, tags = self.name("kind"), f"(PARTITION BY {self.name('kind')} >= {OPENING}"
        before = f"{tags} ORDER BY {self.name('ord')})"
        self.add(before=f"lag({kind}) OVER {before}")
        for step in range(1, max(map(len, ends))):
            longer = {number: names for number, names in enumerate(ends) if len(names) > step}
            # The first element inside another has its tag right before its own; the others follow the first.
            self.add(
                **{
                    f"l{number}_{step}": f"lag({found[names]}) OVER {before}"
                    for number, names in longer.items()
                }
            )
            self.add(
                **{
                    f"p{number}_{step}": f"max(CASE WHEN {self.begins} AND {self.name('before')} = {OPENING}"
                    f" THEN 2 * {self.name('ord')} + ({self.name(f'l{number}_{step}')})::int END)"
                    f" OVER {self.at_depth}"
                    for number, names in longer.items()
                }
            )
            for number, names in longer.items():
                inside = f"coalesce(mod({self.name(f'p{number}_{step}')}, 2), 0) = 1"
                found[names] = f"({inside} AND {self._called(names[step])})"
        return found

    def _called(self, name: str) -> str:
        return "true" if name == ANY else f"({self.name('name')} = {literal(name)})"


def levels_of(document: str, prefix: str) -> Levels:
    """The pieces of a document that is read (see ``is_read``), but for comments and instructions."""
    made = Levels(prefix, "")
    found, place, piece, kind = (made.name(each) for each in ("found", "ord", "tok", "kind"))
    made.sql = (
        f"SELECT {found}[1] AS {piece}, {place} FROM regexp_matches({document}, {TOKENS}, 'g')"
        f" WITH ORDINALITY AS appliance_tokens ({found}, {place})"
    )
    made.add(
        kind=f"CASE WHEN left({piece}, 1) <> '<' THEN {TEXT} WHEN left({piece}, 9) = '<![CDATA[' THEN {CDATA}"
        f" WHEN left({piece}, 2) IN ('<!', '<?') THEN -1 WHEN left({piece}, 2) = '</' THEN {CLOSING}"
        f" WHEN right({piece}, 2) = '/>' THEN {EMPTY} ELSE {OPENING} END"
    )
    opened = f"CASE {kind} WHEN {OPENING} THEN 1 WHEN {CLOSING} THEN -1 ELSE 0 END"
    made.add(
        f"{kind} >= 0",
        depth=f"sum({opened}) OVER {made.in_order}"
        f" + CASE WHEN {kind} IN ({EMPTY}, {CLOSING}) THEN 1 ELSE 0 END",
        name=f"CASE WHEN {kind} >= {OPENING} THEN coalesce(substring({piece} FROM {_LOCAL_NAME}), '') END",
    )
    return made
