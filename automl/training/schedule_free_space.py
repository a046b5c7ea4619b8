"""Schedule-free training as an edit of a recipe, so that it can be compared with schedules like any other candidate.

Why: it changes three things at once: the update rule, the schedule (none but a warm-up) and the weights that are
measured. The rule: it stays with the task's own kind of optimizer, SGD or AdamW, and takes over its constants; a
searched optimizer has no schedule-free form. A gradient moves SGD with momentum m by lr / (1 - m) in all, so that is
the learning rate of plain schedule-free steps: grids of multiples of a task's own rate then mean the same for both.
"""

from collections.abc import Mapping

from automl.authoring import SuggestedSpace
from automl.contracts import Genotype, Recipe, Suggester, UpdateRule
from automl.errors import InvalidSetting
from automl.training.averaged_training import AveragedSupervised
from automl.training.schedule_free import ScheduleFreeAdamW, ScheduleFreeSGD
from automl.training.schedules import WarmupCosine
from automl.training.update_rules import AdamW, NesterovSGD


class ScheduleFreeSpace(SuggestedSpace):
    """How far gradients are taken from the fast weights, and how long the learning rate rises."""

    name = "schedule-free"
    version = 1
    slots = frozenset({"update_rule", "learning_rate", "schedule", "trainer"})

    def suggest(self, trial: Suggester) -> None:
        """Asks the interpolation and the share of the run that warms up."""
        trial.suggest_float("beta", 0.0, 0.99)
        trial.suggest_float("warmup", 0.0, 0.5)

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        """Returns the recipe trained schedule-free.

        Raises:
            InvalidSetting: its update rule is neither SGD nor AdamW.
        """
        beta, warmup = genotype["beta"], genotype["warmup"]
        assert isinstance(beta, int | float) and isinstance(warmup, int | float)
        rule, scale = _without_schedule(recipe.update_rule, beta=float(beta))
        return recipe.replace(
            update_rule=rule,
            learning_rate=recipe.learning_rate * scale,
            schedule=WarmupCosine(warmup=float(warmup), floor=1.0),
            trainer=AveragedSupervised(),
        )

    def zoo(self) -> Mapping[str, Genotype]:
        """Returns the authors' defaults."""
        return {"schedule-free": {"beta": 0.9, "warmup": 0.05}}


def _without_schedule(rule: UpdateRule, *, beta: float) -> tuple[UpdateRule, float]:
    """Returns the schedule-free form, and by how much larger its learning rate is."""
    match rule:
        case AdamW(beta2=beta2, epsilon=epsilon):
            return ScheduleFreeAdamW(beta=beta, beta2=beta2, epsilon=epsilon), 1.0
        case NesterovSGD(momentum=momentum):
            return ScheduleFreeSGD(beta=beta), 1 / (1 - momentum)
    allowed = "NesterovSGD or AdamW, the two rules with a published schedule-free form"
    raise InvalidSetting("update_rule", type(rule).__name__, allowed)
