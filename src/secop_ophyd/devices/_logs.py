"""Log files of nodes: hourly, kept for two days, in UTC, shared by all devices."""

from __future__ import annotations

import contextlib
import logging
import time
from logging.handlers import BaseRotatingHandler
from pathlib import Path

LOG_DIR = ".secop-ophyd"
LOG_FILE = "secop-ophyd.log"
HOUR = 3600
KEEP_HOURS = 48
_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"

_files: dict[Path, _LogFile] = {}


class _HourlyFile(BaseRotatingHandler):
    """Writes to a file that is put aside as soon as an hour of UTC is over.

    That of logging counts from the last write to the file, so that sessions which
    are shorter than an hour would never begin another one.
    """

    def __init__(self, path: Path):
        self._path = path
        self._hour = _now()
        if path.exists() and path.stat().st_size:
            self._hour = int(path.stat().st_mtime) // HOUR
        super().__init__(path, "a", encoding="utf-8")
        if self._hour != _now():
            self.doRollover()

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802
        return self._hour != _now()

    def doRollover(self) -> None:  # noqa: N802
        self.close()
        stamp = time.strftime("%Y-%m-%d_%H", time.gmtime(self._hour * HOUR))
        self._hour = _now()
        with contextlib.suppress(OSError):  # then it goes on in the same file
            aside = self._path.with_name(f"{self._path.name}.{stamp}")
            if not aside.exists():  # else another process was faster
                self._path.rename(aside)
            oldest = (self._hour - KEEP_HOURS) * HOUR
            for old in self._path.parent.glob(f"{self._path.name}.????-??-??_??"):
                if old.stat().st_mtime < oldest:
                    old.unlink()
        self.stream = self._open()


def _now() -> int:
    return int(time.time()) // HOUR


class _LogFile:
    """An open log file and how many nodes write to it."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.handler = _HourlyFile(path)
        formatter = logging.Formatter(_FORMAT, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self.handler.setFormatter(formatter)
        self.users = 0


class _ToParent(logging.Handler):
    """Passes on what the parent of a logger wants to have, and no more.

    A file may be more talkative than a console, to which records propagate
    whatever the level of the console's logger is.
    """

    def __init__(self, parent: logging.Logger):
        super().__init__()
        self._parent = parent

    def emit(self, record: logging.LogRecord) -> None:
        if self._parent.isEnabledFor(record.levelno):
            self._parent.handle(record)


class NodeLog(logging.Handler):
    """Writes the log of one node into a file that it shares with others.

    :param logger: The logger of the node.
    :param level: What is worth writing, e.g. `DEBUG` or `INFO`.
    :param folder: Where the file is; None for `.secop-ophyd`.
    """

    def __init__(self, logger: logging.Logger, level: str, folder: str | None):
        super().__init__(level)
        self._logger = logger
        self._path = (Path(folder or LOG_DIR) / LOG_FILE).absolute()
        self.file: _LogFile | None = None
        """The file while it is open."""

    def open(self) -> None:
        """Start to write. A folder that is not writable is one warning."""
        if self.file is not None:
            return
        try:
            if self._path not in _files:
                _files[self._path] = _LogFile(self._path)
        except OSError as error:
            self._logger.warning("no log file: %s", error)
            return
        self.file = _files[self._path]
        self.file.users += 1
        if not _writers(self._logger):
            self._logger.propagate = False
            parent = self._logger.parent or logging.getLogger(__package__)
            self._logger.addHandler(_ToParent(parent))
        self._logger.addHandler(self)
        _set_level(self._logger)

    def emit(self, record: logging.LogRecord) -> None:
        if self.file is not None and self._is_first(record):
            self.file.handler.handle(record)

    def _is_first(self, record: logging.LogRecord) -> bool:
        # Of the devices of a node that write to one file, one is enough
        writers = (h for h in _writers(self._logger) if h.file is self.file)
        return self is next(h for h in writers if h.level <= record.levelno)

    def close(self) -> None:
        """End to write, and close the file if nobody else uses it."""
        if self.file is not None:
            self._logger.removeHandler(self)
            if not _writers(self._logger):
                for handler in list(self._logger.handlers):
                    if isinstance(handler, _ToParent):
                        self._logger.removeHandler(handler)
                self._logger.propagate = True
            _set_level(self._logger)
            self.file.users -= 1
            if self.file.users == 0:
                del _files[self._path]
                self.file.handler.close()
            self.file = None
        super().close()


def _writers(logger: logging.Logger) -> list[NodeLog]:
    return [h for h in logger.handlers if isinstance(h, NodeLog)]


def _set_level(logger: logging.Logger) -> None:
    # The most talkative of the devices of a node decides what is told
    levels = [handler.level for handler in _writers(logger)]
    logger.setLevel(min(levels, default=logging.NOTSET))
