"""From mixing weights to a chain and to readings."""

import math

import numpy as np
import pytest

from automl.errors import UnknownName
from search_spaces.darts.hypercuboid.chain import to_chain
from search_spaces.darts.hypercuboid.decoders import DECODERS
from search_spaces.darts.hypercuboid.derivation import ChainDerivation
from search_spaces.darts.hypercuboid.plan import GridPlan

PLAN = GridPlan(channels=8, widths=2, layers=2, features=8)


def mixing(**changes: float) -> dict[str, np.ndarray]:
    """Uniform rows [2, 8], the first entry of each row changed."""
    rows = np.full((2, 8), 0.125)
    for row, value in enumerate(changes.values()):
        rows[row] = (1 - value) / 7
        rows[row, 0] = value
    return {"grid": rows}


@pytest.mark.parametrize("decoder", sorted(DECODERS))
def test_rows_are_the_softmaxes_of_stride_one_then_two(decoder):
    rows = np.zeros((2, 8))
    rows[0, 3] = 1.0  # narrow to wide, convolution
    rows[1, 4] = 1.0  # wide to narrow, pool
    chain = to_chain(ChainDerivation(plan=PLAN, decoder=decoder)({"grid": rows}))
    assert str(chain) == "8: 16S 8R"


def test_undecided_grids_read_an_entropy_of_log_8_and_decided_ones_of_zero():
    derivation = ChainDerivation(plan=PLAN)
    undecided = derivation.read(mixing(), None)
    assert undecided == {"entropy_grid": pytest.approx(math.log(8)), "path_weight": pytest.approx(0.25)}
    decided = derivation.read(mixing(first=1.0, second=1.0), None)
    assert decided == {"entropy_grid": pytest.approx(0.0, abs=1e-12), "path_weight": pytest.approx(2.0)}


def test_weights_that_are_not_finite_give_no_chain_and_no_numbers():
    derivation = ChainDerivation(plan=PLAN)
    broken = mixing(first=np.nan)
    assert derivation(broken) is None
    assert derivation.read(broken, None) == {"entropy_grid": None, "path_weight": None}


def test_an_unknown_decoder_is_refused_with_the_known_ones():
    with pytest.raises(UnknownName, match="longest-path"):
        ChainDerivation(plan=PLAN, decoder="longest")
