"""A schedule as the text of a file that needs torch and nothing else.

Why: a winner leaves the service as something people can read, keep and change: a function of the step, and the
scheduler that calls it. The rule: the settings stand on top as constants, the function is the mathematics of the family
and not a table (free curves have no other mathematics than theirs), and its numbers are those of `multipliers` up to
rounding. The text is only ever written to disk; nothing here executes it.
"""

import re
import textwrap
from collections.abc import Mapping

from search_spaces.lr_schedule.curve import Curve
from search_spaces.lr_schedule.families import Rule
from search_spaces.lr_schedule.questions import questions
from search_spaces.lr_schedule.reactive import Reactive

_WIDTH = 110

_CURVE = '''\
def multiplier(step: int, steps: int) -> float:
    """Returns the factor on the peak learning rate at `step` (from 0) of a run of `steps`; it stays after the last."""
    step = min(step, steps - 1)
{body}


def table(steps: int) -> list[float]:
    """Returns the factors of a whole run, [steps]."""
    return [multiplier(step, steps) for step in range(steps)]


class FoundSchedule(LRScheduler):
    """Scales the learning rates that the optimizer was made with, which are the peaks; `step` it after each update."""

    def __init__(self, optimizer: Optimizer, steps: int, last_epoch: int = -1) -> None:
        if steps < 1:
            raise ValueError(f"steps={{steps}} is not allowed: the length of the run, at least 1")
        self.steps = steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Returns one learning rate per parameter group."""
        factor = multiplier(self.last_epoch, self.steps)
        return [base * factor for base in self.base_lrs]


def self_test() -> None:
    """A short run, and a restart from its state after every step."""
    weight, steps = torch.nn.Parameter(torch.ones(3)), 24
    optimizer = torch.optim.SGD([weight], lr=0.5)
    schedule = FoundSchedule(optimizer, steps)
    for factor in table(steps):
        assert 0 <= factor <= 1 + 1e-9
        assert abs(optimizer.param_groups[0]["lr"] - 0.5 * factor) < 1e-12
        weight.grad = torch.ones(3)
        optimizer.step()
        restored = FoundSchedule(torch.optim.SGD([weight], lr=0.5), steps)
        restored.load_state_dict(schedule.state_dict())
        restored.step()
        schedule.step()
        assert restored.get_last_lr() == schedule.get_last_lr()
    print("ok: " + ", ".join(f"{{factor:.3g}}" for factor in table(steps)[::4]))
'''

_REACTIVE = '''\
State = tuple


def start(steps: int) -> State:
    """Returns the state before the first step of a run of `steps`."""
{start}


def multiplier(state: State, *, step: int, loss: float, dot: float, norm: float) -> tuple[float, State]:
    """Returns (factor on the learning rate, new state).

    Args:
        state: of the step before.
        step: from 0.
        loss: of this batch.
        dot: product of this gradient with that of the step before, 0 at the first.
        norm: l2 norm of this gradient.
    """
{body}


class FoundSchedule:
    """Sets the learning rates of an optimizer; call `step(loss)` between `backward()` and `optimizer.step()`."""

    def __init__(self, optimizer: Optimizer, steps: int) -> None:
        if steps < 1:
            raise ValueError(f"steps={{steps}} is not allowed: the length of the run, at least 1")
        self.optimizer, self.taken, self.state = optimizer, 0, start(steps)
        self.base_lrs = [group["lr"] for group in optimizer.param_groups]
        self.previous: list[Tensor] = []

    def step(self, loss: float) -> float:
        """Sets the rates for the update that follows, and returns their factor."""
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad.detach().clone() for one in parameters]
        dot = sum(float((one * other).sum()) for one, other in zip(gradients, self.previous))
        norm = math.sqrt(sum(float(one.square().sum()) for one in gradients))
        factor, self.state = multiplier(self.state, step=self.taken, loss=loss, dot=dot, norm=norm)
        for group, base in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = base * factor
        self.previous, self.taken = gradients, self.taken + 1
        return factor

    def state_dict(self) -> dict[str, object]:
        """Returns all that a restart needs."""
        kept = {{"state": self.state, "taken": self.taken, "base_lrs": self.base_lrs, "previous": self.previous}}
        return {{name: list(value) if isinstance(value, list) else value for name, value in kept.items()}}

    def load_state_dict(self, state: dict) -> None:
        """Continues from `state_dict`."""
        self.state, self.taken = tuple(state["state"]), state["taken"]
        self.base_lrs, self.previous = list(state["base_lrs"]), list(state["previous"])


def self_test() -> None:
    """A run down a parabola, and a restart from its state after every step."""
    weight, steps, factors = torch.nn.Parameter(torch.ones(3)), 24, []
    optimizer = torch.optim.SGD([weight], lr=0.1)
    schedule = FoundSchedule(optimizer, steps)
    for _ in range(steps):
        loss = weight.square().sum() / 2
        optimizer.zero_grad()
        loss.backward()
        restored = FoundSchedule(torch.optim.SGD([weight], lr=0.1), steps)
        restored.load_state_dict(schedule.state_dict())
        factors.append(schedule.step(loss.item()))
        assert restored.step(loss.item()) == factors[-1] >= 0
        optimizer.step()
    print("ok: " + ", ".join(f"{{factor:.3g}}" for factor in factors[::4]))
'''

