"""The champion in a real SQLite registry."""

import mlflow
import pytest
from mlflow import MlflowClient

from automl.errors import ExportError
from automl.export.bundle import Bundle
from automl.export.model_registry import champion, register_bundle
from automl.export.parity import Case, Parity


def bundle_of(model_file, *, holds):
    path, report = model_file
    case = Case(name="real", batch=1, max_abs=0.0, max_rel=0.0, tolerance=1e-5, holds=holds)
    return Bundle(directory=path.parent, files={}, parity=Parity(cases=(case,)), onnx=report, source=None)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("automl/toy", artifact_location=(folder / "artifacts").as_uri())
    return uri, client.create_run(experiment).info.run_id


def test_the_champion_loads_and_carries_signature_and_example(store, model, model_file, images):
    uri, run_id = store
    bundle = bundle_of(model_file, holds=True)
    before = mlflow.get_tracking_uri()
    first, second = (
        register_bundle(bundle, name="toy", tracking_uri=uri, run_id=run_id, inputs=images, tags={"trial": trial})
        for trial in "34"
    )
    assert (first.version, second.version) == ("1", "2")
    assert champion("toy", tracking_uri=uri) == second
    assert mlflow.get_tracking_uri() == before
    assert mlflow.active_run() is None
    client = MlflowClient(tracking_uri=uri)
    found = client.get_model_version("toy", "2")
    assert found.tags == {"trial": "4"}
    folder = found.source.removeprefix("file://")
    info = mlflow.models.get_model_info(folder)
    assert info.signature.inputs.inputs[0].shape == (-1, 1, 8, 8)
    assert info.saved_input_example_info is not None
    loaded = mlflow.pyfunc.load_model(folder)
    (answer,) = loaded.predict(images[:5].numpy()).values()
    assert abs(answer - model(images[:5]).detach().numpy()).max() < 1e-5


def test_a_model_without_parity_never_becomes_champion(store, model, model_file, images):
    uri, run_id = store
    with pytest.raises(ExportError, match="does not hold"):
        register_bundle(
            bundle_of(model_file, holds=False),
            name="unproven", tracking_uri=uri, run_id=run_id, inputs=images, tags={},
        )
    assert champion("unproven", tracking_uri=uri) is None


def test_an_unknown_run_is_an_export_error(store, model, model_file, images):
    with pytest.raises(ExportError, match="did not register"):
        register_bundle(
            bundle_of(model_file, holds=True),
            name="toy", tracking_uri=store[0], run_id="0" * 32, inputs=images, tags={},
        )
