"""The printed file stands alone and is the network."""

import subprocess
import sys
import textwrap

import pytest
import torch

from automl.contracts import Signature
from automl.export.candidate_check import check_source, has_self_test
from search_spaces.darts.hypercuboid.chain import read_chain
from search_spaces.darts.hypercuboid.network import build_network
from search_spaces.darts.hypercuboid.source import chain_source
from search_spaces.darts.hypercuboid.zoo import PUBLISHED

CHAINS = [*PUBLISHED.values(), read_chain("4: 4S 8S"), read_chain("4: 4R 4R 8S 8R")]

CHECK = textwrap.dedent(
    """
    import importlib.util, sys, torch

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
        if number + SELF_TESTED >= len(sys.argv) - 1:
            module.self_test()
        data = torch.load(path + ".pt", weights_only=True)
        model = module.candidate(image_channels=2, classes=5).double()
        model.load_state_dict(data["state"])
        for mode in (True, False):
            torch.testing.assert_close(model.train(mode)(data["x"]).detach(), data["outputs"][mode], rtol=0, atol=1e-12)
    """
).replace("SELF_TESTED", "3")


def test_the_file_alone_gives_the_numbers_of_the_network(tmp_path):
    paths = []
    for number, chain in enumerate(CHAINS):
        generator = torch.Generator().manual_seed(number)
        network = build_network(chain, Signature(inputs=(2, 16, 16), outputs=(5,)), generator, features=12).double()
        state = {name: value.clone() for name, value in network.state_dict().items()}
        x = torch.randn(3, 2, 16, 16, generator=generator, dtype=torch.float64)
        outputs = {mode: network.train(mode)(x).detach() for mode in (True, False)}
        path = tmp_path / f"candidate{number}"
        path.with_suffix(".py").write_text(chain_source(chain, features=12), encoding="utf-8")
        torch.save({"x": x, "state": state, "outputs": outputs}, path.with_suffix(".pt"))
        paths.append(str(path))
    script = tmp_path / "check.py"
    script.write_text(CHECK, encoding="utf-8")
    ended = subprocess.run([sys.executable, "-I", str(script), *paths], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("ok: ") == 3, "the files' own tests"


@pytest.mark.parametrize("chain", CHAINS, ids=str)
def test_the_file_is_allowed_short_lined_and_names_its_chain(chain):
    text = chain_source(chain, features=768)
    assert check_source(text) == ("torch",)
    assert has_self_test(text)
    assert max(map(len, text.splitlines())) <= 120
    assert str(chain) in text


def test_only_what_is_used_stands_in_the_file():
    assert "ResizablePool(" not in chain_source(read_chain("4: 4S 8S"), features=8)


def test_the_settings_it_was_judged_with_stand_in_the_docstring():
    text = chain_source(PUBLISHED["scalar"], features=768, advice={"learning_rate": 0.1})
    assert "Judged best with learning_rate 0.1." in text.partition("import torch")[0]
