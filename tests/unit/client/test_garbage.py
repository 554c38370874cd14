"""The garbage collector rests while a node is read, and is as it was afterwards."""

import gc
import weakref

import pytest

from secop_ophyd.client import no_collection


class Thing:
    pass


def lose_a_cycle():
    """Return a weak reference to what only the collector can remove."""
    thing = Thing()
    thing.itself = thing
    return weakref.ref(thing)


@pytest.fixture(autouse=True)
def as_before():
    yield
    gc.enable()
    gc.unfreeze()


def test_it_rests_and_goes_on():
    with no_collection():
        assert not gc.isenabled()
        with no_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_who_has_switched_it_off_has_it_off():
    gc.disable()
    with no_collection():
        pass
    assert not gc.isenabled()


def test_what_was_made_is_old_and_still_found_when_it_is_garbage():
    with no_collection():
        lost = lose_a_cycle()
        kept = [[] for _ in range(10_000)]
    young = {id(x) for x in gc.get_objects(generation=0)}
    assert not any(id(x) in young for x in kept)
    gc.collect()
    assert lost() is None


def test_what_others_have_frozen_stays_frozen():
    gc.collect()
    gc.freeze()
    count = gc.get_freeze_count()
    with no_collection():
        pass
    assert gc.get_freeze_count() >= count - 100 > 0
