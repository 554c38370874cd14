"""Reads a YAML file into dataclasses, and says where it is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import msgspec
import yaml


class DeclarationError(ValueError):
    """A file that declares something is wrong; says where, and what is allowed."""


class File:
    """A YAML file of which nothing is ignored.

    YAML takes the last one of two equal keys, and its users know the names of our
    fields by heart: both are errors here.

    A field of a dataclass can have a function `check` among its metadata, which raises
    ValueError if the value is none.

    :param path: Where it is.
    """

    def __init__(self, path: Path):
        self._path = path
        self._loader = yaml.SafeLoader("")  # makes values of what is not a mapping

    def read(self, kind: Any) -> Any:
        """Return what the file has.

        :param kind: The type: a dataclass, a mapping by name, or what YAML has.
        :raises DeclarationError: If it has something else.
        :raises OSError: If it cannot be read.
        """
        try:
            text = self._path.read_bytes()
            root = cast("yaml.Node | None", yaml.compose(text, yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            raise self.error(line, "", error.problem or "is no YAML") from None
        except (yaml.YAMLError, ValueError) as error:  # such as bytes that are no text
            raise DeclarationError(f"{self._path}: {error}") from None
        if root is None:
            raise DeclarationError(f"{self._path}: there is nothing in it")
        return self._convert(root, kind, "")

    def error(self, line: int, where: str, what: str) -> DeclarationError:
        """Return an error that tells where it is.

        :param line: Of the file, the first one is 1.
        :param where: Names of the fields, with dots between them.
        :param what: Is wrong, and what is allowed.
        """
        place = f"{self._path}, line {line}: "
        return DeclarationError(place + (f"{where}: " if where else "") + what)

    def _convert(self, node: yaml.Node, kind: Any, where: str) -> Any:
        if is_dataclass(kind):
            return self._dataclass(node, cast("type[Any]", kind), where)
        if get_origin(kind) is Mapping:
            (_, kind) = get_args(kind)
            return {
                name: self._convert(value, kind, _join(where, name))
                for name, value, _ in self._items(node, where)
            }
        return self._value(node, kind, where)

    def _dataclass(self, node: yaml.Node, kind: type[Any], where: str) -> Any:
        hints = get_type_hints(kind)
        # A field that is a keyword of Python has an underscore there
        known = {f.name.rstrip("_"): f for f in fields(kind) if f.init}
        values: dict[str, Any] = {}
        for name, value, line in self._items(node, where):
            if name not in known:
                raise self.error(line, where, _unknown(name, known))
            field = known[name]
            place = _join(where, name)
            values[field.name] = self._convert(value, hints[field.name], place)
            if check := field.metadata.get("check"):
                self._check(value, place, check, values[field.name])
        for name, field in known.items():
            if field.default is MISSING and field.default_factory is MISSING:
                if field.name not in values:
                    text = f"{name!r} is missing; {_allowed(known)}"
                    raise self.error(_line(node), where, text)
        return self._check(node, where, kind, **values)

    def _check(
        self, node: yaml.Node, where: str, make: Any, *args: Any, **kwargs: Any
    ) -> Any:
        try:
            return make(*args, **kwargs)
        except (TypeError, ValueError) as error:
            raise self.error(_line(node), where, str(error)) from None

    def _items(
        self, node: yaml.Node, where: str
    ) -> Iterable[tuple[str, yaml.Node, int]]:
        if not isinstance(node, yaml.MappingNode):
            what = "expected `name: value` in each line"
            raise self.error(_line(node), where, what)
        lines: dict[str, int] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "this"
            if key.tag != "tag:yaml.org,2002:str":
                what = f"{name!r} is no text in YAML, put it in quotes"
                raise self.error(_line(key), where, what)
            if name in lines:
                what = f"{name!r} is there already, in line {lines[name]}"
                raise self.error(_line(key), where, what)
            lines[name] = _line(key)
            yield name, value, _line(key)

    def _value(self, node: yaml.Node, kind: Any, where: str) -> Any:
        try:
            value = cast("object", self._loader.construct_object(node, deep=True))
            return msgspec.convert(value, kind)
        except yaml.MarkedYAMLError as error:
            what = error.problem or "is no plain value"
        except (ValueError, TypeError) as error:
            what = str(error)
            if isinstance(kind, type) and issubclass(kind, Enum):
                what += f"; {_allowed(repr(x.value) for x in kind)}"
            elif get_origin(kind) is Literal:
                what += f"; {_allowed(map(repr, get_args(kind)))}"
        raise self.error(_line(node), where, what)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _unknown(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    guess = f", did you mean {close[0]!r}?" if close else ";"
    return f"there is no field {name!r}{guess} {_allowed(known)}"


def _allowed(known: Iterable[str]) -> str:
    return "allowed are " + ", ".join(known)
