import ast
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from secop_ophyd.codegen import render
from secop_ophyd.protocol import InterfaceClass, parse_description

DATA = Path(__file__).parents[2] / "data"
REPORTS = sorted((DATA / "descriptions").glob("*.json"))
STRING = {"type": "string"}
DOUBLE = {"type": "double"}


def parse(name):
    return parse_description(json.loads((DATA / "descriptions" / name).read_bytes()))


def enum(*names):
    return {"type": "enum", "members": {n: i for i, n in enumerate(names)}}


def struct(*optional, **members):
    return {"type": "struct", "members": members, "optional": list(optional)}


def parameter(datainfo, readonly=True, **more):
    return {"datainfo": datainfo, "readonly": readonly, "description": "", **more}


def command(argument=None, result=None):
    datainfo = {"type": "command", "argument": argument, "result": result}
    return {"datainfo": datainfo, "description": ""}


def module(implementation="x.M", interface=(), description="", **accessibles):
    return {
        "implementation": implementation,
        "interface_classes": list(interface),
        "description": description,
        "accessibles": accessibles,
    }


def node(equipment_id="n", **modules):
    return parse_description({"equipment_id": equipment_id, "modules": modules})


def body(source):
    """Return source without the literal at its end."""
    return source[: source.index("\nDESCRIPTIONS: ")]


def annotations(source, name):
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            return {
                s.target.id: ast.unparse(s.annotation)
                for s in statement.body
                if isinstance(s, ast.AnnAssign)
            }
    raise KeyError(name)


def classes(source):
    found = [s for s in ast.parse(source).body if isinstance(s, ast.ClassDef)]
    return {c.name: ast.unparse(c.bases[0]) for c in found}


def test_nothing_to_render():
    assert "class" not in body(render({})).split("\n", 1)[1]
    with pytest.raises(ValueError, match="structure report of 'x' is missing"):
        render({"x": parse_description({"a": 1}).__class__()})


def test_cryo_is_as_in_the_guide():
    golden = DATA / "genNodeClass_cryo.py"
    assert render(parse("cryo.json")) == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", REPORTS, ids=lambda f: f.stem)
def test_real_nodes(file):
    source = render(parse(file.name))
    compile(source, file.stem, "exec")
    assert render(parse(file.name)) == source
    assert max(map(len, source.split("\n"))) <= 88


def test_the_order_of_nodes_makes_no_difference():
    nodes = {d.equipment_id: d for d in (parse(f.name) for f in REPORTS)}
    source = render(nodes)
    assert render(dict(reversed(nodes.items()))) == source
    literal = ast.parse(source).body[-1].value
    assert ast.literal_eval(literal) == {k: d.raw for k, d in nodes.items()}


