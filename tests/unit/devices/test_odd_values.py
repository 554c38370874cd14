"""What a node sends against its own description, seen by who reads it.

Each has one of two outcomes: it is delivered with a warning, or this one parameter
is in error with a text that tells why. Everything else goes on.
"""

import logging
import math

import numpy as np
import pytest

from secop_ophyd.protocol import BadJSON, SecopError, WrongType

from .builders import KELVIN, SWITCH, plain, readable, report

SHORT = {"type": "int", "min": 0, "max": 9}
TEXT = {"type": "string", "maxchars": 3}
PAIR = {"type": "struct", "members": {"a": KELVIN, "b": KELVIN}, "optional": ["b"]}
TUPLE = {"type": "tuple", "members": [KELVIN, SHORT]}
BLOB = {"type": "blob", "maxbytes": 6}
MATRIX = {"type": "matrix", "elementtype": "<i2", "names": ["x"], "maxlen": [2]}
FINE = {"value": 5}

DELIVERED = {
    "range": (KELVIN, b"777.25", 777.25, "777.25 K is above the maximum 500 K"),
    "integer": (SHORT, b"10", 10, "10 is above the maximum 9"),
    "code": (SWITCH, b"7", "7", "the code 7 has no name"),
    "text": (TEXT, b'"abcdef"', "abcdef", "6 characters, but at most 3 are allowed"),
    "nan": (KELVIN, b"NaN", math.nan, "nan is no number in JSON"),
    "inf": (KELVIN, b"-Infinity", -math.inf, "-inf is no number in JSON"),
    "extra": (PAIR, b'{"a":1,"b":2,"c":3}', [1, 2], "unknown members ['c']"),
    "longer": (TUPLE, b"[1,2,3]", [1, 2], "3 elements, of which 2 are known"),
    "bytes": (BLOB, b'"AAAAAAAAAAA="', [0] * 8, "8 bytes, but at most 6"),
    "matrix": (MATRIX, b'{"len":[3],"blob":"AQACAAMA"}', [1, 2, 3], "3 elements of x"),
}
REFUSED = {
    "1e400": (KELVIN, b"1e400", BadJSON, "1e400 is too large"),
    "whole": (SHORT, b"NaN", WrongType, "expected an integer, got nan"),
    "type": (KELVIN, b'"warm"', WrongType, "expected a number, got 'warm'"),
    "bool": (KELVIN, b"true", WrongType, "expected a number, got True"),
    "missing": (PAIR, b'{"a":1}', WrongType, "members ['b'] are missing"),
    "shorter": (TUPLE, b"[1]", WrongType, "expected 2 elements, got [1]"),
    "base64": (BLOB, b'"A-AA"', WrongType, "not base64: 'A-AA'"),
    "padding": (BLOB, b'"AAA"', WrongType, "not base64: 'AAA'"),
    "len": (MATRIX, b'{"len":[3],"blob":"AQACAA=="}', WrongType, "4 bytes are no mat"),
    "dimension": (MATRIX, b'{"len":[1,1],"blob":"AQA="}', WrongType, "no matrix"),
}


def values(columns):
    """Return the value of m in a reading, the one or those of the columns."""
    found = [plain(r["value"]) for k, r in columns.items() if "status" not in k]
    return found[0] if len(found) == 1 else found


@pytest.mark.parametrize(("datainfo", "sent", "value", "said"), DELIVERED.values())
async def test_delivered_with_a_warning(
    serve, connect, caplog, datainfo, sent, value, said
):
    fake = await serve(report(m=readable(datainfo), other=readable(KELVIN)))
    node = await connect(fake)
    for _ in range(3):
        fake.send_line(b'update m:value [%s,{"t":5}]' % sent)
    fake.set("other:value", 7.5)
    await node.m.secop.client.ping()
    assert plain(await node.m.value.get_value()) == pytest.approx(value, nan_ok=True)
    reading = await node.m.read()
    assert values(reading) == pytest.approx(value, nan_ok=True)
    assert {r["timestamp"] for k, r in reading.items() if "status" not in k} == {5}
    assert (await node.other.read())["node-other"]["value"] == 7.5
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "m:value: is not as the node describes it: " in warnings[0].message
    assert said in warnings[0].message


@pytest.mark.parametrize(("datainfo", "sent", "error", "said"), REFUSED.values())
async def test_one_parameter_is_in_error(
    serve, connect, caplog, datainfo, sent, error, said
):
    fake = await serve(report(m=readable(datainfo), other=readable(KELVIN)))
    node = await connect(fake)
    for _ in range(3):
        fake.send_line(b"update m:value [%s,{}]" % sent)
    fake.reply_raw("read m:value", b"reply m:value [%s,{}]\n" % sent)
    fake.set("other:value", 7.5)
    await node.m.secop.client.ping()
    for attempt in (node.m.value.get_value, node.m.value.read, node.m.read):
        with pytest.raises(error, match="m:value: ") as caught:
            await attempt()
        assert said in str(caught.value)
    assert (await node.other.read())["node-other"]["value"] == 7.5
    assert [r.levelno for r in caplog.records if said in r.message] == [logging.WARNING]
    fake.set("m:value", *_fine(node))
    await node.m.secop.client.ping()
    await node.m.read()


def _fine(node):
    """Return a value that is as described."""
    info = node.m.secop.description.parameters["value"].datainfo
    fine = {"double": 1.0, "int": 1, "blob": b"a", "matrix": np.array([1], "<i2")}
    fine |= {"struct": {"a": 1.0, "b": 2.0}, "tuple": (1.0, 2)}
    return (fine[info.raw["type"]],)


async def test_an_odd_one_of_many_is_an_update_as_well(serve, connect, updates):
    fake = await serve(report(m=readable(KELVIN)))
    node = await connect(fake)
    wait = updates(node.m.value)
    await wait(1)
    for sent in (b"1", b"999", b"NaN", b"1e400", b"2"):
        fake.send_line(b"update m:value [%s,{}]" % sent)
    readings = [r["node-m"] for r in await wait(6)]
    found = []
    for reading in readings[1:]:
        try:
            found.append(reading["value"])
        except SecopError as error:
            found.append(type(error))
    assert [str(x) for x in found] == ["1.0", "999.0", "nan", str(BadJSON), "2.0"]
