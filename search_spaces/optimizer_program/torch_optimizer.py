"""A program as a `torch.optim.Optimizer`, for training loops outside of this project.

Why: a found rule is of use where people train, with their schedulers, parameter groups and checkpoints. The rule:
parameters keep their memory; large ones are worked on where they are, small ones are copied to one buffer and back, so
that a bias does not cost as many calls as a matrix.

Departures from torch's own optimizers: functions over all parameters (norms, `dot`, `clip`) act on the parameters of a
group that have a gradient, and `t` counts the steps of the group, not of each parameter.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from automl.errors import InvalidSetting
from search_spaces.optimizer_program.canonical_form import simplify
from search_spaces.optimizer_program.compiled import CompiledProgram
from search_spaces.optimizer_program.layout import Layout, Shape
from search_spaces.optimizer_program.program import VARIABLES, G, Program, W
from search_spaces.optimizer_program.reference import step_noise
from search_spaces.optimizer_program.update_rule import LEARNING_RATE_UNIT

POOL_BELOW: Final = 1 << 14
"""Tensors with fewer numbers are copied to a common buffer; above, copying costs more than calls of their own."""


class ProgramOptimizer(torch.optim.Optimizer):
    """w <- w (1 - lr weight_decay) - update(w, g, v1, v2, lr / 1e-3, t), for each parameter group.

    Noise, where the program asks for any, differs between groups: group number k draws from seed + k.
    """

    def __init__(
        self, params: Any, program: Program, lr: float = 1e-3, weight_decay: float = 0.0, *, seed: int = 0
    ) -> None:
        """Takes over parameters.

        Args:
            params: tensors or groups of them, as torch's optimizers take; float32 or float64, one type and device per
                group.
            program: valid; simplified before it runs.
            lr: >= 0; the program sees lr / 1e-3.
            weight_decay: >= 0, decoupled; on top of what the program does.
            seed: of the noise.

        Raises:
            InvalidSetting: a negative rate, or parameters of another type.
        """
        self.program, self.seed = simplify(program), seed
        self._arrangements: dict[int, _Arrangement] = {}
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "step": 0})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group with settings of its own; its `t` starts at 1."""
        super().add_param_group(param_group)
        try:
            _require_usable(self.param_groups[-1])
        except InvalidSetting:
            self.param_groups.pop()
            raise

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Does one step; parameters without a gradient are left alone.

        Args:
            closure: computes the loss again, with gradients.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for index, group in enumerate(self.param_groups):
            active = [parameter for parameter in group["params"] if parameter.grad is not None]
            if active:
                self._step_group(index, group, active)
        return loss

    def _step_group(self, index: int, group: dict[str, Any], active: list[Tensor]) -> None:
        for parameter in active:
            _require_dense(parameter.grad)
        held = self._arrangements.get(index)
        if held is None or not held.fits(active):
            held = self._arrangements[index] = _arrange(active, self.program)
            for slot in held.compiled.reads:
                held.take_state(slot, self.state)
        group["step"] += 1
        learning_rate = float(group["lr"])
        held.run(
            lr=learning_rate / LEARNING_RATE_UNIT,
            t=group["step"],
            keep=1 - learning_rate * float(group["weight_decay"]),
            seed=self.seed + index,
        )

    def scratch(self) -> list[Tensor]:
        """Returns the memory kept between steps that holds no state: copies of small tensors, temporaries."""
        return [tensor for held in self._arrangements.values() for tensor in held.scratch()]

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {**state, "program": self.program, "seed": self.seed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._arrangements = {}  # they hold the memory of the states that were replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrangement:
    """Where the parameters of one group lie: large ones are parts of their own, small ones share the last part.

    Attributes:
        active: the parameters, in the order of the group.
        large: those that are worked on where they are.
        flat: 1-D views of the large ones.
        small: the others.
        weights: 1-D, copies of the small ones, and views of it in their shapes.
        slopes: the same for their gradients.
        compiled: the program for these parts.
    """

    active: tuple[Tensor, ...]
    large: tuple[Tensor, ...]
    flat: tuple[Tensor, ...]
    small: tuple[Tensor, ...]
    weights: "_Pool"
    slopes: "_Pool"
    compiled: CompiledProgram

    def fits(self, active: Sequence[Tensor]) -> bool:
        """Whether it was made for these parameters, and the large ones still lie where they did."""
        same = len(active) == len(self.active) and all(map(operator.is_, active, self.active))
        return same and all(one.data_ptr() == at.data_ptr() for one, at in zip(self.large, self.flat, strict=True))

    def take_state(self, slot: int, state: dict[Any, Any]) -> None:
        """Puts one state of all parameters where the program works on it, zero where there is none yet."""
        name, pool = VARIABLES[slot], _pool(self.small, like=self.weights.flat)
        for parameter, view in zip(self.small, pool.views, strict=True):
            if name in state[parameter]:
                view.copy_(state[parameter][name])
            state[parameter][name] = view
        for parameter in self.large:
            held = state[parameter].get(name)
            fresh = torch.zeros(parameter.shape, dtype=parameter.dtype, device=parameter.device)
            state[parameter][name] = fresh if held is None else held.contiguous()
        self.give(slot, [state[parameter][name].view(-1) for parameter in self.large], pool.flat)

    def run(self, *, lr: float, t: int, keep: float, seed: int) -> None:
        """Does one step; see `CompiledProgram.run`."""
        if self.small:
            torch._foreach_copy_(self.weights.views, self.small)
            torch._foreach_copy_(self.slopes.views, [one.grad for one in self.small if one.grad is not None])
        self.give(G, [_flat_gradient(one) for one in self.large], self.slopes.flat)
        noise = self.noise(seed, t) if self.compiled.uses_noise else None
        self.compiled.run(lr=lr, t=t, keep=[keep] * len(self.compiled.layout.parts), noise=noise)
        if self.small:
            torch._foreach_copy_(self.small, self.weights.views)

    def give(self, slot: int, large: Iterable[Tensor], pool: Tensor) -> None:
        """Says where w, g, v1 or v2 lies."""
        self.compiled.give(slot, (*large, pool) if self.small else tuple(large))

    def scratch(self) -> list[Tensor]:
        """Returns copies and temporaries."""
        return [self.weights.flat, self.slopes.flat, *self.compiled.scratch()]

    def noise(self, seed: int, t: int) -> Tensor:
        """Returns the noise of a step, drawn in the order of the group, laid out like the parts."""
        drawn = step_noise([one.shape for one in self.active], seed=seed, step=t, like=self.weights.flat)
        by_parameter = {id(one): leaf for one, leaf in zip(self.active, drawn, strict=True)}
        return torch.cat([by_parameter[id(one)].reshape(-1) for one in (*self.large, *self.small)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    """A 1-D buffer, and views of it in the shapes of the small parameters."""

    flat: Tensor
    views: list[Tensor]


def _pool(small: Sequence[Tensor], *, like: Tensor) -> _Pool:
    flat = like.new_zeros(sum(one.numel() for one in small))
    pieces = torch.split(flat, [one.numel() for one in small]) if small else ()
    return _Pool(flat=flat, views=[piece.view(one.shape) for piece, one in zip(pieces, small, strict=True)])


def _arrange(active: Sequence[Tensor], program: Program) -> _Arrangement:
    _require_one_type(active)
    large = tuple(one for one in active if one.numel() >= POOL_BELOW and one.is_contiguous())
    chosen = {id(one) for one in large}
    small = tuple(one for one in active if id(one) not in chosen)
    like = active[0].detach().new_empty(0)
    parts: list[tuple[Shape, ...]] = [(tuple(one.shape),) for one in large]
    if small:
        parts.append(tuple(tuple(one.shape) for one in small))
    made = _Arrangement(
        active=tuple(active),
        large=large,
        flat=tuple(one.detach().view(-1) for one in large),
        small=small,
        weights=_pool(small, like=like),
        slopes=_pool(small, like=like),
        compiled=CompiledProgram(program, Layout(parts=tuple(parts)), like=like, seed=0),
    )
    made.give(W, made.flat, made.weights.flat)
    return made


def _flat_gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad.reshape(-1)


def _require_usable(group: dict[str, Any]) -> None:
    for name in ("lr", "weight_decay"):
        if not float(group[name]) >= 0:
            raise InvalidSetting(name, group[name], "a number >= 0")
    _require_one_type(group["params"])


def _require_dense(gradient: Tensor | None) -> None:
    if gradient is not None and gradient.layout != torch.strided:
        raise InvalidSetting("gradient", str(gradient.layout), "dense gradients; build the layer with sparse=False")


def _require_one_type(parameters: Sequence[Tensor]) -> None:
    kinds = {(one.dtype, one.device) for one in parameters}
    for dtype, _ in kinds:
        if dtype not in (torch.float32, torch.float64):
            allowed = "float32 or float64; keep a float32 copy of weights of other types, as mixed precision does"
            raise InvalidSetting("params", str(dtype), allowed)
    if len(kinds) > 1:
        found = ", ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds))
        raise InvalidSetting("params", found, "one type and device per group; put the others into groups of their own")