def test_real_nodes_pass_ruff_and_are_formatted(tmp_path):
    nodes = {d.equipment_id: d for d in (parse(f.name) for f in REPORTS)}
    (tmp_path / "all.py").write_text(render(nodes))
    for name, description in nodes.items():
        (tmp_path / f"{name.replace('.', '_')}.py").write_text(render(description))
    for options in (["check", "--extend-select=E501,W291"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *options, "--isolated", str(tmp_path)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("interface", InterfaceClass)
def test_base_classes(interface):
    status = {"type": "tuple", "members": [enum("IDLE"), STRING]}
    report = module(
        interface=[interface.value] if interface.value else [],
        value=parameter(DOUBLE),
        status=parameter(status),
        target=parameter(DOUBLE, readonly=False),
        go=command(),
    )
    base = {
        InterfaceClass.DRIVABLE: "SECoPMoveableDevice",
        InterfaceClass.WRITABLE: "SECoPWritableDevice",
        InterfaceClass.ACQUISITION: "SECoPAcquisitionDevice",
        InterfaceClass.ACQUISITION_CONTROLLER: "SECoPAcquisitionControllerDevice",
        InterfaceClass.TRIGGERABLE: "SECoPTriggerableDevice",
        InterfaceClass.ACQUISITION_CHANNEL: "SECoPAcquisitionChannelDevice",
        InterfaceClass.READABLE: "SECoPReadableDevice",
        InterfaceClass.COMMUNICATOR: "SECoPCommunicatorDevice",
        InterfaceClass.NONE: "SECoPBaseDevice",
    }[interface]
    assert classes(render(node(m=report)))["M"] == base


def test_parameters():
    source = render(
        node(
            m=module(
                value=parameter(DOUBLE),
                target=parameter(enum("a"), readonly=False),
                _value=parameter(STRING),
                modes={"datainfo": {"type": "array", "members": enum("a")}},
                fixed=parameter(DOUBLE, readonly=False, constant=3),
                odd={"datainfo": {"type": "odd"}},
            )
        )
    )
    assert annotations(source, "M") == {
        "implementation": "A[SignalR[str], PropT()]",
        "interface_classes": "A[SignalR[ndarray], PropT()]",
        "description": "A[SignalR[str], PropT()]",
        "value": "A[SignalR[float], ParamT(), Format.HINTED_SIGNAL]",
        "target": "A[SignalRW[M_Target_Enum], ParamT(), Format.HINTED_SIGNAL]",
        "value_2": "A[SignalR[str], ParamT()]",
        "modes": "A[SignalR[Sequence[M_Modes_Enum]], ParamT()]",
        "fixed": "A[SignalR[float], ParamT()]",
        "odd": "A[SignalR[Any], ParamT()]",
    }


def test_commands():
    mode = enum("fast", "slow")
    source = render(
        node(
            m=module(
                stop=command(),
                ask=command(None, STRING),
                tell=command(STRING),
                choose=command(mode, mode),
                pair=command({"type": "tuple", "members": [DOUBLE, mode]}),
                many=command({"type": "array", "members": DOUBLE}, {"type": "bool"}),
                data=command({"type": "blob"}, {"type": "odd"}),
                configure=command(
                    struct("mode", mode=mode, setpoint=DOUBLE, deep=struct(x=mode)),
                    struct(**{"a b": DOUBLE, "class": mode}),
                ),
            )
        )
    )
    found = annotations(source, "M")
    assert dict(itertools.islice(found.items(), 3, None)) == {
        "stop_": "SecopAction",
        "ask": "SecopQuery[str]",
        "tell": "SecopCommand[str, None]",
        "choose": "SecopCommand[M_Choose_Arg_Enum | str, int]",
        "pair": "SecopCommand[tuple[float, M_Pair_Arg_1_Enum | str], None]",
        "many": "SecopCommand[list[float], bool]",
        "data": "SecopCommand[bytes, Any]",
        "configure": "SecopCommand[M_Configure_Arg, M_Configure_Result]",
    }
    assert annotations(source, "M_Configure_Arg") == {
        "mode": "NotRequired[M_Configure_Arg_Mode_Enum | str]",
        "setpoint": "float",
        "deep": "M_Configure_Arg_Deep",
    }
    assert annotations(source, "M_Configure_Arg_Deep") == {
        "x": "M_Configure_Arg_Deep_X_Enum | str"
    }
    assert (
        "M_Configure_Result = TypedDict(\n"
        '    "M_Configure_Result",\n'
        "    {\n"
        '        "a b": float,\n'
        '        "class": int,\n'
        "    },\n"
        ")\n"
    ) in source
    assert "from typing import Any, NotRequired, TypedDict\n" in source


def test_modules_that_look_the_same_share_a_class():
    source = render(
        node(
            b=module(description="of b", x=parameter({**DOUBLE, "unit": "K"})),
            a=module(description="of a", x=parameter({**DOUBLE, "unit": "V"})),
            c=module("y.M", "", "of c", x=parameter({**DOUBLE, "unit": "K"})),
        )
    )
    assert classes(source) == {"M": "SECoPBaseDevice", "N": "SECoPNodeDevice"}
    # The class says only what is true for all of them
    assert "Unit" not in body(source)
    assert "    a: M  # of a\n" in source
    assert 'M(SECoPBaseDevice):\n    """' not in source


def test_modules_that_differ_in_an_enum_share_a_class():
    source = render(
        {
            "one": node(
                "one",
                a=module(mode=parameter(enum("x", "y")), same=parameter(enum("q"))),
            ),
            "two": node(
                "two",
                b=module(mode=parameter(enum("y", "z")), same=parameter(enum("q"))),
            ),
        }
    )
    assert classes(source) == {
        "M_Mode_Enum": "SupersetEnum",
        "M_Same_Enum": "StrictEnum",
        "M": "SECoPBaseDevice",
        "One": "SECoPNodeDevice",
        "Two": "SECoPNodeDevice",
    }
    assert '    X = "x"\n    Y = "y"\n    Z = "z"\n' in source


@pytest.mark.parametrize(
    "other",
    [
        parameter(STRING),
        parameter(DOUBLE, readonly=False),
        command(),
        command(DOUBLE),
        parameter(enum("a")),
    ],
)
def test_modules_that_differ_have_two_classes(other):
    source = render(node(a=module(x=parameter(DOUBLE)), b=module(x=other)))
    assert annotations(source, "N")["a"] == "M"
    assert annotations(source, "N")["b"] == "M_b"
    third = module("x.M", x=parameter(DOUBLE), y=parameter(DOUBLE))
    source = render(
        {
            "n": node(a=module(x=parameter(DOUBLE)), b=module(x=other)),
            "o": node("o", b=third, c=module(x=parameter(DOUBLE))),
        }
    )
    assert annotations(source, "O") | {"equipment_id": ""} == {
        "b": "M_b_2",
        "c": "M",
        "equipment_id": "",
    }


def test_no_class_takes_a_name_that_is_in_use():
    source = render(
        {
            "float": node(
                "float",
                float=module("x.SignalR", float=parameter(DOUBLE)),
                a=module("x.A"),
                m=module("x.Float", x=parameter(DOUBLE)),
            ),
            "a.b": node("a.b"),
            "a_b": node("a_b"),
            "DESCRIPTIONS": node("DESCRIPTIONS"),
        }
    )
    assert sorted(classes(source)) == [
        "A_a",
        "A_b",
        "A_b_2",
        "DESCRIPTIONS_2",
        "Float",
        "Float_m",
        "SignalR_float",
    ]


def test_an_attribute_may_be_called_like_its_type(tmp_path):
    source = render(
        node(
            M=module("x.M", float=parameter(DOUBLE), A=parameter(STRING)),
            other=module("x.M", float=parameter(DOUBLE), A=parameter(STRING)),
            SignalR=module("x.X", s=command(struct(float=DOUBLE, x=DOUBLE))),
        )
    )
    assert "_M_type = M\n" in source
    assert annotations(source, "N")["M"] == "_M_type"
    assert annotations(source, "N")["other"] == "_M_type"
    assert annotations(source, "M")["float"].endswith("[_float_type], ParamT()]")
    assert '        "float": float,\n' in source
    # Type checkers look up annotations in the class first, where the attribute is
    assert "    float: float\n" not in source


def test_comments_are_behind_or_above():
    long = "very " * 30 + "long"
    source = render(
        node(
            m=module(
                a=parameter({**DOUBLE, "unit": "K"}, description="short\n text"),
                b=parameter(DOUBLE, description=long),
                c=parameter({**DOUBLE, "unit": "%"}),
                d=parameter(DOUBLE),
            )
        )
    )
    assert (
        "    a: A[SignalR[float], ParamT()]  # short text; Unit: (K)\n"
        "    # very very very very very very very very very very very very very very "
        "very very\n"
        "    # very very very very very very very very very very very very very very "
        "long\n"
        "    b: A[SignalR[float], ParamT()]\n"
        "    c: A[SignalR[float], ParamT()]  # Unit: (%)\n"
        "    d: A[SignalR[float], ParamT()]\n"
    ) in source


def test_long_types_are_wrapped_as_they_are():
    """One that is too long for a line must not become a tuple of one."""
    mode = enum("a")
    pair = {"type": "tuple", "members": [DOUBLE, mode, mode, mode]}
    pairs = {"type": "array", "members": pair, "maxlen": 3}
    member = "m" * 30
    found = struct(member, "other", **{member: pairs, "other": pair})
    source = render(node(m=module(c=command(found, found), d=command(pairs, pairs))))
    assert max(map(len, source.split("\n"))) <= 88
    namespace = {"__name__": "generated"}
    exec(compile(source, "generated", "exec"), namespace)
    enums = (f"M_C_Arg_{member.title()}_{i}_Enum | str" for i in (1, 2, 3))
    wrapped = f"NotRequired[list[tuple[float, {', '.join(enums)}]]]"
    assert annotations(source, "M_C_Arg")[member] == wrapped
