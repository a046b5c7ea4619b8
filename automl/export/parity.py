"""Does the ONNX file compute what the PyTorch model computes?

Why: exporters bake in batch sizes, mistranslate normalization layers and drop eval-mode buffers; one batch of random
numbers shows none of it. So real, zero and large inputs are compared at batch 1, 2, 7 and 64, a sample must give the
same answer in every batch, and the task's own metric is computed through both.

The tolerance, in units of the largest output of the case: float32 rounds at 6e-8; two runtimes order their sums
differently, which costs some roundings per layer, so 1e-6 per leaf module and at least 1e-5 is allowed. A function
that amplifies rounding by itself (a sine of 1e3 x) cannot agree better than it agrees with itself: where PyTorch's own
answer moves by more when its inputs move by one unit in the last place, 4 times that movement is allowed, but never
over 1e-2.
The rule: NaN and infinity must stand at the same places on both sides.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import Module

from automl.canonical import JSON, finite
from automl.errors import ExportError
from automl.export.runtime import OnnxModule

BATCHES = (1, 2, 7, 64)
LARGE = 1e3
ROUNDING_PER_LAYER = 1e-6
LEAST_TOLERANCE = 1e-5
MOST_TOLERANCE = 1e-2
OWN_MOVEMENTS = 4.0
LEAST_SCALE = 0.1
METRIC_TOLERANCE = 3e-3
"""One example in 333 may fall on the other side of a tie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One comparison.

    Attributes:
        name: "real", "zero", "large" ("reversed" for whole numbers), "same sample", or "metric <name>".
        batch: rows of the batch; None for metrics.
        max_abs: largest absolute difference; None = not comparable (shapes or non-finite places differ).
        max_rel: the same over the largest output of the case.
        tolerance: what `max_rel` may be (`max_abs` for metrics).
        holds: whether it is within.
        note: why it is not comparable, else "".
    """

    name: str
    batch: int | None
    max_abs: float | None
    max_rel: float | None
    tolerance: float
    holds: bool
    note: str = ""

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The report that travels with a model.

    Attributes:
        cases: every comparison made.
    """

    cases: tuple[Case, ...]

    @property
    def holds(self) -> bool:
        """Whether every case is within its tolerance; an empty report does not hold."""
        return bool(self.cases) and all(case.holds for case in self.cases)

    @property
    def worst(self) -> Case:
        """The case that fails, or comes closest to failing."""
        return max(self.cases, key=lambda case: (not case.holds, (case.max_rel or 0.0) / case.tolerance))

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {"holds": self.holds, "cases": [case.to_json() for case in self.cases]}


