"""What a worker can say of a freshly built candidate without training it.

Why: most random candidates are hopeless in ways that one backward pass shows. The rule: nothing is judged here, and
what raises is raised: the executor turns it into a failure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Conv2d, Module

from automl.canonical import JSON, finite
from automl.contracts import Batch, Recipe
from automl.training.flops import forward_flops
from automl.training.zero_cost import zero_cost_scores

ExportProbe = Callable[[Module, Tensor], str | None]
"""(model in eval mode, example inputs) -> why it cannot be exported, or None."""
TIMED_STEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """A freshly built run and one batch to probe it with.

    Attributes:
        recipe: what is probed.
        state: of the recipe's trainer.
        batch: of the recipe's batch size.
        clock: returns seconds.
        seed: of the random choices that zero-cost scores make.
    """

    recipe: Recipe
    state: Any
    batch: Batch
    clock: Callable[[], float]
    seed: int = 0


def probe(probed: Probed, *, export_probe: ExportProbe | None, scores: Sequence[str] = ()) -> dict[str, JSON]:
    """Measures a candidate; trains it by a few steps at the very end, to time them.

    Args:
        probed: the run; of no further use afterwards.
        export_probe: None where nobody asked whether it can be exported.
        scores: zero-cost proxies to compute, by name; see `automl.training.zero_cost`.

    Returns:
        `finite` (outputs, loss and gradients), `input_dependence` (mean over outputs of their standard deviation over
        the batch; null when not finite), `gradient_reach`, `parameters`, `flops` (forward, per example),
        `milliseconds` (of one training step; never judged), and where asked `exportable`, `export_error` and scores.
    """
    recipe, (inputs, targets) = probed.recipe, probed.batch
    model = recipe.trainer.model(probed.state)
    asked = zero_cost_scores(model, recipe.loss, batch=probed.batch, wanted=scores, seed=probed.seed)
    outputs = model(inputs)
    loss = recipe.loss(outputs, targets)
    logits = outputs[0] if isinstance(outputs, tuple) else outputs
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    slopes = torch.autograd.grad(loss, list(named.values()), allow_unused=True, materialize_grads=True)
    gradients = dict(zip(named, slopes, strict=True))
    measurements: dict[str, JSON] = {
        "finite": all(bool(torch.isfinite(tensor).all()) for tensor in (logits, loss, *slopes)),
        "input_dependence": finite(float(logits.detach().double().std(dim=0, correction=0).mean())),
        "gradient_reach": _gradient_reach(model, gradients),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "flops": forward_flops(model, inputs[:1]),
        **asked,
    }
    if export_probe is not None:
        error = export_probe(model.eval(), inputs[:1])
        model.train()
        measurements |= {"exportable": error is None, "export_error": error}
    measurements["milliseconds"] = _step_milliseconds(probed)
    return measurements


def _gradient_reach(model: Module, gradients: Mapping[str, Tensor]) -> dict[str, JSON]:
    """Returns how many convolution weights there are, and how many get a finite gradient that is not all zero."""
    names = [f"{name}.weight" for name, module in model.named_modules() if isinstance(module, Conv2d)]
    sums = [gradients[name.removeprefix(".")].abs().sum() for name in names if name.removeprefix(".") in gradients]
    return {"convs": len(sums), "reached": sum(bool(torch.isfinite(total) and total > 0) for total in sums)}


def _step_milliseconds(probed: Probed) -> float:
    """Returns the fastest of a few training steps after one to warm up."""
    trainer, seconds = probed.recipe.trainer, []
    for step in range(TIMED_STEPS + 1):
        start = probed.clock()
        trainer.step(probed.state, probed.batch, step=min(step, probed.recipe.steps - 1))
        seconds.append(probed.clock() - start)
    return 1000 * min(seconds[1:])
