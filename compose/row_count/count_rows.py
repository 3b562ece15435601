"""What a customer's own container may look like: it counts the rows that a run has delivered.

It finds the run's files and their manifest in /data, and what it writes to /out is kept. It has no network,
no right and no package: Python's own library reads gzipped CSV.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import Counter
from pathlib import Path

DATA = Path("/data")
OUT = Path("/out")


def main() -> int:
    """Count, compare with the manifest, and write the counts down."""
    manifest = json.loads((DATA / "manifest.json").read_text(encoding="utf-8"))
    [tables] = [form for form in manifest["formats"] if form["format"] == "csv"]
    counted: Counter[str] = Counter()
    # A value may be as long as a column holds.
    csv.field_size_limit(2**31 - 1)
    for file in tables["files"]:
        with gzip.open(DATA / file["file"], "rt", encoding="utf-8", newline="") as text:
            counted[file["table"]] += sum(1 for _ in csv.reader(text)) - 1
        if counted[file["table"]] < file["rows"]:
            sys.stderr.write(f"{file['table']} has fewer rows than its manifest says.\n")
            return 1
    (OUT / "rows.json").write_text(json.dumps(dict(sorted(counted.items())), indent=1), encoding="utf-8")
    sys.stdout.write(f"{sum(counted.values())} rows in {len(counted)} tables\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
