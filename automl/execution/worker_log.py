"""The file that a worker's stdout, stderr and faulthandler go to.

Why: the last words of a process that died are the only evidence of why. The rule: the tail that goes into a trial's
evidence is what was written since its job began, and a candidate that prints for ever cannot fill the disk.
A stack that faulthandler dumped stands there from its top, which is where it happened, and without the long line of
loaded extension modules that follows it.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

TAIL_BYTES = 4_000
MAX_BYTES = 8 << 20
_READ_BYTES = 8 * TAIL_BYTES
_DUMP = re.compile(rb"^(?:Fatal Python error: |Timeout \()", re.MULTILINE)
_EXTENSIONS = re.compile(rb"^Extension modules: .*\n?", re.MULTILINE)


@dataclass(slots=True, kw_only=True)
class WorkerLog:
    """One worker's log file.

    Attributes:
        path: of the file; it is opened for appending by the worker.
    """

    path: Path
    _begin: int = field(init=False, repr=False, default=0)

    def mark(self) -> None:
        """Remembers where the log stands as a job begins."""
        self._begin = self._size()

    def tail(self) -> str:
        """Returns the last 4 kB written since the mark, or the first 4 kB of a dumped stack."""
        try:
            with open(self.path, "rb") as file:
                file.seek(max(self._begin, self._size() - _READ_BYTES))
                text = _EXTENSIONS.sub(b"", file.read(_READ_BYTES))
        except OSError:
            return ""
        dumped = _DUMP.search(text)
        begin = min(dumped.start() if dumped else len(text), max(0, len(text) - TAIL_BYTES))
        return text[begin : begin + TAIL_BYTES].decode(errors="replace")

    def trim(self) -> None:
        """Empties a log that has grown over 8 MiB; the worker appends, so it goes on at the new end."""
        if self._size() > MAX_BYTES:
            os.truncate(self.path, 0)
            self._begin = 0

    def _size(self) -> int:
        try:
            return os.stat(self.path).st_size
        except OSError:
            return 0
