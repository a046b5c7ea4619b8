"""What a space author builds on.

Why a floor of its own: search spaces import this, the contracts and the public API, and nothing deeper.
"""

from automl.authoring.suggested_space import SuggestedSpace

__all__ = ["SuggestedSpace"]
