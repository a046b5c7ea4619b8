"""Zero-cost proxies: scores of a freshly built model on one batch, said to rank candidates as training would.

Why: a score costs milliseconds, a training seconds to hours. What it is worth differs from one search space to the
next, so nothing is judged here; `automl.filters.zero_cost` trusts a score only where the study's own trials bear it
out. The rule: every score is taken on a copy of the model, under a seed of its own, so that asking for one changes
nothing that is measured afterwards; a score that is undefined, or not finite, is null.

Weights are the trainable parameters with two or more axes (matrices and kernels), as in the paper's own experiments;
scales and shifts are left out. The higher score is said to be the better one, for every proxy.

Sources: Abdelfattah et al. 2021, "Zero-Cost Proxies for Lightweight NAS" (arXiv 2101.08134; the sums over weights,
grad_norm, jacob_cov); Lee et al. 2019, "SNIP" (arXiv 1810.02340); Wang et al. 2020, GraSP (arXiv 2002.07376); Tanaka et
al. 2020, SynFlow (arXiv 2006.05467); Mellor et al. 2021, "Neural Architecture Search without Training" (arXiv
2006.04647).
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, Module, Parameter, SyncBatchNorm

from automl.canonical import JSON, finite
from automl.contracts import Batch
from automl.seeding import child_seed
from automl.training.activation_codes import code_agreement

Loss: TypeAlias = Callable[[Any, Tensor], Tensor]
Score: TypeAlias = Callable[[Module, Loss, Batch], float | None]
"""(model that may be spoilt, loss, batch) -> the score."""

BATCH_NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d, SyncBatchNorm)
RIDGE = 1e-5
"""Added to the eigenvalues of jacob_cov, as its authors do."""


def zero_cost_scores(model: Module, loss: Loss, *, batch: Batch, wanted: Sequence[str], seed: int) -> dict[str, JSON]:
    """Returns name -> score of those names in `wanted` that are proxies; null where a score is undefined.

    Undefined is: synflow and jacob_cov of inputs that are no numbers (tokens), jacob_cov of an input without gradient,
    naswot where no activation is seen or K is singular (two examples switch all activations alike), and whatever a
    model has no derivative or no double-precision form for.

    Args:
        model: freshly built; not changed.
        loss: (outputs, targets) -> scalar.
        batch: inputs [b, ...] and targets [b, ...].
        wanted: names, known or not.
        seed: of the random choices that the model makes in training mode (dropout).
    """
    return {name: _score(name, copy.deepcopy(model).train(), loss, batch, seed) for name in SCORES if name in wanted}


def _score(name: str, twin: Module, loss: Loss, batch: Batch, seed: int) -> float | None:
    devices = [batch[0].device] if batch[0].is_cuda else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(child_seed(seed, "zero-cost", name))
        try:
            return finite(SCORES[name](twin, loss, batch))
        except RuntimeError as error:  # "not implemented for", "derivative for", dtypes that do not meet
            if "memory" in str(error):
                raise
            return None


def grad_norm(model: Module, loss: Loss, batch: Batch) -> float:
    """Returns the sum over the weights W of ||dL/dW||_2 (Abdelfattah et al. 2021, section 3.1)."""
    gradients = _slopes(_batch_loss(model, loss, batch), _weights(model))
    return sum(float(gradient.double().norm()) for gradient in gradients)


def snip(model: Module, loss: Loss, batch: Batch) -> float:
    """Returns sum |dL/dw * w| over the weights (Lee et al. 2019, equation 6, unnormalized)."""
    weights = _weights(model)
    return _absolute_products(weights, _slopes(_batch_loss(model, loss, batch), weights))


def grasp(model: Module, loss: Loss, batch: Batch) -> float:
    """Returns sum -(H g) * w over the weights, with g = dL/dw and H its Jacobian (Wang et al. 2020, equation 8)."""
    weights = _weights(model)
    slopes = _slopes(_batch_loss(model, loss, batch), weights, differentiable=True)
    along = sum((slope * slope.detach()).sum() for slope in slopes)
    if not isinstance(along, Tensor) or not along.requires_grad:
        return 0.0
    along.backward()  # type: ignore[no-untyped-call]  # grad() would pass by a node that has no second derivative
    curved = [(weight.detach(), weight.grad) for weight in weights]
    return -sum(float((weight.double() * change).sum()) for weight, change in curved if change is not None)


def synflow(model: Module, loss: Loss, batch: Batch) -> float | None:
    """Returns sum |w * dR/dw| over the weights, R the sum of the outputs for an input of ones with |w| for w.

    In double precision, because R is a product over the layers; in eval mode with batch normalization switched off,
    as Abdelfattah et al. 2021 do. Other normalizations and any activation stay as they are, so that only for
    networks of convolutions and ReLUs it is the sum over paths of Tanaka et al. 2020, equation 2.
    """
    inputs = batch[0]
    if not inputs.is_floating_point():
        return None
    positive = model.double().eval()
    for module in positive.modules():
        if isinstance(module, BATCH_NORMS):
            module.register_forward_hook(lambda _, given, output: given[0])
    with torch.no_grad():
        for parameter in positive.parameters():
            parameter.abs_()
    weights = _weights(positive)
    total = _logits(positive(torch.ones_like(inputs[:1], dtype=torch.float64))).sum()
    return _absolute_products(weights, _slopes(total, weights))


def jacob_cov(model: Module, loss: Loss, batch: Batch) -> float | None:
    """Returns -sum(log(v + k) + 1 / (v + k)), v the eigenvalues of the correlations between the examples' gradients.

    The gradient of example i is that of the sum of all outputs with respect to its input (Mellor et al. 2020, first
    version; Abdelfattah et al. 2021), k = `RIDGE`. The largest value, -b, belongs to uncorrelated gradients.
    """
    inputs = batch[0]
    if not inputs.is_floating_point() or len(inputs) < 2:
        return None
    leaf = inputs.detach().clone().requires_grad_()
    (slopes,) = _slopes(_logits(model(leaf)).sum(), [leaf])
    rows = slopes.flatten(1).double()
    rows = rows - rows.mean(dim=1, keepdim=True)
    lengths = rows.norm(dim=1, keepdim=True)
    if not bool(torch.isfinite(lengths).all()) or not bool((lengths > 0).all()):
        return None
    unit = rows / lengths
    values = torch.linalg.eigvalsh(unit @ unit.T) + RIDGE
    return -float((values.log() + 1 / values).sum())


def naswot(model: Module, loss: Loss, batch: Batch) -> float | None:
    """Returns log |K|, K[i, j] the number of activations that examples i and j switch alike (Mellor et al. 2021).

    What counts as an activation: see `automl.training.activation_codes`.
    """
    with torch.no_grad():
        agreement = code_agreement(model, batch[0])
    if agreement is None:
        return None
    values = torch.linalg.eigvalsh(agreement)
    singular = values[0] <= len(values) * torch.finfo(values.dtype).eps * values[-1]
    return None if singular else float(values.log().sum())


SCORES: Mapping[str, Score] = MappingProxyType(
    {
        "synflow": synflow,
        "grad_norm": grad_norm,
        "snip": snip,
        "grasp": grasp,
        "jacob_cov": jacob_cov,
        "naswot": naswot,
    }
)
"""Name -> score. Parameters and FLOPs, the baselines that a proxy has to beat, are measured by every probe anyway."""


def _weights(model: Module) -> list[Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad and parameter.ndim >= 2]


def _batch_loss(model: Module, loss: Loss, batch: Batch) -> Tensor:
    inputs, targets = batch
    return loss(model(inputs), targets)


def _slopes(output: Tensor, inputs: Sequence[Tensor], *, differentiable: bool = False) -> list[Tensor]:
    """Returns the gradient of a scalar; zeros where it does not depend on an input."""
    if not inputs or not output.requires_grad:
        return [torch.zeros_like(one) for one in inputs]
    slopes = torch.autograd.grad(
        output, list(inputs), create_graph=differentiable, allow_unused=True, materialize_grads=True
    )
    return list(slopes)


def _absolute_products(weights: Sequence[Tensor], slopes: Sequence[Tensor]) -> float:
    pairs = zip(weights, slopes, strict=True)
    return sum(float((weight.detach().double() * slope).abs().sum()) for weight, slope in pairs)


def _logits(outputs: Any) -> Tensor:
    logits: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    return logits
