from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from automl.contracts import Signature
from automl.errors import InvalidSetting
from automl.export.onnx_model import export_onnx, probe_export
from automl.training.flops import forward_flops
from automl.training.models.character_mlp import SEEN, character_mlp
from automl.training.models.transformer import transformer

BUILDERS = [character_mlp, transformer]
SIGNATURE = Signature(inputs=(12,), outputs=(12, 7), input_dtype="int64")
CHARACTERS = torch.randint(0, 7, (3, 12), generator=torch.Generator().manual_seed(5))


def model(build: Any, seed: int = 0, width: int = 32) -> nn.Module:
    built: nn.Module = build(SIGNATURE, torch.Generator().manual_seed(seed), width=width)
    return built


@pytest.mark.parametrize("build", BUILDERS)
def test_weights_come_from_the_generator_alone(build: Any) -> None:
    def weights(seed: int, own: int) -> torch.Tensor:
        torch.manual_seed(own)
        return nn.utils.parameters_to_vector(model(build, seed).parameters())

    assert torch.equal(weights(0, 1), weights(0, 2))
    assert not torch.equal(weights(0, 1), weights(1, 1))


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("place", [0, 5, 11])
def test_output_depends_on_its_place_and_those_before_it_only(build: Any, place: int) -> None:
    changed = CHARACTERS.clone()
    changed[:, place] = (changed[:, place] + 1) % 7
    built = model(build).eval()
    with torch.no_grad():
        apart = (built(CHARACTERS) - built(changed)).abs().amax(dim=(0, 2))
    reach = SEEN if build is character_mlp else 12
    assert (apart > 1e-7).tolist() == [place <= other < place + reach for other in range(12)]


def test_mlp_is_the_formula_written_out() -> None:
    built = model(character_mlp)
    table, hidden, head = built.embedding.weight, built.hidden, built.head
    with torch.no_grad():
        place = 3  # zeros stand for the characters before the start
        before = torch.zeros((SEEN - 4) * 8)
        row = torch.cat([before, *(table[number] for number in CHARACTERS[0, : place + 1])])
        wanted = head(torch.relu(hidden(row)))
        assert torch.allclose(built(CHARACTERS)[0, place], wanted, atol=1e-6)


def test_attention_is_that_of_the_paper() -> None:
    attention = model(transformer).blocks[0].attention
    features = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        query, key, value = (part.view(2, 5, 2, 16).transpose(1, 2) for part in attention.ask(features).chunk(3, -1))
        scores = query @ key.transpose(-1, -2) / 4  # sqrt of 16 channels
        scores = scores.masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(2, 5, 32)
        assert torch.allclose(attention(features), attention.answer(mixed), atol=1e-6)


def test_transformer_of_width_192_has_about_a_million_parameters() -> None:
    built = transformer(Signature(inputs=(64,), outputs=(64, 93)), torch.Generator(), width=192)
    assert sum(p.numel() for p in built.parameters()) == pytest.approx(1e6, rel=0.1)


def test_width_that_cannot_be_cut_into_heads_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="multiple of 16"):
        model(transformer, width=40)


def test_flops_of_attention_are_counted() -> None:
    # two heads, 5 x 5 pairs, 16 channels, 2 per multiply-add, two products; the rest of the layer is two matrices
    attention, example = model(transformer).blocks[0].attention, torch.zeros(1, 5, 32)
    matrices = 2 * 5 * 32 * (96 + 32)
    assert forward_flops(attention, example) == matrices + 2 * 2 * 2 * 25 * 16


@pytest.mark.parametrize("build", BUILDERS)
def test_model_passes_the_export_probe(build: Any) -> None:
    assert probe_export(model(build), CHARACTERS[:1]) is None


@pytest.mark.parametrize("build", BUILDERS)
def test_onnx_file_takes_any_batch_and_agrees(build: Any, tmp_path: Path) -> None:
    built = model(build).eval()
    report = export_onnx(built, CHARACTERS[:2], tmp_path / "model.onnx", metadata={})
    assert report.exporter == "torch.export", report.fallback_reason
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    for count in (1, 3):
        (found,) = session.run(None, {"input": CHARACTERS[:count].numpy()})
        assert np.allclose(found, built(CHARACTERS[:count]).detach().numpy(), atol=1e-5)
