"""What is wrong in a file is told, with file, line, field and what is allowed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from secop_ophyd import (
    DeclarationError,
    ModuleOptions,
    NodeOptions,
    SECoPNodeDevice,
    StopPolicy,
    load_nodes,
)

BAD = {
    "unknown field": (
        "a:\n  uri: host:1\n  windw: 3",
        "line 3: a: there is no field 'windw', did you mean 'window'? "
        "allowed are read_only, timeout, window,",
    ),
    "unknown option of a module": (
        "a:\n  uri: host:1\n  modules:\n    cryo:\n      slow: true",
        "line 5: a.modules.cryo: there is no field 'slow'; allowed are move_timeout,",
    ),
    "the name is the key": (
        "a:\n  uri: host:1\n  name: b",
        "line 3: a: there is no field 'name'",
    ),
    "a class of Python": (
        "a: {uri: host, class_: x}",
        "there is no field 'class_', did you mean 'class'?",
    ),
    "no address": ("a:\n  window: 3", "line 2: a: 'uri' is missing; allowed are"),
    "bad address": (
        "a:\n  prefix: b_\n  uri: 'x:y:z'",
        "line 3: a.uri: 'x:y:z' is no address of a SEC node: expected 'host:port'",
    ),
    "text for a number": (
        "a:\n  uri: host\n  window: many",
        "line 3: a.window: Expected `int`, got `str`",
    ),
    "number for a truth": (
        "a:\n  uri: host\n  read_only: 1",
        "line 3: a.read_only: Expected `bool`, got `int`",
    ),
    "truth for a number": (
        "a: {uri: host, timeout: on}",
        "line 1: a.timeout: Expected `float | null`, got `bool`",
    ),
    "number for text": (
        "a: {uri: host, prefix: 12_}",
        "line 1: a.prefix: Expected `str`, got `int`",
    ),
    "one text for several": (
        "a: {uri: host, modules: {m: {error_columns: value}}}",
        "a.modules.m.error_columns: Expected `array`, got `str`",
    ),
    "wrong choice": (
        "a:\n  uri: host\n  modules:\n    m:\n      stop: nver",
        "line 5: a.modules.m.stop: Invalid enum value 'nver'; "
        "allowed are 'on interruption', 'never', 'always'",
    ),
    "wrong level": (
        "a: {uri: host, loglevel: debug}",
        "a.loglevel: Invalid enum value 'debug'; allowed are 'DEBUG', 'INFO',",
    ),
    "out of range": (
        "a:\n  uri: host\n  window: 0",
        "line 2: a: window must be at least 1, not 0",
    ),
    "out of range in a module": (
        "a:\n  uri: host\n  modules:\n    m:\n      grace: -1",
        "line 5: a.modules.m: grace must be at least 0, not -1",
    ),
    "no number": ("a: {uri: host, timeout: .nan}", "a: timeout must be above 0, not"),
    "twice": (
        "a:\n  uri: host:1\nb:\n  uri: host:2\na:\n  uri: host:3",
        "line 5: 'a' is there already, in line 1",
    ),
    "field twice": (
        "a:\n  uri: host:1\n  uri: host:2",
        "line 3: a: 'uri' is there already, in line 2",
    ),
    "same name in the data": (
        "a: {uri: host, prefix: b_}\nb_a: {uri: host}",
        "'a' and 'b_a' are both named 'b_a' in the data",
    ),
    "no such description": (
        "a: {uri: host, description: nothing.json}",
        "a: [Errno 2] No such file or directory",
    ),
    "no description": (
        "a: {uri: host, description: beamline.yml}",
        "beamline.yml has no description of a node",
    ),
    "no name in Python": ("a-b: {uri: host}", "'a-b' is no name: letters,"),
    "a keyword": ("if: {uri: host}", "'if' is no name"),
    "a private name": ("_a: {uri: host}", "'_a' is no name"),
    "a name that is taken": (
        "items: {uri: host}",
        "'items' cannot be a name, as nodes.items is something else",
    ),
    "a word of YAML": ("no: {uri: host}", "line 1: 'no' is no text in YAML"),
    "a list for a name": ("[a, b]: {uri: host}", "line 1: 'this' is no text in YAML"),
    "no such module": (
        "a:\n  uri: host\n  class: gen.Node",
        "line 3: a.class: expected module.Class that can be imported: No module",
    ),
    "no module": ("a: {uri: host, class: Node}", "a.class: expected module.Class"),
    "no class there": (
        "a: {uri: host, class: secop_ophyd.Node}",
        "a.class: expected module.Class that can be imported: module 'secop_ophyd'",
    ),
    "no class of a node": (
        "a: {uri: host, class: secop_ophyd.SecopClient}",
        "a.class: secop_ophyd.SecopClient is no class of a node",
    ),
    "a list": ("- uri: host", "line 1: expected `name: value` in each line"),
    "no fields": ("a:\nb: {uri: host}", "line 1: a: expected `name: value`"),
    "an address only": ("a: host:1", "line 1: a: expected `name: value`"),
    "nothing": ("# later\n", "there is nothing in it"),
    "no YAML": ("a:\n  uri: host\n   window: 1", "line 3: mapping values are not"),
    "a tab": ("a:\n\turi: host", r"line 2: found character '\t'"),
    "two documents": ("a: {uri: host}\n---\nb: {uri: host}", "another document"),
    "a null character": ("a: {uri: 'h\0'}", "special characters are not allowed"),
    "code": (
        "a: {uri: !!python/name:os.system x}",
        "line 1: a.uri: could not determine a constructor for the tag",
    ),
    "itself": ("a: &a {uri: host, modules: *a}", "a.modules.uri: expected `name:"),
}


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "beamline.yml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD.keys())
def test_bad_file(tmp_path: Path, text: str, words: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(DeclarationError) as caught:
        load_nodes(file, connect=False)
    assert str(caught.value).startswith(str(file))
    assert words in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "beamline.yml"
    file.write_bytes(b"a: {uri: \xff\xfe}")
    with pytest.raises(DeclarationError, match="beamline.yml: "):
        load_nodes(file, connect=False)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="beamline.yml"):
        load_nodes(tmp_path / "beamline.yml", connect=False)


def test_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node_classes.py").write_text(
        "import secop_ophyd\nclass Mine(secop_ophyd.SECoPNodeDevice): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    text = """
