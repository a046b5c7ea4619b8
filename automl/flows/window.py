"""Which older trials a trial is proposed from: p(k).

Why: a study must not depend on the number of workers or on when results arrive, so what trial k may know is a function
of trial numbers only. The rule: p(k) is the smallest p with fewer than `depth` trained trials among p..k-1; for a
searcher that needs whole generations of P trials, p(k) = floor(k / P) P.
"""

from automl.errors import InvalidSetting


class Window:
    """Computes p(k) for k = 0, 1, 2, ... in one pass.

    Args:
        depth: how many trained trials may be open at once, >= 1; rule of thumb 4 x workers, at most budget / 8.
        block: trials per generation, >= 1; above 1 all trials of a block are proposed from those before it, and depth
            decides nothing.
    """

    def __init__(self, depth: int, *, block: int = 1) -> None:
        if depth < 1:
            raise InvalidSetting("depth", depth, "an int >= 1; rule of thumb 4 x workers, at most trials / 8")
        if block < 1:
            raise InvalidSetting("block", block, "an int >= 1; the searcher's population")
        self._depth, self._block = depth, block
        self._trained: list[bool] = []
        self._low = 0
        self._open = 0

    def low(self) -> int:
        """Returns p(k) for the next trial k, once all older ones are added."""
        if self._block > 1:
            return len(self._trained) // self._block * self._block
        return self._low

    def add(self, *, trained: bool) -> None:
        """Adds trial k: whether it goes to training, or is settled by screens or as a duplicate."""
        self._trained.append(trained)
        self._open += trained
        while self._open >= self._depth:
            self._open -= self._trained[self._low]
            self._low += 1
