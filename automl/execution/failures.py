"""From an exception in a job to the failure that is stored with its trial.

Why: the same candidate must fail for the same reason in process and in a worker. torch is not imported here (workers of
torch-free tasks start in a tenth of a second), so its errors are known by their texts.
The rule: a failing candidate is data; only a full disk, which is nobody's fault, is `infrastructure`.
"""

import errno
from traceback import TracebackException

from automl.contracts.rung import Failure, FailureReason
from automl.errors import InvalidGenotype

TEXT_CHARACTERS = 2_000
FRAMES = 6
MEMORY_TEXTS = ("can't allocate memory", "out of memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


def failure_of(error: BaseException) -> Failure:
    """Returns the failure that an exception in a job amounts to.

    Returns:
        `invalid` for `InvalidGenotype`, `out-of-memory` for a refused allocation of Python, numpy, torch or CUDA,
        `infrastructure` for a full disk, else `crashed`; with exception type, text and a short traceback as evidence.
    """
    told = TracebackException.from_exception(error, limit=-FRAMES)
    text = _said(told)
    evidence = {
        "type": type(error).__name__,
        "text": text[:TEXT_CHARACTERS],
        "traceback": "".join(told.format())[-TEXT_CHARACTERS:],
    }
    return Failure(reason=_reason(error, text), evidence=evidence)


def spoils_worker(error: BaseException) -> bool:
    """Whether no later job can succeed in this process: a CUDA context stays unusable after an error in a kernel."""
    text = _said(TracebackException.from_exception(error, limit=1))
    return "CUDA error" in text and _reason(error, text) == "crashed"


def _said(told: TracebackException) -> str:
    # TracebackException survives a broken __str__, which str(error) does not
    return "".join(told.format_exception_only()).strip()


def _reason(error: BaseException, text: str) -> FailureReason:
    if isinstance(error, InvalidGenotype):
        return "invalid"
    if isinstance(error, MemoryError) or any(sign in text for sign in MEMORY_TEXTS):
        return "out-of-memory"
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return "out-of-memory"
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        return "infrastructure"
    return "crashed"
