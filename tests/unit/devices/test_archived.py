"""What documents have must be what archives can hold; see also tests/system."""

from .builders import readable, report

DOUBLE = {"type": "double"}


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
