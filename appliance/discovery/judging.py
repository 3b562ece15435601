"""One of three words for a column, from its name, its type, its keys and what the sample shows. Pure."""

from __future__ import annotations

import re

from appliance.discovery.comments import kind_by_comment
from appliance.discovery.evidence import ValueEvidence, by_values, share_of
from appliance.discovery.findings import ColumnCounts, Finding, PathCounts, Verdict
from appliance.discovery.places import bare_type, mode_of
from appliance.masking.shape import DATES, FLOATS, INTEGERS, PLAIN_KINDS, shape_of
from appliance.masking.suggesting.column_names import NameGuess, guess_by_name, in_words, is_about_things
from appliance.masking.suggesting.guess import guess_of
from appliance.masking.suggesting.kinds import SPOKEN, PersonalKind
from appliance.masking.suggesting.labels import personal_labels
from appliance.workflow.catalog import Column, Table

_CERTAIN = 0.85
"""From this score on no person's data is there, whatever a comment says: a key, a few values repeated."""
ENOUGH = 20
"""Values that say something by what they do not show."""
_FEW = 0.05
_NOT_A_BIRTH = re.compile(
    r"_(?:release|released|publish|published|publication|founded|founding|established|issued?|created?"
    r"|updated?|modified|hired?|hiring|starts?|ends?|begin|valid|due|order|ordered|invoice|built|year|jahr"
    r"|manufactured|purchase|copyright"
    r"|edition|sortie|parution|erscheinung|eintritt|embauche|alta|contrat|contract|gruendung)_"
)


def judge(
    table: Table, column: Column, counts: ColumnCounts | None, why_not: str = "", comment: str = ""
) -> Finding:
    """The finding. ``counts`` is None where the values were not looked at; ``why_not`` says why.

    A comment of the source speaks where name and values do not.
    """
    guess = guess_of(table, column)
    seen = _by_sample(table, column, counts) if counts is not None else None
    if column.generated:
        return _finding(table, column, "not personal", 0.9, ("the twin computes it from other columns",))
    if guess is not None and counts is not None and _contradicts(guess, counts):
        guess = None
    if seen is not None and (guess is None or seen.score >= 0.7):
        kind = guess.kind if guess is not None and _agree(guess.kind, seen.kind) else seen.kind
        evidence = (seen.text, *((f"its name: {guess.by}",) if guess else ()))
        return _personal(table, column, kind, max(seen.score, 0.9 if guess else 0), evidence)
    if guess is not None:
        looked = () if counts is None or not counts.total else (f"{counts.total} values were looked at",)
        source = guess.by if guess.by.startswith("type ") else f"its name: {guess.by}"
        return _personal(table, column, guess.kind, 0.75, (source, *looked))
    if labels := personal_labels(column):
        evidence = (f"{labels} of {len(column.enum_labels)} labels look like an address or a number",)
        return _personal(table, column, "email", 0.9, evidence)
    verdict, score, reason = _not_personal(table, column, counts, why_not)
    said = kind_by_comment(table, column, comment) if comment and score < _CERTAIN else None
    if said is not None:
        return _personal(table, column, said, 0.7, ("its comment", reason))
    return _finding(table, column, verdict, score, (reason,))


def _by_sample(table: Table, column: Column, counts: ColumnCounts | None) -> ValueEvidence | None:
    """The strongest evidence in the values; in documents the names of their fields count too."""
    if counts is None:
        return None
    mode, shape = mode_of(column), shape_of(column)
    found = []
    for path, here in counts.paths.items():
        if mode == "year":
            found.append(birth_evidence(column, here))
            continue
        found.append(by_values(here, path, number=mode == "number", name=could_name(column)))
        if shape.kind in ("json", "jsonb") and path and path != "*":
            found.append(_by_field(table, path, here))
    return max((each for each in found if each is not None), key=lambda each: each.score, default=None)


def _by_field(table: Table, path: str, counts: PathCounts) -> ValueEvidence | None:
    """A field of a document by its name, as if it were a column."""
    fields = [part for part in re.sub(r"\[\*\]", "", path).split(".") if part and part != "*"]
    around = fields[-2] if len(fields) > 1 else table.name
    guess = guess_by_name(around, fields[-1]) if fields else None
    if guess is None or not counts.total or (guess.kind == "free_text" and not counts.wordy):
        return None
    return ValueEvidence(guess.kind, 0.72, counts.total, counts.total, path)


def could_name(column: Column) -> bool:
    """Whether its values could be people's names."""
    return not is_about_things(column.name) and bare_type(column) != "tsvector"


def birth_evidence(column: Column, counts: PathCounts) -> ValueEvidence | None:
    """Dates of which nearly all lie so long ago that people born then are grown up, and from many years."""
    old, total = counts.by_shape.get("old_date", 0), counts.total
    if (
        shape_of(column).kind != "date"
        or total < ENOUGH
        or _NOT_A_BIRTH.search(f"_{'_'.join(in_words(column.name))}_")
    ):
        return None
    if old >= 0.7 * total and counts.different >= 12:
        return ValueEvidence("birth_date", 0.71, old, total)
    return None


