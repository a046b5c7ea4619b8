"""AutoML search service: better parts of a training recipe, searched, rejected early, proven, and exported.

Why: `search` proposes candidates of a space, trains each briefly on a task under rejection filters, and keeps
everything; the returned `Study` reranks, explains and exports. The rule: names are loaded on first use, so that
importing this package costs nothing.

Example:
    >>> import automl
    >>> sorted(name for name in automl.__all__ if name.islower())
    ['compare', 'list_studies', 'load_study', 'replace_norm_act', 'resume', 'search']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl.authoring import SuggestedSpace
    from automl.authoring.module_replacement import replace_norm_act
    from automl.contracts import Recipe
    from automl.errors import AutoMLError
    from automl.run import Study, list_studies, load_study, resume, search
    from automl.run.compare import compare
    from automl.training.tasks.classification import ClassificationTask

_HOMES = {
    "AutoMLError": "automl.errors",
    "ClassificationTask": "automl.training.tasks.classification",
    "Recipe": "automl.contracts",
    "Study": "automl.run",
    "SuggestedSpace": "automl.authoring",
    "compare": "automl.run.compare",
    "list_studies": "automl.run",
    "load_study": "automl.run",
    "replace_norm_act": "automl.authoring.module_replacement",
    "resume": "automl.run",
    "search": "automl.run",
}

__all__ = [
    "AutoMLError",
    "ClassificationTask",
    "Recipe",
    "Study",
    "SuggestedSpace",
    "compare",
    "list_studies",
    "load_study",
    "replace_norm_act",
    "resume",
    "search",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'automl' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
