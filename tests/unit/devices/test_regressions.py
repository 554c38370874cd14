"""What once went wrong on the way of a value, and nobody had thought of."""

import asyncio
import base64

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import numpy as np
import pytest

from secop_ophyd import ModuleOptions, NodeOptions, SECoPRecorder
from secop_ophyd.protocol import WrongType

from .builders import (
    KELVIN,
    STATUS,
    command,
    module,
    parameter,
    readable,
    report,
    with_parameters,
)

NO_UPDATES = b'error_activate  ["NotImplemented","no",{}]\n'
AS_NAN = NodeOptions(modules={"t": ModuleOptions(errors_as_nan=True)})


async def heard(node):
    """Wait until the device has all that the node has sent."""
    await node.client.ping()


async def described_anew(fake, node, structure):
    """Let the node come back with another description."""
    client = node.client
    back = asyncio.Event()
    end = client.on_state(lambda _: back.set() if client.connected else None)
    fake.set_description(structure)
    await fake.drop_connections()
    async with asyncio.timeout(5):
        await back.wait()
    end()


async def test_constant_matrix_and_another_description(serve, connect):
    matrix = {"type": "matrix", "elementtype": "<f8", "names": ["x"], "maxlen": [3]}
    blob = base64.b64encode(np.ones(2).tobytes()).decode()
    constant = parameter(matrix, constant={"len": [2], "blob": blob})

    def structure(unit):
        return report(m=module(c=constant, v=parameter(KELVIN | {"unit": unit})))

    fake = await serve(structure("K"))
    node = await connect(fake)
    await described_anew(fake, node, structure("mK"))
    assert (await node.m.c.get_value()).tolist() == [1.0, 1.0]


async def test_other_columns_while_somebody_listens(serve, connect, caplog):
    def structure(members):
        struct = {"type": "struct", "members": dict.fromkeys(members, KELVIN)}
        return report(m=readable(struct))

    fake = await serve(structure("ab"))
    node = await connect(fake)
    readings = []
    node.m.subscribe_reading(readings.append)
    await described_anew(fake, node, structure("abc"))
    await node.connect(force_reconnect=True)
    fake.set("m:value", {"a": 1.0, "b": 2.0, "c": 3.0})
    await heard(node)
    assert all(r.keys().isdisjoint({"node-m-c"}) for r in readings)
    assert "node-m: no event: it is described differently" in caplog.text
    assert (await node.m.read())["node-m-c"]["value"] == 3.0
    node.m.clear_sub(readings.append)


async def test_subscribed_signal_of_a_node_without_updates(serve, connect):
    fake = await serve(report(m=readable()), values={"m:value": 4.0})
    fake.reply_raw("activate", NO_UPDATES)
    node = await connect(fake)
    readings = []
    node.m.value.subscribe_reading(readings.append)
    assert await node.m.value.get_value() == 4.0
    assert [r["node-m"]["value"] for r in readings] == [4.0]
    node.m.value.clear_sub(readings.append)


async def test_a_slow_parameter_does_not_hold_up_the_others(serve, connect):
    fake = await serve(report(m=module(slow=parameter(KELVIN), fast=parameter(KELVIN))))
    fake.reply_raw("activate", NO_UPDATES)
    node = await connect(fake)
    fake.delay("read m:slow", 60)
    twice = asyncio.Event()
    readings = []

    def count(reading):
        readings.append(reading)
        if len(readings) == 2:
            twice.set()

    ends = [
        node.client.parameter("m", "slow").subscribe(lambda _: None),
        node.client.parameter("m", "fast").subscribe(count),
    ]
    async with asyncio.timeout(5):
        await twice.wait()
    for end in ends:
        end()


