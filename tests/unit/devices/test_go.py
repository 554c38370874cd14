"""Modules whose moves begin with the command `go`."""

from __future__ import annotations

import asyncio
from typing import Any

import bluesky.plan_stubs as bps
import pytest

from secop_ophyd.protocol import Impossible
from secop_ophyd.testing import FakeNode

from .builders import command, drivable, report, writable
from .test_moves import SOON, tell
from .test_states import settle


def structure() -> Any:
    return report(
        c=drivable(go=command()),
        w=writable(go=command()),
        own=drivable(_go=command(), go=command(argument={"type": "double"})),
    )


def what_is_sent(fake: FakeNode) -> list[str]:
    return [r for r in fake.requests if r.split()[0] in ("change", "do")]


@pytest.fixture
async def fake(serve: Any) -> FakeNode:
    fake = await serve(structure())
    fake.drive("c", None)
    return fake


@pytest.fixture
async def node(fake: FakeNode, connect: Any) -> Any:
    return await connect(fake)


async def test_go_starts_the_move(fake: FakeNode, node: Any) -> None:
    fake.on_command("c:go", lambda: tell(fake, 300, "moving"))
    moving = node.c.set(20.0)
    await fake.wait_for_request("do c:go")
    await settle(node)
    assert what_is_sent(fake) == ["change c:target 20.0", "do c:go"]
    assert not moving.done
    fake.set("c:value", 20.0)
    tell(fake, 100)
    await asyncio.wait_for(moving.task, SOON)


async def test_being_prepared_is_not_being_there(fake: FakeNode, node: Any) -> None:
    def prepare(target: float) -> None:
        tell(fake, 340, "preparing")
        tell(fake, 150, "prepared")

    def go() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, tell, fake, 300, "late")
        loop.call_later(0.1, fake.set, "c:value", 20.0)
        loop.call_later(0.1, tell, fake, 100)

    fake.on_change("c:target", prepare)
    fake.on_command("c:go", go)
    await node.c.set(20.0)
    assert await node.c.value.get_value() == 20.0
    assert "read c:target" not in fake.requests  # nothing looked odd


async def test_a_writable_goes_too(fake: FakeNode, node: Any) -> None:
    await node.w.set(20.0)
    assert what_is_sent(fake) == ["change w:target 20.0", "do w:go"]


async def test_only_the_go_of_the_standard(fake: FakeNode, node: Any) -> None:
    await node.own.set(20.0)
    assert what_is_sent(fake) == ["change own:target 20.0"]
    await node.c.target.set(20.0)  # only prepares
    assert what_is_sent(fake)[1:] == ["change c:target 20.0"]


async def test_go_that_is_refused(fake: FakeNode, node: Any) -> None:
    def refuse() -> None:
        raise Impossible("the door is open")

    fake.on_command("c:go", refuse)
    with pytest.raises(Impossible, match="node-c.*20.0.*c:go.*the door is open"):
        await asyncio.wait_for(node.c.set(20.0).task, SOON)
    await node.c.stop()
    assert what_is_sent(fake)[-1] == "do c:go"  # nothing to stop


async def test_no_go_to_the_target_of_somebody_else(fake: FakeNode, node: Any) -> None:
    fake.reply_raw(
        "change c:target",
        b"changed c:target [20,{}]\nupdate c:target [50,{}]\n",
    )
    with pytest.raises(RuntimeError, match="somebody else has set the target to 50"):
        await node.c.set(20.0)
    assert what_is_sent(fake) == ["change c:target 20.0"]


async def test_stop_before_it_goes(fake: FakeNode, node: Any) -> None:
    fake.delay("change c:target", 0.05)
    moving = node.c.set(20.0)
    await fake.wait_for_request("change c:target")
    await node.c.stop()
    with pytest.raises(RuntimeError, match="was stopped"):
        await moving
    await asyncio.sleep(0.1)
    assert what_is_sent(fake) == ["change c:target 20.0", "do c:stop"]


def test_in_a_plan(lab: Any) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake)
    lab.engine(bps.mv(node.c, 20))
    assert fake.value("c:value") == 20
    assert what_is_sent(fake) == ["change c:target 20.0", "do c:go"]
