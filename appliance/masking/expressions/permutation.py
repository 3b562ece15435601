"""A keyed permutation of whole numbers: every number gets another one of the same type, and none twice.

The sign stays; the bits below it are permuted.

``integer`` and ``bigint``: a Feistel network (Luby and Rackoff, 1988) whose rounds are the masks'
pseudorandom function. Four rounds are enough for blocks of 128 bits, but on a small domain they fall to a few
hundred known pairs. So there are ten, as in FF1 of NIST SP 800-38G: six are proven against all who know far
fewer pairs than half a block has values (Patarin, CRYPTO 2004), and the attacks known that rebuild the rounds
out of the whole codebook end at five (Biryukov, Leurent and Perrin, CRYPTO 2015). The halves may differ in
size by a bit.

``smallint`` has 32,768 values on either side of zero, fewer than FF1 allows. There the permutation is drawn
as a whole, once a statement: the numbers in the order of their digests.
"""

from __future__ import annotations

import re
from collections import Counter

from appliance.masking.bindings import KeyName
from appliance.masking.expressions.drawing import round_message
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.scope import Scope

BITS = {"smallint": 15, "integer": 31, "bigint": 63}
"""Below the sign."""
LOW_BITS = {"integer": 16, "bigint": 32}
ROUNDS = 10
_ALL_NUMBERS = f"FROM generate_series(0, {(1 << BITS['smallint']) - 1}) AS appliance_numbers"
_DRAW = re.compile(
    rf'\(SELECT array_agg\(("appliance_number\w*") ORDER BY .*? {re.escape(_ALL_NUMBERS)} \(\1\)\)'
)
_WHOLE = 255
"""In place of a round's number where the permutation is drawn as a whole."""


def permuted(value: str, kind: str, cast: str, scope: Scope, key: KeyName) -> str:
    """The SQL of another number of the same type; NULL for NULL. ``value`` is of that type."""
    if kind == "smallint":
        return _shuffled(value, cast, scope, key)
    bits, low_bits = BITS[kind], LOW_BITS[kind]
    high_bits = bits - low_bits
    high, low = (identifier(scope.alias(f"appliance_{half}")) for half in ("high", "low"))
    number = f"{value}::bigint"
    halves = (
        f"SELECT ({number} >> {low_bits}) & {(1 << high_bits) - 1} AS {high},"
        f" {number} & {(1 << low_bits) - 1} AS {low} OFFSET 0"
    )
    for step in range(ROUNDS):
        source, changed, width = (low, high, high_bits) if step % 2 == 0 else (high, low, low_bits)
        message = round_message(source, bits, step)
        other = f"{changed} # {_bits(scope.digest(key, message).sql, width)} AS {changed}"
        halves = f"SELECT {other}, {source} FROM ({halves}) AS appliance_round OFFSET 0"
    joined = f"(SELECT ({high} << {low_bits}) | {low} FROM ({halves}) AS appliance_rounds)"
    return f"((({number} >> 63) << {bits}) | {joined})::{cast}"


def drawn_once(query: str) -> str:
    """The same query, with a permutation that several columns share drawn once and not for each of them.

    Drawing one takes as long as masking thousands of values, and the server does not see that two are equal.
    """
    draws = Counter(match[0] for match in _DRAW.finditer(query))
    shared = {text: f"appliance_drawn_{place}" for place, text in enumerate(draws) if draws[text] > 1}
    if not shared:
        return query
    query = _DRAW.sub(
        lambda match: f"(SELECT numbers FROM {shared[match[0]]})" if match[0] in shared else match[0],
        query,
    )
    drawn = ", ".join(f"{name} AS MATERIALIZED (SELECT {text} AS numbers)" for text, name in shared.items())
    return f"WITH {drawn}, {query[5:]}" if query.startswith("WITH ") else f"WITH {drawn} {query}"


def _bits(digest: str, width: int) -> str:
    """The first ``width`` bits of a digest, which is mentioned once."""
    return f"(('x' || encode(substr({digest}, 1, 4), 'hex'))::bit({width})::bigint)"


def _shuffled(value: str, cast: str, scope: Scope, key: KeyName) -> str:
    number = identifier(scope.alias("appliance_number"))
    order = scope.digest(key, round_message(number, BITS["smallint"], _WHOLE)).sql
    all_numbers = f"(SELECT array_agg({number} ORDER BY {order}, {number}) {_ALL_NUMBERS} ({number}))"
    place = f"({value}::int & {(1 << BITS['smallint']) - 1})"
    sign = f"(({value}::int >> {BITS['smallint']}) << {BITS['smallint']})"
    return f"({sign} | ({all_numbers})[1 + {place}])::{cast}"
