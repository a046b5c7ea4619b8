"""Messages over a pipe: eight bytes of length, then canonical JSON.

Why: driver and worker must agree on where a message ends, even when one of them is killed in the middle of it.
The rule: nothing else is ever on the wire; a length above the limit is refused before it is read.
"""

import os
from typing import Any

from automl.canonical import JSON, dumps, loads
from automl.errors import NotCanonical

LENGTH_BYTES = 8
CHUNK_BYTES = 1 << 16


def frame(message: JSON) -> bytes:
    """Returns a message as it goes over the wire.

    Raises:
        NotCanonical: the message has no canonical JSON form.
    """
    body = dumps(message).encode()
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class Inbox:
    """Cuts an incoming stream of bytes into messages."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Appends what was read from the pipe."""
        self._buffer += data

    def take(self) -> Any:
        """Returns the next whole message, or None while it is incomplete.

        Raises:
            NotCanonical: what arrives is no message, or a longer one than allowed.
        """
        if len(self._buffer) < LENGTH_BYTES:
            return None
        size = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if size > self._max_bytes:
            raise NotCanonical(f"A message of {size} bytes; at most {self._max_bytes} are taken.")
        end = LENGTH_BYTES + size
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[LENGTH_BYTES:end])
        del self._buffer[:end]
        return loads(body, max_bytes=self._max_bytes)


def receive(descriptor: int, inbox: Inbox) -> Any:
    """Blocks for the next message; returns None once the other side has closed the pipe."""
    while (message := inbox.take()) is None:
        data = os.read(descriptor, CHUNK_BYTES)
        if not data:
            return None
        inbox.feed(data)
    return message


def send(descriptor: int, data: bytes) -> None:
    """Blocks until all of a framed message is written.

    Raises:
        BrokenPipeError: the other side is gone.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