def _contradicts(guess: NameGuess, counts: ColumnCounts) -> bool:
    """A name that promises what the values, a handful of words used again and again, do not keep."""
    here = counts.paths.get("")
    if here is None or here.total < ENOUGH or guess.kind not in _DIFFERENT:
        return False
    few = here.different <= max(6, _FEW * here.total)
    return few and share_of(here, guess.kind, "like_a_phone", "phone", "email") < 0.2


_DIFFERENT: frozenset[PersonalKind] = frozenset(
    {
        "email",
        "phone",
        "bank_account",
        "card",
        "ip_address",
        "mac_address",
        "password",
        "secret",
        "national_id",
    }
)
"""Kinds of which nearly everybody has another one."""
_NAMES = frozenset({"first_name", "last_name", "full_name"})


def _agree(named: PersonalKind, seen: PersonalKind) -> bool:
    """A name may say more than a value: an e-mail in ``user_name``, words in ``street``."""
    if seen in ("free_text", named):
        return True
    return named not in ("free_text", "email", "phone") and not (named in _NAMES and seen not in _NAMES)


def _not_personal(  # noqa: PLR0911 - a list of reasons
    table: Table, column: Column, counts: ColumnCounts | None, why_not: str
) -> tuple[Verdict, float, str]:
    """Why a column without any sign holds no person's data; or that it is not known."""
    shape = shape_of(column)
    refers = [key for key in table.foreign_keys if column.name in key.columns]
    if column.from_sequence:
        return "not personal", 0.95, "the database's own counting, from a sequence"
    if refers:
        return "not personal", 0.9, f"refers to {refers[0].to_schema}.{refers[0].to_table}"
    if shape.is_array or shape.kind in {"json", "jsonb", "text", "bytea", "inet"} | PLAIN_KINDS:
        return _of_values(column, counts, why_not)
    if shape.kind == "boolean":
        return "not personal", 0.9, "true or false"
    if shape.kind == "enum":
        return "not personal", 0.9, "labels that the schema itself lists"
    if shape.kind == "uuid":
        return "not personal", 0.8, "a random identifier"
    if shape.kind in DATES:
        return "not personal", 0.8, "a moment of the row itself"
    last = (in_words(column.name) or ("",))[-1]
    key = column.name in table.primary_key or any(column.name in each for each in table.unique_keys)
    if (
        shape.kind in INTEGERS
        and key
        and last not in ("id", "key", "no", "nr", "number", "code", "position", "line")
    ):
        return "undetermined", 0.0, "a unique number that no sequence counts: it may stand for a person"
    if counts is None and why_not and shape.kind not in FLOATS:
        return "undetermined", 0.0, why_not
    return "not personal", 0.7, "a number" if not key else "a number that is a key"


def _of_values(  # noqa: PLR0911 - as above
    column: Column, counts: ColumnCounts | None, why_not: str
) -> tuple[Verdict, float, str]:
    if counts is None:
        return "undetermined", 0.0, why_not or f"values of the type {column.type} are not looked at"
    total = counts.total
    if not total:
        return "undetermined", 0.0, "no value in the sample"
    if shape_of(column).kind == "bytea":
        return "undetermined", 0.0, f"bytes of no known kind in {total} values"
    whole = counts.paths.get("")
    if whole is not None and share_of(whole, "encoded", "hex") >= 0.5:
        return "undetermined", 0.0, f"most of {total} values look encrypted or encoded"
    if total < ENOUGH:
        return "undetermined", 0.0, f"only {total} values in the sample"
    if whole is not None and whole.different <= max(3, min(_FEW * total, 50)):
        return "not personal", 0.85, f"{whole.different} different values in {total}"
    of_a_thing = is_about_things(column.name) or (
        is_about_things(column.table_name) and bool({"name", "title"} & set(in_words(column.name)))
    )
    names = max(share_of(each, "like_a_name", *sorted(_NAMES)) for each in counts.paths.values())
    if names >= 0.15 and not of_a_thing:
        return "undetermined", 0.0, f"many of {total} values have the form of a name"
    if whole is not None and share_of(whole, "like_a_phone") >= 0.5:
        return "undetermined", 0.0, f"most of {total} values could be phone numbers"
    return "not personal", 0.6, f"{total} values were looked at, and none of them looks personal"


def _personal(
    table: Table, column: Column, kind: PersonalKind, score: float, evidence: tuple[str, ...]
) -> Finding:
    return _finding(table, column, "personal", round(score, 2), evidence, kind)


def _finding(  # noqa: PLR0917
    table: Table,
    column: Column,
    verdict: Verdict,
    score: float,
    evidence: tuple[str, ...],
    kind: PersonalKind | None = None,
) -> Finding:
    schema, name = table.all_names[-1]
    return Finding(
        schema_name=schema,
        table_name=name,
        column=column.name,
        type=column.type,
        verdict=verdict,
        kind=kind,
        score=score,
        evidence=evidence,
    )


def spoken(finding: Finding) -> str:
    """One line for a comment or a screen: the kind or the word, and why."""
    what = SPOKEN[finding.kind] if finding.kind is not None else finding.verdict
    return f"{what}: {'; '.join(finding.evidence)}" if finding.evidence else what
