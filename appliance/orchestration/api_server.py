"""Airflow's api-server with the versions of its execution API that are spoken here, and no others.

The API is built anew for each of its dated versions, nine by now, for task supervisors of older Airflow
releases. Ours are of the same release as the server. Leaving the old versions out saves 50 MiB and five
seconds of processor time at each start. They are taken out of Airflow's own list before it is used; where a
later Airflow keeps it otherwise, the server starts as it comes.
"""

from __future__ import annotations

import sys

KEPT = 3
"""The newest versions; some routes are defined in terms of the one or two before."""


def keep_newest_versions(count: int = KEPT) -> bool:
    """Shorten the list in this process; whether that was possible."""
    try:
        from airflow.api_fastapi.execution_api import versions  # noqa: PLC0415 - Airflow takes seconds
        from cadwyn import HeadVersion, Version, VersionBundle  # noqa: PLC0415

        whole = versions.bundle
        if len(whole.versions) <= count:
            return False
        newest, oldest = whole.versions[: count - 1], whole.versions[count - 1]
        for version in newest:
            for change in version.changes:
                # A change belongs to one list only, and these are to belong to the shorter one.
                change._bound_version_bundle = None
        versions.bundle = VersionBundle(HeadVersion(), *newest, Version(oldest.value))
    except Exception as error:  # whatever a later Airflow has made of it
        sys.stderr.write(f"Every version of the execution API is served ({type(error).__name__}).\n")
        return False
    return True


def main() -> None:
    """Airflow's own command line, from here on."""
    keep_newest_versions()
    from airflow.__main__ import main as airflow  # noqa: PLC0415

    airflow()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
