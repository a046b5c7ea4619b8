"""Canonical JSON: one text per value, and digests of it.

Why: genotypes, jobs, results and headers cross processes and disks, are compared, and are hashed. Equal values must
have equal text everywhere. The rule: sorted keys, no white space, no NaN and no infinity (absent numbers are null).
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from automl.errors import NotCanonical

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"

MAX_BYTES = 64 << 20


def dumps(value: JSON) -> str:
    """Returns the canonical JSON text of a value.

    Raises:
        NotCanonical: the value holds NaN, an infinity, a non-string key that is not an int, or an object.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise NotCanonical(f"Not canonical JSON: {error}. Use null for an absent or non-finite number.") from error


def loads(text: str | bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """Reads JSON text from outside.

    Args:
        text: JSON; longer than `max_bytes` is refused unread.
        max_bytes: size limit in bytes.

    Raises:
        NotCanonical: too long, not JSON, nested too deeply, or holding NaN or Infinity.
    """
    if len(text) > max_bytes:
        raise NotCanonical(f"JSON text of {len(text)} bytes; at most {max_bytes} are read.")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"Not JSON: {error}.") from error


def digest(value: JSON, *, size_bytes: int = 8) -> str:
    """Returns the BLAKE2b digest of a value's canonical text, as 2 * size_bytes hex digits."""
    return hashlib.blake2b(dumps(value).encode(), digest_size=size_bytes).hexdigest()


def finite(number: float | None) -> float | None:
    """Returns the number as a float, or None where it is absent, NaN or infinite (JSON knows none of them)."""
    return float(number) if number is not None and math.isfinite(number) else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number; use null")