def check_parity(
    module: Module, path: Path, *, inputs: Tensor, measure: Callable[[Module], Mapping[str, float]]
) -> Parity:
    """Compares a model with its ONNX file.

    Args:
        module: in eval mode, on the CPU, float32.
        path: its ONNX file.
        inputs: [at least 64, ...] real examples, whole numbers where the model takes tokens; fewer are repeated.
        measure: model -> the task's metrics on a dataset; called with the module and with the ONNX file as a module.

    Raises:
        ExportError: the file cannot be run at all.
    """
    if not len(inputs):
        raise ExportError("Parity needs at least one real example; the inputs are empty.")
    exported = OnnxModule(path)
    rows = inputs.repeat(-(-BATCHES[-1] // len(inputs)), *[1] * (inputs.dim() - 1))[: BATCHES[-1]]
    allowed = max(LEAST_TOLERANCE, ROUNDING_PER_LAYER * _leaves(module))
    kinds = {"real": rows, "zero": torch.zeros_like(rows), **_extreme(rows)}
    with torch.inference_mode():
        cases = [
            _compare(name, module, exported, kind[:batch], least=allowed)
            for name, kind in kinds.items()
            for batch in BATCHES
        ]
        cases += _same_sample(module, exported, rows, least=allowed)
        cases += _metrics(measure(module), measure(exported))
    return Parity(cases=tuple(cases))


def _extreme(rows: Tensor) -> dict[str, Tensor]:
    """Large inputs; tokens cannot be scaled, so they are read backwards instead: known tokens, unusual texts."""
    if rows.is_floating_point():
        return {"large": rows * LARGE}
    return {"reversed": rows.flip(tuple(range(1, rows.dim())))}


def _compare(name: str, module: Module, exported: Module, batch: Tensor, *, least: float) -> Case:
    expected = module(batch)
    moved = module(next_floats(batch))
    tolerance = min(MOST_TOLERANCE, max(least, OWN_MOVEMENTS * _relative(expected, moved)))
    return _case(name, expected, _run(exported, batch), tolerance=tolerance)


def _same_sample(module: Module, exported: Module, rows: Tensor, *, least: float) -> list[Case]:
    """Each row alone, against the same row within a larger batch, through the file."""
    cases = []
    for batch in BATCHES[1:]:
        alone = [_run(exported, rows[index : index + 1]) for index in range(min(batch, 7))]
        together = _run(exported, rows[:batch])
        if isinstance(together, Tensor):
            together = together[: len(alone)]
        single = [row for row in alone if isinstance(row, Tensor)]
        expected = torch.cat(single) if len(single) == len(alone) else module(rows[: len(alone)])
        tolerance = min(MOST_TOLERANCE, max(least, OWN_MOVEMENTS * _relative(*_own(module, rows[: len(alone)]))))
        cases.append(_case("same sample", expected, together, tolerance=tolerance, batch=batch))
    return cases


def _metrics(expected: Mapping[str, float], found: Mapping[str, float]) -> list[Case]:
    cases = []
    for name, value in expected.items():
        both = finite(value), finite(found.get(name))
        apart = abs(both[0] - both[1]) if both[0] is not None and both[1] is not None else None
        scale = max(1.0, abs(both[0] or 0.0))
        holds = both == (None, None) or (apart is not None and apart <= METRIC_TOLERANCE * scale)
        cases.append(
            Case(
                name=f"metric {name}",
                batch=None,
                max_abs=apart,
                max_rel=None if apart is None else apart / scale,
                tolerance=METRIC_TOLERANCE,
                holds=holds,
                note="" if apart is not None else "not a number on one side or both",
            )
        )
    return cases


def _case(name: str, expected: Tensor, found: Tensor | str, *, tolerance: float, batch: int | None = None) -> Case:
    rows = batch or len(expected)
    note = found if isinstance(found, str) else different_places(expected, found)
    if note or isinstance(found, str):
        return Case(name=name, batch=rows, max_abs=None, max_rel=None, tolerance=tolerance, holds=False, note=note)
    apart, relative = _distance(expected, found), _relative(expected, found)
    holds = relative <= tolerance
    return Case(name=name, batch=rows, max_abs=apart, max_rel=relative, tolerance=tolerance, holds=holds)


def different_places(expected: Tensor, found: Tensor) -> str:
    """Returns why two results cannot be compared number by number: shape, NaN, infinity; "" where they can."""
    if expected.shape != found.shape:
        return f"shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
    same = (
        torch.equal(expected.isnan(), found.isnan())
        and torch.equal(expected.isposinf(), found.isposinf())
        and torch.equal(expected.isneginf(), found.isneginf())
    )
    return "" if same else "NaN or infinity at different places"


def _run(exported: Module, batch: Tensor) -> Tensor | str:
    try:
        output: Tensor = exported(batch)
    except Exception as error:  # a file with a fixed batch size fails here; that is a finding
        return f"{type(error).__name__}: {str(error)[:200]}"
    return output


def _own(module: Module, batch: Tensor) -> tuple[Tensor, Tensor]:
    return module(batch), module(next_floats(batch))


def next_floats(batch: Tensor) -> Tensor:
    """Every second value one unit in the last place up, the others down; zeros stay within 1e-38.

    Whole numbers have no such neighbours and stay as they are.
    """
    if not batch.is_floating_point():
        return batch
    towards = torch.full_like(batch, torch.inf)
    towards.view(-1)[::2] = -torch.inf
    return torch.nextafter(batch, towards)


def _distance(expected: Tensor, found: Tensor) -> float:
    both = expected.isfinite() & found.isfinite()
    return float((expected - found).abs()[both].max()) if bool(both.any()) else 0.0


def _relative(expected: Tensor, found: Tensor) -> float:
    """Largest difference over the largest finite output; over `LEAST_SCALE` where that is smaller."""
    usable = expected[expected.isfinite()].abs()
    scale = max(float(usable.max()) if usable.numel() else 0.0, LEAST_SCALE)
    return _distance(expected, found) / scale


def _leaves(module: Module) -> int:
    return sum(1 for part in module.modules() if not any(True for _ in part.children()))
