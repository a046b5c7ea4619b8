"""A stack: ordinary training states whose tensors are rows of shared ones.

Why: each candidate is still built, measured, reported and stored by its own trainer, while one computation steps all.
The rule: a row holds one candidate and is filled up to whole vectors of the processor, so that what becomes of it
depends neither on its place nor on its neighbours.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from automl.contracts import Batch
from automl.errors import InvalidSetting
from automl.training.stacked_gradients import StackedGradients, untrained, whole_vectors
from automl.training.stacked_updates import StepRates, stacked_updates
from automl.training.supervised import SupervisedState, lay_out


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
        self._states, self._gradients = states, gradients
        first = states[0]
        self._sizes = {name: buffer.numel() for name, buffer in first.buffers.items()}
        self._rows = {name: self._filled([state.buffers[name] for state in states]) for name in first.buffers}
        self._slopes = {name: torch.zeros_like(rows) for name, rows in self._rows.items()}
        self._before = {name: self._filled(_previous(states, name)) for name in first.buffers}
        self._updates = stacked_updates(
            [state.recipe.update_rule for state in states],
            [state.rule for state in states],
            like=self._rows,
            sizes=self._sizes,
        )
        self._decay = {name: self._column([state.weight_decay[name] for state in states]) for name in first.buffers}
        loose = [untrained(state.model) for state in states]
        self._buffers = {name: torch.stack([tensors[name] for tensors in loose]) for name in loose[0]}
        self._adopt()
        self._parameters, self._places = self._views(self._rows), self._views(self._slopes)
        self._places_before = self._views(self._before)

    def step(self, batch: Batch, *, step: int, alive: Sequence[bool]) -> list[float]:
        """Trains every row on its batch and returns their losses; a row that is not alive is left out of all records.

        Args:
            batch: as traced.
            step: from 0.
            alive: one per row.
        """
        losses, gradients, buffers = self._gradients(self._parameters, self._buffers, batch)
        for name, place in self._places.items():
            place.copy_(gradients[name])
        for name, buffer in self._buffers.items():
            buffer.copy_(buffers[name])
        signals = self._signals(losses)
        rates = self._column([
            self._rate(state, step, told) if living else 0.0
            for state, told, living in zip(self._states, signals, alive, strict=True)
        ])
        for update in self._updates:
            one = update.rows
            if not any(alive[one]):
                continue
            update.step(
                {name: rows[one] for name, rows in self._rows.items()},
                {name: rows[one] for name, rows in self._slopes.items()},
                StepRates(
                    learning_rate=rates[one],
                    weight_decay={name: rows[one] for name, rows in self._decay.items()},
                    step=step,
                ),
            )
        self._slopes, self._before = self._before, self._slopes
        self._places, self._places_before = self._places_before, self._places
        return [told["loss"] for told in signals]

    def retire(self, row: int) -> None:
        """Empties a row that has diverged: arithmetic with NaN is slow, a root of it twenty times as slow."""
        for rows in (self._rows, self._slopes, self._before, self._buffers):
            for tensor in rows.values():
                tensor[row] = 0
        for update in self._updates:
            update.retire(row)

    def settle(self) -> None:
        """Writes into each state what its trainer keeps there: the state of its rule and its last gradients."""
        for update in self._updates:
            for index, rule in zip(range(update.rows.start, update.rows.stop), update.states(), strict=True):
                self._states[index].rule = rule
        for index, state in enumerate(self._states):
            state.previous = {name: self._before[name][index, :size] for name, size in self._sizes.items()}

    def _rate(self, state: SupervisedState, step: int, signals: dict[str, float]) -> float:
        state.norms.append((signals["gradient_l1"], signals["gradient_l2"]))
        factor, state.schedule = state.recipe.schedule.multiplier(state.schedule, step, signals)
        return state.recipe.learning_rate * factor

    def _signals(self, losses: Tensor) -> list[dict[str, float]]:
        """Returns what each schedule may see; read from the device at once."""
        dots, l1, squares = (torch.zeros_like(losses) for _ in range(3))
        for name, slopes in self._slopes.items():
            dots += (slopes * self._before[name]).sum(1)
            l1 += slopes.abs().sum(1)  # a fifth of the time of a vector norm of order 1
            squares += torch.linalg.vector_norm(slopes, dim=1).square()
        names = ("loss", "gradient_dot", "gradient_l1", "gradient_l2")
        numbers = torch.stack([losses, dots, l1, squares.sqrt()], dim=1).tolist()
        return [dict(zip(names, row, strict=True)) for row in numbers]

    def _filled(self, rows: Sequence[Tensor]) -> Tensor:
        numbers = rows[0].numel()
        filled = rows[0].new_zeros((len(rows), whole_vectors(numbers)))
        for place, row in zip(filled, rows, strict=True):
            place[:numbers] = row
        return filled

    def _column(self, numbers: Sequence[float]) -> Tensor:
        like = next(iter(self._rows.values()))
        return torch.tensor(numbers, dtype=like.dtype, device=like.device)[:, None]

    def _adopt(self) -> None:
        for index, state in enumerate(self._states):
            start = 0
            for name, count in state.counts.items():
                state.buffers[name] = self._rows[name][index, : self._sizes[name]]
                lay_out(state.parameters[start : start + count], state.buffers[name])
                start += count
            for name, tensor in untrained(state.model).items():
                tensor.data = self._buffers[name][index]

    def _views(self, rows: dict[str, Tensor]) -> dict[str, Tensor]:
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

    if any(structure(state) != structure(states[0]) for state in states):
        raise InvalidSetting("executor.batch", "candidates of different models", "1 for this space")
