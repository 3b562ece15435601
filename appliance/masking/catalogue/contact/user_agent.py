"""``user_agent``: which browser someone came with."""

from __future__ import annotations

from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import literal
from appliance.masking.mask import Mask, Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope, never_itself, unless_empty
from appliance.masking.shape import TEXT, Shape, Value

_SYSTEMS = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "Linux; Android 10; K",
)
_FIRST_VERSION, _VERSIONS = 100, 40
_CHROME = "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
_FIREFOX = "Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
_FORMS = (_CHROME, _FIREFOX)
_LONGEST = max(len(form.format(system=system, version=100)) for form in _FORMS for system in _SYSTEMS)


class UserAgent(Mask[SubjectParams]):
    """A browser, its version and a system, as many others have them."""

    name = "user_agent"
    summary = "Replaces a browser's user agent with that of another common browser."
    params = SubjectParams
    kinds = TEXT
    proof = "outside_domain"
    promises = Promises(
        length=f"at most {_LONGEST} characters", format="one of 320 user agents of Chrome and Firefox"
    )
    hides = "the whole value: device, system, app and versions."
    learnt = (
        "which rows have the same output, and so may have equal values (or the same subject); many originals"
        " share one output. The n pairs open themselves and nothing else."
    )
    originals = (Original("ShopApp/4.2 (iPhone14,2; build 20F66)"),)

    def compile(self, value: Value, params: SubjectParams, scope: Scope) -> Masked:
        """By the value's digest, or by that of the row's subject."""
        drawn_from = self.drawn_from(params, text_message(value.key_text), scope)

        def made(digest: Digest, step: int) -> str:
            cases = " ".join(f"WHEN {place} THEN {literal(each)}" for place, each in enumerate(_SYSTEMS))
            system = f"CASE mod({digest.number(4, 30)}, {len(_SYSTEMS)}) {cases} END"
            version = f"({_FIRST_VERSION} + mod({digest.number(0, 30)} + {step}, {_VERSIONS}))::text"
            chrome, firefox = (_joined(form, system, version) for form in _FORMS)
            return f"CASE WHEN {digest.bit(8)} THEN {chrome} ELSE {firefox} END"

        sql = scope.drawn(
            value,
            params.key_of(self.name),
            drawn_from.message,
            lambda digest: never_itself(made(digest, 0), value, made(digest, 1)),
        )
        last = _FIRST_VERSION + _VERSIONS - 1
        forms = " UNION ALL ".join(
            f"SELECT {_joined(form, 's', 'v::text')}"
            f" FROM (VALUES {', '.join(f'({literal(each)})' for each in _SYSTEMS)}) AS a (s),"
            f" generate_series({_FIRST_VERSION}, {last}) AS b (v)"
            for form in _FORMS
        )
        return Masked(
            unless_empty(value, sql), "outside_domain", output_domain_sql=forms, repeats=drawn_from.by_value
        )

    def example(self, original: Original, params: SubjectParams) -> str:
        """In a column without a limit."""
        key, columns = params.key_of(self.name), params.subject_columns
        digest = draw.of_subject(key, columns) if columns else draw.of_text(key, original.text)
        system = _SYSTEMS[draw.number(digest, 4, 30) % len(_SYSTEMS)]
        version = _FIRST_VERSION + draw.number(digest, 0, 30) % _VERSIONS
        return _FORMS[0 if draw.bit(digest, 8) else 1].format(system=system, version=version)

    def problems(self, shape: Shape, params: SubjectParams, scope: Scope) -> list[str]:
        """A column too short for a user agent, or a subject that is not there."""
        found = subject_problems(params, scope)
        if shape.length is not None and shape.length < _LONGEST:
            found.append(f"the column has {shape.length} characters, and a user agent needs {_LONGEST}")
        return found


def _joined(form: str, system: str, version: str) -> str:
    """The form as SQL, its two places filled with SQL."""
    filled = (
        literal(form).replace("{system}", f"' || {system} || '").replace("{version}", f"' || {version} || '")
    )
    return f"({filled})"
