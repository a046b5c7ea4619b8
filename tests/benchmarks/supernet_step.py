"""The fused supernet against a plain one written edge by edge, side by side: time of a search step, and peak memory.

Why: a differentiable search is a few thousand of these steps. The rule: ratios, not milliseconds; both supernets have
the same weights and are stepped in turn by the same trainer (A B A B ...) in one process, and best and median of the
rounds are compared. "plain, all gradients" is how the authors' code moves the architecture: it computes the
gradients of the weights as well and throws them away. Peak memory is that of a step in a process of its own, above
what the process held before; on a GPU it is the allocator's.

    OMP_NUM_THREADS=2 python tests/benchmarks/supernet_step.py --threads 2
    python tests/benchmarks/supernet_step.py --device cuda --channels 16 --cells 8 --batch 64
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "search_spaces" / "darts"))
from plain_supernet import plain_copy

from automl.contracts import Recipe, Signature
from search_spaces.darts.annealing import CosineToFloor
from search_spaces.darts.bilevel import BilevelTrainer
from search_spaces.darts.supernet import SupernetPlan, build_supernet
from search_spaces.darts.weight_rule import MomentumSGD

CLASSES = 10
VARIANTS = ("fused", "plain", "fused, 1/4", "plain, 1/4")
Step = Callable[[], object]


def supernet_of(variant: str, options: argparse.Namespace) -> nn.Module:
    """Returns a supernet of one kind; those of one plan have the same weights."""
    kind, _, partial = variant.partition(", 1/")
    plan = SupernetPlan(
        channels=options.channels, cells=options.cells, operations=options.operations, partial=int(partial or 1)
    )
    signature = Signature(inputs=(3, options.side, options.side), outputs=(CLASSES,))
    fused = build_supernet(signature, torch.Generator().manual_seed(0), plan=plan)
    return fused if kind == "fused" else plain_copy(fused, 3, CLASSES)


def batch_of(options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Returns the rows of the train half, then those of the validation half."""
    torch.manual_seed(1)
    images = torch.randn(2 * options.batch, 3, options.side, options.side, device=options.device)
    return images, torch.randint(CLASSES, (2 * options.batch,), device=options.device)


def trained_step(variant: str, options: argparse.Namespace, *, order: int) -> Step:
    """Returns a step of the search as the trainer does it."""
    trainer = BilevelTrainer(derive=lambda mixing: None, read=lambda mixing, genotype: {}, order=order)  # type: ignore[arg-type]
    recipe = Recipe(
        model=lambda signature, norm_act, generator: supernet_of(variant, options),
        norm_act=lambda channels, role: nn.ReLU(),
        update_rule=MomentumSGD(),
        learning_rate=0.025,
        weight_decay=3e-4,
        decays=lambda name, parameter: True,
        schedule=CosineToFloor(),
        loss=nn.functional.cross_entropy,
        augment=lambda batch, generator: batch,
        on_progress=lambda model, share: None,
        trainer=trainer,
        batch_size=options.batch,
        steps=10_000,
    )
    signature = Signature(inputs=(3, options.side, options.side), outputs=(CLASSES,))
    state, batch = trainer.init(recipe, signature, seed=0, device=options.device), batch_of(options)
    return lambda: trainer.step(state, batch, step=state.steps)


def authors_step(variant: str, options: argparse.Namespace) -> Step:
    """Returns a first-order step as the authors of DARTS wrote it, with torch's optimizers."""
    supernet = supernet_of(variant, options).to(options.device).train()
    weights = torch.optim.SGD(supernet.weight_parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4)
    alphas = torch.optim.Adam(supernet.architecture_parameters(), lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    images, targets = batch_of(options)
    half = options.batch

    def step() -> float:
        alphas.zero_grad()
        nn.functional.cross_entropy(supernet(images[half:]), targets[half:]).backward()
        alphas.step()
        weights.zero_grad()
        loss = nn.functional.cross_entropy(supernet(images[:half]), targets[:half])
        loss.backward()
        nn.utils.clip_grad_norm_(supernet.weight_parameters(), 5.0)
        weights.step()
        return float(loss.detach())

    return step


def timed(steps: Mapping[str, Step], options: argparse.Namespace) -> dict[str, list[float]]:
    """Returns seconds per round, timed in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(options.rounds + 1):
        for name, step in steps.items():
            _finish(options.device)
            start = time.perf_counter()
            step()
            _finish(options.device)
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    return seconds


def report(title: str, seconds: Mapping[str, list[float]]) -> None:
    """Prints every variant beside the fused ones."""
    print(title)
    for name, own in seconds.items():
        shown = f"  {name:<22} best {1e3 * min(own):8.1f} ms  median {1e3 * statistics.median(own):8.1f} ms"
        for base in (one for one in seconds if one.startswith("fused") and name.startswith("plain")):
            best, middle = min(own) / min(seconds[base]), statistics.median(own) / statistics.median(seconds[base])
            shown += f"   {best:5.2f} / {middle:5.2f} x {base}"
        print(shown)


def peak_mebibytes(variant: str, options: argparse.Namespace) -> float:
    """Returns what two first-order steps need above what was held before them; call it in a fresh process."""
    step = trained_step(variant, options, order=1)
    if options.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        step(), step()
        return (torch.cuda.max_memory_allocated() - held) / 2**20
    held = _status_mebibytes("VmRSS")
    step(), step()
    return _status_mebibytes("VmHWM") - held


def memory_in_own_process(variant: str) -> float:
    """Returns `peak_mebibytes` of a new process with the same options."""
    command = [sys.executable, *sys.argv, "--peak-of", variant]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _status_mebibytes(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 2**10 for line in lines if line.startswith(f"{name}:"))


def _finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=8, help="of a node in the first cells")
    parser.add_argument("--cells", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32, help="rows of each half")
    parser.add_argument("--side", type=int, default=32, help="of the square images")
    parser.add_argument("--operations", default="darts", help="name of a set")
    parser.add_argument("--rounds", type=int, default=8, help="timed rounds")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--orders", type=int, nargs="*", default=[1, 2], choices=[1, 2], help="which are timed")
    parser.add_argument("--no-memory", action="store_true", help="leave the memory out")
    parser.add_argument("--peak-of", choices=VARIANTS, help="print the peak memory of one, in mebibytes, and stop")
    return parser.parse_args()


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    if options.peak_of:
        print(peak_mebibytes(options.peak_of, options))
        return
    if 1 in options.orders:
        steps = {name: trained_step(name, options, order=1) for name in VARIANTS}
        steps["plain, all gradients"] = authors_step("plain", options)
        report("first order", timed(steps, options))
    if 2 in options.orders:
        report("second order", timed({name: trained_step(name, options, order=2) for name in VARIANTS}, options))
    if not options.no_memory:
        peaks = {name: memory_in_own_process(name) for name in VARIANTS}
        print("peak memory, first order")
        for name, peak in peaks.items():
            print(f"  {name:<22} {peak:8.1f} MiB = {peak / peaks['plain']:5.2f} of plain")


if __name__ == "__main__":
    main()
