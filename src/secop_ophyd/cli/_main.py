"""The program: its arguments, its errors and its exit codes."""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

from ophyd_async.core import NotConnectedError

from secop_ophyd import __version__
from secop_ophyd.codegen import check_file_name
from secop_ophyd.protocol import SecopError, parse_address

from ._describe import describe
from ._discover import discover
from ._generate import generate
from ._output import PROGRAM, complain, discard_output, prepare_output
from ._source import parse_source

FAILED = 1
INTERRUPTED = 130  # what shells tell of a program that has ended by Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program.

    :param argv: The arguments, None for those of this process.
    :return: The exit code: 0, 1 if the node or a check says no, 130 after Ctrl-C.
    :raises SystemExit: With code 2 if the arguments make no sense, with 0 after help.
    """
    args = _parser().parse_args(argv)
    prepare_output()
    # What goes wrong is told once, by the program itself
    logging.getLogger("secop_ophyd").addHandler(logging.NullHandler())
    try:
        code: int = asyncio.run(args.run(args))
        print(end="", flush=True)  # here, where it can be told that it fails
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `secop-ophyd ... | head`
        discard_output()
        return FAILED
    except OSError as error:
        named = error.filename is not None and error.strerror
        complain(f"{error.filename}: {error.strerror}" if named else str(error))
        return FAILED
    except (SecopError, NotConnectedError, ValueError) as error:
        complain(str(error))
        return FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Look at SEC nodes, and make class files for them.",
        epilog=f"""examples:
  {PROGRAM} discover
  {PROGRAM} describe localhost:10767
  {PROGRAM} generate localhost:10767 --output my_beamline

exit codes: 0 done, 1 the node or a check says no, 2 wrong arguments""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"{PROGRAM} {__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_discover(commands)
    _add_describe(commands)
    _add_generate(commands)
    return parser


def _add_discover(commands: Any) -> None:
    command = _command(
        commands,
        "discover",
        discover,
        "show the nodes that answer to a broadcast",
        f"""examples:
  {PROGRAM} discover
  {PROGRAM} discover --timeout 5

Nodes older than SECoP 2.0 and those behind a router do not answer.""",
    )
    _add_timeout(command, 1.0, "to wait for answers")


def _add_describe(commands: Any) -> None:
    command = _command(
        commands,
        "describe",
        describe,
        "show what a node is: modules, parameters, values, commands, problems",
        f"""examples:
  {PROGRAM} describe localhost:10767
  {PROGRAM} describe localhost --json > node.json
  python -m secop_ophyd.testing node.json    # a fake of this node""",
    )
    command.add_argument(
        "address",
        metavar="HOST[:PORT]",
        type=_argument(parse_address),
        help="where the node is; port 10767 if none is given",
    )
    command.add_argument(
        "--json",
        action="store_true",
        help="write the description as the node has sent it, to be saved",
    )
    _add_timeout(command, 10.0, "that the node may take")


def _add_generate(commands: Any) -> None:
    command = _command(
        commands,
        "generate",
        generate,
        "write a typed class file of a node",
        f"""examples:
  {PROGRAM} generate localhost:10767
  {PROGRAM} generate node.json --output my_beamline --name nodes.py
  {PROGRAM} generate node.json --check --diff

If there is such a file already, the node joins those that are in it.""",
    )
    command.add_argument(
        "source",
        metavar="SOURCE",
        type=_argument(parse_source),
        help="HOST[:PORT] of the node, or a file that `describe --json` has written "
        "(its path ends in .json or has a slash)",
    )
    command.add_argument(
        "--output", metavar="DIR", help="folder of the file (the current one)"
    )
    command.add_argument(
        "--name",
        default="genNodeClass.py",
        type=_argument(check_file_name),
        help="name of the file (%(default)s)",
    )
    command.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit code 1 if the file is missing or would change",
    )
    command.add_argument(
        "--diff",
        action="store_true",
        help="write nothing; show what would change",
    )
    _add_timeout(command, 10.0, "that the node may take")


def _command(
    commands: Any, name: str, run: Callable[..., Any], about: str, examples: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_timeout(parser: argparse.ArgumentParser, default: float, about: str) -> None:
    parser.add_argument(
        "--timeout",
        metavar="S",
        default=default,
        type=_argument(_seconds),
        help=f"seconds {about} (%(default)g)",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError(f"{text!r} is no time to wait")
    return seconds


def _argument(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse show why an argument is refused."""

    def checked(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked
