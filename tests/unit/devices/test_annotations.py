"""Annotated classes, as they are generated: what fits, and what does not."""

import logging
import re
from collections.abc import Sequence
from typing import Annotated as A
from typing import Any

import bluesky.plan_stubs as bps
import numpy as np
import pytest
from ophyd_async.core import (
    Array1D,
    NotConnectedError,
    SignalR,
    SignalRW,
    StrictEnum,
    SubsetEnum,
    SupersetEnum,
    init_devices,
    set_mock_value,
)
from ophyd_async.core import StandardReadableFormat as Format

from secop_ophyd.devices import (
    ParameterType,
    PropertyType,
    SecopAction,
    SECoPBaseDevice,
    SecopCommand,
    SECoPMoveableDevice,
    SECoPNodeDevice,
    SecopQuery,
    SECoPReadableDevice,
)

from .builders import KELVIN, PID, SWITCH, command, drivable, parameter, report

NUMBERS = {"type": "array", "members": {"type": "double"}, "maxlen": 4}


class OnOff(StrictEnum):
    OFF = "off"
    ON = "on"


class OnlyOn(SubsetEnum):
    ON = "on"


class Merged(SupersetEnum):
    OFF = "off"
    ON = "on"
    AUTO = "auto"


class Wrong(StrictEnum):
    UP = "up"
    ON = "on"


def structure():
    structure = report(
        c=drivable(
            ramp=parameter(KELVIN, False),
            mode=parameter(SWITCH, False),
            modes=parameter({"type": "array", "members": SWITCH, "maxlen": 3}, False),
            pid=parameter(PID, False),
            numbers=parameter(NUMBERS, False),
            odd=parameter({"type": "quaternion"}),
            _heater=parameter(KELVIN),
            configure=command(argument=PID, result=KELVIN),
            info=command(result={"type": "string"}),
            reset=command(),
        )
    )
    structure["modules"]["c"] |= {"group": "g", "features": ["a"], "none": None}
    structure |= {"firmware": "f", "_interfaces": ["tcp"], "n": 5}
    return structure


class Cryo(SECoPMoveableDevice):
    """As it is generated."""

    group: A[SignalR[str], PropertyType()]
    description: A[SignalR[str], PropertyType()]
    features: A[SignalR[np.ndarray], PropertyType()]

    value: A[SignalR[float], ParameterType(), Format.HINTED_SIGNAL]
    status: A[SignalR[np.ndarray], ParameterType()]
    target: A[SignalRW[float], ParameterType(), Format.HINTED_SIGNAL]
    ramp: A[SignalRW[float], ParameterType()]
    mode: A[SignalRW[OnOff], ParameterType()]
    modes: A[SignalRW[Sequence[OnOff]], ParameterType()]
    pid: A[SignalRW[np.ndarray], ParameterType()]
    numbers: A[SignalRW[Array1D[np.float64]], ParameterType()]
    odd: A[SignalR[Any], ParameterType()]
    heater: A[SignalR[float], ParameterType(), Format.HINTED_SIGNAL]

    configure: SecopCommand[dict[str, Any], float]
    info: SecopQuery[str]
    reset: SecopAction
    stop_: SecopAction


class Node(SECoPNodeDevice):
    c: Cryo

    equipment_id: A[SignalR[str], PropertyType()]
    _interfaces: A[SignalR[np.ndarray], PropertyType()]
    n: A[SignalR[int], PropertyType()]


def module_class(**annotations):
    return type("Module", (SECoPMoveableDevice,), {"__annotations__": annotations})


def node_class(**annotations):
    return type("Generated", (SECoPNodeDevice,), {"__annotations__": annotations})


@pytest.fixture
async def fake(serve):
    return await serve(structure(), values={"c:value": 4.2, "c:mode": 1})


# What does not fit


