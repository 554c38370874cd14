"""A node that means harm does none: everything that comes from one is untrusted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import tracemalloc
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from secop_ophyd.cli import main
from secop_ophyd.client import ClientOptions, SecopClient
from secop_ophyd.devices import SECoPNodeDevice
from secop_ophyd.protocol import CannotConnect, SecopError
from secop_ophyd.testing import FakeNode

EVIL = "\x1b[2J\x1b]0;title\x07\r\n\x9b31m\u202e\x00\x7f"
LONG = 10**7  # characters
DOUBLE = {"type": "double"}


def readable(text: str = "", datainfo: Any = DOUBLE, **more: Any) -> dict[str, Any]:
    value = {"description": text, "datainfo": datainfo, "readonly": True}
    return {
        "description": text,
        "interface_classes": ["Readable"],
        "accessibles": {"value": value, **more},
    }


def structure(text: str = "", **modules: Any) -> dict[str, Any]:
    return {"equipment_id": text or "x", "description": text, "modules": modules}


@contextlib.asynccontextmanager
async def hostile(report: Any, *lines: bytes) -> AsyncGenerator[str, None]:
    """Serve a description, then some lines before `active`, and then anything."""
    described = b"describing . " + json.dumps(report).encode() + b"\n"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readline():
                if request.startswith(b"*IDN?"):
                    writer.write(b"ISSE,SECoP,,v2.0\n")
                elif request.startswith(b"describe"):
                    writer.write(described)
                elif request.startswith(b"activate"):
                    writer.write(b"".join(lines) + b"active\n")
                elif request.startswith(b"ping"):
                    writer.write(b"pong " + request.split()[1] + b" [null,{}]\n")
                elif request.startswith(b"read"):
                    specifier = request.split()[1]
                    error = json.dumps([EVIL, EVIL, {EVIL: EVIL}]).encode()
                    writer.write(b"error_read " + specifier + b" " + error + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            await asyncio.wait(left, timeout=5)


@contextlib.asynccontextmanager
async def device(uri: str, **options: Any) -> AsyncGenerator[Any, None]:
    node = SECoPNodeDevice(uri, **options)
    try:
        await node.connect(timeout=30)
        yield node
    finally:
        await node.disconnect()


def is_fit(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def infected(value: Any) -> Any:
    """Return JSON with the evil text in every place that can have one."""
    if isinstance(value, dict):
        members = {key: infected(item) for key, item in value.items()}
        return {**members, f"_{EVIL}": EVIL}
    return value


async def test_escape_sequences_in_every_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    enum = {"type": "enum", "members": {EVIL: 1, "b": 2}}
    text = {"type": "string"}
    report = infected(
        structure(
            EVIL,
            m=readable(EVIL, {**DOUBLE, "unit": EVIL, "fmtstr": EVIL}),
            n=readable(
                EVIL, enum, odd={"datainfo": {"type": EVIL}, "description": EVIL}
            ),
            t=readable(EVIL, text),
        )
    )
    report["modules"][EVIL] = readable(EVIL)
    evil = json.dumps(EVIL).encode()
    lines = [
        b'error_update m:value ["HardwareError",%s,{}]\n' % evil,
        b"update n:value [1,{}]\n",
        b"update t:value [%s,{}]\n" % evil,
        b'log m:error "' + EVIL.replace("\n", "").encode() + b'"\n',
        b"log m:warning " + evil + b"\n",
        EVIL.encode().replace(b"\n", b"") + b" x y\n",
        b"update m:" + EVIL.encode().replace(b"\n", b"") + b" [1]\n",
        b"error_read " + EVIL.encode().replace(b"\n", b"") + b' ["X","y"]\n',
    ]
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    async with hostile(report, *lines) as uri:
        async with device(uri, loglevel="DEBUG", logdir=str(tmp_path / "log")) as node:
            assert is_fit(node.name)
            texts += [str(node.tree()), repr(node), *map(str, node.problems)]
            for module in (node.m, node.n, node.t):
                texts += [repr(module), str(module.tree())]
            for signal in (node.m.value, node.m.value):
                with pytest.raises(SecopError) as caught:
                    await signal.get_value()
                texts.append(str(caught.value))
            with pytest.raises(SecopError) as caught:
                await node.client.read("n", "value")
            texts.append(str(caught.value))
            assert await node.t.value.get_value() == EVIL, "data is data"
            sources = [s.source for _, s in node.children() if hasattr(s, "source")]
            sources += [s.source for _, s in node.m.children() if hasattr(s, "source")]
    assert any("2J" in source for source in sources), "of properties"
    texts += sources
    texts += [r.getMessage() for r in caplog.records if "secop" in r.name]
    logs = [path for path in (tmp_path / "log").rglob("*") if path.is_file()]
    assert logs
    texts += [path.read_text() for path in logs]
    assert any("HardwareError" in text for text in texts)
    assert [text for text in texts if not is_fit(text)] == []


@pytest.mark.parametrize("command", [["describe"], ["describe", "--json"]])
@pytest.mark.parametrize("place", ["module", "accessible", "text", "error"])
async def test_texts_of_ten_megabytes(
    command: list[str], place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "a" * LONG
    report = structure("x", m=readable("x"))
    lines: list[bytes] = []
    if place == "module":
        report["modules"][long] = readable("x")
    elif place == "accessible":
        report["modules"]["m"]["accessibles"][long] = {"datainfo": {"type": long}}
    elif place == "text":
        report = structure(long, m=readable(long, {**DOUBLE, "unit": long}))
    else:
        lines = [b'error_update m:value ["%s","%s"]\n' % (long.encode(), long.encode())]
    async with hostile(report, *lines) as uri:
        code = await asyncio.to_thread(main, [*command, uri])
    out, err = capsys.readouterr()
    assert code in (0, 1)
    assert len(err) < 5000
    if "--json" not in command:
        assert len(out) < 20_000


@pytest.mark.parametrize("depth", [20, 900, 5000, 100_000])
async def test_a_datainfo_that_is_nested_deeply(depth: int) -> None:
    nested = b'{"type":"array","maxlen":1,"members":' * depth + b"{}" + b"}" * depth
    report = json.dumps(structure("x", m=readable(), deep=readable("", "DEEP")))
    described = b"describing . " + report.encode().replace(b'"DEEP"', nested) + b"\n"
    async with FakeNode(structure("x", m=readable())) as fake:
        fake.reply_raw("describe", described)
        client = SecopClient(fake.uri)
        try:
            await client.connect()
            assert client.parameter("m", "value").reading.value == 0
            assert "nested" in str(client.description.problems)
        except CannotConnect as error:
            assert "nested too deeply" in str(error)
            assert depth > 500
        finally:
            await client.close()


async def test_a_hundred_thousand_parameters() -> None:
    many = {f"p{n}": {"datainfo": DOUBLE, "readonly": True} for n in range(50_000)}
    modules = {f"m{n}": readable() for n in range(50_000)}
    report = structure("x", m=readable("", DOUBLE, **many), **modules)
    async with hostile(report) as uri:
        client = SecopClient(uri, ClientOptions(timeout=50))
        try:
            await client.connect(50)
            assert sum(1 for _ in client.description.parameters()) == 100_001
            await client.ping()
        finally:
            await client.close()


async def test_a_line_of_many_megabytes() -> None:
    text = "x" * (33 * 2**20)
    line = b"update m:value [%s,{}]\n" % json.dumps(text).encode()
    async with hostile(structure("x", m=readable("", {"type": "string"})), line) as uri:
        async with SecopClient(uri) as client:
            assert client.parameter("m", "value").reading.value == text


async def test_a_line_without_end_takes_no_more_memory_than_a_line_may_have() -> None:
    limit = 2**22
    tracemalloc.start()
    try:
        endless = b"update m:value [" + b"1" * (8 * limit)
        async with FakeNode(structure("x", m=readable())) as fake:
            client = SecopClient(
                fake.uri, ClientOptions(max_line=limit, reconnect=False)
            )
            await client.connect()
            before = tracemalloc.get_traced_memory()[0]
            lost = asyncio.Event()
            client.on_state(lambda _: lost.set())
            tracemalloc.reset_peak()
            for start in range(0, len(endless), 2**16):
                fake.send_raw(endless[start : start + 2**16])
                await asyncio.sleep(0)
                if lost.is_set():
                    break
            async with asyncio.timeout(10):
                await lost.wait()
            # The line, its last piece, and what the fake node could not send yet
            assert tracemalloc.get_traced_memory()[1] - before < 4 * limit
            await client.close()
    finally:
        tracemalloc.stop()


async def test_what_nobody_asked_for_is_not_kept() -> None:
    kinds = [
        b"update no:p%d [1,{}]",
        b"pong %d [null,{}]",
        b'error_read x:%d ["InternalError","x"]',
        b"reply m:p%d [1]",
        b"changed m%d:target [1]",
        b"done m:c%d [1,{}]",
        b"_custom%d x",
        b"\x00\xff%d",
        b'log m%d:debug "x"',
    ]
    log = logging.Logger("silent", logging.CRITICAL)
    async with FakeNode(structure("x", m=readable())) as fake:
        async with SecopClient(fake.uri, log=log) as client:

            async def flood(first: int) -> None:
                for number in range(first, first + 2000):
                    fake.send_raw(b"".join(kind % number + b"\n" for kind in kinds))
                await client.ping()

            await flood(0)
            tracemalloc.start()
            try:
                before = tracemalloc.get_traced_memory()[0]
                for part in range(1, 4):
                    await flood(part * 2000)
                grown = tracemalloc.get_traced_memory()[0] - before
            finally:
                tracemalloc.stop()
            assert grown < 100_000
            assert client.connected
