"""What may stand in a candidate's source."""

import pytest

from automl.errors import ExportError
from automl.export.candidate_check import check_source, has_self_test

GOOD = '''"""A layer."""
import math
from torch import nn
import torch.nn.functional as F


class Layer(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x):
        return F.silu(x) * math.sqrt(2)


if __name__ == "__main__":
    Layer()
'''


def test_an_ordinary_layer_passes():
    assert check_source(GOOD) == ("math", "torch", "torch.nn.functional")
    assert has_self_test(GOOD)
    assert not has_self_test("import torch\n")


@pytest.mark.parametrize(
    "line",
    [
        "import automl",
        "from automl.contracts import Curve",
        "import search_spaces.norm_act",
        "from . import sibling",
        "import os",
        "from os import system",
        "import subprocess",
        "import numpy",
        "import torch.hub",
        "from torch import hub",
        "from torch.utils import cpp_extension",
        "__import__('os').system('true')",
        "eval('1')",
        "exec('x = 1')",
        "open('/etc/passwd')",
        "().__class__.__bases__[0].__subclasses__()",
        "__builtins__['eval']('1')",
        "getattr(print, 'x')",
        "torch.load('weights.pt')",
        "torch.serialization.os.system('true')",
        "math.os.system('true')",
        "def broken(:",
    ],
)
def test_ways_out_are_refused_with_the_line(line):
    with pytest.raises(ExportError, match=r"line \d|not Python"):
        check_source(f"import math, torch\n{line}\n")


def test_a_very_long_source_is_refused_unread():
    with pytest.raises(ExportError, match="characters"):
        check_source("#" * (2 << 20))
