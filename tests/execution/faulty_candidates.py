"""Job functions for the tests of the process executor: candidates that only processes can survive."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

Job = Mapping[str, Any]


def by_file(arguments: Mapping[str, Any]) -> Callable[[Job], Any]:
    """Returns the job function; what a job does is written in its genotype."""
    return lambda job: _run(job["refs"][0]["edits"][0][1], arguments)


def cannot_start(arguments: Mapping[str, Any]) -> Callable[[Job], Any]:
    """Fails before the worker is ready."""
    raise FileNotFoundError("the data set is not there")


def _run(genotype: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    match genotype["do"]:
        case "announce and sleep":
            _write_pid(genotype["path"], os.getpid())
            if "child" in genotype and os.fork() == 0:
                _write_pid(genotype["child"], os.getpid())
            time.sleep(1e6)
        case "start a child and sleep":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1e6)"], start_new_session=True)
            _write_pid(genotype["path"], child.pid)
            time.sleep(1e6)
        case "children eat memory":
            for _ in range(3):
                if os.fork() == 0:
                    hoard = bytearray(os.urandom(4096) * (20 << 10))
                    time.sleep(1e6 + len(hoard))
            time.sleep(1e6)
        case "fork in C and exit":
            if ctypes.CDLL(None).fork() == 0:
                time.sleep(1e6)
            os._exit(4)
        case "write into every pipe":
            for descriptor in range(3, 64):
                try:
                    os.write(descriptor, b"\xff" * 64)
                except OSError:
                    continue
            time.sleep(1e6)
        case "return nonsense":
            return {"curves": 3}
        case "work":
            time.sleep(genotype["seconds"])
        case "measure arguments":
            return _result({"characters": len(arguments["blob"])})
        case "look around":
            return _result(_surroundings())
    return _result({"pid": os.getpid()})


def _surroundings() -> dict[str, Any]:
    with open("/proc/self/oom_score_adj") as file:
        score = file.read().strip()
    return {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "device": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "modules": sorted(sys.modules),
        "interrupt": "ignored" if signal.getsignal(signal.SIGINT) == signal.SIG_IGN else "not ignored",
        "oom_score_adj": score,
    }


def _write_pid(path: str, pid: int) -> None:
    with open(path, "w") as file:
        file.write(f"{pid}\n")


def _result(measurements: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "curves": [],
        "measurements": [measurements],
        "snapshots": [],
        "diverged": [],
        "steps": 0,
        "seconds": 0.0,
    }
