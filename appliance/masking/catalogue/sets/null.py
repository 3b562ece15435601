"""``null``: nothing at all."""

from __future__ import annotations

import typing

from appliance.masking.mask import Mask, Masked, Original, Params, Promises
from appliance.masking.scope import Scope
from appliance.masking.shape import Kind, Shape, Value


class Null(Mask[Params]):
    """NULL whatever the value was."""

    name = "null"
    summary = "Replaces every value with NULL."
    params = Params
    kinds = frozenset(typing.get_args(Kind))
    proof = "constant"
    promises = Promises(
        unique="any number of NULLs may stand in a unique column",
        deterministic="yes: always NULL",
        keeps_null="yes, and everything becomes NULL",
    )
    hides = "the value, whole."
    learnt = "nothing but where there is a row."
    originals = (Original("Ann Lee"),)
    whole_value = True

    def compile(self, value: Value, params: Params, scope: Scope) -> Masked:
        return Masked("NULL", proof="constant")

    def problems(self, shape: Shape, params: Params, scope: Scope) -> list[str]:
        """A column that must not be NULL."""
        if scope.column.not_null:
            of_key = any(
                scope.column.name in key for key in (scope.table.primary_key, *scope.table.unique_keys)
            )
            other = "one that keeps different values different does" if of_key else "'constant' does"
            return [f"the column is NOT NULL, so the mask 'null' does not fit it; {other}"]
        return []

    def example(self, original: Original, params: Params) -> str:
        return "NULL"

    def distinct(self, shape: Shape, params: Params) -> bool:
        """NULLs do not violate a unique key."""
        return True

    def distinct_with(self, key: tuple[str, ...], column: object, table: object, params: Params) -> bool:
        """NULLs do not violate a unique key of several columns either."""
        return True
