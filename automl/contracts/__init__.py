"""The words of the service as records and protocols: read this package first.

Why: every part (searcher, filter, executor, storage, tracker, exporter) speaks only these words, so each can be read,
tested and replaced alone. The rule: standard library and numpy only; torch appears under TYPE_CHECKING.
"""

from automl.contracts.derived import DERIVED, derived_after, derived_of
from automl.contracts.history import History, Opened, RungRecord, Searcher, StudyLog
from automl.contracts.recipe import (
    Batch,
    Dataset,
    Leg,
    NormActFactory,
    Recipe,
    RecipeRef,
    Schedule,
    Signature,
    Split,
    Task,
    TraceableRule,
    Trainer,
    UpdateRule,
)
from automl.contracts.rung import Answer, Executor, Failure, FailureReason, RungJob, RungResult
from automl.contracts.space import DerivingSpace, Draw, Genotype, ScheduleSpace, SearchSpace, Suggester
from automl.contracts.trial import (
    Closed,
    Curve,
    Finished,
    Monitor,
    Objective,
    Outcome,
    Screen,
    StudyView,
    Values,
    Verdict,
)

__all__ = [
    "DERIVED",
    "Answer",
    "Batch",
    "Closed",
    "Curve",
    "Dataset",
    "DerivingSpace",
    "Draw",
    "Executor",
    "Failure",
    "FailureReason",
    "Finished",
    "Genotype",
    "History",
    "Leg",
    "Monitor",
    "NormActFactory",
    "Objective",
    "Opened",
    "Outcome",
    "Recipe",
    "RecipeRef",
    "RungJob",
    "RungRecord",
    "RungResult",
    "Schedule",
    "ScheduleSpace",
    "Screen",
    "SearchSpace",
    "Searcher",
    "Signature",
    "Split",
    "StudyLog",
    "StudyView",
    "Suggester",
    "Task",
    "TraceableRule",
    "Trainer",
    "UpdateRule",
    "Values",
    "Verdict",
    "derived_after",
    "derived_of",
]