@pytest.mark.parametrize(
    ("attribute", "annotation", "words"),
    [
        ("ramp", SignalRW[int], "int.*float"),
        ("ramp", SignalRW[str], "str.*float"),
        ("mode", SignalRW[Wrong], "Wrong.*up.*off"),
        ("mode", SignalRW[float], "float.*enum"),
        ("modes", SignalRW[Sequence[Wrong]], "Wrong.*up.*off"),
        ("pid", SignalRW[float], "float.*ndarray"),
        ("numbers", SignalRW[Array1D[np.int64]], "int64.*float64|ndarray"),
        ("value", SignalRW[float], "Signal"),
        ("heater", SignalRW[float], "Signal"),
        ("reset", SecopQuery[str], "Secop"),
        ("info", SecopCommand[str, str], "Secop"),
        ("ramp", SecopAction, ""),
        ("reset", SignalR[float], ""),
    ],
)
async def test_a_mismatch_says_where_and_what_to_do(
    fake, connect, attribute, annotation, words
):
    cls = node_class(c=module_class(**{attribute: annotation}))
    with pytest.raises(NotConnectedError) as info:
        await connect(fake, cls)
    text = str(info.value)
    assert f"Module.{attribute}" in text
    assert attribute in text
    assert "Generate the class anew" in text
    assert re.search(words, text, re.DOTALL)


async def test_a_property_of_another_type_is_a_problem(fake, connect, caplog):
    cls = node_class(c=module_class(group=SignalR[int]))
    cls.__annotations__["firmware"] = SignalR[float]
    with caplog.at_level(logging.WARNING):
        node = await connect(fake, cls)
    about = [str(p) for p in node.problems]
    assert any(re.match("c:group: annotated as int.*has str.*anew", p) for p in about)
    assert any(p.startswith("firmware: annotated as float") for p in about)
    assert "odd description" in caplog.text
    assert await node.c.group.get_value() == "g"
    assert await node.firmware.get_value() == "f"
    assert (await node.c.read_configuration())["node-c-group"]["value"] == "g"
    assert (await node.c.describe_configuration())["node-c-group"]["dtype"] == "string"


async def test_what_is_not_there(fake, connect):
    cls = node_class(c=module_class(gone=SignalR[float], lost=SecopAction))
    with pytest.raises(NotConnectedError, match="Module.*gone") as info:
        await connect(fake, cls)
    assert "lost" in str(info.value)
    assert "Generate the class anew" in str(info.value)
    with pytest.raises(NotConnectedError, match="Generated.*gone"):
        await connect(fake, node_class(gone=SECoPReadableDevice))
    with pytest.raises(NotConnectedError, match="Generated.*c.*SignalR"):
        await connect(fake, node_class(c=SignalR[float]))


def digits():
    # SECoP has no such names, but nodes do
    structure = report(**{"1": drivable(**{"2": parameter(KELVIN, False)})})
    structure["modules"]["1"]["accessibles"]["3"] = command()
    return structure | {"_interfaces": ["tcp"]}


@pytest.mark.parametrize(
    ("attribute", "annotation", "words"),
    [
        ("_2", SignalRW[int], "annotated as int, but the node has float"),
        ("_2", SecopAction, "annotated as SecopAction, but the node has SignalRW"),
        ("_3", SignalR[float], "annotated as SignalR, but the node has SecopAction"),
        ("_3", SecopQuery[str], "annotated as SecopQuery, but .* SecopAction"),
        ("_3", SECoPReadableDevice, "as SECoPReadableDevice, but .* SecopAction"),
        ("_4", SignalR[float], r"\['_4'\] .*is not there"),
        ("_4", SecopAction, r"\['_4'\] .*is not there"),
    ],
)
async def test_names_with_an_underscore_in_front(
    serve, connect, attribute, annotation, words
):
    fake = await serve(digits())
    cls = node_class(_1=module_class(**{attribute: annotation}))
    with pytest.raises(NotConnectedError, match=words):
        await connect(fake, cls)


