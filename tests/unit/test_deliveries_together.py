"""What deliveries may be together, and that an error names the key that is meant."""

from __future__ import annotations

import pytest

from tests.unit.test_workflow_document import SMALL, problems


@pytest.mark.parametrize(
    ("deliver", "said"),
    [
        (
            "[{files: {format: csv}}]",
            "deliver: delivers files and no twin; expected a twin beside them, or build_in",
        ),
        (
            "[TWIN, {files: {format: csv}}, {files: {format: csv}}]",
            "deliver[2].files.format: delivers files as csv twice",
        ),
        (
            "[TWIN, {files: {format: csv, build_in: scratch}}]",
            "deliver[1].files.build_in: names build_in beside a twin",
        ),
        (
            "[{files: {format: csv, build_in: production}}]",
            "deliver[0].files.build_in: builds in its own source, `production`",
        ),
        (
            "[{files: {format: csv, build_in: a}}, {files: {format: jsonl, build_in: b}}]",
            "deliver[1].files.build_in: names another build_in than an entry before it",
        ),
        (
            "[TWIN, {files: {format: csv, layout: folder}}]",
            "deliver[1].files.layout: has a layout, which only an archive has",
        ),
        ("[TWIN, {files: {format: csv, rows_per_file: 10000}}]", "rows_per_file, which only parquet has"),
        ("[TWIN, {files: {format: excel}}]", "format"),
        ("[{twin: {connection: staging}, files: {format: csv}}]", "is not one delivery"),
        ("[TWIN, {}]", "is not one delivery"),
        ("[TWIN, {files: {}}]", "format: is missing"),
    ],
)
def test_files_go_beside_a_twin_or_are_built_somewhere_and_each_format_goes_once(
    deliver: str, said: str
) -> None:
    twin = "{twin: {connection: staging}}"
    (found,) = problems(SMALL.replace(f"[{twin}]", deliver.replace("TWIN", twin)))
    assert said in found


@pytest.mark.parametrize(
    ("keep", "found"),
    [
        ("[Odd One.*.*]", ["keep[0]: the pattern `Odd One.*.*` has white space outside double quotes"]),
        ("[{column: a.b.c, becuse: x}]", [
            "keep[0].because: is missing",
            "keep[0].becuse: is not a known key (did you mean because?)",
        ]),
    ],
)  # fmt: skip
def test_of_a_key_with_two_forms_the_form_that_was_meant_is_judged(keep: str, found: list[str]) -> None:
    lines = problems(SMALL + f"keep: {keep}\n")
    assert [line.partition("; expected")[0].partition(": ")[2] for line in lines] == found
    assert all(line.partition("; expected ")[2] for line in lines)
