"""What ``appliance preset`` looks at: the files of this appliance, and what came with workflows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import JsonValue

from appliance.cli.work.workflows.validate import Outcome
from appliance.documents.problems import WrongDocumentError, did_you_mean, printable
from appliance.errors import ApplianceError, WrongRequestError
from appliance.masking.document_check import mask_problems
from appliance.orchestration.workflow_files import read_workflow_files
from appliance.settings.settings import Settings
from appliance.workflow.loading import load_workflow
from appliance.workflow.presets.files import KnownPreset, PresetFiles, read_preset
from appliance.workflow.presets.preset import Preset

DASHBOARD = "the dashboard"


@dataclass(frozen=True)
class ShownPreset:
    """One version of a preset."""

    name: str
    version: str
    origin: str
    """The path of its file, or the dashboard."""
    rules: dict[str, JsonValue] = field(default_factory=dict)
    used_by: tuple[str, ...] = ()
    problem: str = ""

    def as_json(self) -> dict[str, JsonValue]:
        """For programs, without the rules."""
        masks, kept = self._counts()
        return {
            "name": self.name,
            "version": self.version or None,
            "masks": masks,
            "keep": kept,
            "from": self.origin,
            "used_by": list(self.used_by),
            "problem": self.problem or None,
        }

    def cells(self) -> tuple[str, ...]:
        """For people."""
        masks, kept = map(str, self._counts())
        origin = f"{self.origin} (wrong)" if self.problem else self.origin
        cells = (self.name, self.version, masks, kept, origin, ", ".join(self.used_by))
        return tuple(map(printable, cells))

    def _counts(self) -> tuple[int, int]:
        masks, kept = self.rules.get("masks"), self.rules.get("keep")
        return len(masks) if isinstance(masks, dict) else 0, len(kept) if isinstance(kept, list) else 0


def known_presets(settings: Settings) -> list[ShownPreset]:
    """The files of this appliance, used or not, then what workflows from the dashboard brought along."""
    used = _used(settings)
    shown = {(each.name, each.version): each for each in _files(settings)}
    for (name, version), (preset, workflows) in used.items():
        brought = ShownPreset(name, version, DASHBOARD, preset.model_dump(mode="json", exclude_unset=True))
        shown[name, version] = replace(shown.get((name, version), brought), used_by=tuple(sorted(workflows)))
    return sorted(shown.values(), key=lambda each: (each.name, each.version))


def versions_of(settings: Settings, name: str) -> list[ShownPreset]:
    """All versions of one. Raises WrongRequestError where there is none, or its file is wrong."""
    known = known_presets(settings)
    found = [each for each in known if each.name == name]
    if not found:
        close = did_you_mean(name, {each.name for each in known})
        hint = f"Did you mean {close}?" if close else ""
        raise WrongRequestError(
            f"There is no preset '{printable(name)}' here.", hint, "appliance preset list"
        )
    if wrong := next((each for each in found if each.problem), None):
        raise WrongRequestError(wrong.problem, "", "Correct it: appliance preset validate")
    return found


def validated(settings: Settings, files: Sequence[Path]) -> list[Outcome]:
    """An outcome for each file; without any, for each of the appliance's own."""
    return [_validate(file) for file in files or _own(settings).paths()]


def _validate(file: Path) -> Outcome:
    try:
        known = read_preset(file)
    except WrongDocumentError as error:
        return Outcome(file, None, error.problems)
    return Outcome(file, known.rules.name, tuple(mask_problems(known.document)))


def _own(settings: Settings) -> PresetFiles:
    return PresetFiles.of(settings.config_dir, settings.workflow_dirs[0] / "any")


def _files(settings: Settings) -> Iterator[ShownPreset]:
    seen: set[str] = set()
    for path in _own(settings).paths():
        outcome = _validate(path)
        if outcome.problems:
            problem = WrongDocumentError(outcome.problems).text()
            yield ShownPreset(path.stem, "", str(path), problem=problem)
            continue
        known: KnownPreset = read_preset(path)
        # Of two of one name, that beside the workflows counts.
        origin = f"{path}, not used: another one comes first" if path.stem in seen else str(path)
        seen.add(path.stem)
        yield ShownPreset(path.stem, known.version, origin, dict(known.document.data))


def _used(settings: Settings) -> dict[tuple[str, str], tuple[Preset, set[str]]]:
    """What the workflows of this appliance use, each version once."""
    found: dict[tuple[str, str], tuple[Preset, set[str]]] = {}
    for file in read_workflow_files(settings.config_dir, settings.state_dir):
        if not file.usable or file.presets is None:
            continue
        try:
            workflow = load_workflow(Path(file.path), settings.config_dir).workflow
        except ApplianceError:
            continue
        for preset in workflow.presets:
            _, workflows = found.setdefault((preset.name, preset.version or ""), (preset, set()))
            workflows.add(workflow.id)
    return found
