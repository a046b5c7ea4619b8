"""The printed file stands alone and computes what the layer computes."""

import subprocess
import sys
import textwrap

import pytest
import torch

from search_spaces.norm_act import NormActSpace
from search_spaces.norm_act.canonical_form import simplify
from search_spaces.norm_act.fingerprint import prober
from search_spaces.norm_act.layer import NormActLayer
from search_spaces.norm_act.source import layer_source
from search_spaces.norm_act.zoo import DESIGNS

torch.set_num_threads(1)

CHECK = textwrap.dedent(
    """
    import importlib.util, runpy, sys, torch

    class Refuse:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ("automl", "search_spaces"):
                raise ImportError("the file must stand alone")

    sys.meta_path.insert(0, Refuse())
    torch.set_num_threads(1)
    for number, path in enumerate(sys.argv[1:]):
        spec = importlib.util.spec_from_file_location(f"candidate{number}", path + ".py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.self_test()
        data = torch.load(path + ".pt", weights_only=True)
        layer = module.NormAct(data["x"].shape[1]).double()
        layer.load_state_dict(data["state"])
        outputs = [layer.train()(data["x"]), layer.eval()(data["x"])]
        for given, expected in zip(outputs, data["outputs"]):
            torch.testing.assert_close(given.detach(), expected, rtol=1e-6, atol=1e-6)
        for name, value in layer.state_dict().items():
            torch.testing.assert_close(value, data["after"][name], rtol=1e-6, atol=1e-6)
    runpy.run_path(sys.argv[1] + ".py", run_name="__main__")
    """
)


def graphs(random_graph) -> list:
    useful = [random_graph(seed) for seed in range(900)]
    useful = [nodes for nodes in useful if not prober().reason(nodes, batch_independent=False)]
    return [*DESIGNS.values(), *useful[:40]]


def test_the_file_alone_gives_the_numbers_of_the_layer(tmp_path, random_graph):
    torch.manual_seed(3)
    paths = []
    for number, nodes in enumerate(graphs(random_graph)):
        layer = NormActLayer(simplify(nodes), channels=6, groups=4).double()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.rand_like(parameter) + 0.5)
            for buffer in layer.buffers():
                buffer.copy_(torch.rand_like(buffer) + 0.5)
        state = {name: value.clone() for name, value in layer.state_dict().items()}
        x = torch.randn(5, 6, 3, 4, dtype=torch.float64)
        outputs = [layer.train()(x).detach(), layer.eval()(x).detach()]
        path = tmp_path / f"candidate{number}"
        path.with_suffix(".py").write_text(layer_source(nodes, groups=4), encoding="utf-8")
        torch.save(
            {"x": x, "state": state, "outputs": outputs, "after": dict(layer.state_dict())}, path.with_suffix(".pt")
        )
        paths.append(str(path))
    script = tmp_path / "check.py"
    script.write_text(CHECK, encoding="utf-8")
    ended = subprocess.run([sys.executable, "-I", str(script), *paths], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("ok: ") == len(paths) + 1, "each file's own test, and one file run as a program"


def test_the_file_names_its_formula_and_only_what_it_uses():
    space = NormActSpace(groups=4)
    text = space.source(space.zoo()["evonorm-s0"])
    assert "x*sigmoid(v1*x)/std_whcg(x)" in text
    assert "GROUPS = 4" in text
    assert "import torch" in text and "automl" not in text
    assert not any(unused in text for unused in ("MOMENTUM", "signed_log", "divide(", "self.v0", "zero ="))


@pytest.mark.parametrize("name", sorted(DESIGNS))
def test_lines_fit_a_page_and_compile(name):
    text = layer_source(DESIGNS[name], groups=8)
    assert max(map(len, text.splitlines())) <= 130
    compile(text, name, "exec")


def test_the_settings_it_was_judged_with_stand_in_the_docstring() -> None:
    text = layer_source(DESIGNS["evonorm-s0"], groups=8, advice={"learning_rate": 0.1, "weight_decay": 5e-4})
    assert "Judged best with learning_rate 0.1, weight_decay 0.0005." in text.partition("import torch")[0]
    assert "Judged" not in layer_source(DESIGNS["evonorm-s0"], groups=8)
