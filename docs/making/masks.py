"""The page about all masks, made from the catalogue."""

from __future__ import annotations

import json
from typing import Any

import yaml

from appliance.masking.compiled import PROOFS
from appliance.masking.mask import Mask, fitting_types
from appliance.masking.registry import MASKS

_INTRODUCTION = """# Masks

*Made by `make docs` from the catalogue in `appliance/masking/catalogue/`; do not edit.*

A mask stands under `masks:` in a workflow, by its name or with parameters. Which rows get which mask, where
they differ, is on another page, and so is what one person has in all tables: [rules](rules.md).

```yaml
masks:
  public.customer.email: email
  public.customer.phone: {mask: phone, keep_prefix: 3}
```

Every mask runs in the source's own SQL, on built-in functions of PostgreSQL 13 to 18. NULL stays NULL and
empty text stays empty unless a mask says otherwise; a keyed mask gives the same output for the same input in
every table and every run of the same appliance. Arrays are masked element by element. A mask that does not
fit a column is an error before any row is read.

The examples are computed from the options beside them, under a key that is public: your own gives other
values. `appliance masks NAME` prints the same about one mask, with the options that you give it.

A keyed mask draws from SHA-256 under a secret key of 256 bits: `sha256(key || kind || length || value)`,
of which at most 128 bits are ever shown, or HMAC-SHA-256 where more is. Each source (its connection, or
the `mask_key` that `connections.yaml` gives it), each epoch (`appliance keys rotate` starts one), each
mask and each domain of a mask has a key of its own. So known pairs say nothing of values that are not
among them, whatever their number, and the key of one mask opens no other. What can be seen without a key
is said with each mask; one thing holds for all: the same original gives the same output, so who sees how
often an output stands in a column, and knows how often which original does, can guess.

Whatever the mask, but for `constant` and `null`, the twin's value is compared with what the mask gives for
the source's row, over a sample. The source itself looks there for outputs that are originals, and for values
left as they were. What `proof` says of words and shapes is looked for in every row of a table of fewer than
200,000, and in a sample of a larger one: [how large](twin.md#what-is-proven-before-it-is-replaced).
"""


def masks_page() -> str:
    """The whole page, in Markdown."""
    rows = [
        f"| [`{mask.name}`](#{mask.name}) | {mask.summary} | {fitting_types(mask)} |"
        for mask in MASKS.values()
    ]
    table = ["| mask | what it does | types |", "| --- | --- | --- |", *rows]
    return "\n".join([_INTRODUCTION, *table, "", *(_section(mask) for mask in MASKS.values())])


def _section(mask: Mask[Any]) -> str:
    promises = mask.promises
    lines = [f"## {mask.name}", "", mask.summary, ""]
    lines += [f"- `{before}` becomes `{after}`" for before, after in mask.examples(mask.plain_params())]
    lines += ["", "| promise | |", "| --- | --- |"]
    lines += [
        f"| fits | {fitting_types(mask)} |",
        f"| unique | {promises.unique} |",
        f"| deterministic | {promises.deterministic} |",
        f"| keeps NULL | {promises.keeps_null} |",
        f"| length | {promises.length} |",
        f"| format | {promises.format} |",
        f"| proof | {PROOFS[mask.proof]} |",
        *(["| subject | draws from the key of a linked person by itself |"] if mask.of_person else []),
        "",
        f"It hides {mask.hides}",
        "",
        "Who has the twin, this code and n pairs of an original and its output, but no key, learns"
        f" {mask.learnt}",
        "",
    ]
    if mask.params.model_fields:
        lines += ["| parameter | default | |", "| --- | --- | --- |"]
        for name, field in mask.params.model_fields.items():
            default = "required" if field.is_required() else f"`{json.dumps(field.get_default())}`"
            lines.append(f"| `{name}` | {default} | {field.description} |")
        example = yaml.safe_dump(
            {"mask": mask.name, **mask.example_params()}, default_flow_style=True, sort_keys=False, width=1000
        )
        lines += ["", "```yaml", f"schema.table.column: {example.strip()}", "```", ""]
        with_these = mask.examples(mask.params.model_validate(mask.example_params()))
        lines += [*(f"- `{before}` becomes `{after}`" for before, after in with_these), ""]
    return "\n".join(lines)