sample:
  uri: cryo.example.org:10767
  prefix: hall2-
  class: node_classes.Mine
  loglevel: DEBUG
  logdir: logs
  read_only: true
  timeout: 5
  window: 1
  trigger: false
  modules:
    cryo:
      move_timeout: 3600
      grace: 2
      tolerate_retarget: true
      stop: never
      errors_as_nan: true
      error_columns: [value, setpoint]
magnet:
  uri: 192.168.1.100
"""
    nodes = load_nodes(str(write(tmp_path, text)), connect=False)
    assert list(nodes) == ["sample", "magnet"]
    assert type(nodes.sample).__name__ == "Mine"
    assert type(nodes.magnet) is SECoPNodeDevice
    assert nodes.sample.name == "hall2-sample"
    assert nodes.sample.uri == "secop://cryo.example.org:10767"
    assert nodes["magnet"].uri == "secop://192.168.1.100:10767"
    assert not nodes.magnet.is_connected
    assert nodes.sample._connector.held.log_file.level == logging.DEBUG
    assert nodes.magnet._connector._options == NodeOptions()
    assert nodes.sample._connector._options == NodeOptions(
        read_only=True,
        timeout=5,
        window=1,
        trigger=False,
        modules={
            "cryo": ModuleOptions(
                move_timeout=3600,
                grace=2,
                tolerate_retarget=True,
                stop=StopPolicy.NEVER,
                errors_as_nan=True,
                error_columns=["value", "setpoint"],
            )
        },
    )
