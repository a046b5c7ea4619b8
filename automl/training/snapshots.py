"""A directory of training snapshots, named by the digest of their bytes.

Why: a rung goes on where the last one stopped. A snapshot is a cache: when one is missing or damaged the leg is trained
again from step 0, with the same result. The rule: files are written under another name and renamed, and are read with
`weights_only=True`, so that a foreign file can at worst be absent.
"""

import hashlib
import io
import os
import pickle
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from automl.errors import InvalidSetting

KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotStore:
    """A content-addressed store; several workers may share its directory.

    Attributes:
        directory: where the files lie; made when first written to.
        limit_bytes: total size in bytes, > 0; beyond it the oldest files go. Rule of thumb: 4 GiB, a snapshot of a
            proxy network being 0.1 to 10 MB.
    """

    directory: Path
    limit_bytes: int = 4 << 30

    def __post_init__(self) -> None:
        if self.limit_bytes < 1:
            raise InvalidSetting("limit_bytes", self.limit_bytes, "an int >= 1")

    def put(self, content: Mapping[str, Any]) -> str:
        """Stores nested tensors and plain numbers, and returns their key."""
        buffer = io.BytesIO()
        torch.save(dict(content), buffer)
        data = buffer.getvalue()
        key = _digest(data)
        self.directory.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.directory, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, self._path(key))
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._shrink(keep=key)
        return key

    def get(self, key: str | None) -> Mapping[str, Any] | None:
        """Returns what `put` stored, or None where it is missing, damaged or no key at all."""
        if key is None or not KEY.fullmatch(key):
            return None
        try:
            data = self._path(key).read_bytes()
        except OSError:
            return None
        if _digest(data) != key:
            return None
        try:
            content = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def discard(self, key: str | None) -> None:
        """Removes a snapshot, if it is there."""
        if key is not None and KEY.fullmatch(key):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}.pt"

    def _shrink(self, *, keep: str) -> None:
        """Removes oldest files first; another worker may remove the same ones meanwhile."""
        files = []
        for path in self.directory.iterdir():
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            files.append((status.st_mtime_ns, path, status.st_size))
        total = sum(size for _, _, size in files)
        for _, path, size in sorted(files):
            if total <= self.limit_bytes:
                return
            if path != self._path(keep):
                path.unlink(missing_ok=True)
                total -= size


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
