"""Published chains as data."""

from search_spaces.darts.hypercuboid.plan import GridPlan
from search_spaces.darts.hypercuboid.zoo import PUBLISHED, fitted


def test_the_published_grid_holds_all_eight_chains_as_published():
    assert fitted(GridPlan()) == dict(PUBLISHED)
    assert len(PUBLISHED) == 8
    assert str(PUBLISHED["max-w"]) == "256: 128R 256R 32R 256R 256S 256R 256R 256R"
    assert all(len(chain.steps) == 8 for chain in PUBLISHED.values())


def test_a_smaller_grid_scales_the_widths_and_cuts_the_steps_and_says_so():
    found = fitted(GridPlan(channels=8, widths=4, layers=4, features=192))
    assert str(found["handmade-first-4"]) == "8: 8S 16R 16S 32R"
    assert len(found) == 8


def test_what_a_grid_cannot_hold_is_left_out():
    assert fitted(GridPlan(layers=10)) == {}
    assert set(fitted(GridPlan(widths=3))) == {"greedy-max-w-top"}
    assert fitted(GridPlan(channels=1, widths=1, layers=2, features=1)) == {}
