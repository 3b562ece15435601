"""Masks that rules of several tools come to, built from what those rules were given."""

from __future__ import annotations

from appliance.importers.parameters import date_of, given
from appliance.importers.rules import Equal, is_plain, number_of


def number_between(low: object, high: object) -> Equal:
    """A random number; both ends have to be numbers."""
    ends = number_of(low), number_of(high)
    if None in ends:
        return Equal(why="A random number needs both ends, as numbers.")
    return Equal("random_number", given(min=ends[0], max=ends[1]))


def date_between(first: object, last: object) -> Equal:
    """A random date; both ends have to be dates that stand in the file."""
    days = date_of(first), date_of(last)
    if None in days:
        return Equal(why="A random date needs both ends, as dates that stand in the file.")
    return Equal("random_date", given(earliest=days[0], latest=days[1]))


def one_of(values: object) -> Equal:
    """One of a list, without the values that are templates."""
    if not isinstance(values, list) or not values:
        return Equal(why="The list of values is not in the file.")
    return Equal("choice", {"values": [each for each in values if is_plain(each)]})


def always(value: object) -> Equal:
    """The same value in every row."""
    return Equal("constant", {"value": value}) if is_plain(value) else Equal(why="Its value is a template.")


def letters(length: object) -> Equal:
    """Random letters and digits, as many as ``length`` says if it says so."""
    number = number_of(length)
    return Equal("random_string", given(length=int(number) if number else None))
