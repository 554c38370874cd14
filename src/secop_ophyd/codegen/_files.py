"""Class files: written as a whole, and read without running them."""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secop_ophyd.protocol import (
    NodeDescription,
    Problem,
    changes,
    parse_description,
)

from ._literals import storable
from ._render import CONSTANT, DECLARATION, HEADER, render, stored
from ._text import is_object

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None


@dataclass(frozen=True, slots=True)
class ClassFile:
    """A class file as it is, and as it should be.

    :param path: Where it is.
    :param present: What is in it, None if there is no such file.
    :param source: What should be in it.
    :param changes: What has become of the node since it was written into the file.
    """

    path: Path
    present: str | None
    source: str
    changes: tuple[Problem, ...] = ()

    @property
    def up_to_date(self) -> bool:
        """Whether it is as it should be."""
        return self.present == self.source

    def write(self) -> None:
        """Write it in one step; an error leaves it as it was.

        :raises FileExistsError: If somebody has written it since it was looked at.
        """
        if not self.try_to_write():
            raise FileExistsError(f"{self.path} has changed meanwhile, try again")

    def try_to_write(self) -> bool:
        """Write it, unless somebody has done so since it was looked at."""
        # Through a link to what it points to: the link is the user's
        file = self.path.resolve()
        file.parent.mkdir(parents=True, exist_ok=True)
        with _locked(file.parent):
            if _read(file) != self.present:
                return False
            _replace(file, self.source)
        return True


def check_file_name(name: str) -> str:
    """Return the name of a class file, if it can be one.

    :param name: Name of the file, without folder.
    :raises ValueError: If nobody could import it.
    """
    if Path(name).name != name or not name.removesuffix(".py").isidentifier():
        raise ValueError(f"{name!r} is not the name of a Python file")
    if not name.endswith(".py"):
        raise ValueError(f"{name!r} does not end in .py")
    return name


def class_file(
    description: NodeDescription,
    path: str | os.PathLike[str] | None = None,
    *,
    name: str = "genNodeClass.py",
) -> ClassFile:
    """Return the file with a class for a node, and for those that are in it already.

    Nothing is written.

    :param description: The node; one with the same equipment_id is replaced.
    :param path: The directory, None for the current one.
    :param name: Name of the file.
    :raises ValueError: If the name is not that of a Python file, or the node has no
        structure report.
    :raises FileExistsError: If there is a file that was not generated.
    """
    file = (Path.cwd() if path is None else Path(path)) / check_file_name(name)
    present = _read(file)
    source = render(description)
    if present is None or present == source:  # which takes far longer to read
        return ClassFile(file, present, source)
    nodes = _descriptions(file, present)
    known = nodes.get(description.equipment_id)
    if nodes.keys() - {description.equipment_id}:
        source = render({**nodes, description.equipment_id: description})
    found = () if known is None else changes(known, stored(description))
    return ClassFile(file, present, source, found)


def write_class_file(
    description: NodeDescription,
    path: str | os.PathLike[str] | None = None,
    *,
    name: str = "genNodeClass.py",
) -> Path:
    """Write a file with a class for a node, or let the node join those in the file.

    A node with the same equipment_id is replaced. No other file is touched, and an
    error leaves the file as it was.

    :param description: The node.
    :param path: The directory, which is made if needed; None for the current one.
    :param name: Name of the file.
    :return: The path of the file.
    :raises ValueError: If the name is not that of a Python file, or the node has no
        structure report.
    :raises FileExistsError: If there is a file that was not generated.
    """
    file = class_file(description, path, name=name)
    while not file.try_to_write():  # another node has joined meanwhile
        file = class_file(description, path, name=name)
    return file.path


def read_descriptions(file: str | os.PathLike[str]) -> dict[str, NodeDescription]:
    """Return the nodes that a class file was made from, without importing it.

    :param file: The path of the file.
    :return: The nodes by equipment_id.
    :raises FileExistsError: If the file was not generated.
    """
    source = Path(file).read_text(encoding="utf-8", errors="replace")
    return _descriptions(Path(file), source)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _foreign(file, error) from None


def _descriptions(file: Path, source: str) -> dict[str, NodeDescription]:
    try:
        reports = _literal(source)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise _foreign(file, error) from None
    return {key: parse_description(report) for key, report in reports.items()}


def _foreign(file: Path, error: Exception) -> FileExistsError:
    return FileExistsError(
        f"{file} was not generated by secop-ophyd, or was changed since ({error}); "
        "choose another name or directory"
    )


def _literal(source: str) -> dict[str, Any]:
    if not source.startswith(HEADER):
        raise ValueError("its first line is another")
    _, found, text = source.rpartition(f"\n{DECLARATION}")
    if not found:
        raise ValueError(f"it does not end with {CONSTANT}")
    reports = storable(ast.literal_eval(text))
    if not is_object(reports) or not all(map(is_object, reports.values())):
        raise ValueError(f"{CONSTANT} is something else")
    return reports


@contextmanager
def _locked(folder: Path) -> Generator[None, None, None]:
    """Let one at a time replace a file of a folder, as far as the system can."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # network file systems may not have it
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(file: Path, source: str) -> None:
    """Write a file in one step: it is the old one or the new one, never half."""
    descriptor, temporary = tempfile.mkstemp(
        dir=file.parent, prefix=f".{file.stem}-", suffix=".tmp"
    )
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(source)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, _mode(file))
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise


def _mode(file: Path) -> int:
    if file.exists():
        return file.stat().st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
