"""``python -m appliance.status``: serve until ended."""

from __future__ import annotations

import sys

from appliance.status.serving import serve

if __name__ == "__main__":
    sys.exit(serve())
