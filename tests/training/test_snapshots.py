import os
from pathlib import Path
from typing import Any

import pytest
import torch

from automl.authoring.plain_state import copy_state
from automl.errors import InvalidSetting
from automl.training.snapshots import SnapshotStore

CONTENT = {"step": 3, "state": {"weights": torch.arange(4.0), "moments": [torch.ones(2), (1, 2.5, None, "x")]}}


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(directory=tmp_path / "snapshots")


def only_file(store: SnapshotStore) -> Path:
    (path,) = store.directory.iterdir()
    return path


def test_what_was_put_comes_back(store: SnapshotStore) -> None:
    found: Any = store.get(store.put(CONTENT))
    assert found["step"] == 3
    assert torch.equal(found["state"]["weights"], torch.arange(4.0))
    assert found["state"]["moments"][1] == (1, 2.5, None, "x")


def test_equal_content_has_one_key_and_one_file(store: SnapshotStore) -> None:
    assert store.put(CONTENT) == store.put(CONTENT)
    only_file(store)


@pytest.mark.parametrize("key", [None, "", "0" * 32, "../secret", "no-key"])
def test_unknown_key_is_absent(store: SnapshotStore, key: str | None) -> None:
    assert store.get(key) is None
    store.discard(key)


def test_damaged_file_is_absent(store: SnapshotStore) -> None:
    key = store.put(CONTENT)
    path = only_file(store)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert store.get(key) is None


def test_object_in_a_file_is_never_unpickled(store: SnapshotStore) -> None:
    key = store.put({"path": Path("x")})
    assert store.get(key) is None


def test_discarded_snapshot_is_absent(store: SnapshotStore) -> None:
    key = store.put(CONTENT)
    store.discard(key)
    assert store.get(key) is None


def test_oldest_files_go_when_the_limit_is_reached(store: SnapshotStore) -> None:
    first = store.put({"step": 1})
    size = only_file(store).stat().st_size
    os.utime(only_file(store), (1, 1))
    small = SnapshotStore(directory=store.directory, limit_bytes=size * 2 + size // 2)
    second, third = small.put({"step": 2}), small.put({"step": 3})
    assert [small.get(key) is not None for key in (first, second, third)] == [False, True, True]


def test_newest_snapshot_stays_even_above_the_limit(store: SnapshotStore) -> None:
    tiny = SnapshotStore(directory=store.directory, limit_bytes=1)
    first, second = tiny.put({"step": 1}), tiny.put({"step": 2})
    assert tiny.get(first) is None
    assert tiny.get(second) is not None


def test_limit_below_one_byte_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="limit_bytes"):
        SnapshotStore(directory=tmp_path, limit_bytes=0)


def test_state_of_objects_is_refused_with_a_way_out() -> None:
    with pytest.raises(TypeError, match="tensors, numbers"):
        copy_state({"rule": object()}, device="cpu")
