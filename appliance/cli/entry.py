"""Where the command line begins: so small that an interrupt finds it in place before all else is imported."""

import gc
import sys

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""
_NEW_OBJECTS = 50_000
"""Between two looks for garbage in circles. What imports and plans make stays, and looking through it after
every 700 new objects takes a tenth of what a run of a thousand tables takes of the processor here."""


def main() -> None:
    """Run the command line and exit."""
    gc.set_threshold(_NEW_OBJECTS)
    try:
        from appliance.cli.main import main as run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
