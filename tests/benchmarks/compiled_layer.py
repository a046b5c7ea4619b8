"""Compiled norm-act layers against hand-written PyTorch, side by side: time and peak memory of forward + backward.

Why: a searched layer must not cost more than one written by hand. The rule: ratios, not milliseconds; both candidates
are timed in turn (A B A B ...) in one process on one thread, and the median of the paired ratios is printed.

    python tests/benchmarks/compiled_layer.py --shape 64 32 16 16 --rounds 15
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from search_spaces.norm_act.graph import random_nodes
from search_spaces.norm_act.layer import NormActLayer
from search_spaces.norm_act.reference import Parameters, axes, evaluate
from search_spaces.norm_act.zoo import DESIGNS

EPS, GROUPS = 1e-5, 8


class HandWrittenS0(nn.Module):
    """EvoNorm-S0 as usually written: group std by torch.var."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.v1, self.gamma = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        v1, gamma, beta = (p.view(1, -1, 1, 1) for p in (self.v1, self.gamma, self.beta))
        grouped = x.reshape(x.shape[0], GROUPS, -1, *x.shape[2:])
        std = grouped.var((2, 3, 4), unbiased=False, keepdim=True).add(EPS).sqrt()
        return x * (v1 * x).sigmoid() / std.expand(grouped.shape).reshape(x.shape) * gamma + beta


class HandWrittenB0(HandWrittenS0):
    """EvoNorm-B0 as usually written: batch and instance std by torch.var, running variance."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("running", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        v1, gamma, beta = (p.view(1, -1, 1, 1) for p in (self.v1, self.gamma, self.beta))
        variance = x.var((0, 2, 3), unbiased=False)
        self.get_buffer("running").lerp_(variance.detach(), 0.1)
        batch = variance.view(1, -1, 1, 1).add(EPS).sqrt()
        instance = x.var((2, 3), unbiased=False, keepdim=True).add(EPS).sqrt()
        return x / batch.max(x * v1 + instance) * gamma + beta


class Uncompiled(nn.Module):
    """The reference path of a layer, in training."""

    def __init__(self, layer: NormActLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        layer = self.layer
        parameters = Parameters(v0=layer.v0, v1=layer.v1, gamma=layer.gamma, beta=layer.beta)
        return evaluate(layer.nodes, x, parameters, groups=layer.groups, eps=layer.eps)[0]


def training_step(module: nn.Module, x: Tensor, adjoint: Tensor) -> Callable[[], object]:
    """Returns a call that runs forward and backward once."""
    inputs = [x, *module.parameters()]
    return lambda: torch.autograd.grad(module(x), inputs, adjoint, allow_unused=True)


def paired_ratio(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Returns the median ratio of times, and both medians in milliseconds."""
    times: list[tuple[float, float]] = []
    for _ in range(rounds + 2):
        start = time.perf_counter()
        ours()
        middle = time.perf_counter()
        theirs()
        times.append((middle - start, time.perf_counter() - middle))
    measured = times[2:]
    ratio = statistics.median(a / b for a, b in measured)
    return ratio, *(1e3 * statistics.median(column) for column in zip(*measured, strict=True))


def peak_mebibytes(call: Callable[[], object]) -> float:
    """Returns the largest amount of memory that one call holds at once, from the profiler's allocation events."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    held = peak = 0
    assert profiler.profiler is not None and profiler.profiler.kineto_results is not None
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak / 2**20


def compare(name: str, ours: nn.Module, theirs: nn.Module, *, shape: Sequence[int], rounds: int) -> tuple[float, float]:
    """Prints one line and returns the ratios of time and peak memory."""
    x, adjoint = torch.randn(*shape, requires_grad=True), torch.randn(*shape)
    a, b = training_step(ours, x, adjoint), training_step(theirs, x, adjoint)
    ratio, ours_ms, theirs_ms = paired_ratio(a, b, rounds)
    memory, other = peak_mebibytes(a), peak_mebibytes(b)
    print(
        f"{name:<34} time {ours_ms:7.2f} / {theirs_ms:7.2f} ms = {ratio:5.2f}   "
        f"peak {memory:6.1f} / {other:6.1f} MiB = {memory / other:5.2f}"
    )
    return ratio, memory / other


def random_layers(count: int, *, channels: int) -> Iterator[tuple[int, NormActLayer]]:
    """Yields (seed, layer) for graphs with at least five live nodes whose output is as large as the input."""
    found = 0
    for seed in range(10_000):
        layer = NormActLayer(random_nodes(np.random.default_rng(seed), intermediate=10), channels=channels)
        if found < count and len(layer.nodes) >= 5 and "p" in axes(layer.nodes)[-1]:
            found += 1
            yield seed, layer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=4, default=(64, 32, 16, 16), help="batch channels height width")
    parser.add_argument("--rounds", type=int, default=15, help="timed pairs per line")
    parser.add_argument("--graphs", type=int, default=8, help="random graphs, compiled against the reference path")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape, rounds = options.shape, options.rounds
    channels = shape[1]

    def layer(design: str) -> NormActLayer:
        return NormActLayer(DESIGNS[design], channels=channels, groups=GROUPS)

    print("compiled / hand-written PyTorch")
    compare("evonorm-s0", layer("evonorm-s0"), HandWrittenS0(channels), shape=shape, rounds=rounds)
    compare("evonorm-b0", layer("evonorm-b0"), HandWrittenB0(channels), shape=shape, rounds=rounds)
    batch_norm = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
    compare("bn-relu (native, for information)", layer("bn-relu"), batch_norm, shape=shape, rounds=rounds)
    print("compiled / reference path")
    for seed, random in random_layers(options.graphs, channels=channels):
        name = f"random {seed}, {len(random.nodes)} live nodes"
        compare(name, random, Uncompiled(random), shape=shape, rounds=rounds)


if __name__ == "__main__":
    main()
