"""The tail of a log that goes into the evidence."""

from pathlib import Path

from automl.execution.worker_log import MAX_BYTES, TAIL_BYTES, WorkerLog


def test_tail_begins_at_the_mark(tmp_path: Path) -> None:
    log = WorkerLog(path=tmp_path / "log")
    log.path.write_text("of the job before\n")
    log.mark()
    with open(log.path, "a") as file:
        file.write("last words\n")
    assert log.tail() == "last words\n"


def test_tail_is_short_and_survives_bytes_that_are_no_text(tmp_path: Path) -> None:
    log = WorkerLog(path=tmp_path / "log")
    log.path.write_bytes(b"\xff" * 50_000 + b"end")
    assert log.tail().endswith("end")
    assert len(log.tail()) == TAIL_BYTES


def test_log_that_has_grown_too_long_starts_again(tmp_path: Path) -> None:
    log = WorkerLog(path=tmp_path / "log")
    with open(log.path, "ab") as worker:
        worker.write(b"x" * (MAX_BYTES + 1))
        worker.flush()
        log.mark()
        log.trim()
        worker.write(b"afterwards")
    assert log.tail() == "afterwards"


def test_missing_log_has_no_tail(tmp_path: Path) -> None:
    log = WorkerLog(path=tmp_path / "none")
    log.trim()
    log.mark()
    assert log.tail() == ""


def test_a_dumped_stack_begins_at_its_top_and_lists_no_extension_modules(tmp_path: Path) -> None:
    log = WorkerLog(path=tmp_path / "log")
    frames = "".join(f'  File "layer.py", line {n} in forward\n' for n in range(500))
    dump = f"Fatal Python error: Segmentation fault\n\nCurrent thread (most recent call first):\n{frames}"
    log.path.write_text(f"chatter\n{dump}\nExtension modules: {', '.join(['numpy'] * 900)} (total: 900)\n")
    assert log.tail().startswith("Fatal Python error") and "line 0 in forward" in log.tail()
    assert len(log.tail()) == TAIL_BYTES
    log.path.write_text(f"last words\nFatal Python error: Segmentation fault\n\nExtension modules: {'x, ' * 3000}\n")
    assert log.tail() == "last words\nFatal Python error: Segmentation fault\n\n"
