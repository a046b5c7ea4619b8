"""A stack: ordinary training states whose tensors are rows of shared ones.

Why: each candidate is still built, measured, reported and stored by its own trainer, while one computation steps all.
The rule: a row holds one candidate and is filled up to whole vectors of the processor, so that what becomes of it
depends neither on its place nor on its neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from automl.contracts import Batch
from automl.errors import InvalidSetting
from automl.training.stacked_gradients import StackedGradients, untrained, whole_vectors
from automl.training.stacked_updates import StepRates, stacked_updates
from automl.training.supervised import SupervisedState, lay_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """One row of numbers per candidate, and the same memory seen in other ways.

    Attributes:
        numbers: [rows, numbers], the groups side by side.
        groups: group -> [rows, numbers in the group].
        places: parameter name -> [rows, *shape], in the order of the groups.
    """

    numbers: Tensor
    groups: Mapping[str, Tensor]
    places: Mapping[str, Tensor]

    def only(self, rows: slice) -> Mapping[str, Tensor]:
        """Returns the groups of some rows."""
        if rows == slice(0, len(self.numbers)):
            return self.groups
        return {name: group[rows] for name, group in self.groups.items()}


SIGNALS = ("loss", "gradient_dot", "gradient_l1", "gradient_l2")
"""What a schedule may see."""


class Stack:
    """Steps all candidates of one structure at once.

    Args:
        states: one per row, as initialised or restored; their tensors become views of this stack's.
        gradients: traced for as many rows.

    Raises:
        InvalidSetting: the candidates do not share one structure.
    """

    def __init__(self, states: Sequence[SupervisedState], gradients: StackedGradients) -> None:
        _require_one_structure(states)
        self._states = states
        first = states[0]
        self._sizes = {name: buffer.numel() for name, buffer in first.buffers.items()}
        self._rows = self._filled({name: [state.buffers[name] for state in states] for name in first.buffers})
        self._now = self._filled({name: [torch.zeros_like(row)] * len(states) for name, row in first.buffers.items()})
        self._before = self._filled({name: _previous(states, name) for name in first.buffers})
        self._scratch = torch.zeros_like(self._rows.numbers)
        self._updates = stacked_updates(
            [state.recipe.update_rule for state in states],
            [state.rule for state in states],
            like=self._rows.groups,
            sizes=self._sizes,
        )
        decay = {name: self._column([state.weight_decay[name] for state in states]) for name in first.buffers}
        self._decay = [{name: rows[update.rows] for name, rows in decay.items()} for update in self._updates]
        loose = [untrained(state.model) for state in states]
        self._buffers = {name: torch.stack([tensors[name] for tensors in loose]) for name in loose[0]}
        self._adopt()
        self._gradients = gradients.bind(self._rows.places, self._buffers)

    def step(self, batch: Batch, *, step: int, alive: Sequence[bool]) -> list[float]:
        """Trains every row on its batch and returns their losses; a row that is not alive is left out of all records.

        Args:
            batch: as traced.
            step: from 0.
            alive: one per row.
        """
        losses, gradients, buffers = self._gradients(batch)
        for name, place in self._now.places.items():
            place.copy_(gradients[name])
        for name, buffer in self._buffers.items():
            buffer.copy_(buffers[name])
        signals = self._signals(losses)
        rates = self._column([
            self._rate(state, step, told) if living else 0.0
            for state, told, living in zip(self._states, signals, alive, strict=True)
        ])
        for update, decay in zip(self._updates, self._decay, strict=True):
            if any(alive[update.rows]):
                update.step(
                    self._rows.only(update.rows),
                    self._now.only(update.rows),
                    StepRates(learning_rate=rates[update.rows], weight_decay=decay, step=step),
                )
        self._now, self._before = self._before, self._now
        return [told[0] for told in signals]

    def retire(self, row: int) -> None:
        """Empties a row that has diverged: arithmetic with NaN is slow, a root of it twenty times as slow."""
        for tensor in (self._rows.numbers, self._now.numbers, self._before.numbers, *self._buffers.values()):
            tensor[row] = 0
        for update in self._updates:
            update.retire(row)

    def settle(self) -> None:
        """Writes into each state what its trainer keeps there: the state of its rule and its last gradients."""
        for update in self._updates:
            for index, rule in zip(range(update.rows.start, update.rows.stop), update.states(), strict=True):
                self._states[index].rule = rule
        for index, state in enumerate(self._states):
            state.previous = {name: self._before.groups[name][index, :size] for name, size in self._sizes.items()}

    def _rate(self, state: SupervisedState, step: int, told: Sequence[float]) -> float:
        state.norms.append((told[2], told[3]))
        signals = dict(zip(SIGNALS, told, strict=True))
        factor, state.schedule = state.recipe.schedule.multiplier(state.schedule, step, signals)
        return state.recipe.learning_rate * factor

    def _signals(self, losses: Tensor) -> list[list[float]]:
        """Returns `SIGNALS` of each row; read from the device at once."""
        slopes, scratch = self._now.numbers, self._scratch
        dots = torch.mul(slopes, self._before.numbers, out=scratch).sum(1)
        l1 = torch.abs(slopes, out=scratch).sum(1)  # a fifth of the time of a vector norm of order 1
        signals: list[list[float]] = torch.stack(
            [losses, dots, l1, torch.linalg.vector_norm(slopes, dim=1)], dim=1
        ).tolist()
        return signals

    def _filled(self, groups: Mapping[str, Sequence[Tensor]]) -> Rows:
        """Lays groups beside each other, each filled up to whole vectors."""
        first = next(iter(groups.values()))
        lengths = {name: whole_vectors(rows[0].numel()) for name, rows in groups.items()}
        numbers = first[0].new_zeros((len(first), sum(lengths.values())))
        parts = dict(zip(groups, torch.split(numbers, list(lengths.values()), dim=1), strict=True))
        for name, rows in groups.items():
            for place, row in zip(parts[name], rows, strict=True):
                place[: row.numel()] = row
        return Rows(numbers=numbers, groups=parts, places=self._views(parts))

    def _column(self, numbers: Sequence[float]) -> Tensor:
        like = self._rows.numbers
        return torch.tensor(numbers, dtype=like.dtype, device=like.device)[:, None]

    def _adopt(self) -> None:
        for index, state in enumerate(self._states):
            start = 0
            for name, count in state.counts.items():
                state.buffers[name] = self._rows.groups[name][index, : self._sizes[name]]
                lay_out(state.parameters[start : start + count], state.buffers[name])
                start += count
            for name, tensor in untrained(state.model).items():
                tensor.data = self._buffers[name][index]

    def _views(self, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns parameter name -> [rows, *shape], views in the order of the groups."""
        first, views = self._states[0], {}
        names = {id(parameter): name for name, parameter in first.model.named_parameters()}
        parameters = iter(first.parameters)
        for group, count in first.counts.items():
            offset = 0
            for _ in range(count):
                parameter = next(parameters)
                end = offset + parameter.numel()
                views[names[id(parameter)]] = rows[group][:, offset:end].view(-1, *parameter.shape)
                offset = end
        return views


def _previous(states: Sequence[SupervisedState], name: str) -> list[Tensor]:
    return [state.previous.get(name, torch.zeros_like(state.buffers[name])) for state in states]


def _require_one_structure(states: Sequence[SupervisedState]) -> None:
    def structure(state: SupervisedState) -> list[tuple[str, tuple[int, ...], int]]:
        tensors = {**dict(state.model.named_parameters()), **untrained(state.model)}
        places = {id(parameter): place for place, parameter in enumerate(state.parameters)}
        return [(name, tuple(tensor.shape), places.get(id(tensor), -1)) for name, tensor in tensors.items()]

    first = structure(states[0])
    if any(structure(state) != first for state in states[1:]):
        raise InvalidSetting("executor.batch", "candidates of different models", "1 for this space")