_MAIN = """\


if __name__ == "__main__":
    self_test()
"""


def schedule_source(rule: Rule, *, peak: float, advice: Mapping[str, float]) -> str:
    """Returns the text of a Python file with `multiplier` and the scheduler `FoundSchedule`.

    Args:
        rule: a curve, or a rule that reacts.
        peak: factor on the recipe's learning rate that it was tried with, for the docstring.
        advice: settings of the recipe that it was judged best with, for the docstring.
    """
    if isinstance(rule, Curve):
        body, constants = _CURVE.format(body=_indented(rule.code())), _constants(rule, rule.code())
        imports = ["from torch.optim import Optimizer", "from torch.optim.lr_scheduler import LRScheduler"]
    else:
        start, update = rule.code()
        body = _REACTIVE.format(start=_indented(start), body=_indented(update))
        constants = _constants(rule, start + update)
        imports = ["from torch import Tensor", "from torch.optim import Optimizer"]
    mathematics = ["import math", ""] if "math." in body else []
    head = "\n".join([_docstring(rule, peak=peak, advice=advice), *mathematics, "import torch", *imports])
    return "\n\n\n".join(part for part in (head + "\n\n" + constants if constants else head, body)) + _MAIN


def _docstring(rule: Rule, *, peak: float, advice: Mapping[str, float]) -> str:
    meant = "m is the factor on the learning rate, g the gradient, T the steps of the run."
    if isinstance(rule, Curve):
        meant = "The factor on the peak learning rate at step t (from 0) of T; x is the share of the run that is over."
    settings = ", ".join(f"{name} {value:g}" for name, value in advice.items())
    paragraphs = [
        meant,
        *([f"In the search its peak was {peak:.4g} times the learning rate of the recipe."] if peak != 1 else []),
        *([f"Judged best with {settings}."] if settings else []),
        f"Found in the search space lr-schedule, family {rule.family}. Needs torch only.",
    ]
    text = "\n\n".join(textwrap.fill(paragraph, _WIDTH) for paragraph in paragraphs)
    formula = textwrap.indent(textwrap.fill(rule.formula(), _WIDTH - 4), "    ")
    return f'"""A learning-rate schedule:\n\n{formula}\n\n{text}\n"""\n'


def _constants(rule: Curve | Reactive, code: str) -> str:
    """Returns an assignment for each constant that the code reads, fields with their meaning."""
    meanings = {name.upper(): question.meaning for name, question in questions(type(rule))}
    values: dict[str, object] = {name.upper(): getattr(rule, name) for name, _ in questions(type(rule))}
    values.update(rule.constants() if isinstance(rule, Curve) else {})
    read = {name: value for name, value in values.items() if re.search(rf"\b{name}\b", code)}
    return "\n".join(_assignment(name, value, meanings.get(name, "")) for name, value in read.items())


def _assignment(name: str, value: object, meaning: str) -> str:
    comment = f"  # {meaning}" if meaning else ""
    if not isinstance(value, tuple):
        return f"{name} = {value!r}{comment}"
    rows = textwrap.fill(", ".join(map(repr, value)), _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return f"{name} = ({comment}\n{rows},\n)"


def _indented(code: str) -> str:
    return textwrap.indent(code.rstrip("\n"), "    ")
