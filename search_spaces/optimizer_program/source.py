"""A program as the text of a file with a torch optimizer, which needs torch and nothing else.

Why: a winner leaves the service as something people can read, keep and change. The rule: the function `rule` of the
file is the simplified program, one line per statement; around it stands an ordinary `torch.optim.Optimizer`. The text
is only ever written to disk; nothing here executes it.
"""

import re
import textwrap
from collections.abc import Mapping

from search_spaces.optimizer_program.canonical_form import simplify
from search_spaces.optimizer_program.formula import mathematics
from search_spaces.optimizer_program.program import INPUTS, LR, UPDATE, V1, V2, VARIABLES, G, Program, Statement, T, W
from search_spaces.optimizer_program.source_parts import HELPERS, NOISE, SELF_TEST
from search_spaces.optimizer_program.source_statements import looks_across, statement_lines
from search_spaces.optimizer_program.update_rule import LEARNING_RATE_UNIT
from search_spaces.optimizer_program.vocabulary import FUNCTIONS, INDEX

_WIDTH = 110
_OPTIONS = {"learning_rate": "lr"}
_ACROSS = "It looks at all parameters of a parameter group at once: with a single group it is the rule that was found."
_GUARDS = "A quotient whose divisor is 0 counts as 0."
_ORIGIN = (
    "Found in the search space optimizer-program (the language of Lion's search, Chen et al. 2023, arXiv 2302.06675). "
    "Needs torch only."
)
_DIGITS = 15
"""Of a constant that was divided by the unit of the learning rate: 0.0002 / 1e-3 is to be read 0.2."""


def optimizer_source(program: Program, *, advice: Mapping[str, float] | None) -> str:
    """Returns the text of a Python file with `FoundOptimizer(params, lr=1e-3, weight_decay=0.0)`.

    Args:
        program: valid; dead statements are left out.
        advice: what was measured to work best, e.g. {"learning_rate": 3e-4, "weight_decay": 0.1}; None = nothing was.
    """
    short, unit = _for_rates(simplify(program))
    rule, optimizer = _rule(short), _optimizer(short, unit=unit)
    code = "\n\n\n".join([rule, optimizer])
    helpers: list[str] = []
    for name, text in reversed(list(HELPERS.items())):
        if re.search(rf"(?<![\w.]){name}\(", "\n".join([code, *helpers])):
            helpers.insert(0, text.strip("\n"))
    body = "\n\n\n".join([*helpers, code, SELF_TEST.strip("\n")])
    imports = ["from collections.abc import Callable", "", "import torch", "from torch import Tensor"]
    if "math." in body:
        imports.insert(0, "import math")
    return "\n".join([_docstring(short, unit=unit, advice=advice), *imports]) + "\n\n\n" + body + "\n"


def _for_rates(program: Program) -> tuple[Program, float]:
    """Returns the program for the learning rate that people give, and the learning rate at which it sees 1.

    A program sees 1 where people give 1e-3. Where it only ever multiplies that by constants, they take up the factor.
    """
    fresh = True
    changed: list[Statement] = []
    for statement in program:
        if fresh and LR in statement[2:]:
            constant = next((one for one in statement[2:] if isinstance(one, float)), None)
            if statement[0] != INDEX["mul"] or constant is None:
                return program, LEARNING_RATE_UNIT
            factor = float(f"{constant / LEARNING_RATE_UNIT:.{_DIGITS}g}")
            changed.append((statement[0], statement[1], LR, factor))
        else:
            changed.append(statement)
        fresh = fresh and statement[1] != LR
    return simplify(tuple(changed)), 1.0


def _read(program: Program) -> list[int]:
    """Returns the inputs that are read before they are written, in their order."""
    written: set[int] = set()
    read: set[int] = set()
    for statement in program:
        read |= {value for value in statement[2:] if isinstance(value, int) and value not in written}
        written.add(statement[1])
    return [value for value in INPUTS if value in read]


def _states(program: Program) -> list[int]:
    """Returns the states that a step reads: those it only writes are no use."""
    return [state for state in _read(program) if state in (V1, V2)]


def _kept(program: Program) -> list[int]:
    """Returns the states that a step reads and changes."""
    return [state for state in _states(program) if any(statement[1] == state for statement in program)]


def _uses_noise(program: Program) -> bool:
    return any(FUNCTIONS[statement[0]].name == "randn" for statement in program)


def _rule(program: Program) -> str:
    """Returns the text of the function that is the program."""
    tree = "Leaves" if looks_across(program) else "Tensor"
    kinds = {LR: "float", T: "float"}
    arguments = [f"{VARIABLES[value]}: {kinds.get(value, tree)}" for value in _read(program)]
    arguments += [f"noise: {tree}"] if _uses_noise(program) else []
    results = [VARIABLES[value] for value in (UPDATE, *_kept(program))]
    given = tree if len(results) == 1 else f"tuple[{', '.join([tree] * len(results))}]"
    meant = " and the new ".join([results[0], ", ".join(results[1:])]) if len(results) > 1 else results[0]
    across = "; one entry per parameter" if looks_across(program) else ""
    lines = [f'"""Returns {meant}{across}."""', *statement_lines(program), f"return {', '.join(results)}"]
    head = ["Leaves = list[Tensor]\n\n"] if looks_across(program) else []
    return "\n".join([*head, f"def rule({', '.join(arguments)}) -> {given}:", *(f"    {line}" for line in lines)])


