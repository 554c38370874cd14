import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secop_ophyd.protocol import (
    RESERVED_NAMES,
    RESERVED_PRIVATE_NAMES,
    attribute_names,
    device_name,
)


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("value", "value"),
        ("T_ccr12", "T_ccr12"),
        ("_maxpower", "maxpower"),
        ("__x", "x"),
        ("stop", "stop_"),
        ("_stop", "stop_"),
        ("name", "name_"),
        ("read", "read_"),
        ("_parent", "parent_"),
        ("class", "class_"),
        ("None", "None_"),
        ("lambda", "lambda_"),
        ("stop_", "stop_"),
        ("1st", "_1st"),
        ("_1st", "_1st"),
        ("a b", "a_b"),
        ("a.b-c", "a_b_c"),
        ("µ", "__"),
        ("", "__"),
        ("_", "__"),
        ("x\ny", "x_y"),
    ],
)
def test_one_name(name, attribute):
    assert attribute_names([name]) == {name: attribute}


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("_signal_format", "_signal_format"),
        ("__x", "_x"),
        ("_name", "_name_"),
        ("name", "name_"),
        ("_1", "_1"),
        ("__", "__"),
        ("group", "group"),
    ],
)
def test_properties_keep_their_underscore(name, attribute):
    assert attribute_names([name], keep_underscore=True) == {name: attribute}


@pytest.mark.parametrize(
    ("names", "attributes"),
    [
        (["_foo", "foo"], ["foo_2", "foo"]),
        (["foo", "_foo", "__foo"], ["foo", "foo_3", "foo_2"]),
        (["stop_", "stop"], ["stop_2", "stop_"]),
        (["foo", "foo_", "foo_2"], ["foo", "foo_3", "foo_2"]),
        (["_foo", "foo", "foo_2"], ["foo_3", "foo", "foo_2"]),
        (["a b", "a-b", "a_b"], ["a_b_2", "a_b_3", "a_b"]),
        (["Foo", "foo"], ["Foo", "foo"]),
        (["", "µ"], ["__", "_2"]),
    ],
)
def test_collisions(names, attributes):
    assert list(attribute_names(names).values()) == attributes


def test_taken_attributes_are_not_given():
    names = attribute_names(["value", "status"], taken=["value", "other"])
    assert names == {"value": "value_2", "status": "status"}
    assert attribute_names(["stop"], taken=["stop_"]) == {"stop": "stop_2"}


def test_the_reserved_names_are_identifiers():
    for name in RESERVED_NAMES | RESERVED_PRIVATE_NAMES:
        assert name.isidentifier()
    assert not any(name.startswith("_") for name in RESERVED_NAMES)
    assert all(name.startswith("_") for name in RESERVED_PRIVATE_NAMES)


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_reserved_names_are_never_given(name):
    for candidate in (name, f"_{name}", f"__{name}"):
        assert attribute_names([candidate]) == {candidate: f"{name}_"}


@pytest.mark.parametrize("name", sorted(RESERVED_PRIVATE_NAMES))
def test_reserved_private_names_are_never_given(name):
    assert attribute_names([name], keep_underscore=True) == {name: f"{name}_"}


alphabet = st.sampled_from("ab_12 -µ")
odd_names = st.one_of(
    st.text(alphabet, max_size=4),
    st.text(max_size=6),
    st.sampled_from(sorted(RESERVED_NAMES | RESERVED_PRIVATE_NAMES)),
    st.sampled_from(["stop", "_stop", "stop_", "stop_2", "_stop_2", "class", "_", ""]),
)
name_lists = st.lists(odd_names, unique=True, max_size=12)


@given(name_lists, st.lists(st.sampled_from(["a", "b_", "stop_2", "x"])), st.booleans())
def test_the_mapping_can_be_reversed(names, taken, keep_underscore):
    found = attribute_names(names, taken=taken, keep_underscore=keep_underscore)
    assert list(found) == names
    logical = [attribute.rstrip("_") for attribute in found.values()]
    assert len(set(logical)) == len(names)
    assert not set(logical) & {attribute.rstrip("_") for attribute in taken}
    for attribute in found.values():
        assert attribute.isidentifier() and attribute.isascii()
        assert not keyword.iskeyword(attribute)
        assert attribute not in RESERVED_NAMES | RESERVED_PRIVATE_NAMES


@given(name_lists.flatmap(lambda n: st.tuples(st.just(n), st.permutations(n))))
def test_the_order_does_not_matter(both):
    names, shuffled = both
    assert attribute_names(names) == attribute_names(shuffled)


@given(st.lists(st.from_regex(r"[a-z][a-z0-9]*", fullmatch=True), unique=True))
def test_a_good_name_is_kept(names):
    for name, attribute in attribute_names([*names, "_x", "stop"]).items():
        if name in names and name not in RESERVED_NAMES | {"x", "stop"}:
            assert attribute == name or keyword.iskeyword(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MLZ_ccr12", "MLZ_ccr12"),
        ("cryo_7.frappy.demo", "cryo_7-frappy-demo"),
        ("SIM_MLZ_amagnet(Garfield)", "SIM_MLZ_amagnet-Garfield"),
        ("PLC SEC Node Demo", "PLC-SEC-Node-Demo"),
        ("a/b\n\x1b", "a-b"),
        ("µ", "_"),
        ("HZB (test) cryo", "HZB-test-cryo"),
        ("7T magnet", "_7T-magnet"),
        ("", ""),
    ],
)
def test_device_names(text, name):
    assert device_name(text) == name


@given(st.text())
def test_a_device_name_has_nothing_odd(text):
    name = device_name(text)
    assert bool(name) == bool(text)
    assert name.isascii()
    assert all(c.isalnum() or c in "-_" for c in name)
    assert "--" not in name
    assert not name[:1].isdigit()
