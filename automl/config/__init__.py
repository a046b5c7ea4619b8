"""Settings: from three sources, in one order, checked against the dataclasses that they are for.

Defaults < environment < `--config FILE.toml` < `--set a.b=c` and options. A name is dotted: `space.*`, `task.*`,
`searcher.*`, `filter.<name>.*` (`filter.<name>.enabled=false` switches one off) and `executor.*`. Why: a component's
fields are its settings, so no table of settings exists beside them. The rule: an unknown name is an error that says the
nearest known one, and a value is never silently converted ("3.5" is no int).
"""

from automl.config.fields import Setting, check, coerce, fields_of
from automl.config.sections import Sections, filter_settings, sections
from automl.config.sources import (
    SearchOptions,
    device,
    first_free_name,
    read_genotypes,
    search_arguments,
    storage_url,
    tracking_uri,
)

__all__ = [
    "SearchOptions",
    "Sections",
    "Setting",
    "check",
    "coerce",
    "device",
    "fields_of",
    "filter_settings",
    "first_free_name",
    "read_genotypes",
    "search_arguments",
    "sections",
    "storage_url",
    "tracking_uri",
]