def _optimizer(program: Program, *, unit: float) -> str:
    """Returns the text of the optimizer class."""
    noise = _uses_noise(program)
    seed = {"argument": ", seed: int = 0", "default": ', "seed": seed'} if noise else {"argument": "", "default": ""}
    inside = _whole_group(program) if looks_across(program) else _each_parameter(program)
    lines = ['group["step"] += 1', *_scalars(program, unit=unit), *inside]
    groups = "for index, group in enumerate(self.param_groups):" if noise else "for group in self.param_groups:"
    return "\n".join(
        [
            "class FoundOptimizer(torch.optim.Optimizer):",
            '    """The rule above with decoupled weight decay: w <- w (1 - lr weight_decay) - update."""\n',
            f"    def __init__(self, params, lr: float = 1e-3, weight_decay: float = 0.0{seed['argument']}) -> None:",
            "        if not lr >= 0 or not weight_decay >= 0:",
            '            raise ValueError(f"lr={lr!r}, weight_decay={weight_decay!r}: both must be >= 0")',
            f'        defaults = {{"lr": lr, "weight_decay": weight_decay, "step": 0{seed["default"]}}}',
            "        super().__init__(params, defaults)\n",
            "    @torch.no_grad()",
            "    def step(self, closure: Callable[[], float] | None = None) -> float | None:",
            '        """Does one step; parameters without a gradient stay as they are."""',
            "        loss = None",
            "        if closure is not None:",
            "            with torch.enable_grad():",
            "                loss = closure()",
            f"        {groups}",
            *(" " * 12 + line for line in lines),
            "        return loss",
            *([NOISE.rstrip("\n")] if noise else []),
        ]
    )


def _scalars(program: Program, *, unit: float) -> list[str]:
    """Returns the lines that set lr and t."""
    lines, read = [], _read(program)
    if LR in read and unit == 1.0:
        lines.append('lr = float(group["lr"])')
    elif LR in read:
        lines.append(f'lr = float(group["lr"]) / {unit}  # the rule was found with 1 where people write {unit}')
    if T in read:
        lines.append('t = float(group["step"])')
    return lines


def _each_parameter(program: Program) -> list[str]:
    """Returns the lines of a step that goes parameter by parameter."""
    states = [VARIABLES[state] for state in _states(program)]
    given = {W: "w", G: "w.grad", LR: "lr", T: "t", V1: 'state["v1"]', V2: 'state["v2"]'}
    results = ["update", *(given[state] for state in _kept(program))]
    made = [
        "state = self.state[w]",
        "if not state:",
        *(f'    state["{name}"] = torch.zeros_like(w)' for name in states),
    ]
    inside = [
        "if w.grad is None:",
        "    continue",
        *(made if states else []),
        f"{', '.join(results)} = rule({', '.join(given[value] for value in _read(program))})",
        *_move("w", "update"),
    ]
    return ['for w in group["params"]:', *(f"    {line}" for line in inside)]


def _whole_group(program: Program) -> list[str]:
    """Returns the lines of a step whose rule sees all parameters of the group at once."""
    states, kept = [VARIABLES[state] for state in _states(program)], [VARIABLES[state] for state in _kept(program)]
    read = [VARIABLES[value] for value in _read(program)] + (["noise"] if _uses_noise(program) else [])
    made = [
        "for one in w:",
        "    if not self.state[one]:",
        *(f'        self.state[one]["{name}"] = torch.zeros_like(one)' for name in states),
    ]
    columns = ["w", "update", *kept]
    names = ["one", "change", *(f"new_{name}" for name in kept)]
    new = ", ".join(f"{name}=new_{name}" for name in kept)
    return [
        'w = [one for one in group["params"] if one.grad is not None]',
        "if not w:",
        "    continue",
        *(["g = [one.grad for one in w]"] if "g" in read else []),
        *(made if states else []),
        *(f'{name} = [self.state[one]["{name}"] for one in w]' for name in states),
        *(["noise = self._noise(index)"] if "noise" in read else []),
        f"{', '.join(['update', *kept])} = rule({', '.join(read)})",
        f"for {', '.join(names)} in zip({', '.join(columns)}, strict=True):",
        *([f"    self.state[one].update({new})"] if kept else []),
        *(f"    {line}" for line in _move("one", "change")),
    ]


def _move(parameter: str, update: str) -> list[str]:
    return [
        'if group["weight_decay"]:',
        f'    {parameter}.mul_(1 - group["lr"] * group["weight_decay"])',
        f"{parameter}.sub_({update})",
    ]


def _docstring(program: Program, *, unit: float, advice: Mapping[str, float] | None) -> str:
    rate = "lr" if unit == 1.0 or LR not in _read(program) else f"{unit} lr"
    equations = [*mathematics(program), f"w <- w (1 - {rate} weight_decay) - update"]
    indented = "\n".join(f"    {line}" for line in equations)
    text = "\n\n".join(textwrap.fill(one, _WIDTH) for one in _paragraphs(program, unit=unit, advice=advice))
    return f'"""An optimizer. One step, in this order:\n\n{indented}\n\n{text}\n"""\n'


def _paragraphs(program: Program, *, unit: float, advice: Mapping[str, float] | None) -> list[str]:
    """Returns what has to be said about the rule."""
    states = [VARIABLES[state] for state in _states(program)]
    meant = ["w are the parameters, g their gradients"]
    if states:
        verb = "are states that start" if len(states) > 1 else "is a state that starts"
        meant.append(f"{' and '.join(states)} {verb} at 0")
    if T in _read(program):
        meant.append("t counts the steps from 1")
    meant.append("lr is the learning rate" + (f" over {unit}" if unit != 1.0 and LR in _read(program) else ""))
    facts = ["; ".join(meant) + "."]
    if looks_across(program):
        facts.append(_ACROSS)
    if "/" in "".join(mathematics(program)):
        facts.append(_GUARDS)
    if advice:
        best = " and ".join(f"{_OPTIONS.get(name, name)} {value:g}" for name, value in advice.items())
        facts.append(f"In the search it did best with {best}.")
    facts.append(_ORIGIN)
    return facts
