"""The requests of a connection: what may be sent when, and what a reply belongs to.

SECoP replies carry no identifier, so a reply belongs to the oldest request with
its action and specifier. A request that nobody waits for any more keeps its place
until it is answered, or the reply to it would be taken for the reply to the next.
While one is late, no other like it is sent: should the late reply never come, the
next one would be taken for it, and so on for ever.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from secop_ophyd.protocol import ConnectionLost, Message, RequestTimeout, SecopError

from ._deadlines import Deadlines
from ._request import Request

# Two of them at once could be executed in the other order by a parallel node
_WRITES = frozenset({"change", "do"})
MOST_PATIENCE = 10


class Requests:
    """Sends requests in their order, and finds them again when they are answered.

    :param name: The address of the node, for messages.
    :param deadlines: Tells which are late.
    :param send: Sends a line.
    :param window: How many may be unanswered at once.
    :param patience: Returns how many seconds a reply can be late: after that it
        is taken for lost, and what was like the request is sent again.
    :param last_received: Tells when something has come, in the time of the loop.
    """

    def __init__(
        self,
        name: str,
        deadlines: Deadlines,
        send: Callable[[bytes], None],
        window: int,
        patience: Callable[[], float],
        last_received: Callable[[], float],
    ):
        self._name = name
        self._deadlines = deadlines
        self._send_line = send
        self._window = window
        self._patience = patience
        self._last_received = last_received
        self._loop = asyncio.get_running_loop()
        # Sent and unanswered, by what answers them
        self._unanswered: dict[tuple[str, str], list[Request]] = {}
        # What was taken for lost, so an answer may come when nobody waits for it
        self._given_up: set[tuple[str, str]] = set()
        # Not sent while one with the same answer is late
        self._held: dict[tuple[str, str], deque[Request]] = {}
        self._on_wire = 0
        # Ready to be sent, but the window is full
        self._ready: deque[Request] = deque()
        # Per module, the first one is ready or sent
        self._writes: dict[str, deque[Request]] = {}

    def add(self, request: Request, urgent: bool) -> None:
        """Send a request when it may be sent.

        :param request: A new one.
        :param urgent: Send it at once, whatever else is waiting.
        """
        if request.timeout is not None:
            self._deadlines.set(request, request.timeout, self._expire)
        if urgent:
            self._send(request)
        elif request.action in _WRITES:
            queue = self._writes.setdefault(request.module, deque())
            queue.append(request)
            if len(queue) == 1:
                self._ready.append(request)
        else:
            self._ready.append(request)
        self._send_ready()

    def oldest(self, key: tuple[str, str]) -> Request | None:
        """Return what a reply belongs to.

        :param key: What it has in common with its request.
        """
        requests = self._unanswered.get(key)
        return requests[0] if requests else None

    def only(self) -> Request | None:
        """Return the request that is unanswered, if it is one and no more."""
        waiting = [r for requests in self._unanswered.values() for r in requests]
        return waiting[0] if len(waiting) == 1 else None

    def was_given_up(self, key: tuple[str, str]) -> bool:
        """Tell whether a reply may belong to what was taken for lost.

        :param key: What it has in common with its request.
        """
        return key in self._given_up

    def wait_for_more_than(self, action: str) -> bool:
        """Tell whether another request is unanswered, and still in time.

        :param action: What does not count.
        """
        return any(
            request.action != action and not request.expired
            for requests in self._unanswered.values()
            for request in requests
        )

    def settle(self, request: Request, outcome: Message | SecopError) -> None:
        """Give a request its outcome, and let go what has waited for it.

        :param request: What was answered.
        :param outcome: The reply, or what has failed.
        """
        self._forget(request)
        self._deadlines.drop(request)
        if not request.expired:
            self._on_wire -= 1
        self._next_write(request)
        self._release(request)
        if isinstance(outcome, SecopError):
            request.fail(outcome)
        elif not request.future.done():
            request.future.set_result(outcome)
        self._send_ready()

    def end(self, reason: ConnectionLost) -> None:
        """Let all fail.

        :param reason: Why.
        """
        self._deadlines.end()
        queues = (self._unanswered, self._held, self._writes)
        for requests in (self._ready, *(q for x in queues for q in x.values())):
            for request in requests:
                never = "" if request.sent else "; it was never sent"
                request.fail(ConnectionLost(f"{reason} (during '{request}'{never})"))
        self._unanswered.clear()
        self._held.clear()
        self._ready.clear()
        self._writes.clear()

    # What may be sent

    def _send_ready(self) -> None:
        while self._ready and self._on_wire < self._window:
            request = self._ready.popleft()
            if request.future.done():  # cancelled or too late: never send it
                self._next_write(request)
            elif self._late(request):
                self._held.setdefault(request.key, deque()).append(request)
            else:
                self._send(request)

    def _send(self, request: Request) -> None:
        request.sent = True
        self._unanswered.setdefault(request.key, []).append(request)
        self._on_wire += 1
        self._send_line(request.line)

    def _next_write(self, request: Request) -> None:
        if request.action not in _WRITES:
            return
        queue = self._writes.get(request.module)
        if not queue or queue[0] is not request:
            return
        queue.popleft()
        if queue:
            self._ready.append(queue[0])
        else:
            del self._writes[request.module]

    # What is late

    def _expire(self, request: Request) -> None:
        timeout = request.timeout or 0.0
        if request.patient:
            # A node that tells other things all the time may have lost the answer
            last = request.made_at + MOST_PATIENCE * timeout
            now = self._loop.time()
            rest = min(self._last_received() + timeout, last) - now
            if rest > 0:
                self._deadlines.set(request, rest, self._expire)
                return
            if now >= last:
                timeout *= MOST_PATIENCE
        request.expired = True
        request.fail(RequestTimeout(self._why_late(request, timeout)))
        if not request.sent:
            return  # it is passed over when its turn comes
        self._on_wire -= 1
        if request.action not in _WRITES:
            patience = max(timeout, self._patience())
            self._deadlines.set(request, patience, self._give_up)
        self._send_ready()

    def _give_up(self, request: Request) -> None:
        """Take a reply for lost that is very late."""
        self._forget(request)
        self._given_up.add(request.key)
        self._release(request)
        self._send_ready()

    def _late(self, request: Request) -> Request | None:
        """Return what is late and has the same answer as a request."""
        for sent in self._unanswered.get(request.key, ()):
            if sent.expired:
                return sent
        return None

    def _release(self, settled: Request) -> None:
        """Let those go that were held by a request that is late no more."""
        if settled.key in self._held and not self._late(settled):
            self._ready.extendleft(reversed(self._held.pop(settled.key)))

    def _why_late(self, request: Request, timeout: float) -> str:
        text = f"{self._name}: no answer to '{request}' within {timeout:g} s"
        if request.sent:
            return text
        text = f"{text}; it was never sent, since"
        first = self._writes.get(request.module, (request,))[0]
        if request.action in _WRITES and first is not request and first.sent:
            return (
                f"{text} {self._unanswered_for(first)}; connect the device again "
                "with force_reconnect=True if the node has lost it"
            )
        if first := self._late(request):
            return f"{text} {self._unanswered_for(first)}"
        return f"{text} {self._on_wire} others are unanswered"

    def _unanswered_for(self, request: Request) -> str:
        waiting = self._loop.time() - request.made_at
        return f"'{request}' has been unanswered for {waiting:.1f} s"

    def _forget(self, request: Request) -> None:
        requests = self._unanswered[request.key]
        requests.remove(request)
        if not requests:
            del self._unanswered[request.key]
