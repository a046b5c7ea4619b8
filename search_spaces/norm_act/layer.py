"""A norm-act graph as a torch layer.

Why: this is the module that a recipe's model is built from. In training it runs the compiled program (less memory and
time than a hand-written layer); for evaluation, export and everything unusual it runs the reference operations, which
compute the same. The rule: batch moments are taken from the batch in training and from running values in evaluation, so
that an exported model answers for a sample whatever its batch; the running values follow the biased batch statistics.
"""

import torch
from torch import Tensor, nn

from automl.errors import InvalidSetting
from search_spaces.norm_act.compiled import apply, compile_graph
from search_spaces.norm_act.graph import Nodes
from search_spaces.norm_act.operators import DEFAULT_GROUPS, EPS, fitting_groups
from search_spaces.norm_act.reference import Parameters, batch_moments, evaluate, reads, share

MOMENTUM = 0.1
"""Share of the newest batch in the running values."""

_RUNNING = {"mean": ("mean", 0.0), "rms": ("square", 1.0), "std": ("variance", 1.0)}


class NormActLayer(nn.Module):
    """gamma * graph(x) + beta on [batch, channels, height, width].

    Its state holds `gamma` and `beta`, `v0` and `v1` where the output depends on them, and for each distinct live
    moment over the batch one `running_mean_i`, `running_square_i` or `running_variance_i`.

    Attributes:
        nodes: live nodes of the graph, equal ones merged.
        channels: number of channels, >= 1.
        groups: channel groups of the `whcg` moments: the largest number up to the one asked for that divides channels.
        eps: guard of div, log and sqrt, and variance offset, in (0, 1].
    """

    v0: Tensor | None
    v1: Tensor | None

    def __init__(self, nodes: Nodes, *, channels: int, groups: int = DEFAULT_GROUPS, eps: float = EPS) -> None:
        super().__init__()
        if not nodes:
            raise InvalidSetting("nodes", nodes, "at least one node; the last one is the output")
        if not 0 < eps <= 1:
            raise InvalidSetting("eps", eps, "a number in (0, 1]")
        self.nodes, self.channels, self.eps = share(nodes), channels, eps
        self.groups = fitting_groups(channels, groups)
        reads_v0, reads_v1 = reads(self.nodes)
        self.register_parameter("v0", nn.Parameter(torch.zeros(channels)) if reads_v0 else None)
        self.register_parameter("v1", nn.Parameter(torch.ones(channels)) if reads_v1 else None)
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self._running_names: list[str] = []
        for index, moment in enumerate(batch_moments(self.nodes)):
            kind, start = _RUNNING[moment.moment]
            self._running_names.append(f"running_{kind}_{index}")
            size = channels if moment.per_channel else 1
            self.register_buffer(self._running_names[-1], torch.full((size,), start))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the layer's output, shaped as x.

        Args:
            x: [batch, channels, height, width].
        """
        parameters = Parameters(v0=self.v0, v1=self.v1, gamma=self.gamma, beta=self.beta)
        running = [self.get_buffer(name) for name in self._running_names]
        if not self.training:
            return evaluate(self.nodes, x, parameters, groups=self.groups, eps=self.eps, running=running)[0]
        if _compilable(x, self.gamma):
            batch, channels, height, width = x.shape
            compiled = compile_graph(self.nodes, (batch, channels, height * width), groups=self.groups, eps=self.eps)
            output, moments = apply(compiled, x, parameters=parameters)
        else:
            output, moments = evaluate(self.nodes, x, parameters, groups=self.groups, eps=self.eps)
        with torch.no_grad():
            for value, moment in zip(running, moments, strict=True):
                value.mul_(1 - MOMENTUM).add_(moment.detach(), alpha=MOMENTUM)
        return output

    def extra_repr(self) -> str:
        """Returns the settings, for printing."""
        return f"nodes={self.nodes}, channels={self.channels}, groups={self.groups}, eps={self.eps}"


def _compilable(x: Tensor, gamma: Tensor) -> bool:
    """Whether the compiled program can take this call: plain dense floats, and nobody is tracing or transforming it."""
    traced = torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None
    if traced or torch._C._are_functorch_transforms_active():
        return False
    plain = x.dtype in (torch.float32, torch.float64) and x.dtype == gamma.dtype and type(x) in (Tensor, nn.Parameter)
    return plain and x.numel() > 0 and x.is_contiguous()
