"""The composition root: turns what was asked into a header, a header into a plan, and a plan into running parts.

Why: everything else speaks contract words; this package alone names concrete classes, and alone imports inside
functions, so that `import automl` and `--help` stay light. The rule: a plan follows from the study's header and
nothing else.
"""

from automl.assemble.batch_plan import with_batch_plan
from automl.assemble.header import (
    Limits,
    Request,
    check_unchanged,
    environment,
    header_of,
    space_locator,
    task_locator,
)
from automl.assemble.parts import (
    create_study,
    executor_of,
    job_function,
    live_sync_of,
    open_history,
    progress_of,
    read_log,
    runner_of,
    snapshot_store,
    study_headers,
    sync_now,
    sync_of,
    work_directory,
)
from automl.assemble.plan import SEARCHERS, plan_of, space_of, task_of
from automl.assemble.publishing import Publication, publish

__all__ = [
    "SEARCHERS",
    "Limits",
    "Publication",
    "Request",
    "check_unchanged",
    "create_study",
    "environment",
    "executor_of",
    "header_of",
    "job_function",
    "live_sync_of",
    "open_history",
    "plan_of",
    "progress_of",
    "publish",
    "read_log",
    "runner_of",
    "snapshot_store",
    "space_locator",
    "space_of",
    "study_headers",
    "sync_now",
    "sync_of",
    "task_locator",
    "task_of",
    "with_batch_plan",
    "work_directory",
]
