"""What leaves the search works without it: an empty folder, `python -I`, and no way to import this package."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import automl
from search_spaces.norm_act.layer import NormActLayer
from search_spaces.norm_act.space import NormActSpace

ALONE = """
import json, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("automl", "search_spaces"):
            raise ImportError("this must work without " + name)

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, ".")
import numpy as np

given = np.load("expected.npz")

def onnx():
    from onnxruntime import InferenceSession
    session = InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    (name,) = [one.name for one in session.get_inputs()]
    return {
        str(rows): float(np.abs(session.run(None, {name: given["inputs"][:rows]})[0] - given["outputs"][:rows]).max())
        for rows in (1, 5, len(given["inputs"]))
    }

def layer():
    import torch
    from candidate import NormAct
    from safetensors.torch import load_file
    weights = load_file("weights.safetensors")
    prefix = str(given["layer"])
    mine = {name.removeprefix(prefix): one for name, one in weights.items() if name.startswith(prefix)}
    made = NormAct(given["layer_inputs"].shape[1])
    made.load_state_dict(mine)
    with torch.no_grad():
        found = made.eval()(torch.from_numpy(given["layer_inputs"])).numpy()
    made.train()(torch.from_numpy(given["layer_inputs"])).square().sum().backward()
    gradients = [bool(torch.isfinite(one.grad).all()) for one in made.parameters()]
    return {"difference": float(np.abs(found - given["layer_outputs"]).max()), "trainable": all(gradients)}

print(json.dumps({"onnx": onnx, "layer": layer}[sys.argv[1]]()))
"""


@dataclass(frozen=True)
class Shipped:
    """An exported candidate.

    Attributes:
        folder: its files, copied to where nothing else is.
        written: what `export` returned.
        accuracy: of the rebuilt PyTorch model on the test split.
    """

    folder: Path
    written: dict[str, Any]
    accuracy: float

    def alone(self, what: str) -> Any:
        """Runs a part of ALONE in the folder, without this process's environment, and returns what it printed."""
        command = [sys.executable, "-I", "-W", "ignore", "-c", ALONE, what]
        done = subprocess.run(command, cwd=self.folder, env={}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    """Searches one published design, exports it, and rebuilds the model in PyTorch from what was exported."""
    folder, empty = tmp_path_factory.mktemp("study"), tmp_path_factory.mktemp("elsewhere") / "empty"
    study = automl.search(
        "norm-act",
        study="s",
        trials=1,
        depth=1,
        searcher="random",
        storage=f"sqlite:///{folder / 'studies.db'}",
        track="none",
        settings={"task.steps": 30, "task.width": 4, "filter.stability.enabled": False},
        warm_start=[NormActSpace().zoo()["evonorm-b0"]],
    )
    written = study.export(folder / "out")
    shutil.copytree(folder / "out", empty)
    return Shipped(empty, written, _expect(study, empty))


def _expect(study: automl.Study, folder: Path) -> float:
    from safetensors.torch import load_file

    genotype = NormActSpace().decode(json.loads((folder / "genotype.json").read_text()))
    task = study.plan.task
    recipe = NormActSpace().apply(genotype, task.baseline("resnet"))
    model = recipe.model(task.signature("resnet"), recipe.norm_act, torch.Generator()).eval()
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    name, layer = next((n, m) for n, m in model.named_modules() if isinstance(m, NormActLayer))
    seen: list[torch.Tensor] = []
    layer.register_forward_hook(lambda module, inputs, output: seen.extend((inputs[0].clone(), output.clone())))
    test = task.data("test", "resnet")
    with torch.no_grad():
        outputs = model(test.inputs[:32])
    layer_inputs, layer_outputs = (tensor.numpy() for tensor in seen)
    np.savez(
        folder / "expected.npz",
        inputs=test.inputs[:32].numpy(),
        outputs=outputs.numpy(),
        layer=f"{name}.",
        layer_inputs=layer_inputs,
        layer_outputs=layer_outputs,
    )
    return float(task.measure(model, test)["accuracy"])


@pytest.mark.slow
def test_the_onnx_model_needs_onnxruntime_only_and_gives_pytorchs_numbers(shipped: Shipped) -> None:
    differences = shipped.alone("onnx")
    assert all(difference < 1e-4 for difference in differences.values()), differences


@pytest.mark.slow
def test_the_source_takes_the_weights_and_gives_the_layers_numbers(shipped: Shipped) -> None:
    found = shipped.alone("layer")
    assert found["difference"] < 1e-5 and found["trainable"]


@pytest.mark.slow
def test_the_source_tests_itself(shipped: Shipped) -> None:
    command = [sys.executable, "-I", "-W", "ignore", "candidate.py"]
    done = subprocess.run(command, cwd=shipped.folder, env={}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ok")
    text = (shipped.folder / "candidate.py").read_text()
    assert "automl" not in text and "import search_spaces" not in text


@pytest.mark.slow
def test_the_manifest_tells_how_it_came_about(shipped: Shipped) -> None:
    manifest = json.loads((shipped.folder / "manifest.json").read_text())
    assert (manifest["study"], manifest["trial"], manifest["seed"]) == ("s", 0, 0)
    assert manifest["command"].startswith("automl export s --trial 0")
    assert manifest["details"]["environment"]["torch"] == torch.__version__
    assert not shipped.written["proven"], "one short training proves nothing"
    (metric,) = (case for case in shipped.written["bundles"]["resnet"]["parity"]["cases"] if "accuracy" in case["name"])
    assert metric["holds"]
    assert shipped.accuracy > 0.2, "the exported weights are trained ones"


@pytest.mark.slow
def test_every_file_is_plain_data_or_source(shipped: Shipped) -> None:
    files = sorted(Path(shipped.written["bundles"]["resnet"]["directory"]).iterdir())
    assert {path.suffix for path in files} == {".onnx", ".py", ".png", ".json", ".safetensors"}
    assert not any(path.read_bytes().startswith((b"\x80\x04", b"PK")) for path in files), "no pickles, no archives"
