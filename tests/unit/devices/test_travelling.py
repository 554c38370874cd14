"""Documents go to other processes, which may not have the classes of a node."""

import pickle
import subprocess
import sys

from ophyd_async.core import StrictEnum

from .builders import KELVIN, SWITCH, drivable, parameter, report


async def test_enums_are_text_elsewhere(serve, connect):
    fake = await serve(
        report(m=drivable(mode=parameter(SWITCH), ramp=parameter(KELVIN)))
    )
    node = await connect(fake)
    assert isinstance(await node.m.mode.get_value(), StrictEnum)
    documents = [
        await node.m.read_configuration(),
        await node.m.describe_configuration(),
    ]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        found = pickle.loads(pickle.dumps(documents, protocol))
        assert found == documents
        assert type(found[0]["node-m-mode"]["value"]) is str


async def test_a_process_without_this_package(serve, connect):
    node = await connect(await serve(report(m=drivable(mode=parameter(SWITCH)))))
    documents = [await node.m.read(), await node.m.read_configuration()]
    code = (
        "import pickle, sys; print(pickle.load(sys.stdin.buffer)); print(*sys.modules)"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(documents),
        capture_output=True,
        check=True,
        timeout=30,
    )
    text = elsewhere.stdout.decode()
    assert "'node-m-mode': {'value': 'off'" in text
    assert "secop_ophyd" not in text.splitlines()[-1]
