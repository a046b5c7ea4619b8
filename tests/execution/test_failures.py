"""Which exception is which failure."""

import errno

import pytest

from automl.canonical import dumps
from automl.errors import InvalidGenotype
from automl.execution.failures import failure_of, spoils_worker


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even its text can be had")


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("shapes differ"), "crashed"),
        (RecursionError("too deep"), "crashed"),
        (MemoryError(), "out-of-memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out-of-memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"), "out-of-memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), "out-of-memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out-of-memory"),
        (InvalidGenotype("op4", "mull", "mul, add"), "invalid"),
        (OSError(errno.ENOSPC, "No space left on device"), "infrastructure"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "crashed"),
        (SystemExit(1), "crashed"),
        (Unprintable(), "crashed"),
    ],
)
def test_reason(error: BaseException, reason: str) -> None:
    failure = failure_of(caught(error))
    assert failure.reason == reason
    assert failure.evidence["type"] == type(error).__name__


def test_evidence_is_short_and_can_be_stored() -> None:
    failure = failure_of(caught(ValueError("\ud800" + "x" * 100_000)))
    assert len(dumps(failure.to_json())) < 8_000


def test_error_in_a_kernel_spoils_the_worker_and_lack_of_memory_does_not() -> None:
    assert spoils_worker(RuntimeError("CUDA error: device-side assert triggered"))
    assert not spoils_worker(RuntimeError("CUDA error: out of memory"))
    assert not spoils_worker(ValueError("shapes differ"))
