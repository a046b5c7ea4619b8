"""A finished candidate in one folder: model, source, genotype, weights, proof, and how it came about.

Why: what leaves the search must be usable and checkable without it. The rule: the folder appears whole, by one rename,
or not at all; a model whose parity does not hold is not handed over.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import Module

from automl.canonical import JSON, digest, dumps, loads
from automl.contracts.space import Genotype
from automl.errors import ExportError, NotCanonical
from automl.export.onnx_model import OnnxReport, export_onnx
from automl.export.parity import Parity, check_parity
from automl.export.torch_source import FILE_NAME as SOURCE_FILE
from automl.export.torch_source import SourceEvidence, write_candidate
from automl.export.update_step import FILE_NAME as STEP_FILE
from automl.export.update_step import UpdateStep, export_update_step
from automl.export.weights import write_weights

MODEL_FILE = "model.onnx"
GENOTYPE_FILE = "genotype.json"
WEIGHTS_FILE = "weights.safetensors"
PARITY_FILE = "parity.json"
MANIFEST_FILE = "manifest.json"
MANIFEST_VERSION = 1
PACKAGES = ("automl-search", "torch", "onnx", "onnxruntime", "onnxscript", "numpy", "safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is exported.

    Attributes:
        module: trained, on the CPU, float32.
        inputs: [examples >= 2, ...] real inputs; the first two make the exporter's example, up to 64 the parity check.
        measure: model -> the task's metrics on a split that was not trained on.
        genotype: as stored.
        description: one line for people.
        source: dependency-free PyTorch file, None where the space has no such form.
        update_step: one step of the optimizer that trained it, None where it cannot be shown as a graph.
        attachments: file name -> content: pictures and tables for people.
    """

    module: Module
    inputs: Tensor
    measure: Callable[[Module], Mapping[str, float]]
    genotype: Genotype
    description: str
    source: str | None = None
    update_step: UpdateStep | None = None
    attachments: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How it came about.

    Attributes:
        study: name.
        trial: number.
        seed: root seed of the study.
        command: exact command that writes this bundle again.
        details: further facts: task, space and version, environment, values.
    """

    study: str
    trial: int
    seed: int
    command: str
    details: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A written bundle.

    Attributes:
        directory: where it lies.
        files: name -> SHA-256 of each file, manifest excluded.
        parity: the report, which holds.
        onnx: how the model was exported.
        source: evidence on the source, None where there is none.
    """

    directory: Path
    files: Mapping[str, str]
    parity: Parity
    onnx: OnnxReport
    source: SourceEvidence | None


def write_bundle(directory: Path, candidate: Candidate, *, provenance: Provenance) -> Bundle:
    """Writes a bundle.

    Args:
        directory: must not exist, or be empty.
        candidate: what is exported; its module is put into eval mode.
        provenance: how it came about.

    Raises:
        ExportError: not exportable, parity does not hold, source refused, or the folder is taken or cannot be written;
            nothing is left behind.
    """
    _refuse_taken(directory)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        working = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
        try:
            bundle = _write_files(working, candidate, provenance)
            working.chmod(0o755)
            working.replace(directory)
        finally:
            shutil.rmtree(working, ignore_errors=True)
    except OSError as error:
        raise ExportError(f"Cannot write {directory}: {error}. Choose another --output or free the disk.") from error
    return Bundle(
        directory=directory, files=bundle.files, parity=bundle.parity, onnx=bundle.onnx, source=bundle.source
    )


def _write_files(folder: Path, candidate: Candidate, provenance: Provenance) -> Bundle:
    module = candidate.module.eval()
    identity = {
        "study": provenance.study,
        "trial": str(provenance.trial),
        "genotype_digest": digest(candidate.genotype),
    }
    report = export_onnx(module, candidate.inputs[:2], folder / MODEL_FILE, metadata=identity)
    parity = check_parity(module, folder / MODEL_FILE, inputs=candidate.inputs, measure=candidate.measure)
    if not parity.holds:
        raise ExportError(_parity_failed(parity))
    (folder / PARITY_FILE).write_text(dumps(parity.to_json()), encoding="utf-8")
    (folder / GENOTYPE_FILE).write_text(dumps(candidate.genotype), encoding="utf-8")
    elements = write_weights(module, folder / WEIGHTS_FILE, metadata=identity)
    source = None if candidate.source is None else write_candidate(candidate.source, folder / SOURCE_FILE)
    step = _write_step(candidate.update_step, folder, identity)
    for name, content in candidate.attachments.items():
        (folder / name).write_bytes(content)
    files = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    manifest: dict[str, JSON] = {
        "version": MANIFEST_VERSION,
        "study": provenance.study,
        "trial": provenance.trial,
        "seed": provenance.seed,
        "command": provenance.command,
        "details": provenance.details,
        "genotype_digest": identity["genotype_digest"],
        "description": candidate.description,
        "weights": elements,
        "onnx": report.to_json(),
        "source": None if source is None else source.to_json(),
        "update_step": step,
        "parity_holds": parity.holds,
        "packages": {name: installed_version(name) for name in PACKAGES},
        "files": files,
    }
    (folder / MANIFEST_FILE).write_text(dumps(manifest), encoding="utf-8")
    return Bundle(directory=folder, files=files, parity=parity, onnx=report, source=source)


def _write_step(step: UpdateStep | None, folder: Path, identity: Mapping[str, str]) -> JSON:
    """Writes the graph of the optimizer's step; returns its report, or why there is none: the model is worth having."""
    if step is None:
        return None
    try:
        return export_update_step(step, folder / STEP_FILE, metadata=identity).to_json()
    except ExportError as error:
        return {"problem": str(error)}


def verify_bundle(directory: Path) -> tuple[str, ...]:
    """Returns the files of a bundle that are missing or differ from its manifest; () when it is whole.

    Raises:
        ExportError: there is no readable manifest.
    """
    files: dict[str, str] = read_manifest(directory)["files"]
    return tuple(
        name
        for name, expected in sorted(files.items())
        if not (directory / name).is_file() or _sha256(directory / name) != expected
    )


def read_manifest(directory: Path) -> dict[str, Any]:
    """Reads a bundle's manifest.

    Raises:
        ExportError: it is missing, damaged, or of a newer version than this one.
    """
    try:
        manifest = loads((directory / MANIFEST_FILE).read_bytes())
    except (OSError, NotCanonical) as error:
        raise ExportError(f"{directory} holds no readable {MANIFEST_FILE}: {error}. Export the trial again.") from error
    if not isinstance(manifest, dict) or manifest.get("version") != MANIFEST_VERSION:
        raise ExportError(f"{directory / MANIFEST_FILE} is not of version {MANIFEST_VERSION}; upgrade this package.")
    return manifest


def installed_version(package: str) -> str | None:
    """Returns an installed package's version, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _refuse_taken(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ExportError(f"--output {directory} is not empty. Choose another folder, or delete this one first.")


def _parity_failed(parity: Parity) -> str:
    worst = parity.worst
    found = worst.note or f"differs by {worst.max_rel:.2g} of the largest output, allowed are {worst.tolerance:.2g}"
    return (
        f"The ONNX model does not compute what the PyTorch model does: {worst.name} at batch {worst.batch} {found}. "
        "Nothing was written."
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
