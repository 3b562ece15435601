"""``python -m appliance.steps.relay PORT…``: passes connections on to one host, and does nothing else.

A container of the customer's own stands in a network without a way out. For each host that it may reach, one
relay stands in that network and outside of it: what comes to a port of its goes to the same port of the host.
Bytes pass as they are, so TLS is the two ends' own. Standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from functools import partial

UPSTREAM = "upstream"
"""The host, as this container's /etc/hosts has it."""
READY = "ready"
CONNECT_S = 15.0
_BLOCK = 256 * 1024


async def pass_on(port: int, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
    """One connection, to its end."""
    try:
        there, onward = await asyncio.wait_for(asyncio.open_connection(UPSTREAM, port), CONNECT_S)
    except (TimeoutError, OSError):
        back.close()
        return
    try:
        await asyncio.gather(_pump(here, onward), _pump(there, back))
    finally:
        for writer in (onward, back):
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(_BLOCK):
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def serve(ports: list[int]) -> None:
    """Until it is killed."""
    servers = [await asyncio.start_server(partial(pass_on, port), "0.0.0.0", port) for port in ports]  # noqa: S104
    print(READY, flush=True)  # noqa: T201 - who has started it waits for that
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve([int(each) for each in sys.argv[1:]]))
