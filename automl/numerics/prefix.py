"""The first entries of a list that goes on growing, as a sequence that does not change.

Why: a study's lists only ever get longer, and someone is handed their beginning with every trial; copying it each time
costs more with every trial. The rule: the list behind it may be appended to, nothing else.
"""

from collections.abc import Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class Prefix(Sequence[T]):
    """The first `length` entries of a list, without a copy.

    Args:
        entries: the growing list.
        length: how many of them belong to the sequence, in [0, len(entries)].
    """

    __slots__ = ("_entries", "_length")

    def __init__(self, entries: list[T], length: int) -> None:
        self._entries, self._length = entries, length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._entries[at] for at in range(*index.indices(self._length))]
        return self._entries[range(self._length)[index]]
