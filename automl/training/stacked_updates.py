"""Update rules on rows: one row of numbers per candidate, each with its own learning rate and weight decay.

Why: one operation on all rows costs little more than on one. The rule: what a row becomes is what its own rule makes of
it, the same bit for bit whichever rows stand beside it; rules without a form for rows are called row by row.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from automl.contracts import UpdateRule
from automl.training.update_rules import AdamW, NesterovSGD

Rows: TypeAlias = Mapping[str, Tensor]
"""Group -> [candidates, numbers]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRates:
    """What differs between candidates at one step.

    Attributes:
        learning_rate: [candidates, 1].
        weight_decay: group -> [candidates, 1].
        step: from 0.
    """

    learning_rate: Tensor
    weight_decay: Rows
    step: int


class RowsForm(Protocol):
    """An update rule for rows; parameters and `moments` are changed in place."""

    def step(self, parameters: Rows, gradients: Rows, moments: Mapping[str, Rows], rates: StepRates) -> None:
        """Moves every row by one step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackedNesterov:
    """`NesterovSGD` on rows.

    Attributes:
        rule: shared by all rows.
    """

    rule: NesterovSGD

    def step(self, parameters: Rows, gradients: Rows, moments: Mapping[str, Rows], rates: StepRates) -> None:
        """v <- momentum v + g + wd p;  p <- p - lr (g + wd p + momentum v)."""
        for name, rows in parameters.items():
            velocity = moments["velocity"][name]
            slope = torch.addcmul(gradients[name], rows, rates.weight_decay[name])
            velocity.mul_(self.rule.momentum).add_(slope)
            slope.add_(velocity, alpha=self.rule.momentum)
            rows.addcmul_(slope, rates.learning_rate, value=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackedAdamW:
    """`AdamW` on rows.

    Attributes:
        rule: shared by all rows.
    """

    rule: AdamW

    def step(self, parameters: Rows, gradients: Rows, moments: Mapping[str, Rows], rates: StepRates) -> None:
        """See `AdamW`."""
        rule, done = self.rule, rates.step + 1
        correction = math.sqrt(1 - rule.beta2**done)
        rate = rates.learning_rate / (1 - rule.beta1**done)
        for name, rows in parameters.items():
            gradient, first, second = gradients[name], moments["first"][name], moments["second"][name]
            first.lerp_(gradient, 1 - rule.beta1)
            second.mul_(rule.beta2).addcmul_(gradient, gradient, value=1 - rule.beta2)
            root = torch.sqrt(second).div_(correction).add_(rule.epsilon)
            direction = torch.div(first, root, out=root)
            rows.mul_(1 - rates.learning_rate * rates.weight_decay[name])
            rows.addcmul_(direction, rate, value=-1)


@dataclass(slots=True, kw_only=True)
class SharedUpdate:
    """Some rows under one rule that has a form for rows.

    Attributes:
        rows: which ones.
        form: of the rule.
        moments: of these rows: moment -> group -> [rows, numbers].
        sizes: group -> numbers that count; behind them stands filling.
    """

    rows: slice
    form: RowsForm
    moments: dict[str, dict[str, Tensor]]
    sizes: Mapping[str, int]

    def step(self, parameters: Rows, gradients: Rows, rates: StepRates) -> None:
        """Moves these rows, which are all that is given, by one step."""
        self.form.step(parameters, gradients, self.moments, rates)

    def retire(self, row: int) -> None:
        """Empties the moments of a row, if it is one of these."""
        if self.rows.start <= row < self.rows.stop:
            for groups in self.moments.values():
                for rows in groups.values():
                    rows[row - self.rows.start] = 0

    def states(self) -> list[Any]:
        """Returns each row's state, in the form of its own rule."""
        count = self.rows.stop - self.rows.start
        return [
            {
                moment: {name: rows[index, : self.sizes[name]] for name, rows in groups.items()}
                for moment, groups in self.moments.items()
            }
            for index in range(count)
        ]


@dataclass(slots=True, kw_only=True)
class OwnUpdate:
    """One row under a rule that is called as in ordinary training.

    Attributes:
        rows: which one.
        rule: see `UpdateRule`.
        state: of the rule.
        sizes: as in `SharedUpdate`.
    """

    rows: slice
    rule: UpdateRule
    state: Any
    sizes: Mapping[str, int]

    def step(self, parameters: Rows, gradients: Rows, rates: StepRates) -> None:
        """Moves this row by one step; gradients are copied, as a rule may keep what it is given."""
        own = {name: parameters[name][0, :size] for name, size in self.sizes.items()}
        moved, self.state = self.rule.step(
            own,
            {name: gradients[name][0, :size].clone() for name, size in self.sizes.items()},
            self.state,
            learning_rate=float(rates.learning_rate),
            weight_decay={name: float(rows) for name, rows in rates.weight_decay.items()},
            step=rates.step,
        )
        for name, row in own.items():
            row.copy_(moved[name])

    def retire(self, row: int) -> None:
        """Nothing is done for a row that is retired, so there is nothing to empty."""

    def states(self) -> list[Any]:
        """Returns the state of the rule."""
        return [self.state]


def stacked_updates(
    rules: Sequence[UpdateRule], states: Sequence[Any], *, like: Rows, sizes: Mapping[str, int]
) -> list[SharedUpdate | OwnUpdate]:
    """Returns what moves the rows: all at once where they share a rule that has a form for rows, else each by itself.

    Args:
        rules: one per row.
        states: of the rules.
        like: the parameters, [rows, numbers] by group; rows are filled up to whole vectors of the processor.
        sizes: group -> numbers that count.
    """
    first = _form_of(rules[0])
    if first is not None and all(_form_of(rule) == first for rule in rules):
        whole = slice(0, len(rules))
        return [SharedUpdate(rows=whole, form=first, moments=_stacked(states, like), sizes=sizes)]
    updates: list[SharedUpdate | OwnUpdate] = []
    for index, (rule, state) in enumerate(zip(rules, states, strict=True)):
        rows, form = slice(index, index + 1), _form_of(rule)
        if form is None:
            updates.append(OwnUpdate(rows=rows, rule=rule, state=state, sizes=sizes))
        else:
            updates.append(SharedUpdate(rows=rows, form=form, moments=_stacked([state], like), sizes=sizes))
    return updates


def _form_of(rule: UpdateRule) -> RowsForm | None:
    if type(rule) is NesterovSGD:
        return StackedNesterov(rule=rule)
    if type(rule) is AdamW:
        return StackedAdamW(rule=rule)
    return None


def _stacked(states: Sequence[Mapping[str, Rows]], like: Rows) -> dict[str, dict[str, Tensor]]:
    moments: dict[str, dict[str, Tensor]] = {}
    for moment in states[0]:
        # a snapshot's digest sees whether equal names are one object, and those read back from a snapshot are not
        groups = moments[sys.intern(moment)] = {}
        for name, parameters in like.items():
            groups[name] = parameters.new_zeros((len(states), parameters.shape[1]))
            for row, state in zip(groups[name], states, strict=True):
                numbers = state[moment][name]
                row[: numbers.numel()] = numbers
    return moments
