"""``python -m appliance.status``: serve until ended."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Load what serving takes, then serve."""
    # Nothing that importing makes is garbage: looking for some there took a fifth of the start.
    gc.disable()
    from appliance.status import lean_imports, system_libpq  # noqa: PLC0415 - only after the line above

    system_libpq.prefer()
    lean_imports.load()
    from appliance.status.serving import serve  # noqa: PLC0415 - the same

    gc.freeze()
    gc.enable()
    return serve()


if __name__ == "__main__":
    sys.exit(main())
