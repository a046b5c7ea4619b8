"""Compiled programs against torch.optim.AdamW(foreach=True), side by side: time of one step, and memory.

Why: a searched rule must not cost more than a written one. The rule: ratios, not milliseconds; each candidate is timed
in turn with torch's (A B A B ...) in one process on one thread, and the best of the rounds is printed. The step of the
optimizer includes getting the gradients from the tensors where autograd leaves them; "flat" is the bare step on buffers
that hold them already.

    python tests/benchmarks/optimizer_step.py --width 200 --rounds 40
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from search_spaces.optimizer_program.canonical_form import simplify
from search_spaces.optimizer_program.compiled import compile_program
from search_spaces.optimizer_program.program import Program, from_rows
from search_spaces.optimizer_program.reference import run
from search_spaces.optimizer_program.torch_optimizer import ProgramOptimizer
from search_spaces.optimizer_program.zoo import DESIGNS

WEIGHT_DECAY = 0.01


def transformer_shapes(width: int, *, layers: int = 2, vocabulary: int = 100) -> list[tuple[int, ...]]:
    """Returns the shapes of the parameters of a small decoder."""
    d = width
    layer = [(3 * d, d), (3 * d,), (d, d), (d,), (d,), (d,), (4 * d, d), (4 * d,), (d, 4 * d), (d,), (d,), (d,)]
    return [(vocabulary, d), *(layer * layers), (d,), (d,), (vocabulary, d)]


def parameters(shapes: Sequence[tuple[int, ...]]) -> list[torch.nn.Parameter]:
    """Returns parameters that hold gradients."""
    made = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    for one in made:
        one.grad = torch.randn(one.shape)
    return made


def optimizer_step(program: Program, shapes: Sequence[tuple[int, ...]]) -> tuple[Callable[[], object], float]:
    """Returns the step of the optimizer, and the mebibytes that it holds after one."""
    held = parameters(shapes)
    optimizer = ProgramOptimizer(held, program, lr=1e-3, weight_decay=WEIGHT_DECAY)
    optimizer.step()
    return optimizer.step, state_mebibytes(optimizer)


def flat_step(program: Program, shapes: Sequence[tuple[int, ...]]) -> Callable[[], object]:
    """Returns the bare compiled step."""
    count = sum(map(math.prod, shapes))
    w, g, v1, v2 = torch.randn(count), torch.randn(count), torch.zeros(count), torch.zeros(count)
    compiled = compile_program(simplify(program), shapes, dtype=torch.float32, device="cpu")
    return lambda: compiled.step(w, g, v1, v2, lr=1.0, t=1)


def flat_step_with_gathering(program: Program, shapes: Sequence[tuple[int, ...]]) -> Callable[[], object]:
    """Returns the bare compiled step after copying all gradients to the flat buffer."""
    sizes = [math.prod(shape) for shape in shapes]
    w, g, v1, v2 = torch.randn(sum(sizes)), *(torch.zeros(sum(sizes)) for _ in range(3))
    compiled = compile_program(simplify(program), shapes, dtype=torch.float32, device="cpu")
    views = [view.view(shape) for view, shape in zip(g.split(sizes), shapes, strict=True)]
    gradients = [torch.randn(shape) for shape in shapes]

    def step() -> None:
        torch._foreach_copy_(views, gradients)
        compiled.step(w, g, v1, v2, lr=1.0, t=1)

    return step


def plain_step(program: Program, shapes: Sequence[tuple[int, ...]]) -> Callable[[], object]:
    """Returns the interpreter, statement by statement, on one flat tensor: no fusion, new memory for every value."""
    count = sum(map(math.prod, shapes))
    held: list[Tensor] = [torch.randn(count), torch.zeros(count), torch.zeros(count)]
    gradient, one = torch.randn(count), torch.tensor(1.0)

    def step() -> None:
        w, v1, v2 = held
        update, first, second = run(program, w=(w,), g=(gradient,), v1=(v1,), v2=(v2,), lr=one, t=one)
        w.sub_(update[0])
        held[1:] = first[0], second[0]

    return step


def state_mebibytes(optimizer: torch.optim.Optimizer) -> float:
    """Returns the memory of everything that an optimizer keeps between steps, scratch memory of ours included."""
    tensors = [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]
    if isinstance(optimizer, ProgramOptimizer):
        tensors += optimizer.scratch()
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}
    return sum(storages.values()) / 2**20


def paired_milliseconds(
    ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int
) -> tuple[float, float]:
    """Returns the best time of each, timed in turn."""
    best = [math.inf, math.inf]
    for _ in range(rounds):
        for place, call in enumerate((ours, theirs)):
            start = time.perf_counter()
            call()
            best[place] = min(best[place], 1e3 * (time.perf_counter() - start))
    return best[0], best[1]


def candidates(name: str, shapes: Sequence[tuple[int, ...]]) -> list[tuple[str, Callable[[], object], float | None]]:
    """Returns (what it is, its step, mebibytes that it keeps where that is counted) for one design."""
    program = from_rows(DESIGNS[name])
    step, memory = optimizer_step(program, shapes)
    return [
        (f"{name}, optimizer", step, memory),
        (f"{name}, flat and gathering", flat_step_with_gathering(program, shapes), None),
        (f"{name}, flat", flat_step(program, shapes), None),
        (f"{name}, plain", torch.no_grad()(plain_step(program, shapes)), None),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=200, help="of the transformer; 200 gives a million parameters")
    parser.add_argument("--rounds", type=int, default=40, help="timed rounds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shapes = transformer_shapes(options.width)
    theirs = torch.optim.AdamW(parameters(shapes), lr=1e-3, weight_decay=WEIGHT_DECAY, foreach=True)
    theirs.step()
    held = state_mebibytes(theirs)
    print(f"{sum(map(math.prod, shapes))} parameters in {len(shapes)} tensors; ours / torch AdamW, foreach")
    optimizers = []
    for name in ("adamw-corrected", "lion"):
        compared = candidates(name, shapes)
        optimizers.append(compared[0][1])
        for title, call, memory in compared:
            ours, base = paired_milliseconds(call, theirs.step, rounds=options.rounds)
            size = f"   {memory:6.2f} / {held:6.2f} MiB = {memory / held:4.2f}" if memory is not None else ""
            print(f"{title:<38} {ours:7.3f} / {base:7.3f} ms = {ours / base:4.2f}{size}")
    adamw, lion = optimizers
    ours, base = paired_milliseconds(lion, adamw, rounds=options.rounds)
    print(f"{'lion / adamw-corrected, optimizers':<38} {ours:7.3f} / {base:7.3f} ms = {ours / base:4.2f}")


if __name__ == "__main__":
    main()
