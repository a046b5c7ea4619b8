"""A bundle as a registered model with the alias `champion`: MLflow room 2.

Why: people deploy "the champion", not a run id. The rule: the alias moves only to a model whose parity report holds,
and the registry is reached by `MlflowClient` with an explicit URI. `mlflow.onnx.log_model` needs an active run and a
global URI, so the model folder is written by `mlflow.onnx.save_model` (no server involved) and uploaded.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow.onnx
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from torch import Tensor

from automl.errors import ExportError
from automl.export.bundle import MODEL_FILE, Bundle, installed_version
from automl.export.onnx_model import read_onnx
from automl.export.runtime import OnnxModule

ALIAS = "champion"
ARTIFACT_FOLDER = "model"
EXAMPLE_ROWS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """A version in the registry.

    Attributes:
        name: of the registered model.
        version: its number.
        run_id: the run that holds its files.
        uri: what `mlflow.onnx.load_model` takes.
    """

    name: str
    version: str
    run_id: str
    uri: str


def register_bundle(
    bundle: Bundle, *, name: str, tracking_uri: str, run_id: str, inputs: Tensor, tags: Mapping[str, str]
) -> RegisteredModel:
    """Uploads a bundle's ONNX model to a run and makes it the champion of `name`.

    Args:
        bundle: as written.
        name: registered model, created where it is missing.
        tracking_uri: of the tracking store, which also holds the registry.
        run_id: run of the trial (or of the study) in that store.
        inputs: [examples, ...]; the first rows become the input example.
        tags: of the version: study, trial, genotype digest, values.

    Raises:
        ExportError: parity does not hold, or MLflow refuses; the alias then stands where it stood.
    """
    if not bundle.parity.holds:
        raise ExportError(f"The parity report of {bundle.directory} does not hold; such a model is not registered.")
    try:
        client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        with tempfile.TemporaryDirectory(prefix="automl-model-") as folder:
            _write_model(Path(folder, ARTIFACT_FOLDER), bundle.directory / MODEL_FILE, inputs[:EXAMPLE_ROWS])
            client.log_artifacts(run_id, folder)
        return _publish(client, name, run_id=run_id, tags=tags)
    except (MlflowException, OSError) as error:
        raise ExportError(f"MLflow at {tracking_uri} did not register {name!r}: {error}.") from error


def champion(name: str, *, tracking_uri: str) -> RegisteredModel | None:
    """Returns the version that bears the alias, None where there is none."""
    client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    try:
        found = client.get_model_version_by_alias(name, ALIAS)
    except MlflowException:
        return None
    return _registered(name, str(found.version), found.run_id or "")


def _write_model(folder: Path, model: Path, example: Tensor) -> None:
    """Writes MLflow's model folder; requirements are given, because MLflow would find them by a trial import (10 s)."""
    rows = example.detach().cpu().numpy()
    mlflow.onnx.save_model(
        read_onnx(model),
        str(folder),
        signature=infer_signature(rows, OnnxModule(model)(example).numpy()),
        input_example=rows,
        pip_requirements=[f"{package}=={installed_version(package)}" for package in ("onnx", "onnxruntime", "numpy")],
        save_as_external_data=False,
    )


def _publish(client: MlflowClient, name: str, *, run_id: str, tags: Mapping[str, str]) -> RegisteredModel:
    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name)
    source = f"{client.get_run(run_id).info.artifact_uri}/{ARTIFACT_FOLDER}"
    created = client.create_model_version(name, source, run_id=run_id, tags=dict(tags))
    client.set_registered_model_alias(name, ALIAS, created.version)
    return _registered(name, str(created.version), run_id)


def _registered(name: str, version: str, run_id: str) -> RegisteredModel:
    return RegisteredModel(name=name, version=version, run_id=run_id, uri=f"models:/{name}@{ALIAS}")
