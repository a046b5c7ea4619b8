"""Child generators by name: every random choice has an address.

Why: a study must not depend on the number of workers, on interruptions or on the order in which things happen to run.
So no generator is shared or advanced across decisions; each decision makes its own from the root seed and a path.
The rule: same (seed, path), same stream, in every process and on every machine.
"""

import hashlib

import numpy as np

from automl.canonical import JSON, dumps


def child_seed(seed: int, *path: JSON) -> int:
    """Returns the seed of the child at `path`, in [0, 2**63).

    Args:
        seed: root seed of the study.
        path: address of the decision, e.g. ("ask", 17) or ("train", "resnet", 0, "data").
    """
    text = dumps([seed, *path]).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def child(seed: int, *path: JSON) -> np.random.Generator:
    """Returns a fresh generator for the child at `path`; see `child_seed`."""
    return np.random.default_rng(child_seed(seed, *path))
