"""Whatever a node sends, it is an answer or a SecopError, and nothing hangs."""

import copy
import functools
import json
import os
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secop_ophyd.protocol import (
    CommandDescription,
    DataInfo,
    InterfaceClass,
    LineBuffer,
    NodeDescription,
    OpaqueInfo,
    ParameterDescription,
    SecopError,
    attribute_names,
    decode,
    device_name,
    encode,
    interface_class,
    make_error,
    parse_data_report,
    parse_datainfo,
    parse_description,
    parse_error_report,
    parse_identity,
    parse_message,
    parse_status_datainfo,
    random_value,
)

from .conftest import DATA, DESCRIPTIONS
from .mutator import in_pieces, mutate
from .strategies import datainfos, jsons, wire_values

SAMPLES = [
    {"type": "double", "min": 0, "max": 100, "unit": "K"},
    {"type": "scaled", "scale": 0.1, "min": 0, "max": 2500},
    {"type": "int", "min": -5, "max": 5},
    {"type": "bool"},
    {"type": "enum", "members": {"IDLE": 100, "BUSY": 300}},
    {"type": "string", "maxchars": 5},
    {"type": "blob", "maxbytes": 5},
    {"type": "array", "maxlen": 3, "members": {"type": "double"}},
    {"type": "array", "maxlen": 3, "members": {"type": "array", "members": {}}},
    {"type": "tuple", "members": [{"type": "bool"}, {"type": "string"}]},
    {"type": "struct", "members": {"len": {"type": "bool"}, "x": {"type": "double"}}},
    {"type": "matrix", "elementtype": "<f4", "names": ["x"], "maxlen": [9]},
    {"type": "matrix", "elementtype": ">i2", "names": ["x", "y"], "maxlen": [9, 9]},
    {"type": "unknown"},
]
STATUS = {"type": "tuple", "members": [SAMPLES[4], SAMPLES[5]]}
INFOS = [
    *(parse_datainfo(raw, lambda text: None) for raw in SAMPLES),
    parse_status_datainfo(STATUS, lambda text: None),
]
MESSAGES = [
    b"ISSE&SINE2020,SECoP,V2019-09-16,v1.0\r\n",
    b'update t1:value [295.13,{"t":1505396348.188,"e":0.01}]\n',
    b'error_update t1:value ["HardwareError:Sub","broken",{"t":1505396349.2}]\n',
    b'update t1:status [[370,"ramping \\u00b5 \xc2\xb5"],{}]\n',
    b'update t1:matrix [{"len":[2,3],"blob":"AACAPwAAAEAAAEBAAACAQAAAoEAAAMBA"}]\n',
    b'update t1:struct [{"x":1e300,"len":true},{"t":null}]\n',
    b"update t1:array [[1,2,3,4.5,18446744073709551616,-1e-400],null,5]\n",
    b"pong  [null,{}]\n",
    b'error  ["ProtocolError"]\n',
    b'describing . [{"modules":{"m":{"accessibles":{"p":{"datainfo":{}}}}}}]\n',
    b"done m:c\n",
]


def run(function, *arguments):
    """Return the result, None for a SecopError; anything else is a failure."""
    try:
        return function(*arguments)
    except SecopError as error:
        assert str(error)
        assert len(str(error)) < 1000
        return None


def receive(stream):
    """All that is done with bytes of a node."""
    lines = run(LineBuffer(max_line=1000).feed, stream) or []
    for line in lines:
        run(parse_identity, line)
        message = run(parse_message, line)
        assert message is not None
        use(run(message.value))


def use(value):
    """All that is done with decoded JSON of a node."""
    report = run(parse_data_report, value)
    for data in [value] if report is None else [value, report.value]:
        for info in INFOS:
            convert(info, data)
    error = parse_error_report(value)
    str(make_error(error, "node: m:p"))
    look_around(run(parse_description, value))


def convert(info, data):
    value = run(info.from_json, data)
    if value is not None:
        # What was understood can be sent back, unless it never was JSON
        encoded = run(encode, info.to_json(value))
        assert encoded is not None or isinstance(info, OpaqueInfo) or has_nan(data)


def has_nan(data):
    """Whether there is NaN or infinity, which nodes send and JSON does not have."""
    try:
        json.dumps(data, allow_nan=False)
    except ValueError:
        return True
    return False


