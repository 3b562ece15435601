"""From counts of values' shapes to a personal kind: how many of how many are enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from appliance.discovery.findings import PathCounts
from appliance.masking.suggesting.kinds import SPOKEN, PersonalKind

_ANY: tuple[PersonalKind, ...] = (
    "email", "bank_account", "card", "password", "secret", "mac_address", "url", "national_id", "photograph",
    "document",
)  # fmt: skip
"""One value of such a shape is hardly there by chance."""
_SHARE: dict[PersonalKind, float] = {
    "phone": 0.2, "ip_address": 0.2, "position": 0.3, "device": 0.5, "vehicle": 0.5, "street": 0.15,
}  # fmt: skip
"""Such shapes other things have too, so this share of the values must have it."""
_IN_NUMBERS: dict[PersonalKind, float] = {"card": 0.6, "device": 0.9}
_ONE_WORD = ("email", "ip_address", "mac_address")
"""Of which a value alone is never as long as a sentence."""
_WHOLE = ("street", "full_name", "first_name", "last_name", "photograph", "document")
"""What no scrubber takes out of a text: the text is taken for it as a whole."""
_NAMES = ("full_name", "first_name", "last_name")
_WORDY = 0.3
"""Of the values, to be text rather than one datum."""


@dataclass(frozen=True)
class ValueEvidence:
    """A kind, how sure, and the counts that say so."""

    kind: PersonalKind
    score: float
    hits: int
    total: int
    path: str = ""
    shape: PersonalKind | None = None
    """Of what stands in free text."""

    @property
    def text(self) -> str:
        """For people."""
        at = f" at {self.path.lstrip('.')}" if self.path else ""
        if self.shape is not None:
            return f"{self.hits} of {self.total} texts hold {SPOKEN[self.shape]}{at}"
        return f"{self.hits} of {self.total} values look like {SPOKEN[self.kind]}{at}"


def by_values(
    counts: PathCounts, path: str = "", *, number: bool = False, name: bool = True
) -> ValueEvidence | None:
    """The strongest evidence at one path; ``name``: whether the column could hold a person's name."""
    total = counts.total
    if not total:
        return None
    found = _numbers(counts, path, total) if number else [*_shapes(counts, path, total)]
    if name and not number:
        found += _names(counts, path, total)
    best = max(found, key=lambda each: each.score, default=None)
    wordy = counts.wordy / total >= _WORDY
    if (
        best is not None
        and wordy
        and best.kind not in _WHOLE
        and (best.hits < 0.9 * total or best.kind in _ONE_WORD)
    ):
        return ValueEvidence("free_text", best.score, best.hits, total, path, best.kind)
    return best


def share_of(counts: PathCounts, *shapes: str) -> float:
    """Of the values, those of one of these shapes."""
    return sum(counts.by_shape.get(shape, 0) for shape in shapes) / counts.total if counts.total else 0.0


def _shapes(counts: PathCounts, path: str, total: int) -> list[ValueEvidence]:
    found = []
    wordy = counts.wordy / total >= _WORDY
    for shape, hits in counts.by_shape.items():
        kind = cast(PersonalKind, shape)
        share = hits / total
        if kind in _ANY or (wordy and kind in ("phone", "ip_address")):
            found.append(ValueEvidence(kind, min(0.99, 0.7 + 0.3 * share), hits, total, path))
        elif kind in _SHARE and share >= _SHARE[kind]:
            found.append(ValueEvidence(kind, min(0.95, 0.5 + 0.5 * share), hits, total, path))
    return found


def _numbers(counts: PathCounts, path: str, total: int) -> list[ValueEvidence]:
    return [
        ValueEvidence(kind, 0.8, counts.by_shape[kind], total, path)
        for kind, least in _IN_NUMBERS.items()
        if counts.by_shape.get(kind, 0) >= least * total
    ]


def _names(counts: PathCounts, path: str, total: int) -> list[ValueEvidence]:
    """Known names are a part of all names: a fifth of them is a lot, if they are not always the same few."""
    both, first, last = (counts.by_shape.get(each, 0) for each in _NAMES)
    like = counts.by_shape.get("like_a_name", 0)
    if both + first + last < min(3, total) or counts.wordy > 0.5 * total:
        return []
    score = min(0.95, 0.5 + (both + first + last) / total / 2)
    if both >= 0.1 * total and both + first + last + like >= 0.5 * total:
        return [ValueEvidence("full_name", score, both + first + last, total, path)]
    if counts.different < 4 and total > 20:
        return []
    for kind, hits in (("first_name", first), ("last_name", last)):
        if hits >= 0.3 * total and hits >= 2 * (first + last - hits):
            return [ValueEvidence(cast(PersonalKind, kind), score, hits, total, path)]
    if first + last + both >= 0.4 * total:
        return [ValueEvidence("full_name", score, first + last + both, total, path)]
    return []
