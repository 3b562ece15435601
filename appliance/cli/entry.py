"""Where the command line begins: so small that an interrupt finds it in place before all else is imported."""

import sys

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""


def main() -> None:
    """Run the command line and exit."""
    try:
        from appliance.cli.main import main as run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
