"""Whether a rule normalises each coordinate, seen from what it does."""

from collections.abc import Mapping
from typing import Any

import pytest

from automl.training.coordinate_rule import normalises_coordinates
from automl.training.update_rules import AdamW, NesterovSGD


class Sign:
    def init(self, parameters: Any, *, shapes: Any) -> None:
        return None

    def step(
        self,
        parameters: Any,
        gradients: Any,
        state: None,
        *,
        learning_rate: float,
        weight_decay: Mapping[str, float],
        step: int,
    ) -> Any:
        return {name: w - learning_rate * gradients[name].sign() for name, w in parameters.items()}, None


@pytest.mark.parametrize(
    ("rule", "answer"),
    [(AdamW(), True), (Sign(), True), (NesterovSGD(), False), (NesterovSGD(momentum=0.0), False)],
)
def test_adam_and_sign_normalise_each_coordinate_and_sgd_does_not(rule: Any, answer: bool) -> None:
    assert normalises_coordinates(rule) is answer