async def test_names_with_an_underscore_in_front_that_fit(serve, connect):
    hinted = A[SignalRW[float], ParameterType(), Format.HINTED_SIGNAL]
    one = module_class(_2=hinted, _3=SecopAction)
    cls = node_class(_1=one, _interfaces=A[SignalR[np.ndarray], PropertyType()])
    fake = await serve(digits())
    node = await connect(fake, cls)
    signal = node._1._2
    for _ in range(2):
        assert type(node._1) is one
        assert "node-_1-_2" in await node._1.read()
        await node._1._2.set(2.0)
        await node._1._3.execute()
        assert await node._interfaces.get_value() == ["tcp"]
        await node.connect(force_reconnect=True)
    assert node._1._2 is signal
    assert node.problems == ()
    mock = cls("localhost:1", name="mock")
    await mock.connect(mock=True)
    set_mock_value(mock._1._2, 3.0)
    assert await mock._1._2.get_value() == 3.0


async def test_a_property_with_an_underscore_in_front(serve, connect):
    fake = await serve(digits())
    node = await connect(fake, node_class(_interfaces=SignalR[int]))
    (problem,) = node.problems
    assert str(problem).startswith("_interfaces: annotated as int, but the node has")
    with pytest.raises(NotConnectedError, match="_gone.* is not there"):
        await connect(fake, node_class(_gone=SignalR[int]))
    with pytest.raises(TypeError, match=r"Generated\._bare: SignalR has no datatype"):
        node_class(_bare=SignalR)(fake.uri)


async def test_a_class_that_does_not_fit_leaves_nothing(fake, serve, connect):
    with pytest.raises(NotConnectedError):
        await connect(fake, node_class(gone=SECoPReadableDevice))
    await fake.wait_for_connections(0)


async def test_a_module_that_is_less_than_its_class(serve, connect):
    structure_ = structure()
    structure_["modules"]["c"]["interface_classes"] = ["Readable"]
    del structure_["modules"]["c"]["accessibles"]["target"]
    fake = await serve(structure_)
    with pytest.raises(NotConnectedError, match="Cryo.*target"):
        await connect(fake, Node)


# What fits


async def test_a_full_class(fake, connect):
    node = await connect(fake, Node)
    assert type(node.c) is Cryo
    assert await node.c.value.get_value() == 4.2
    assert await node.c.mode.get_value() is OnOff.ON
    await node.c.mode.set(OnOff.OFF)
    assert fake.value("c:mode") == 0
    assert await node.c.group.get_value() == "g"
    assert await node.equipment_id.get_value() == "fake"
    assert await node._interfaces.get_value() == ["tcp"]
    assert await node.n.get_value() == 5
    await node.c.set(10.0)
    assert fake.value("c:value") == 10.0
    assert node.c.value.name == "node-c"


async def test_it_is_the_same_as_without_a_class(fake, connect):
    annotated, plain = await connect(fake, Node), await connect(fake)
    assert (await annotated.describe()).keys() - (await plain.describe()).keys() == {
        "node-c-heater"  # by its format
    }
    both = [
        (await n.describe()) | (await n.describe_configuration())
        for n in (annotated, plain)
    ]
    assert both[0] == both[1]
    assert "node-c-heater" in annotated.hints["fields"]


async def test_what_is_not_annotated_is_filled_in(fake, connect):
    cls = node_class(c=module_class(ramp=SignalRW[float]))
    node = await connect(fake, cls)
    await node.c.ramp.set(2.0)
    assert await node.c.mode.get_value() == "on"
    assert await node.c.heater.get_value() == 0.0
    await node.c.reset.execute()
    assert await node.firmware.get_value() == "f"


async def test_less_than_it_is(fake, connect):
    cls = node_class(c=module_class(ramp=SignalR[float]))
    node = await connect(fake, cls)
    assert type(node.c.ramp) is SignalR


@pytest.mark.parametrize("enum", [OnOff, OnlyOn, Merged, str])
async def test_enums(fake, connect, enum):
    node = await connect(fake, node_class(c=module_class(mode=SignalRW[enum])))
    value = await node.c.mode.get_value()
    assert value == "on"
    assert isinstance(value, enum)
    await node.c.mode.set("off")
    assert await node.c.mode.get_value() == "off"
    datakey = (await node.c.mode.describe())["node-c-mode"]
    assert datakey["choices"] == ["off", "on"]


