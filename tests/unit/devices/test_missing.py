"""A name that is not there."""

import pickle

import pytest

from secop_ophyd.devices import SECoPNodeDevice

from .builders import drivable, report


async def test_what_there_is(serve, connect):
    node = await connect(await serve(report(cryo=drivable())))
    with pytest.raises(AttributeError, match="no 'cry', did you mean 'cryo'"):
        _ = node.cry
    with pytest.raises(AttributeError, match="no 'magnet'; it has cryo, equipment_id"):
        _ = node.magnet
    with pytest.raises(AttributeError, match="no 'valu', did you mean 'value'"):
        _ = node.cryo.valu
    assert not hasattr(node, "_private")


async def test_the_error_says_it_in_another_process(serve, connect):
    node = await connect(await serve(report(cryo=drivable())))
    with pytest.raises(AttributeError) as caught:
        _ = node.cry
    text = str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == text
    assert text in repr(caught.value)


def test_before_it_is_connected():
    node = SECoPNodeDevice("localhost:10767")
    with pytest.raises(AttributeError, match="no 'cryo'; it is not connected"):
        _ = node.cryo
