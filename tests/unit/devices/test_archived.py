"""What documents have must be what archives can hold; see also tests/system."""

import json

import numpy as np
import pytest

from .builders import readable, report, with_parameters

DOUBLE = {"type": "double"}
TEXT = {"type": "string", "isUTF8": True}
SWITCH = {"type": "enum", "members": {"off": 0, "on": 1}}


def array(members, low=0, high=5):
    return {"type": "array", "members": members, "minlen": low, "maxlen": high}


async def test_data_keys_that_tables_can_have(serve, connect):
    names = ["a  b", "é", "-", "A-B", "a_b", "A_b", "ends-", "-starts"]
    struct = {"type": "struct", "members": dict.fromkeys(names, DOUBLE)}
    fake = await serve(report(m=readable(struct)))
    node = await connect(fake)
    fake.set("m:value", {name: float(i) for i, name in enumerate(names)})
    await node.m.trigger()
    readings = await node.m.read()
    expected = "a-b _ __2 A-B_2 a_b A_b_2 ends starts".split()
    assert {k: r["value"] for k, r in readings.items() if "status" not in k} == {
        f"node-m-{name}": i for i, name in enumerate(expected)
    }
    assert readings.keys() == (await node.m.describe()).keys()


@pytest.mark.parametrize("members", [TEXT, SWITCH])
async def test_arrays_of_texts_are_json_of_any_length(serve, connect, members):
    value = ["1", "", "nan\0"] if members is TEXT else [1, 0, 1]
    names = value if members is TEXT else ["on", "off", "on"]
    row = {"type": "tuple", "members": [members]}
    infos = {"flat": array(members, 3, 3), "rows": array(row, 3, 3)}
    fake = await serve(with_parameters(**infos))
    fake.set_json("m:flat", value)
    fake.set_json("m:rows", [[v] for v in value])
    module = (await connect(fake)).m
    assert await module.flat.get_value() == names
    found = await module.read_configuration()
    for key in ("node-m-flat", "node-m-rows-f0"):
        assert json.loads(found[key]["value"]) == names
        described = (await module.describe_configuration())[key]
        assert (described["dtype"], described["shape"]) == ("string", [])


@pytest.mark.parametrize("elementtype", ["<u8", ">u8"])
async def test_a_matrix_of_64_bits_without_sign_is_json(serve, connect, elementtype):
    info = {"type": "matrix", "names": ["x"], "maxlen": [9], "elementtype": elementtype}
    numbers = np.array([0, 2**64 - 1], elementtype)
    fake = await serve(with_parameters(p=info), values={"m:p": numbers})
    module = (await connect(fake)).m
    np.testing.assert_array_equal(await module.p.get_value(), numbers, strict=True)
    reading = (await module.read_configuration())["node-m-p"]
    assert reading["value"] == f"[0, {2**64 - 1}]"


async def test_no_length_is_zero(serve, connect):
    empty = array(DOUBLE, 0, 0)
    fake = await serve(
        with_parameters(
            flat=empty,
            grid=array(empty),
            rows=array({"type": "tuple", "members": [DOUBLE]}, 0, 0),
        )
    )
    module = (await connect(fake)).m
    described = await module.describe_configuration()
    assert described["node-m-flat"]["shape"] == [None]
    assert described["node-m-grid"]["shape"] == [None, None]
    assert described["node-m-rows-f0"]["shape"] == [None]
    assert (await module.grid.get_value()).shape == (0, 0)
    assert (await module.read_configuration())["node-m-config_errors"]["value"] == "{}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2**63 - 1], [1, 2**63 - 1]),
        ([2**53, 0.5], [2**53, 0.5]),
        ([2**53 + 1, 0.5], f"[{2**53 + 1}, 0.5]"),
        ([2**63], f"[{2**63}]"),
        ([10**400, 0.5], f"[{10**400}, 0.5]"),
        (["a", "bc"], ["a", "bc"]),
        (["a\0"], '["a\\u0000"]'),
        ([], []),
        ([True, 1], "[true, 1]"),
    ],
)
async def test_lists_in_properties_are_exact(serve, connect, value, expected):
    fake = await serve({**report(m=readable()), "_list": value})
    node = await connect(fake)
    found = await node._list.get_value()
    assert (found if isinstance(found, str) else found.tolist()) == expected
