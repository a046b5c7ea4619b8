import torch
from torch import nn

from automl.training.flops import forward_flops


def test_convolution_counts_two_per_multiply_add() -> None:
    # 6 x 6 places, 4 outputs of 3 * 9 products each
    conv = nn.Conv2d(3, 4, 3, bias=False)
    assert forward_flops(conv, torch.zeros(1, 3, 8, 8)) == 2 * 36 * 4 * 27


def test_elementwise_operations_count_one_per_element() -> None:
    assert forward_flops(nn.ReLU(), torch.zeros(1, 2, 4, 4)) == 32
    assert forward_flops(nn.Sequential(nn.Flatten(), nn.Tanh()), torch.zeros(1, 2, 4, 4)) == 32


def test_batch_norm_counts_five_per_element_and_keeps_its_mode() -> None:
    norm = nn.BatchNorm2d(2)
    assert forward_flops(norm, torch.zeros(1, 2, 4, 4)) == 160
    assert norm.training
