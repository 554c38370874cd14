"""`secop-ophyd generate`: the class file of a node."""

from __future__ import annotations

import argparse
import difflib

from secop_ophyd.codegen import ClassFile, class_file

from ._output import complain, show
from ._source import get_description


async def generate(args: argparse.Namespace) -> int:
    """Write the class file of a node, or tell what would be written.

    :param args: `source`, `timeout`, `output`, `name`, `check` and `diff`.
    :return: The exit code, 1 if a check finds that the file would change; what has
        become of the node is shown then.
    """
    description = await get_description(args.source, args.timeout)
    file = class_file(description, args.output, name=args.name)
    if args.diff:
        show(_diff(file))
    if args.check:
        return _check(file)
    if args.diff:
        return 0
    if file.up_to_date:
        show(f"{file.path} is up to date")
    else:
        file.write()
        show(f"{file.path} is written")
    return 0


def _check(file: ClassFile) -> int:
    if file.up_to_date:
        return 0
    for change in file.changes:
        show(str(change))
    complain(f"{file.path} {'is missing' if file.present is None else 'would change'}")
    return 1


def _diff(file: ClassFile) -> str:
    name = str(file.path)
    return "\n".join(
        difflib.unified_diff(
            (file.present or "").splitlines(),
            file.source.splitlines(),
            "/dev/null" if file.present is None else name,
            name,
            lineterm="",
        )
    )
