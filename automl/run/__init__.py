"""The Python API: search, resume, load a study, list what is installed.

Why: the CLI and notebooks call the same functions. The rule: a function here checks, starts and returns a `Study`;
what a study can do is in `automl.run.study`.
"""

from automl.run.api import (
    installed_searchers,
    installed_spaces,
    installed_tasks,
    list_studies,
    load_study,
    resume,
    search,
)
from automl.run.study import Study

__all__ = [
    "Study",
    "installed_searchers",
    "installed_spaces",
    "installed_tasks",
    "list_studies",
    "load_study",
    "resume",
    "search",
]
