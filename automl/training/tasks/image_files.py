"""Reads labelled images from files: parquet in the layout of Hugging Face `datasets`, or .npz archives.

Why: users keep their images in these two forms. The rule: files are untrusted; nothing in them is unpickled, and every
refusal says what the file holds and what is needed.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pyarrow import parquet

from automl.errors import InvalidSetting

LABEL_NAMES = ("label", "labels", "fine_label", "class", "target", "targets", "y", "y_train")
IMAGE_NAMES = ("image", "images", "img", "inputs", "x", "data", "x_train")
SETTING = "task.path"
FORMS = "a .parquet file, a folder of .parquet files, or an .npz archive"


def read_images(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns images [n, channels, height, width] in the file's number type, and labels [n].

    Raises:
        InvalidSetting: the path is missing or of another form, a column is missing, or images differ in size.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.parquet"))
        if not files:
            raise InvalidSetting(SETTING, str(path), f"{FORMS}; this folder holds no .parquet file")
        return _read_parquet(files)
    if not path.exists():
        raise InvalidSetting(SETTING, str(path), f"{FORMS}; nothing is there")
    match path.suffix:
        case ".parquet":
            return _read_parquet([path])
        case ".npz":
            return _read_archive(path)
    raise InvalidSetting(SETTING, str(path), f"{FORMS}; {path.suffix or 'no suffix'!r} is not supported")


def _read_parquet(files: Sequence[Path]) -> tuple[NDArray[Any], NDArray[Any]]:
    images: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    for file in files:
        try:
            table = parquet.read_table(file)
        except (pyarrow.ArrowException, OSError) as error:
            raise InvalidSetting(SETTING, str(file), f"a readable parquet file ({error})") from error
        label_name, image_name = _label_column(table.schema, file), _image_column(table.schema, file)
        labels.append(table[label_name].to_numpy())
        cells = table[image_name].to_pylist()
        images.extend(_decode(cell, f"{file.name}, row {row}") for row, cell in enumerate(cells))
    shapes = sorted({image.shape for image in images})
    if len(shapes) != 1:
        raise InvalidSetting(SETTING, str(files[0]), f"images of one size, not of {shapes[:4]}")
    return np.stack(images), np.concatenate(labels)


def _label_column(schema: Any, file: Path) -> str:
    integers = [field.name for field in schema if pyarrow.types.is_integer(field.type)]
    named = [name for name in LABEL_NAMES if name in integers]
    if named or len(integers) == 1:
        return str(named[0] if named else integers[0])
    wanted = f"a label column of integers, named one of {', '.join(LABEL_NAMES)}; the columns are {schema.names}"
    raise InvalidSetting(SETTING, str(file), wanted)


def _image_column(schema: Any, file: Path) -> str:
    for field in schema:
        kind = field.type
        nested = pyarrow.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
        if nested or pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind):
            return str(field.name)
    wanted = f"an image column of encoded bytes, or of structs with a field `bytes`; the columns are {schema.names}"
    raise InvalidSetting(SETTING, str(file), wanted)


def _decode(cell: Any, where: str) -> NDArray[np.uint8]:
    data = cell["bytes"] if isinstance(cell, Mapping) else cell
    if data is None:
        raise InvalidSetting(SETTING, where, "encoded bytes in every row; images kept as paths are not followed")
    try:
        image = Image.open(io.BytesIO(data))
        pixels = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise InvalidSetting(SETTING, where, f"an encoded image, such as PNG or JPEG ({error})") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _read_archive(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidSetting(SETTING, str(path), f"an .npz archive of plain arrays ({error})") from error
    held = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"
    labels = next((arrays[name] for name in LABEL_NAMES if name in arrays), None)
    images = next((arrays[name] for name in IMAGE_NAMES if name in arrays), None)
    if labels is None:
        raise InvalidSetting(SETTING, str(path), f"labels, named one of {', '.join(LABEL_NAMES)}; it holds {held}")
    if images is None or images.ndim not in (3, 4):
        wanted = f"images [n, h, w] or with channels first or last, named one of {', '.join(IMAGE_NAMES)}"
        raise InvalidSetting(SETTING, str(path), f"{wanted}; it holds {held}")
    return _channels_first(images), labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _channels_first(images: NDArray[Any]) -> NDArray[Any]:
    if images.ndim == 3:
        return images[:, None]
    return images.transpose(0, 3, 1, 2) if images.shape[3] in (1, 3, 4) and images.shape[1] > 4 else images
