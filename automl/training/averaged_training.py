"""A trainer for rules that measure other weights than they train, such as schedule-free ones.

Why: such a rule takes its gradients at one point and is judged at another, an average of the way so far; measuring,
exporting and stability probes all ask the trainer for the model, so that is where the two are told apart. The rule:
what is handed out is a copy; training goes on where it was. Statistics of batch norms are those of the trained weights.
"""

import copy
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch.nn import Module
from torch.nn.utils import vector_to_parameters

from automl.errors import InvalidSetting
from automl.training.supervised import Supervised, SupervisedState
from automl.training.update_rules import Buffers


@runtime_checkable
class AveragingRule(Protocol):
    """What an update rule must offer beside `automl.contracts.UpdateRule`."""

    def shown(self, parameters: Buffers, state: Any) -> Buffers:
        """Returns the weights to measure, in the layout of the parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragedSupervised(Supervised):
    """`Supervised`, but the model that it hands out has the weights that the update rule shows."""

    def model(self, state: SupervisedState) -> Module:
        """Returns a copy of the model with the rule's average.

        Raises:
            InvalidSetting: the recipe's update rule has no average to show.
        """
        rule = state.recipe.update_rule
        if not isinstance(rule, AveragingRule):
            allowed = "a rule with the verb `shown`, such as ScheduleFreeSGD; train others with Supervised"
            raise InvalidSetting("update_rule", type(rule).__name__, allowed)
        shown = rule.shown(state.buffers, state.rule)
        model = copy.deepcopy(state.model)
        names = {id(parameter): name for name, parameter in state.model.named_parameters()}
        copies = dict(model.named_parameters())
        ordered = [copies[names[id(parameter)]] for parameter in state.parameters]
        # the parameters become views of the joined copy: what a caller does to them does not reach the average
        vector_to_parameters(torch.cat([shown[group] for group in state.counts]), ordered)
        return model
