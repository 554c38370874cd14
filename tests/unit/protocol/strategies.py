"""Random datainfo, values for it, and any JSON."""

import base64
import math
from functools import partial

from hypothesis import strategies as st

MAX_DEPTH = 3

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)

# Any JSON, as decode() returns it: no NaN, nothing infinite, no lone surrogates
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -(10**400), 2**63, 2**64])
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
jsons = st.recursive(
    scalars,
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4)
    ),
    max_leaves=10,
)

units = st.sampled_from(["", "K", "T/min", "µΩ"])
fmtstrs = st.sampled_from(["%.0f", "%.3f", "%.6g", "%.2e"])


def _limits(numbers):
    return st.tuples(numbers, numbers).map(sorted)


@st.composite
def doubles(draw):
    info = {"type": "double"}
    low, high = draw(_limits(st.floats(-1e12, 1e12)))
    if draw(st.booleans()):
        info["min"] = low
    if draw(st.booleans()):
        info["max"] = high
    if draw(st.booleans()):
        info |= {"unit": draw(units), "fmtstr": draw(fmtstrs)}
    return info


@st.composite
def scaleds(draw):
    low, high = draw(_limits(st.integers(-(2**24), 2**24)))
    scale = draw(st.sampled_from([0.1, 0.05, 0.01, 1, 2.5, 1e-6, 0.3, 1e-9, 1000]))
    return {"type": "scaled", "scale": scale, "min": low, "max": high}


@st.composite
def ints(draw, low=-(2**63), high=2**63):
    low, high = draw(_limits(st.integers(low, high)))
    return {"type": "int", "min": low, "max": high}


@st.composite
def enums(draw, *, keys=names):
    members = draw(st.lists(keys, min_size=1, max_size=4, unique_by=str.lower))
    codes = st.lists(
        st.integers(-1000, 1000),
        min_size=len(members),
        max_size=len(members),
        unique=True,
    )
    members = dict(zip(members, draw(codes), strict=True))
    return {"type": "enum", "members": members}


@st.composite
def sized(draw, kind, low, high, *, mandatory):
    smallest, largest = draw(_limits(st.integers(0, 20)))
    info = {"type": kind}
    if mandatory or draw(st.booleans()):
        info[high] = largest
    if draw(st.booleans()):
        info[low] = smallest
    if kind == "string" and draw(st.booleans()):
        info["isUTF8"] = True
    return info


bools = st.just({"type": "bool"})
strings = sized("string", "minchars", "maxchars", mandatory=False)
blobs = sized("blob", "minbytes", "maxbytes", mandatory=True)


@st.composite
def matrices(draw):
    dimensions = draw(st.integers(1, 3))
    return {
        "type": "matrix",
        "elementtype": draw(st.sampled_from("<>"))
        + draw(st.sampled_from("i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split())),
        "names": ["x", "y", "z"][:dimensions],
        "maxlen": [draw(st.integers(0, 8)) for _ in range(dimensions)],
    }


@st.composite
def arrays(draw, members):
    low, high = draw(_limits(st.integers(0, 4)))
    info = {"type": "array", "members": draw(members), "maxlen": high}
    return info | {"minlen": low} if draw(st.booleans()) else info


@st.composite
def tuples(draw, members):
    return {
        "type": "tuple",
        "members": draw(st.lists(members, min_size=1, max_size=3)),
    }


@st.composite
def structs(draw, members, *, keys=names, optional=True):
    found = draw(st.dictionaries(keys, members, min_size=1, max_size=3))
    info = {"type": "struct", "members": found}
    if optional and draw(st.booleans()):
        info["optional"] = draw(st.lists(st.sampled_from(list(found)), unique=True))
    return info


def trees(leaves, depth=MAX_DEPTH, **struct_options):
    """Datainfo of these leaves, nested up to `depth` times."""
    if depth == 0:
        return leaves
    inner = trees(leaves, depth - 1, **struct_options)
    return leaves | arrays(inner) | tuples(inner) | structs(inner, **struct_options)


leaves = st.one_of(
    doubles(), scaleds(), ints(), bools, enums(), strings, blobs, matrices()
)
datainfos = trees(leaves)


def _texts(info, alphabet=None):
    low = info.get("minchars", 0)
    high = min(info.get("maxchars", low + 12), low + 12)
    if alphabet is None:
        highest = None if info.get("isUTF8") else 127
        alphabet = st.characters(exclude_categories=("Cs",), max_codepoint=highest)
    return st.text(alphabet, min_size=low, max_size=high)


@st.composite
def _matrix_values(draw, info):
    lengths = [draw(st.integers(0, n)) for n in info["maxlen"]]
    size = math.prod(lengths) * int(info["elementtype"][2:])
    content = draw(st.binary(min_size=size, max_size=size))
    return {"len": lengths, "blob": base64.b64encode(content).decode()}


def wire_values(info, characters=None):
    """Valid transported values, made without the help of the package."""
    inner = partial(wire_values, characters=characters)
    match info["type"]:
        case "double":
            low, high = info.get("min", -1e15), info.get("max", 1e15)
            return st.floats(min(low, high), max(low, high))
        case "int" | "scaled":
            return st.integers(info["min"], info["max"])
        case "bool":
            return st.booleans()
        case "enum":
            return st.sampled_from(list(info["members"].values()))
        case "string":
            return _texts(info, characters)
        case "blob":
            sizes = {"min_size": info.get("minbytes", 0), "max_size": info["maxbytes"]}
            return st.binary(**sizes).map(lambda b: base64.b64encode(b).decode())
        case "array":
            sizes = {"min_size": info.get("minlen", 0), "max_size": info["maxlen"]}
            return st.lists(inner(info["members"]), **sizes)
        case "tuple":
            return st.tuples(*map(inner, info["members"])).map(list)
        case "struct":
            return st.fixed_dictionaries(
                {name: inner(member) for name, member in info["members"].items()}
            )
        case "matrix":
            return _matrix_values(info)
        case _:  # unknown: anything but null, which is no value
            return jsons.filter(lambda data: data is not None)


def with_values(infos, characters=None):
    """Pairs of a datainfo and a transported value for it."""
    return infos.flatmap(
        lambda info: st.tuples(st.just(info), wire_values(info, characters))
    )
