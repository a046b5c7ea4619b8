"""Finds search spaces and tasks: installed ones, in modules, in files, or objects of this very process.

Why: nothing registers itself on import, so listing what is installed imports nothing, and a worker finds the same thing
as the driver from one line of text. See `locators` for the grammar.
"""

from automl.plugins.by_value import Objects, object_locator, pack, unpack
from automl.plugins.loading import build, find, resolve
from automl.plugins.locators import Kind, Locator, canonical_locator, code_digest, installed, parse

__all__ = [
    "Kind",
    "Locator",
    "Objects",
    "build",
    "canonical_locator",
    "code_digest",
    "find",
    "installed",
    "object_locator",
    "pack",
    "parse",
    "resolve",
    "unpack",
]
