"""Log files of nodes: hourly, kept for two days, in UTC, shared by all devices."""

from __future__ import annotations

import logging
import time
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path

LOG_DIR = ".secop-ophyd"
LOG_FILE = "secop-ophyd.log"
KEEP_HOURS = 48
_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"

_files: dict[Path, _LogFile] = {}


class _LogFile:
    """An open log file and how many nodes write to it."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.handler = TimedRotatingFileHandler(
            path, when="H", backupCount=KEEP_HOURS, encoding="utf-8", utc=True
        )
        formatter = logging.Formatter(_FORMAT, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self.handler.setFormatter(formatter)
        self.users = 0


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
        self._file: _LogFile | None = None
        self._level_before = logger.level

    def open(self) -> None:
        """Start to write. A folder that is not writable is one warning."""
        if self._file is not None:
            return
        try:
            if self._path not in _files:
                _files[self._path] = _LogFile(self._path)
        except OSError as error:
            self._logger.warning("no log file: %s", error)
            return
        self._file = _files[self._path]
        self._file.users += 1
        self._level_before = self._logger.level
        # The most talkative of the devices of a node decides what is told
        if not self._logger.isEnabledFor(self.level):
            self._logger.setLevel(self.level)
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if self._file is not None:
            self._file.handler.handle(record)

    def close(self) -> None:
        """End to write, and close the file if nobody else uses it."""
        if self._file is not None:
            self._logger.removeHandler(self)
            others = [h for h in self._logger.handlers if isinstance(h, NodeLog)]
            self._logger.setLevel(
                min((h.level for h in others), default=self._level_before)
            )
            self._file.users -= 1
            if self._file.users == 0:
                del _files[self._path]
                self._file.handler.close()
            self._file = None
        super().close()