def look_around(description):
    """All that is done with a description."""
    if description is None:
        return
    assert isinstance(description, NodeDescription)
    assert description.timeout > 0
    assert isinstance(device_name(description.equipment_id), str)
    assert isinstance(description.description, str)
    for problem in description.problems:
        assert len(str(problem)) < 1000
        assert str(problem).isprintable()
    attribute_names(description.modules)
    for module in description.modules.values():
        assert isinstance(interface_class(module), InterfaceClass)
        attribute_names([*module.parameters, *module.commands])
        for parameter in module.parameters.values():
            assert isinstance(parameter, ParameterDescription)
            assert isinstance(parameter.datainfo, DataInfo)
            assert isinstance(parameter.unit + parameter.description, str)
        for command in module.commands.values():
            assert isinstance(command, CommandDescription)


@given(st.binary(max_size=200))
def test_arbitrary_bytes(stream):
    receive(stream + b"\n")


@given(jsons)
def test_arbitrary_json(value):
    receive(b"update m:p " + encode(value) + b"\n")


@st.composite
def damaged(draw):
    stream = bytearray(b"".join(draw(st.lists(st.sampled_from(MESSAGES), min_size=1))))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(stream)))
        stop = start + draw(st.integers(0, 6))
        stream[start:stop] = draw(
            st.binary(max_size=3)
            | st.sampled_from([b"NaN", b"1e999", b"\\ud800", b'"', b"[[[[", b"null"])
        )
    return bytes(stream)


@given(damaged())
@example(b"update t1:array [[NaN,2,18446744073709551616],{}]")
@example(b"update t1:array [[2,Infinity,-1e-400],{}]")
def test_damaged_messages(stream):
    receive(stream + b"\n")


@pytest.mark.parametrize("message", MESSAGES)
def test_the_messages_are_good(message):
    [line] = LineBuffer().feed(message)
    if parse_identity(line) is None:
        parse_message(line).value()
    receive(message)


@pytest.mark.parametrize("depth", [10, 300, 450, 600, 800, 900, 950, 970, 980, 990])
@pytest.mark.parametrize(
    ("left", "right"), [(b"[", b"]"), (b'{"x":', b"}"), (b'{"members":', b"}")]
)
@pytest.mark.parametrize("innermost", [b"1", b'"\\ud800"', b"1e999"])
def test_deeply_nested_json(left, right, depth, innermost):
    nested = left * depth + innermost + right * depth
    for message in (b"update m:p %b\n", b"update m:p [1,%b]\n", b"error m [%b,%b]\n"):
        data = message.replace(b"%b", nested)
        for line in LineBuffer().feed(data):
            use(run(parse_message(line).value))


@given(datainfos.flatmap(lambda raw: st.tuples(st.just(raw), wire_values(raw), jsons)))
def test_other_values_than_described(arguments):
    raw, good, bad = arguments
    info = parse_datainfo(raw, lambda text: None)
    convert(info, bad)
    for damaged in replaced_everywhere(good, bad):
        convert(info, damaged)


@given(jsons)
@example(10**400)
@example({"type": "double", "min": 10**400, "max": -(10**400)})
@example({"type": "scaled", "scale": 10**400})
@example({"type": "scaled", "scale": 1e308, "min": 5, "max": 10**300})
@example({"type": "scaled", "scale": 5e-324, "min": 5, "max": 10**300})
@example(
    {"type": "matrix", "elementtype": "<f4", "names": [1] * 99, "maxlen": [1] * 99}
)
def test_any_datainfo(raw):
    for parse in (parse_datainfo, parse_status_datainfo):
        problems = []
        info = parse(raw, problems.append)
        assert isinstance(info, DataInfo)
        assert all(len(text) < 1000 for text in problems)
        for data in (raw, None, 0, 1.5, "AA==", [], {"len": [0], "blob": ""}):
            convert(info, data)


@given(datainfos, jsons)
def test_damaged_datainfo(raw, bad):
    for damaged in replaced_everywhere(raw, bad):
        info = parse_datainfo(damaged, lambda text: None)
        assert isinstance(info, DataInfo)
        convert(info, bad)


@given(jsons)
def test_any_description(raw):
    look_around(run(parse_description, raw))
    look_around(run(parse_description, {"modules": raw}))
    look_around(run(parse_description, {"modules": {"m": raw}}))
    look_around(parse_description({"modules": {"m": {"accessibles": raw}}}))
    look_around(parse_description({"modules": {"m": {"accessibles": {"status": raw}}}}))


