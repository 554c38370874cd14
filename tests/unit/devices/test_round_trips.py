"""Whatever the datainfo is: values survive the way through the whole stack, both ways.

Each example is a node with parameters of random types, served over a real socket.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import event_model
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ophyd_async.core import YamlSettingsProvider

from secop_ophyd.devices import SECoPNodeDevice
from secop_ophyd.protocol import RangeError
from secop_ophyd.testing import FakeNode

from ..protocol.strategies import (
    blobs,
    bools,
    doubles,
    enums,
    ints,
    matrices,
    names,
    scaleds,
    strings,
    trees,
    wire_values,
)
from .builders import parameter, report, writable
from .typed import typed
from .wire import (
    as_listed,
    column_holds,
    has_form,
    holds,
    leaves,
    matches,
    members,
    same_json,
)

opaque = st.sampled_from(["quaternion", "", "double "]).map(lambda kind: {"type": kind})


# What nodes have as names, and what is something else in Python or numpy
keys = names | st.sampled_from(
    ["1", "-1", "a b", "x.y", "a/b", "µ", "𝄞", "%", "f0", "f1", "name", "class", "mro"]
)


def with_opaque(leaves):
    infos = trees(st.one_of(*leaves, opaque), keys=keys)
    return infos.filter(has_shape)


def has_shape(info):
    """Tell whether no array in or around another one is always empty.

    numpy cannot have it as field of a struct: it is refused, and does not exist.
    """
    match info["type"]:
        case "array":
            inner = info["members"]
            is_empty = 0 in (info["maxlen"], inner.get("maxlen"))
            return not (inner["type"] == "array" and is_empty) and has_shape(inner)
        case "tuple" | "struct":
            return all(map(has_shape, members(info).values()))
        case _:
            return True


def cases(infos, *strategies, size=5):
    """Some datainfo, each with what some functions of it say."""
    case = infos.flatmap(
        lambda info: st.tuples(st.just(info), *(make(info) for make in strategies))
    )
    return st.lists(case, min_size=1, max_size=size)


infos = with_opaque(
    (doubles(), scaleds(), ints(), bools, enums(keys=keys), strings, blobs, matrices())
)


@pytest.fixture(scope="module")
def run() -> Iterator[Any]:
    with asyncio.Runner() as runner:

        def run(coroutine: Any) -> None:
            runner.run(asyncio.wait_for(_complete(coroutine), 20))

        yield run


async def _complete(coroutine: Any) -> None:
    before = asyncio.all_tasks()
    await coroutine
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before


@asynccontextmanager
async def served(found):
    """A node with parameters p0, p1 ... of a module m, and a device of it.

    The first one is the value and the target of the module, too.

    :param found: Datainfo and data of each.
    """
    (first, data), *_ = found
    parameters = {f"p{i}": parameter(info, False) for i, (info, _) in enumerate(found)}
    fake = FakeNode(report(m=writable(first, **parameters)))
    for name in ("value", "target"):
        fake.set_json(f"m:{name}", data, {"t": 1.5})
    for i, (_, data) in enumerate(found):
        fake.set_json(f"m:p{i}", data, {"t": 10.5 + i})
    async with fake:
        device = SECoPNodeDevice(fake.uri, name="node")
        try:
            await device.connect(timeout=5)
            fake.requests.clear()
            yield fake, device.m
        finally:
            await device.disconnect()


def changes(fake):
    """Specifier and decoded data of all requests, which are changes; forgets them."""
    requests = [line.split(" ", 2) for line in fake.requests]
    fake.requests.clear()
    assert all(what == "change" for what, *_ in requests)
    return [(where, json.loads(data)) for _, where, data in requests]


def assert_sent(fake, where, data):
    ((specifier, found),) = changes(fake)
    assert specifier == where
    assert same_json(found, data)


@given(cases(infos, wire_values))
def test_a_signal_holds_what_the_node_sent_and_sets_it(run, found):
    async def check():
        async with served(found) as (fake, module):
            for i, (info, data) in enumerate(found):
                signal = getattr(module, f"p{i}")
                value = await signal.get_value()
                assert has_form(value, info)
                assert holds(value, info, data)
                (reading,) = (await signal.read()).values()
                assert holds(reading["value"], info, data)
                assert reading["timestamp"] == 10.5 + i
                assert fake.requests == []
                await signal.set(value)
                assert_sent(fake, f"m:p{i}", data)
                assert holds(await signal.get_value(), info, data)

    run(check())


@given(cases(infos, wire_values))
def test_documents_hold_what_the_node_sent(run, found):
    async def check():
        async with served(found) as (_, module):
            readings, datakeys = await module.read(), await module.describe()
            (info, data), *_ = found
            expected = [
                *leaves(info, data),
                *leaves(CODE, 100),
                *leaves(TEXT, ""),
                *leaves(info, data),
            ]
            assert_columns(readings, datakeys, expected)
            configuration = await module.read_configuration()
            described = await module.describe_configuration()
            assert configuration["node-m-config_errors"]["value"] == "{}"
            expected = [leaf for case in found for leaf in leaves(*case)]
            own = list(configuration)[: len(expected)]
            assert_columns(
                {key: configuration[key] for key in own},
                {key: described[key] for key in own},
                expected,
            )
            assert list(configuration) == list(described)
            assert_documents(readings, datakeys, configuration, described)

    run(check())


CODE, TEXT = {"type": "int", "min": 0, "max": 999}, {"type": "string"}


def assert_columns(readings, datakeys, expected):
    assert list(readings) == list(datakeys)
    for key, leaf in zip(readings, expected, strict=True):
        value = readings[key]["value"]
        assert matches(value, datakeys[key]), (key, value, datakeys[key])
        assert column_holds(value, datakeys[key], leaf), (key, value, leaf)
        if isinstance(value, np.ndarray):
            assert value.dtype.kind in "biufU"


def assert_documents(readings, datakeys, configuration, described):
    """Check that event-model accepts them and that they have a JSON form."""
    run = event_model.compose_run(metadata={})
    descriptor = run.compose_descriptor(
        name="primary",
        data_keys=datakeys,
        object_keys={"node-m": list(datakeys)},
        configuration={
            "node-m": {
                "data": {key: r["value"] for key, r in configuration.items()},
                "timestamps": {k: r["timestamp"] for k, r in configuration.items()},
                "data_keys": described,
            }
        },
    )
    event = descriptor.compose_event(
        data={key: reading["value"] for key, reading in readings.items()},
        timestamps={key: reading["timestamp"] for key, reading in readings.items()},
    )
    for document in (descriptor.descriptor_doc, event):
        json.dumps(document, cls=event_model.NumpyEncoder)


@given(cases(infos, wire_values, wire_values, wire_values, size=3))
def test_subscriptions_tell_all_updates_with_their_time(run, found):
    async def check():
        async with served([case[:2] for case in found]) as (fake, module):
            told = {}
            for i in range(len(found)):
                signal, told[i] = getattr(module, f"p{i}"), []
                signal.subscribe_reading(told[i].append)
            for n in (2, 3):
                for i, case in enumerate(found):
                    fake.set_json(f"m:p{i}", case[n], {"t": 100.25 * n + i})
            await module.secop.client.ping()  # so the updates are here
            for i, (info, *values) in enumerate(found):
                readings = [r[f"node-m-p{i}"] for r in told[i]]
                times = [10.5 + i, 200.5 + i, 300.75 + i]
                assert [r["timestamp"] for r in readings] == times
                for reading, data in zip(readings, values, strict=True):
                    assert holds(reading["value"], info, data)

    run(check())


@given(cases(infos, wire_values, wire_values, size=4), st.data())
def test_set_takes_what_people_type(run, found, draw):
    async def check():
        async with served([case[:2] for case in found]) as (fake, module):
            for i, (info, _, data) in enumerate(found):
                value = draw.draw(typed(info, data), f"p{i}")
                await getattr(module, f"p{i}").set(value)
                assert_sent(fake, f"m:p{i}", data)

    run(check())


@given(cases(infos, wire_values, size=4))
def test_set_takes_what_yaml_settings_give_back(run, tmp_path_factory, found):
    provider = YamlSettingsProvider(tmp_path_factory.getbasetemp())

    async def check():
        async with served(found) as (fake, module):
            names = [f"p{i}" for i in range(len(found))]
            values = {name: await getattr(module, name).get_value() for name in names}
            await provider.store("round_trip", values)
            retrieved = await provider.retrieve("round_trip")
            for name, (info, data) in zip(names, found, strict=True):
                await getattr(module, name).set(retrieved[name])
                ((specifier, found_data),) = changes(fake)
                assert specifier == f"m:{name}"
                assert same_json(as_listed(info, found_data), as_listed(info, data))

    run(check())


# What cannot be sent back


def can_break(info):
    """Tell whether one scalar of a value can be what is not allowed."""
    match info["type"]:
        case "double":
            return "max" in info
        case "string":
            return info.get("minchars", 0) > 0
        case "array":
            return info["maxlen"] > 0 and can_break(info["members"])
        case "tuple" | "struct":
            return any(map(can_break, members(info).values()))
        case kind:
            return kind in ("int", "scaled", "enum")


def broken(info):
    """Transported values of which one scalar is not allowed."""
    match info["type"]:
        case "double":
            return st.floats(info["max"], 1e13, exclude_min=True)
        case "int" | "scaled":
            return st.integers(info["max"] + 1, info["max"] + 1000)
        case "enum":
            codes = info["members"].values()
            return st.integers(-2000, 2000).filter(lambda code: code not in codes)
        case "string":
            return st.text("abc", max_size=info["minchars"] - 1)
        case "array":
            return _one_of_list(info)
        case _:
            return _one_of_object(info)


@st.composite
def _one_of_list(draw, info):
    low = max(1, info.get("minlen", 0))
    rows = st.lists(wire_values(info["members"]), min_size=low, max_size=info["maxlen"])
    rows = draw(rows)
    rows[draw(st.integers(0, len(rows) - 1))] = draw(broken(info["members"]))
    return rows


@st.composite
def _one_of_object(draw, info):
    fields = members(info)
    odd = draw(st.sampled_from([k for k, info in fields.items() if can_break(info)]))
    values = {
        field: draw(broken(member) if field == odd else wire_values(member))
        for field, member in fields.items()
    }
    return values if info["type"] == "struct" else list(values.values())


short_infos = with_opaque(
    (doubles(), scaleds(), ints(-(2**40), 2**40), bools, enums(keys=keys), strings)
).filter(can_break)


@given(cases(short_infos, broken, size=3))
def test_what_is_not_allowed_is_read_but_not_sent(run, found):
    async def check():
        async with served(found) as (fake, module):
            for i, (info, data) in enumerate(found):
                signal = getattr(module, f"p{i}")
                value = await signal.get_value()
                assert holds(value, info, data)
                with pytest.raises(RangeError, match=f"m:p{i}"):
                    await signal.set(value)
            assert fake.requests == []

    run(check())