@pytest.mark.parametrize(
    ("datainfo", "value"),
    [
        ({"type": "array", "members": {"type": "string"}, "maxlen": 5}, ["x"]),
        ({"type": "array", "members": STATUS["members"][0], "maxlen": 5}, [100]),
        ({"type": "of the future"}, [{"a": [1]}]),
        (
            {
                "type": "array",
                "members": {"type": "array", "members": KELVIN, "maxlen": 5},
                "maxlen": 5,
            },
            [[1.0], []],
        ),
    ],
)
async def test_a_list_belongs_to_who_has_got_it(serve, connect, datainfo, value):
    fake = await serve(with_parameters(p=datainfo))
    fake.set_json("m:p", value)
    node = await connect(fake)
    before = (await node.m.read_configuration())["node-m-p"]["value"]
    found = await node.m.p.get_value()
    found.append("mine")
    if isinstance(found[0], list):
        found[0].append("mine")
    if isinstance(found[0], dict):
        found[0]["a"].append("mine")
    assert (await node.m.read_configuration())["node-m-p"]["value"] == before


async def test_an_array_of_a_property_is_for_all(serve, connect):
    node = await connect(await serve(report(m=readable()) | {"_a": [1.0, 2.0]}))
    value = await node._a.get_value()
    with pytest.raises(ValueError, match="read-only"):
        value[0] = 5.0


async def test_another_name_while_somebody_listens(serve, connect):
    fake = await serve(report(m=readable()))
    node = await connect(fake)
    readings = []
    node.m.subscribe_reading(readings.append)
    node.set_name("other")
    fake.set("m:value", 3.0)
    await heard(node)
    assert len(readings) == 2
    node.m.clear_sub(readings.append)


def test_errors_as_nan_wherever_it_is_read(lab):
    fake = lab.serve(report(t=readable()))
    node = lab.connect(fake, options=AS_NAN)
    lab.call(fake.set_error, "t:value", "HardwareError", "broken")
    recorder = SECoPRecorder(node.t)
    lab.engine(bp.count([recorder]))
    for device in (node.t, recorder):
        plan = bpp.run_wrapper(bps.sleep(0.01))
        lab.engine(bpp.monitor_during_wrapper(plan, [device]))
    values = [event["data"]["node-t"] for event in lab.named("event")]
    assert [str(value) for value in values] == ["nan"] * 3


async def test_an_answer_with_more_than_the_update(serve, connect):
    fake = await serve(with_parameters(p=KELVIN))
    node = await connect(fake)
    found = []

    def listener(readings):
        found.append(readings["node-m-p"].get("uncertainty"))

    node.m.p.subscribe_reading(listener)
    fake.send_line(b'update m:p [1.0,{"t":5}]')
    fake.send_line(b'reply m:p [1.0,{"t":5,"e":0.5}]')
    await heard(node)
    node.m.p.clear_sub(listener)
    assert found[-2:] == [None, 0.5]


async def test_the_time_of_full_data_is_the_nodes(serve, connect):
    channel = module(
        "AcquisitionChannel",
        "Readable",
        value=parameter(KELVIN),
        status=parameter(STATUS),
        get_data=command(result={"type": "double"}),
    )
    fake = await serve(report(m=channel))
    fake.reply_raw("do m:get_data", b'done m:get_data [5.0,{"t":1234.5}]\n')
    node = await connect(fake)
    reading = (await node.m.read())["node-m-get_data"]
    assert (reading["value"], reading["timestamp"]) == (5.0, 1234.5)


@pytest.mark.parametrize("value", [b"abc", {1, 2}, {1: 2}, [object()], {"a": {3: 4}}])
async def test_json_of_unknown_type_is_json(serve, connect, value):
    fake = await serve(with_parameters(o={"type": "of the future"}))
    node = await connect(fake)
    fake.requests.clear()
    with pytest.raises(WrongType, match="JSON cannot carry"):
        await node.m.o.set(value)
    assert fake.requests == []


async def test_a_code_has_no_name_of_another(serve, connect):
    enum = {"type": "enum", "members": {"5": 1, "code 5": 2}}
    fake = await serve(with_parameters(e=enum))
    node = await connect(fake)
    found = []
    for code in (1, 2, 5):
        fake.set_json("m:e", code)
        await heard(node)
        found.append(str(await node.m.e.get_value()))
    assert found == ["5", "code 5", "code code 5"]