@functools.cache
def recorded(name):
    return json.loads((DATA / "descriptions" / f"{name}.json").read_text())


def places(value, path=()):
    """The path to everything in a JSON value."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], (*path, index))


def replaced(value, path, new):
    """A copy of a JSON value with something else at one place."""
    if not path:
        return new
    key, *rest = path
    changed = copy.copy(value)
    changed[key] = replaced(value[key], rest, new)
    return changed


def replaced_everywhere(value, new):
    return [replaced(value, path, new) for path in places(value)]


ODD = [None, True, -1, 1.5, "", "x\x1b\n", [], [None], {}, {"type": "array"}, 10**400]


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_odd_things_at_every_place_of_a_description(name):
    raw = recorded(name)
    good = parse_description(raw)
    for index, path in enumerate(places(raw)):
        # Each place meets another odd thing, the long list would take minutes
        odd = ODD[index % len(ODD)]
        found = run(parse_description, replaced(raw, path, odd))
        look_around(found)
        if len(path) > 2 and path[0] == "modules":
            # It costs its own module at most
            for module in good.modules:
                if module != path[1]:
                    assert found.modules[module] == good.modules[module]
        if len(path) > 4 and path[2] == "accessibles":
            before = good.modules[path[1]]
            after = found.modules[path[1]]
            for parameter in before.parameters:
                if parameter != path[3]:
                    assert after.parameters[parameter] == before.parameters[parameter]
            # and its own accessible at most
            assert path[3] in after.parameters or path[3] in after.commands


@given(
    st.sampled_from(DESCRIPTIONS).flatmap(
        lambda name: st.tuples(
            st.just(name), st.sampled_from(list(places(recorded(name))))
        )
    ),
    jsons,
)
def test_anything_at_any_place_of_a_description(place, bad):
    name, path = place
    look_around(run(parse_description, replaced(recorded(name), path, bad)))


@given(st.sampled_from(DESCRIPTIONS), st.data())
def test_descriptions_with_damaged_bytes(name, data):
    line = bytearray(encode(recorded(name)))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(line) - 1))
        line[place : place + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3)
        )
    value = run(decode, bytes(line))
    look_around(run(parse_description, value))


BLOCKS = int(os.environ.get("FUZZ_BLOCKS", "8"))
INPUTS = 200  # of a block


@functools.cache
def good_lines():
    """What nodes send: their descriptions, and a value of each parameter."""
    lines = list(MESSAGES)
    for name in DESCRIPTIONS:
        raw, random = recorded(name), Random(name)
        # There is one of them for many values, and more of it can be damaged
        lines += 20 * [b"describing . " + encode(raw) + b"\n"]
        for parameter in parse_description(raw).parameters():
            info = parameter.datainfo
            value = info.to_json(random_value(info, random))
            data = encode([value, {"t": 1.5e9, "e": 0.1}])
            lines.append(b"update %s %s\n" % (parameter.specifier.encode(), data))
    return lines


@functools.cache
def known_parameters():
    """The parameters that values can be of."""
    found = [parse_description(recorded(name)).parameters() for name in DESCRIPTIONS]
    return {p.specifier: p.datainfo for parameters in found for p in parameters}


@pytest.mark.parametrize("block", range(BLOCKS))
def test_mutated_bytes(block):
    """`make fuzz` has many more of them; a failure is named by its seed."""
    known = known_parameters()
    for seed in range(block * INPUTS, (block + 1) * INPUTS):
        random = Random(seed)
        stream = mutate(good_lines(), random) + b"\n"
        try:
            buffer, lines = LineBuffer(max_line=2**20), []
            for piece in in_pieces(stream, random):
                lines += run(buffer.feed, piece) or []
            for line in lines:
                read_line(line, known)
        except Exception as error:
            error.add_note(f"seed {seed}: {stream[:2000]!r}")
            raise


def read_line(line, known):
    """All that a client does with a line."""
    run(parse_identity, line)
    message = run(parse_message, line)
    value = run(message.value)
    if message.action == "describing" or message.data.startswith(b'{"modules"'):
        # As the client does: a number in it may be too large
        value = run(functools.partial(decode, exact=False), message.data)
        look_around(run(parse_description, value))
    report = run(parse_data_report, value)
    str(make_error(parse_error_report(value), "node: m:p"))
    infos = [known[message.specifier]] if message.specifier in known else INFOS
    for info in infos:
        convert(info, value if report is None else report.value)
