"""Neosync's job mappings: a job as its API gives it, or the list of mappings alone, as JSON or YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from appliance.importers.built import number_between
from appliance.importers.parameters import given
from appliance.importers.rules import (
    Equal,
    Imported,
    Place,
    Rule,
    list_of,
    mapping_of,
    number_of,
    one_a_column,
    rule,
    text_of,
    unreadable,
)

Params = Mapping[str, object]
_PROGRAM = Equal(why="It runs a program for each value, which no mask does.")
_SIMPLE = {
    "generateemail": "email",
    "transformemail": "email",
    "generatecardnumber": "card",
    "generatecity": "city",
    "generatee164phonenumber": "phone_number",
    "generateint64phonenumber": "phone",
    "generatestringphonenumber": "phone",
    "transforme164phonenumber": "phone_number",
    "transformint64phonenumber": "phone",
    "transformphonenumber": "phone",
    "generatefirstname": "first_name",
    "transformfirstname": "first_name",
    "generatelastname": "last_name",
    "transformlastname": "last_name",
    "generatefullname": "full_name",
    "transformfullname": "full_name",
    "generatefulladdress": "address",
    "generatestreetaddress": "street",
    "generatezipcode": "postcode",
    "generatestate": "region",
    "generatecountry": "country",
    "generatebusinessname": "company",
    "generateusername": "username",
    "generateuuid": "uuid",
    "transformuuid": "uuid",
    "generatesha256hash": "hash",
    "generateipaddress": "ip",
    "transformcharacterscramble": "format_preserving",
    "transformpiitext": "text_scrub",
    "null": "null",
    "generatestring": "random_string",
    "transformstring": "format_preserving",
}


def _moved(params: Params) -> Equal:
    ends = [number_of(params.get(f"randomizationrange{end}")) or 0 for end in ("min", "max")]
    amount = max(abs(each) for each in ends)
    return Equal("number_noise", given(amount=amount)) if amount else Equal("number_noise", {"percent": 10})


def _choice(params: Params) -> Equal:
    values = [each.strip() for each in str(params.get("categories") or "").split(",") if each.strip()]
    return Equal("choice", {"values": list(values)}) if values else Equal(why="Its categories are not there.")


_BUILT: dict[str, Callable[[Params], Equal]] = {
    "generateint64": lambda params: number_between(params.get("min"), params.get("max")),
    "generatefloat64": lambda params: number_between(params.get("min"), params.get("max")),
    "transformint64": _moved,
    "transformfloat64": _moved,
    "generatecategorical": _choice,
    "generatebool": lambda _: Equal("choice", {"values": [True, False]}),
    "generatessn": lambda _: Equal("national_id", {"country": "US"}),
    "passthrough": lambda _: Equal(keep=True),
    "generatedefault": lambda _: Equal(why="The column's default takes no part in a copy."),
    "transformjavascript": lambda _: _PROGRAM,
    "generatejavascript": lambda _: _PROGRAM,
    "userdefinedtransformer": lambda _: _PROGRAM,
    "generategender": lambda _: Equal("choice", {"values": ["female", "male"]}),
}


def equal_of(name: str, params: Params) -> Equal:
    """What stands for a transformer here, by its name without underscores and ``Config``."""
    if name in _BUILT:
        return _BUILT[name](params)
    return Equal(_SIMPLE.get(name, ""))


def read_neosync(data: object) -> Imported:
    """The mappings. Raises WrongRequestError for a file that has none."""
    mappings = data
    if isinstance(data, dict):
        job = data.get("job", data)
        mappings = job.get("mappings") if isinstance(job, dict) else None
    if not isinstance(mappings, list) or not mappings:
        raise unreadable("the file has no mappings")
    return Imported(
        "neosync",
        one_a_column(_rule(mapping_of(each, "a mapping")) for each in list_of(mappings, "mappings")),
    )


def _rule(mapping: Params) -> Rule:
    names = [text_of(mapping, key, "a mapping") for key in ("schema", "table", "column")]
    transformer = mapping_of(mapping.get("transformer") or {}, f"the transformer of {'.'.join(names)}")
    config = mapping_of(transformer.get("config") or {}, f"the config of {'.'.join(names)}")
    if not config:
        return rule(Place(*names), "no transformer", Equal(why="It has no transformer."))
    ((written, params),) = list(config.items())[:1]
    name = written.replace("_", "").lower().removesuffix("config")
    given_params = mapping_of(params or {}, f"the config of {'.'.join(names)}")
    plain = {key.replace("_", "").lower(): value for key, value in given_params.items()}
    return rule(Place(*names), written, equal_of(name, plain))
