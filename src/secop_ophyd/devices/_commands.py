"""SECoP commands: ophyd-async Commands that are bluesky plans as well.

A command has at most one argument, so there are three kinds of it: with an
argument, with nothing but a result, and with neither.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

import bluesky.plan_stubs as bps
from bluesky.protocols import Stoppable
from bluesky.utils import MsgGenerator, plan
from ophyd_async.core import (
    AsyncStatus,
    Command,
    CommandBackend,
    CommandConnector,
    Device,
    DeviceMock,
    MockCommandBackend,
    NotConnectedError,
    TriggerableCommand,
)

from secop_ophyd.protocol import (
    CommandDescription,
    ReadOnly,
    RequestTimeout,
    WrongType,
    default_value,
)

from ._module_info import ModuleInfo
from ._options import StopPolicy

_log = logging.getLogger(__package__)

ArgT = TypeVar("ArgT")
ResT = TypeVar("ResT")


class SecopCommandBackend(CommandBackend[Any, Any]):
    """Executes a command of a node.

    :param signature: Ignored, the node knows better.
    """

    def __init__(self, signature: inspect.Signature | None = None):
        super().__init__(signature)
        self._module: ModuleInfo | None = None
        self._read_only = False
        self.description: CommandDescription | None = None

    def bind(
        self, module: ModuleInfo, description: CommandDescription, read_only: bool
    ) -> None:
        """Say which command it is, at each connect.

        :param module: What its module is in SECoP.
        :param description: What the node says about the command.
        :param read_only: Whether to refuse to execute it.
        """
        self._module = module
        self._read_only = read_only
        self.description = description

    def source(self, name: str) -> str:
        if self._module is None or self.description is None:
            return "secop://"
        module, command = self.description.module, self.description.name
        return f"secop://{self._module.client.address}/{module}/{command}"

    async def connect(self, timeout: float) -> None:
        if self._module is None:
            raise NotConnectedError("the SEC node did not tell about it")

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        return await self.run(*args, **kwargs)

    async def run(self, arg: Any = None, *, timeout: float | None = None) -> Any:
        """Execute the command and return its result.

        :param arg: The argument, if it has one.
        :param timeout: Seconds to wait, None for the default of the node.
        """
        if self._module is None or self.description is None:
            raise NotConnectedError("the SEC node is not connected")
        if self._read_only:
            source = self.source("")
            raise ReadOnly(f"{source} was not executed: the node is read-only")
        return await self._module.do(self.description.name, arg, timeout=timeout)


def check_argument(description: CommandDescription, arg: Any = None) -> None:
    """Refuse an argument that the node would refuse.

    :param description: What the node says about the command.
    :param arg: The argument.
    :raises WrongType: If it has another type.
    :raises RangeError: If it is outside the limits.
    """
    if description.argument is not None:
        description.argument.validate(arg)
    elif arg is not None:
        raise WrongType(f"{description.specifier} takes no argument, got {arg!r}")


class SecopMockCommandBackend(MockCommandBackend[Any, Any]):
    """A mock for arguments and results of any type."""

    def __init__(self, initial_backend: SecopCommandBackend, mock: DeviceMock[Any]):
        # Not super().__init__, which refuses dicts, lists and tuples
        CommandBackend.__init__(self, initial_backend.signature)  # pyright: ignore[reportUnknownMemberType]
        self._initial_backend = initial_backend
        self._mock = mock
        self._mock_execute_callback = None
        self._return_converter = None

    def _make_side_effect(self) -> Callable[..., Any]:
        if self._mock_execute_callback is not None:
            return self._mock_execute_callback
        description = self._initial_backend.description  # type: ignore[attr-defined]
        result = description.result if description else None
        return lambda *args, **kwargs: default_value(result) if result else None

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("timeout", None)
        description: CommandDescription | None = self._initial_backend.description  # type: ignore[attr-defined]
        if description is not None:
            check_argument(description, *args, **kwargs)
        return await self.execute_mock(*args, **kwargs)


class SecopCommandConnector(CommandConnector[Any, Any]):
    """Connects a command, and mocks one of any type."""

    async def connect_mock(self, device: Device, mock: DeviceMock[Any]) -> None:
        self.backend = SecopMockCommandBackend(self._init_backend, mock)  # type: ignore[arg-type]


@plan
def execute_and_wait(
    execute: Callable[[], Coroutine[Any, Any, ResT]], moves: Stoppable | None = None
) -> MsgGenerator[ResT]:
    """Execute something once, wait for it and return its result.

    The RunEngine replays messages when it goes on after a pause, and gives no
    response to the one that was interrupted. So the closure keeps the running
    execution, to which the replayed message is attached, and its result.

    :param execute: Makes the operation, is called at most once.
    :param moves: What is to be stopped if the plan is ended meanwhile, or the
        operation takes too long.
    :return: None if the plan is only looked at, e.g. by `summarize_plan`.
    """
    status: AsyncStatus[ResT] | None = None

    def attach() -> asyncio.Task[ResT]:
        nonlocal status
        if status is None:
            status = AsyncStatus(execute())
            status.task.add_done_callback(_look_at)
        return status.task

    try:
        yield from bps.wait_for([attach])
        return status.result() if status is not None else None  # type: ignore[return-value]
    except BaseException as error:
        # The plan was ended while it waited, or it took too long
        late = isinstance(error, TimeoutError | RequestTimeout)
        if status is not None and (late or not status.done):
            status.task.cancel()
            if moves is not None and not isinstance(error, GeneratorExit):
                try:
                    yield from bps.stop(moves)
                except Exception as failure:
                    # Raised, it would hide why the plan was ended
                    _log.error("%s could not be stopped: %s", moves, failure)
        raise


def _look_at(task: asyncio.Task[Any]) -> None:
    """Look at a failure that nobody looks at if the plan fails with something else."""
    if not task.cancelled():
        task.exception()


class SecopCommandBase(Command[..., ResT], Generic[ResT]):
    """What all commands have in common.

    :param backend: Executes it.
    :param timeout: Ignored: each node tells how long to wait for it.
    :param name: Name of the device.
    """

    def __init__(
        self,
        backend: SecopCommandBackend,
        timeout: float | None = None,
        name: str = "",
    ):
        # The client has a deadline for each request, and says more when it is over
        super().__init__(backend, timeout=None, name=name)
        # Command makes a connector that can mock few types only
        self._connector = SecopCommandConnector(backend)

    def _run(
        self, *args: Any, wait_for_idle: bool, timeout: float | None
    ) -> MsgGenerator[ResT]:
        until_idle: Callable[[Callable[[], Awaitable[ResT]]], Awaitable[ResT]] | None
        until_idle = None
        if wait_for_idle:
            until_idle = getattr(self.parent, "run_until_idle", None)
            if until_idle is None:
                raise TypeError(
                    f"{self.name}: wait_for_idle=True needs a module with status"
                )

        async def operation() -> ResT:
            if until_idle is None:
                return await self.execute(*args, timeout=timeout)
            return await until_idle(lambda: self.execute(*args, timeout=timeout))

        async def in_time() -> ResT:
            try:
                async with asyncio.timeout(timeout):
                    return await operation()
            except TimeoutError:
                raise TimeoutError(
                    f"{self.name}: not done within {timeout:g} s"
                ) from None

        return execute_and_wait(in_time, self._moves() if wait_for_idle else None)

    def _moves(self) -> Stoppable | None:
        """Return what the command moves, if an interruption is to stop it.

        The RunEngine stops what is set, and knows nothing of commands that move.
        """
        connector: Any = getattr(self.parent, "connector", None)
        if connector is None or connector.options.stop is StopPolicy.NEVER:
            return None
        return self.parent if isinstance(self.parent, Stoppable) else None


class SecopCommand(SecopCommandBase[ResT], Generic[ArgT, ResT]):
    """A command with an argument.

    Called, it is a plan: `result = yield from device.configure(arg)`. `execute(arg)`
    gives a status, whose `result()` is that of the command.
    """

    def __call__(
        self, arg: ArgT, *, wait_for_idle: bool = False, timeout: float | None = None
    ) -> MsgGenerator[ResT]:
        """Execute the command in a plan.

        :param arg: The argument; a dict for a struct.
        :param wait_for_idle: Whether to wait until the module is not busy.
        :param timeout: Seconds for all of it, None for the default of the node.
        :return: The result.
        :raises NodeError: In the plan, with the node's own words.
        """
        return self._run(arg, wait_for_idle=wait_for_idle, timeout=timeout)


class SecopQuery(SecopCommandBase[ResT], Generic[ResT]):
    """A command without an argument, but with a result.

    Called, it is a plan: `result = yield from device.get_info()`.
    """

    def __call__(
        self, *, wait_for_idle: bool = False, timeout: float | None = None
    ) -> MsgGenerator[ResT]:
        """Execute the command in a plan.

        :param wait_for_idle: Whether to wait until the module is not busy.
        :param timeout: Seconds for all of it, None for the default of the node.
        :return: The result.
        :raises NodeError: In the plan, with the node's own words.
        """
        return self._run(wait_for_idle=wait_for_idle, timeout=timeout)


class SecopAction(SecopCommandBase[None], TriggerableCommand):
    """A command without argument and result, which can be triggered as well.

    Called, it is a plan: `yield from device.reset()`.
    """

    def __call__(
        self, *, wait_for_idle: bool = False, timeout: float | None = None
    ) -> MsgGenerator[None]:
        """Execute the command in a plan.

        :param wait_for_idle: Whether to wait until the module is not busy.
        :param timeout: Seconds for all of it, None for the default of the node.
        :raises NodeError: In the plan, with the node's own words.
        """
        return self._run(wait_for_idle=wait_for_idle, timeout=timeout)


def command_type(description: CommandDescription) -> type[SecopCommandBase[Any]]:
    """Return the kind of a command.

    :param description: What the node says about it.
    """
    if description.argument is not None:
        return SecopCommand
    return SecopAction if description.result is None else SecopQuery
