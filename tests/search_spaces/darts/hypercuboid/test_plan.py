"""The axes: widths are powers of two, strides alternate, and sizes out of range are refused."""

import pytest

from automl.contracts import Signature
from automl.errors import InvalidSetting
from search_spaces.darts.hypercuboid.plan import GridPlan, check_images, stride_of


@pytest.mark.parametrize(
    ("channels", "widths", "sizes"),
    [(32, 4, (32, 64, 128, 256)), (36, 4, (32, 64, 128, 256)), (36, 5, (32, 64, 128, 256, 512)), (4, 2, (4, 8))],
)
def test_widths_are_powers_of_two_from_the_first_not_above_c0(channels, widths, sizes):
    assert GridPlan(channels=channels, widths=widths).sizes == sizes


def test_strides_alternate():
    assert [stride_of(step) for step in range(4)] == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"layers": 3}, "layers"),
        ({"layers": 0}, "layers"),
        ({"layers": True}, "layers"),
        ({"channels": 0}, "channels"),
        ({"channels": 8.0}, "channels"),
        ({"widths": 9}, "widths"),
        ({"channels": 2048, "widths": 3}, "widths"),
        ({"features": 5000}, "features"),
    ],
)
def test_a_size_out_of_range_is_refused_by_name(settings, name):
    with pytest.raises(InvalidSetting, match=f"hypercuboid.{name}"):
        GridPlan(**settings)


@pytest.mark.parametrize(("side", "fits"), [(8, 6), (32, 10), (33, 10), (4, 4)])
def test_images_too_small_for_the_reductions_say_how_many_steps_fit(side, fits):
    signature = Signature(inputs=(1, side, side), outputs=(10,))
    check_images(signature, steps=fits)
    with pytest.raises(InvalidSetting, match=f"<= {fits} for images of {side} x {side}"):
        check_images(signature, steps=fits + 2)


def test_inputs_that_are_no_images_are_refused():
    with pytest.raises(InvalidSetting, match="signature"):
        check_images(Signature(inputs=(64,), outputs=(10,)), steps=2)
