"""A worker process: `python -m automl.execution.worker READ_FD WRITE_FD`, started by the supervisor only.

Why: whatever executes a candidate may exit, hang, crash or eat memory, so it runs where only itself is lost.
The rule: the worker trusts the driver and nobody trusts the worker; it never imports the user's `__main__`.

It reads one setup message, builds the job function, says "ready", and then answers job after job:

    driver -> worker   {"factory", "arguments", "path", "data_limit_bytes", "max_result_bytes"}
    worker -> driver   {"kind": "ready"}
    driver -> worker   {"job", "limit_seconds"}
    worker -> driver   {"kind": "started"}, then {"kind": "result" | "failure", "seconds", ...}
"""

import contextlib
import ctypes
import faulthandler
import importlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from automl.canonical import dumps
from automl.contracts.rung import Failure
from automl.execution.failures import failure_of, spoils_worker
from automl.execution.wire import Inbox, frame, receive, send

JobFunction: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]

MAX_SETUP_BYTES = 1 << 30
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h
STACK_DUMP_SHARE = 0.9  # of the time limit: a candidate that hangs leaves the place where it hangs in the log


def main(read_descriptor: int, write_descriptor: int) -> None:
    """Serves jobs until the driver closes the pipe."""
    _live_and_die_with_the_driver(read_descriptor, write_descriptor)
    inbox = Inbox(max_bytes=MAX_SETUP_BYTES)
    setup = receive(read_descriptor, inbox)
    if setup is None:
        return
    sys.path[:] = setup["path"]
    run = _job_function(setup["factory"], setup["arguments"])
    _fence_memory(setup["data_limit_bytes"])
    send(write_descriptor, frame({"kind": "ready"}))
    while (order := receive(read_descriptor, inbox)) is not None:
        send(write_descriptor, frame({"kind": "started"}))
        answer, healthy = _answer(run, order, max_result_bytes=setup["max_result_bytes"])
        send(write_descriptor, answer)
        if not healthy:
            return


def _live_and_die_with_the_driver(*pipes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which ends its workers
    faulthandler.enable()
    die = _die_with_parent()

    def in_forked_child() -> None:
        for pipe in pipes:  # a grandchild must neither keep our pipes open nor write to them
            with contextlib.suppress(OSError):
                os.close(pipe)
        die()

    die()
    for pipe in pipes:
        os.set_inheritable(pipe, False)
    os.register_at_fork(after_in_child=in_forked_child)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # when memory runs out, the kernel takes a worker and never the driver


def _die_with_parent() -> Callable[[], object]:
    """Returns the call that makes the kernel kill this process with its parent; off Linux it does nothing."""
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _job_function(factory: str, arguments: Any) -> JobFunction:
    module, _, name = factory.partition(":")
    job_function: JobFunction = getattr(importlib.import_module(module), name)(arguments)
    return job_function


def _fence_memory(limit_bytes: int | None) -> None:
    """Bounds private memory on top of what the imports have mapped: a huge allocation then raises MemoryError."""
    if limit_bytes is None:
        return
    mapped = _mapped_data_bytes()
    if mapped is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (mapped + limit_bytes, mapped + limit_bytes))


def _mapped_data_bytes() -> int | None:
    try:
        with open("/proc/self/status") as file:
            return next((int(line.split()[1]) << 10 for line in file if line.startswith("VmData:")), None)
    except OSError:
        return None


def _answer(run: JobFunction, order: Mapping[str, Any], *, max_result_bytes: int) -> tuple[bytes, bool]:
    """Runs one job; returns the framed answer, and whether this process can go on."""
    begin = time.perf_counter()
    healthy = True
    message: dict[str, Any]
    _light_fuse(order["limit_seconds"])
    try:
        result = run(order["job"])
        message = {"kind": "result", "result": result}
        size = len(dumps(result))
        if size > max_result_bytes:
            message = _failed(_too_large(size, max_result_bytes))
    except (Exception, SystemExit) as error:  # candidates may raise anything
        traceback.clear_frames(error.__traceback__)  # its locals may hold all the memory there is
        healthy = not spoils_worker(error)
        message = _failed(failure_of(error))
    _put_out_fuse()
    return frame({**message, "seconds": time.perf_counter() - begin}), healthy


def _failed(failure: Failure) -> dict[str, Any]:
    return {"kind": "failure", "failure": failure.to_json()}


def _too_large(size: int, limit: int) -> Failure:
    text = f"The result is {size} bytes of JSON; at most {limit} are taken back. Tensors belong into snapshots."
    return Failure(reason="crashed", evidence={"type": "ResultTooLarge", "text": text})


def _light_fuse(limit_seconds: float | None) -> None:
    """Makes this process end itself should the supervisor not do it (a driver that is stopped, or gone off Linux)."""
    if limit_seconds is not None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 1.5 * limit_seconds + 5)
        faulthandler.dump_traceback_later(STACK_DUMP_SHARE * limit_seconds)


def _put_out_fuse() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), int(sys.argv[2]))
    except BrokenPipeError:
        sys.exit("The driver is gone.")