@pytest.mark.parametrize("attribute", ["pid", "numbers", "status"])
@pytest.mark.parametrize("datatype", [np.ndarray, Any])
async def test_arrays_of_any_kind(fake, connect, attribute, datatype):
    kind = SignalR if attribute == "status" else SignalRW
    cls = node_class(c=module_class(**{attribute: kind[datatype]}))
    signal = getattr((await connect(fake, cls)).c, attribute)
    assert isinstance(await signal.get_value(), np.ndarray)


async def test_the_format_of_a_structured_signal(fake, connect):
    cls = node_class(c=module_class(pid=A[SignalRW[np.ndarray], Format.HINTED_SIGNAL]))
    node = await connect(fake, cls)
    assert {"node-c-pid-p", "node-c-pid-mode"} <= (await node.c.read()).keys()
    assert "node-c-pid-p" in node.c.hints["fields"]


async def test_what_is_optional(serve, connect):
    kinds = {"ramp": SignalRW[float] | None, "gone": SignalRW[float] | None}
    fake = await serve(structure())
    node = await connect(fake, node_class(c=module_class(**kinds)))
    await node.c.ramp.set(1.0)
    assert node.c.gone is None
    more = structure()
    more["modules"]["c"]["accessibles"]["gone"] = parameter(KELVIN, False)
    fake.set_description(more)
    await node.connect(force_reconnect=True)
    await node.c.gone.set(1.0)


async def test_a_module_of_no_class(serve, connect):
    class Plain(SECoPBaseDevice):
        ramp: SignalRW[float]

    fake = await serve(structure())
    node = await connect(fake, node_class(c=Plain))
    assert type(node.c) is Plain
    await node.c.ramp.set(1.0)


# Without a node


def test_mock(RE):
    with init_devices(mock=True):
        node = Node("localhost:1", name="node")
    assert node.c.name == "node-c"
    RE(bps.mv(node.c, 20.0))

    def look():
        value = yield from bps.rd(node.c.value)
        yield from bps.abs_set(node.c.mode, OnOff.ON, wait=True)
        yield from node.c.reset()
        yield from node.c.info()
        yield from node.c.configure({"p": 1.0})
        yield from bps.trigger(node.c, wait=True)
        yield from bps.stop(node.c)
        return value

    assert RE(look()).plan_result == 20.0


async def test_mock_values():
    node = Node("localhost:1", name="node")
    await node.connect(mock=True)
    set_mock_value(node.c.ramp, 3.0)
    assert await node.c.ramp.get_value() == 3.0
    assert await node.c.value.get_value() == 0.0
    assert await node.c.locate() == {"setpoint": 0.0, "readback": 0.0}
    await node.connect(mock=True)
    assert not node.is_connected


async def test_mock_of_a_class_without_annotations():
    class Bare(SECoPNodeDevice):
        c: SECoPMoveableDevice
        t: SECoPReadableDevice

    node = Bare("localhost:1", name="node")
    await node.connect(mock=True)
    await node.c.set(20.0)
    assert await node.c.value.get_value() == 20.0
    await node.t.wait_for_idle()
    await node.t.trigger()


async def test_mock_then_real(fake, connect):
    node = Node(fake.uri, name="node")
    await node.connect(mock=True)
    await node.c.set(20.0)
    await node.connect()
    assert await node.c.value.get_value() == 4.2
    await node.disconnect()


async def test_the_node_says_how_long_to_wait_for_an_annotated_signal(serve, connect):
    fake = await serve(structure())
    node = await connect(fake, node_class(c=module_class(ramp=SignalRW[float])))
    # ophyd-async's 10 s would hide what the client has to say about the request
    assert node.c.ramp._timeout is None
    assert node.c.ramp.parent is node.c
    assert node.c.ramp.name == f"{node.c.name}-ramp"
