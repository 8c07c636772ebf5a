"""A stand-in Cast that answers at once, as cheaply as Python allows: it must not be what a bench measures.

`python -m bench.provider [FILE]`: prints its port. Into FILE goes a JSON line for each call: when, and its body.
"""

import asyncio
import itertools
import json
import re
import sys
import time

_numbers = itertools.count(1)
_calls = open(sys.argv[1], "w") if len(sys.argv) > 1 else None  # noqa: SIM115 - open as long as the process is
_LENGTH = re.compile(rb"content-length: *(\d+)", re.I)


class Provider(asyncio.Protocol):
    """Answers every POST with a new message id and every GET with `delivered`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.buffer, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < whole:
                return
            posted = self.buffer.startswith(b"POST")
            if posted and _calls is not None:
                print(json.dumps([time.monotonic(), self.buffer[end + 4 : whole].decode()]), file=_calls, flush=True)
            self.buffer = self.buffer[whole:]
            if posted:
                body = b'{"success":true,"message_id":"CAST%d","parts":1}' % next(_numbers)
            else:
                body = b'{"success":true,"status":"delivered","dlr_status":"DELIVRD"}'
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self.transport.write(head + body)


async def main() -> None:
    """Serves until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
