"""The same node as fast_node.c, which tells how to use it, for where no compiler is.

It takes all there is of a core, so what is measured with it is its own speed as well.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator

IDLE, BUSY = b'[100,"idle"]', b'[300,"moving"]'
MOST_UNSENT = 2**18
BURST = 200


class Node:
    """What all clients share.

    :param path: The file that says what the node is.
    """

    def __init__(self, path: str):
        self.clients: set[Client] = set()
        self.delay = self.drive = 0.0
        self.description = b""
        self.values: dict[bytes, bytes] = {}
        self.kinds: dict[bytes, bytes] = {}
        self.commands: set[bytes] = set()
        self.flood: asyncio.Task[None] | None = None
        with open(path, "rb") as file:
            for line in file:
                what, rest = line.rstrip(b"\n").split(b" ", 1)
                if what == b"D":
                    self.description = rest
                elif what == b"C":
                    self.commands.add(rest)
                else:
                    specifier, self.kinds[specifier], value = rest.split(b" ", 2)
                    self.values[specifier] = value

    def report(self, action: bytes, specifier: bytes) -> bytes:
        """Return a line that tells the value of a parameter."""
        value = self.values[specifier]
        return b'%s %s [%s,{"t":%.6f}]\n' % (action, specifier, value, time.time())

    def publish(self, specifier: bytes, value: bytes) -> None:
        """Give a parameter a value, and tell it."""
        if specifier not in self.values:
            return
        self.values[specifier] = value
        line = self.report(b"update", specifier)
        for client in self.clients:
            if client.active:
                client.transport.write(line)

    def change(self, specifier: bytes, value: bytes) -> bytes:
        """Do what a change does, and return the answer."""
        moves = self.kinds[specifier] == b"t"
        module = specifier.partition(b":")[0]
        if moves:
            self.publish(module + b":status", BUSY)
        self.publish(specifier, value)
        if moves:
            loop = asyncio.get_running_loop()
            loop.call_later(self.drive, self._arrive, module, value)
        return self.report(b"changed", specifier)

    def _arrive(self, module: bytes, value: bytes) -> None:
        self.publish(module + b":value", value)
        self.publish(module + b":status", IDLE)

    async def send_flood(self, count: int, rate: float, what: bytes) -> None:
        """Send updates: see fast_node.c."""
        number = b"n"
        known = {
            b"all": list(self.kinds),
            b"numbers": [s for s, kind in self.kinds.items() if kind == number],
        }
        targets: Iterator[bytes] = itertools.cycle(known.get(what, [what]))
        sent, since = 0, time.monotonic()
        while sent < count:
            unsent = (c.transport.get_write_buffer_size() for c in self.clients)
            todo = BURST if max(unsent, default=0) < MOST_UNSENT else 0
            if rate > 0:
                todo = int((time.monotonic() - since) * rate) - sent
            for _ in range(min(todo, count - sent)):
                sent += 1
                specifier = next(targets)
                is_number = self.kinds[specifier] == number
                value = b"%d" % sent if is_number else self.values[specifier]
                self.publish(specifier, value)
            await asyncio.sleep(0.001 if rate > 0 or not todo else 0)


class Client(asyncio.Protocol):
    """A client of the node."""

    transport: asyncio.Transport

    def __init__(self, node: Node):
        self.node = node
        self.active = False
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.node.clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.node.clients.discard(self)

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        answers = b"".join(map(self.answer, lines))
        if self.node.delay:
            loop = asyncio.get_running_loop()
            loop.call_later(self.node.delay, self.transport.write, answers)
        else:
            self.transport.write(answers)

    def answer(self, line: bytes) -> bytes:
        """Return the answer to a request."""
        action, _, rest = line.partition(b" ")
        specifier, _, data = rest.partition(b" ")
        node = self.node
        if action == b"read" and specifier in node.values:
            return node.report(b"reply", specifier)
        if action == b"change" and specifier in node.values:
            return node.change(specifier, data)
        if action == b"ping" or (action == b"do" and specifier in node.commands):
            done = b"pong" if action == b"ping" else b"done"
            return b'%s %s [%s,{"t":%.6f}]\n' % (
                done,
                specifier,
                data or b"null",
                time.time(),
            )
        return self.answer_others(action, specifier, data)

    def answer_others(self, action: bytes, specifier: bytes, data: bytes) -> bytes:
        """Return the answer to a request that is no matter of speed."""
        node = self.node
        match action:
            case b"*IDN?":
                return b"ISSE,SECoP,V2019-09-16,v1.0\n"
            case b"describe":
                return b"describing . %s\n" % node.description
            case b"activate":
                self.active = True
                updates = (node.report(b"update", s) for s in node.values)
                return b"".join((*updates, b"active\n"))
            case b"_delay":
                node.delay = int(specifier) / 1e6
                return b"_done\n"
            case b"_drive":
                node.drive = int(specifier) / 1e6
                return b"_done\n"
            case b"_flood":
                rate, _, what = data.partition(b" ")
                flood = node.send_flood(int(specifier), float(rate), what)
                node.flood = asyncio.ensure_future(flood)
                write = self.transport.write
                node.flood.add_done_callback(lambda _: write(b"_flooded\n"))
                return b""
            case _:
                what = b'["ProtocolError","not known here",{}]'
                return b"error_%s %s %s\n" % (action, specifier, what)


async def serve(path: str, port: int) -> None:
    """Be the node for ever.

    :param path: The file that says what the node is.
    :param port: Where to listen, 0 for any free port.
    """
    node = Node(path)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(node), "127.0.0.1", port)
    print("PORT", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
