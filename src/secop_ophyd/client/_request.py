"""A request to a node, from when it is made until it is settled."""

from __future__ import annotations

import asyncio

import msgspec

from secop_ophyd.protocol import Message

# Asked once and without specifier, but nodes differ in what they answer
_ANY_SPECIFIER = frozenset({"describe", "activate"})


def request_key(action: str, specifier: str) -> tuple[str, str]:
    """Return what a request and its reply have in common.

    :param action: What is asked for.
    :param specifier: What it is about.
    """
    return action, "" if action in _ANY_SPECIFIER else specifier


class Request(msgspec.Struct, eq=False):
    """A request that was made and not settled yet.

    :param action: What is asked for.
    :param specifier: What it is about.
    :param key: What it has in common with its reply.
    :param line: The bytes to send.
    :param future: Where the reply goes.
    :param patient: Whether the time starts anew with everything that is received.
    :param timeout: Seconds until it is late, None for never.
    :param made_at: When it was made, in the time of the event loop.
    :param sent: Whether it was sent.
    :param expired: Whether it is late.
    """

    action: str
    specifier: str
    key: tuple[str, str]
    line: bytes
    future: asyncio.Future[Message]
    patient: bool
    timeout: float | None
    made_at: float
    sent: bool = False
    expired: bool = False

    def __str__(self) -> str:
        return f"{self.action} {self.specifier}".strip()

    @property
    def module(self) -> str:
        """Name of the module it is about."""
        return self.specifier.partition(":")[0]

    def fail(self, error: Exception) -> None:
        """Give up waiting, unless that happened already."""
        if not self.future.done():
            self.future.set_exception(error)
