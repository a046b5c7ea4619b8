import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from automl.contracts import Signature
from automl.errors import InvalidSetting
from automl.training.tasks.augmentation import CropAndFlip
from automl.training.tasks.images import Images

CIFAR = Path(__file__).parents[4] / "shared" / "data" / "cifar10"
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 6, 5, 3), dtype=np.uint8)
LABELS = np.arange(24) % 2


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def table(path: Path, **columns: Any) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


CELLS = [{"bytes": png(pixels), "path": None} for pixels in PIXELS]


def test_parquet_of_structs_reads_as_channels_first(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", img=CELLS, label=LABELS)
    images, labels = Images(path=str(path)).arrays()
    assert np.array_equal(images, PIXELS.transpose(0, 3, 1, 2))
    assert labels.tolist() == LABELS.tolist()
    assert Images(path=str(path)).signature("resnet") == Signature(inputs=(3, 6, 5), outputs=(2,))


def test_folder_of_parquet_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    raw = [cell["bytes"] for cell in CELLS]
    table(tmp_path / "b.parquet", image=raw[12:], target=LABELS[12:])
    table(tmp_path / "a.parquet", image=raw[:12], target=LABELS[:12])
    images, _ = Images(path=str(tmp_path)).arrays()
    assert np.array_equal(images, PIXELS.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("images", [PIXELS, PIXELS.transpose(0, 3, 1, 2), PIXELS[..., 0], PIXELS / 255])
def test_archive_takes_channels_last_first_and_none(tmp_path: Path, images: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", images=images, labels=LABELS)
    task = Images(path=str(tmp_path / "a.npz"))
    assert task.data("train", "resnet").inputs.shape == (12, 1 if images.ndim == 3 else 3, 6, 5)
    assert [o.chance for o in task.objectives] == [0.5]


def test_fewer_examples_are_drawn_alike_each_time(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=PIXELS, labels=LABELS)
    drawn = [Images(path=str(tmp_path / "a.npz"), examples=16).arrays()[0] for _ in range(2)]
    assert len(drawn[0]) == 16
    assert np.array_equal(drawn[0], drawn[1])


def bad_files(folder: Path) -> dict[str, Path]:
    (folder / "text.csv").write_text("x")
    (folder / "damaged.parquet").write_bytes(b"PAR1")
    (folder / "damaged.npz").write_bytes(b"PK")
    (folder / "empty").mkdir()
    np.savez(folder / "unlabelled.npz", images=PIXELS)
    np.savez(folder / "nan.npz", images=np.full(PIXELS.shape, np.nan), labels=LABELS)
    np.savez(folder / "one.npz", images=PIXELS, labels=LABELS * 0)
    np.savez(folder / "objects.npz", images=np.array([{}], dtype=object), labels=LABELS[:1])
    sizes = [png(PIXELS[0]), png(PIXELS[0, :3])]
    return {
        "nothing is there": folder / "absent.parquet",
        "'.csv' is not supported": folder / "text.csv",
        "readable parquet": folder / "damaged.parquet",
        "npz archive of plain arrays": folder / "damaged.npz",
        "no .parquet file": folder / "empty",
        "labels, named one of": folder / "unlabelled.npz",
        "examples with NaN": folder / "nan.npz",
        "two classes": folder / "one.npz",
        "plain arrays": folder / "objects.npz",
        "a label column": table(folder / "nolabel.parquet", img=CELLS, name=["x"] * 24),
        "an image column": table(folder / "noimage.parquet", label=LABELS),
        "encoded image": table(folder / "text.parquet", img=[b"x"] * 24, label=LABELS),
        "one size": table(folder / "sizes.parquet", img=sizes, label=[0, 1]),
        "row 1": table(folder / "paths.parquet", img=[CELLS[0], {"bytes": None, "path": "x"}], label=[0, 1]),
    }


def test_each_unusable_file_is_refused_with_its_reason(tmp_path: Path) -> None:
    for words, path in bad_files(tmp_path).items():
        with pytest.raises(InvalidSetting) as caught:
            Images(path=str(path)).data("train", "resnet")
        assert words in str(caught.value)


@pytest.mark.parametrize("settings", [{}, {"path": "x", "examples": 3}, {"path": "x", "crop_padding": -1}])
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting, match=r"task\."):
        Images(**settings)


def test_crops_and_flips_are_those_of_one_image_at_a_time() -> None:
    images = torch.arange(6 * 2 * 5 * 4, dtype=torch.float32).reshape(6, 2, 5, 4) + 1
    changed, _ = CropAndFlip(padding=1)((images, torch.arange(6)), torch.Generator().manual_seed(3))
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    crops = [padded[:, :, y : y + 5, x : x + 4] for y in range(3) for x in range(3)]
    allowed = torch.stack(crops + [crop.flip(3) for crop in crops])
    matches = (allowed == changed).flatten(2).all(dim=2)
    assert (matches.sum(dim=0) == 1).all()
    assert len(set(matches.long().argmax(dim=0).tolist())) > 1


def test_users_own_network_is_trained_instead(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=PIXELS, labels=LABELS)
    task = Images(path=str(tmp_path / "a.npz"), module=lambda signature: torch.nn.Flatten())
    (variant,) = task.variants
    recipe = task.baseline(variant)
    model = recipe.model(task.signature(variant), recipe.norm_act, torch.Generator())
    assert (variant, type(model)) == ("network", torch.nn.Flatten)


def test_augmentation_can_be_switched_off() -> None:
    task, batch = Images(path="x", crop_padding=0, flip=False), (torch.randn(2, 1, 4, 4), torch.zeros(2))
    assert task.augment(batch, torch.Generator()) is batch


@pytest.mark.skipif(not (CIFAR / "test.parquet").exists(), reason="CIFAR-10 is not at hand")
def test_cifar10_trains_a_step() -> None:
    task = Images(path=str(CIFAR / "test.parquet"), examples=200, width=4, steps=1)
    recipe, signature = task.baseline("resnet"), task.signature("resnet")
    assert signature == Signature(inputs=(3, 32, 32), outputs=(10,))
    data = task.data("train", "resnet")
    state = recipe.trainer.init(recipe, signature, seed=0, device="cpu")
    batch = recipe.augment((data.inputs[:16], data.targets[:16]), torch.Generator().manual_seed(0))
    assert 1 < recipe.trainer.step(state, batch, step=0) < 5
