"""Log files: what is in them, and when they are there."""

import logging
import os
import re
import time
from datetime import UTC, datetime

import pytest

from secop_ophyd.devices import _logs

from .builders import readable, report
from .test_states import settle


@pytest.fixture
async def fake(serve):
    return await serve(report(t=readable()))


def lines(folder):
    return (folder / "secop-ophyd.log").read_text().splitlines()


async def test_a_folder_that_cannot_be_written_is_one_warning(
    fake, connect, tmp_path, caplog
):
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        node = await connect(fake, logdir=str(tmp_path / "file"))
    assert await node.t.value.get_value() == 0.0
    records = {id(r) for r in caplog.records}
    assert len(records) == 1
    assert "log file" in caplog.text
    assert str(tmp_path / "file") in caplog.text


async def test_where_it_is(fake, connect, tmp_path):
    node = await connect(fake)
    await node.disconnect()
    assert [p.name for p in (tmp_path / ".secop-ophyd").iterdir()] == [
        "secop-ophyd.log"
    ]


async def test_open_from_connect_to_disconnect(fake, connect, tmp_path):
    node = await connect(fake, logdir=str(tmp_path / "logs"))
    path = tmp_path / "logs" / "secop-ophyd.log"
    (file,) = _logs._files.values()
    assert file.handler.baseFilename == str(path)
    await node.disconnect()
    assert not _logs._files
    assert file.handler.stream is None
    await node.connect()
    assert len(_logs._files) == 1


async def test_it_is_closed_when_connecting_fails(fake, connect):
    fake.reply_raw("describe", b"describing . {\n")
    with pytest.raises(Exception, match="the description"):
        await connect(fake)
    assert not _logs._files


async def test_debug_has_every_message(fake, connect, tmp_path):
    node = await connect(fake, loglevel="DEBUG", logdir=str(tmp_path))
    await node.t.trigger()
    fake.set("t:value", 4.25)
    await settle(node)
    text = "\n".join(lines(tmp_path))
    for message in (
        "*IDN?",
        "ISSE",
        "describe",
        "describing",
        "activate",
        "update t:status",
        "active",
        "read t:value",
        "reply t:value",
        "update t:value [4.25",
        "ping",
        "pong",
    ):
        assert message in text, message


async def test_levels(fake, connect, tmp_path):
    node = await connect(fake, loglevel="INFO", logdir=str(tmp_path / "info"))
    other = await connect(
        fake, name="two", loglevel="ERROR", logdir=str(tmp_path / "error")
    )
    fake.set_error("t:value", "HardwareError", "open")
    await settle(node)
    assert any("WARNING" in x and "open" in x for x in lines(tmp_path / "info"))
    assert not any("DEBUG" in x for x in lines(tmp_path / "info"))
    assert lines(tmp_path / "error") == []
    await other.disconnect()
    await node.disconnect()


async def test_two_devices_of_one_node_write_each_line_once(fake, connect, tmp_path):
    one = await connect(fake, loglevel="DEBUG", logdir=str(tmp_path))
    two = await connect(fake, name="two", loglevel="DEBUG", logdir=str(tmp_path))
    fake.set("t:value", 4.25)
    await settle(one)
    assert len([x for x in lines(tmp_path) if "[4.25" in x]) == 1
    await one.disconnect()
    fake.set("t:value", 5.25)
    await settle(two)
    assert len([x for x in lines(tmp_path) if "[5.25" in x]) == 1


async def test_two_nodes_share_a_file(serve, fake, connect, tmp_path):
    other = await serve(report(t=readable()))
    one = await connect(fake, loglevel="DEBUG", logdir=str(tmp_path))
    two = await connect(other, name="two", loglevel="INFO", logdir=str(tmp_path))
    assert len(_logs._files) == 1
    await one.disconnect()
    other.set_error("t:value", "HardwareError", "open")
    await settle(two)
    assert "open" in lines(tmp_path)[-1]
    # The level of one is not that of the other
    assert not any(other.uri in x and "DEBUG" in x for x in lines(tmp_path))
    await two.disconnect()
    assert not _logs._files


async def test_times_are_utc(fake, connect, tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        node = await connect(fake, loglevel="DEBUG", logdir=str(tmp_path))
        await node.disconnect()
    finally:
        monkeypatch.undo()
        time.tzset()
    told = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z ", lines(tmp_path)[0])
    when = datetime.fromisoformat(told[1]).replace(tzinfo=UTC)
    assert abs(when.timestamp() - time.time()) < 60


async def test_hourly_for_two_days(fake, connect, tmp_path, monkeypatch):
    await connect(fake, logdir=str(tmp_path))
    (file,) = _logs._files.values()
    path, now = tmp_path / "secop-ophyd.log", [1_000_000 * 3600.0]
    monkeypatch.setattr(_logs.time, "time", lambda: now[0])
    log = file.handler
    for hour in range(60):
        now[0] = (1_000_000 + hour) * 3600.0 + 3599.0
        log.handle(logging.makeLogRecord({"msg": f"hour {hour}"}))
        log.handle(logging.makeLogRecord({"msg": "again"}))
        os.utime(path, (now[0], now[0]))
    assert [x.rpartition(": ")[2] for x in lines(tmp_path)] == ["hour 59", "again"]
    aside = sorted(tmp_path.glob("secop-ophyd.log.*"))
    assert len(aside) == 48
    assert "hour 58" in aside[-1].read_text()
    stamp = time.strftime("%Y-%m-%d_%H", time.gmtime(now[0] - 3600))
    assert aside[-1].name == f"secop-ophyd.log.{stamp}"


async def test_short_sessions_begin_new_files_as_well(fake, connect, tmp_path):
    path = tmp_path / "secop-ophyd.log"
    for ago, text in ((50 * 3600, "old"), (3600, "before")):
        path.write_text(text)
        then = time.time() - ago
        os.utime(path, (then, then))
        node = await connect(fake, logdir=str(tmp_path))
        await node.disconnect()
        assert text not in path.read_text()
    (aside,) = tmp_path.glob("secop-ophyd.log.*")  # the older one is gone already
    assert aside.read_text() == "before"
    stamp = time.strftime("%Y-%m-%d_%H", time.gmtime(then))
    assert aside.name == f"secop-ophyd.log.{stamp}"


async def test_what_another_process_put_aside_is_kept(fake, connect, tmp_path):
    path, then = tmp_path / "secop-ophyd.log", time.time() - 3600
    stamp = time.strftime("%Y-%m-%d_%H", time.gmtime(then))
    aside = tmp_path / f"secop-ophyd.log.{stamp}"
    aside.write_text("theirs")
    path.write_text("ours")
    os.utime(path, (then, then))
    await connect(fake, logdir=str(tmp_path))
    assert (aside.read_text(), path.read_text()[:4]) == ("theirs", "ours")


async def test_a_level_before_is_there_after(fake, connect, tmp_path):
    logger = logging.getLogger(f"secop_ophyd.{fake.uri}")
    level, handlers = logger.level, list(logger.handlers)
    node = await connect(fake, loglevel="DEBUG")
    assert logger.isEnabledFor(logging.DEBUG)
    await node.disconnect()
    assert (logger.level, logger.handlers) == (level, handlers)
