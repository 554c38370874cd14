"""Modules of the datatypes node; the server finds them next to its configuration."""

from frappy.core import (
    ArrayOf,
    BLOBType,
    BoolType,
    Command,
    EnumType,
    FloatRange,
    IntRange,
    Module,
    Parameter,
    Readable,
    ScaledInteger,
    StringType,
    StructOf,
    TupleOf,
)

Color = EnumType("color", red=0, green=1, blue=7)


def parameter(datatype, default):
    """Parameter that can be changed."""
    return Parameter("some value", datatype, default=default, readonly=False)


class Types(Module):
    """A parameter of each type."""

    double = parameter(FloatRange(), 1.5)
    limited = parameter(FloatRange(-1, 1, unit="V", fmtstr="%.3f"), 0.5)
    scaled = parameter(ScaledInteger(0.1, -100, 100, unit="mm"), 1.2)
    integer = parameter(IntRange(-5, 5), 3)
    long = parameter(IntRange(-(2**63), 2**63 - 1), 2**53 + 1)
    boolean = parameter(BoolType(), True)
    enum = parameter(Color, 7)
    string = parameter(StringType(), "text")
    short = parameter(StringType(2, 8, isUTF8=True), "µΩ")
    blob = parameter(BLOBType(0, 1000), b"\x00\x01\xfe\xff")

    doubles = parameter(ArrayOf(FloatRange(unit="K"), 0, 10), [1.0, 2.5])
    three = parameter(ArrayOf(FloatRange(), 3, 3), [1.0, 2.0, 3.0])
    integers = parameter(ArrayOf(IntRange(0, 1000), 0, 10), [1, 2, 3])
    booleans = parameter(ArrayOf(BoolType(), 0, 4), [True, False])
    strings = parameter(ArrayOf(StringType(), 0, 5), ["a", "bc", ""])
    enums = parameter(ArrayOf(Color, 0, 5), [0, 7])
    grid = parameter(ArrayOf(ArrayOf(FloatRange(), 3, 3), 2, 2), [[1, 2, 3], [4, 5, 6]])
    ragged = parameter(ArrayOf(ArrayOf(IntRange(0, 9), 0, 5), 0, 5), [[1], [2, 3], []])
    tuples = parameter(ArrayOf(TupleOf(IntRange(0, 9), FloatRange()), 0, 5), [(1, 0.5)])
    structs = parameter(
        ArrayOf(StructOf(x=FloatRange(), name=StringType()), 0, 5),
        [{"x": 1.0, "name": "one"}, {"x": 2.0, "name": "two"}],
    )

    pair = parameter(TupleOf(IntRange(), FloatRange(), StringType()), (1, 2.3, "a"))
    struct = parameter(
        StructOf(
            x=FloatRange(unit="mm"), color=Color, on=BoolType(), label=StringType()
        ),
        {"x": 1.0, "color": 1, "on": False, "label": "l"},
    )
    optional = parameter(
        StructOf(a=FloatRange(), b=IntRange(), optional=["b"]), {"a": 1.0, "b": 2}
    )
    nested = parameter(
        StructOf(
            position=TupleOf(FloatRange(), FloatRange()),
            curve=ArrayOf(FloatRange(), 0, 5),
            inner=StructOf(n=IntRange(), text=StringType()),
        ),
        {"position": (1, 2), "curve": [1, 2, 3], "inner": {"n": 1, "text": "t"}},
    )

    constant = Parameter("cannot change", FloatRange(), constant=2.5)
    unknown = Parameter("was never read: in error", FloatRange())


class Commands(Module):
    """A command for each kind of argument; most return it."""

    @Command()
    def nothing(self):
        """No argument, no result."""

    @Command(FloatRange(), result=FloatRange())
    def double(self, value):
        """Double in, double out."""
        return value

    @Command(StringType(), result=StringType())
    def string(self, value):
        """Text in, text out."""
        return value

    @Command(Color, result=Color)
    def enum(self, value):
        """Enum in, enum out."""
        return value

    @Command(BLOBType(0, 100), result=BLOBType(0, 100))
    def blob(self, value):
        """Bytes in, bytes out."""
        return value

    @Command(ArrayOf(FloatRange(), 0, 10), result=ArrayOf(FloatRange(), 0, 10))
    def array(self, value):
        """Array in, array out."""
        return value

    @Command(
        TupleOf(IntRange(), StringType()), result=TupleOf(IntRange(), StringType())
    )
    def pair(self, number, text):
        """Tuple in, tuple out."""
        return number, text

    @Command(
        StructOf(x=FloatRange(), name=StringType()),
        result=StructOf(x=FloatRange(), name=StringType()),
    )
    def struct(self, x, name="nobody"):
        """Struct in, the name may be left out, struct out."""
        return {"x": x, "name": name}

    @Command(result=IntRange(0))
    def count(self):
        """No argument, a result."""
        return 42


class LongArray(Readable):
    """Main value is an array."""

    value = Parameter("a curve", ArrayOf(FloatRange(unit="V"), 0, 100000))

    def read_value(self):
        return [i / 1000 for i in range(10000)]
