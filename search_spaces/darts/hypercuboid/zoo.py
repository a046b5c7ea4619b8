"""The published chains.

Why: they are what the paper's grid search, its other decoders, a person and chance came up with; evolution starts from
them, and people compare with them. The rule: as published, with the widths 32, 64, 128 and 256; `fitted` scales and
cuts them to a smaller grid, and leaves out what does not fit.

Source: sharpDARTS (Hundt, Jain, Hager 2019, arXiv 1903.09900), its published genotypes of the HyperCuboid. `max-w` and
`scalar` are longest paths through weights trained with and without Max-W; `greedy-...` are greedy paths through the
same weights, from the image on (top) and from the classes back (bottom).
"""

from collections.abc import Mapping

from search_spaces.darts.hypercuboid.chain import Chain, read_chain
from search_spaces.darts.hypercuboid.plan import GridPlan

PUBLISHED: Mapping[str, Chain] = {
    name: read_chain(text)
    for name, text in {
        "handmade": "32: 32S 64R 64S 128R 128S 256R 256S 256R",
        "max-w": "256: 128R 256R 32R 256R 256S 256R 256R 256R",
        "scalar": "32: 32S 128R 128S 32R 256R 256R 256R 256R",
        "random": "64: 128R 128S 256R 256S 128S 32S 64R 32S",
        "greedy-scalar-top": "32: 64R 64R 256R 32S 256S 32S 32R 64R",
        "greedy-scalar-bottom": "128: 256S 32R 32R 32R 256R 256R 256R 32S",
        "greedy-max-w-top": "32: 32R 128S 128S 128S 64S 64S 128S 128R",
        "greedy-max-w-bottom": "256: 128R 256R 128R 128S 64R 64R 64R 64R",
    }.items()
}
NARROWEST = 32
"""Channels of the narrowest width of the published chains."""


def fitted(plan: GridPlan) -> dict[str, Chain]:
    """Returns the published chains on this grid by name.

    Widths are scaled with the narrowest one. Where the grid has fewer steps, a chain is cut behind its first `layers`
    and its name says so; where it has more steps, or fewer widths than a chain needs, the chain is left out.
    """
    found: dict[str, Chain] = {}
    for name, chain in PUBLISHED.items():
        if plan.layers > len(chain.steps):
            continue
        steps = tuple((_scaled(channels, plan), primitive) for channels, primitive in chain.steps[: plan.layers])
        cut = Chain(stem=_scaled(chain.stem, plan), steps=steps)
        fits = {cut.stem, *(channels for channels, _ in steps)} <= set(plan.sizes)
        if fits and cut not in found.values():
            found[name if plan.layers == len(chain.steps) else f"{name}-first-{plan.layers}"] = cut
    return found


def _scaled(channels: int, plan: GridPlan) -> int:
    return channels * plan.sizes[0] // NARROWEST
