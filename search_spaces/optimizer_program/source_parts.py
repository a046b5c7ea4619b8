"""Pieces of text of the exported optimizer file that do not depend on the program.

Why: they are Python code as text, apart from the code that puts them together. The rule: a helper stands below those
it calls, and is written into a file only where the file calls it.
"""

from collections.abc import Mapping
from typing import Final

HELPERS: Final[Mapping[str, str]] = {
    "of_numbers": '''
def of_numbers(function: Callable[..., Tensor], *numbers: float) -> float:
    """A torch function of plain numbers: infinity or NaN where Python's own would raise."""
    return float(function(*(torch.tensor(number, dtype=torch.float64) for number in numbers)))
''',
    "ratio": '''
def ratio(a: float, b: float) -> float:
    """a / b of plain numbers, and 0 where b is 0."""
    return a / b if b != 0 else 0.0
''',
    "divide": '''
def divide(a: Tensor | float, b: Tensor) -> Tensor:
    """a / b, and 0 where b is 0."""
    return torch.where(b == 0, 0.0, a / b)
''',
    "cube_root": '''
def cube_root(x: Tensor) -> Tensor:
    """The real cube root."""
    return x.sign() * x.abs().pow(1 / 3)
''',
    "row_mean": '''
def row_mean(x: Tensor) -> Tensor:
    """The mean over all entries that share the first index, in the shape of x; a vector is one row."""
    rows = x.reshape(x.shape[0], -1) if x.ndim > 1 else x.reshape(1, -1)
    return rows.mean(1, keepdim=True).expand_as(rows).reshape(x.shape)
''',
    "col_mean": '''
def col_mean(x: Tensor) -> Tensor:
    """The mean over the first index, in the shape of x; a vector is one row."""
    rows = x.reshape(x.shape[0], -1) if x.ndim > 1 else x.reshape(1, -1)
    return rows.mean(0, keepdim=True).expand_as(rows).reshape(x.shape)
''',
    "dot": '''
def dot(x: list[Tensor], y: list[Tensor]) -> Tensor:
    """The inner product over all parameters."""
    return torch.stack([(a * b).sum() for a, b in zip(x, y, strict=True)]).sum()
''',
    "global_norm": '''
def global_norm(x: list[Tensor]) -> Tensor:
    """The length over all parameters."""
    return torch.sqrt(dot(x, x))
''',
    "cosine_sim": '''
def cosine_sim(x: list[Tensor], y: list[Tensor]) -> Tensor:
    """The cosine of the angle between x and y over all parameters; 0 where one of them is 0."""
    return divide(dot(x, y), global_norm(x) * global_norm(y))
''',
    "clip": '''
def clip(x: list[Tensor], limit: Tensor | float) -> list[Tensor]:
    """x, shortened to the length `limit` over all parameters where it is longer."""
    length = global_norm(x)
    factor = torch.where(length > limit, divide(limit, length), 1.0)
    return [a * factor for a in x]
''',
}
"""Name -> text, callers last."""

NOISE: Final = '''
    def _noise(self, index: int) -> list[Tensor]:
        """Standard normal numbers for a group: the same for the same seed and step, on every device."""
        group = self.param_groups[index]
        seed = (group["seed"] + index) * 1_000_003 + group["step"]
        generator = torch.Generator().manual_seed(seed % (1 << 63))
        sizes = [one.numel() for one in group["params"]]
        parts = torch.randn(sum(sizes), generator=generator).split(sizes)
        pairs = zip(parts, group["params"], strict=True)
        return [part.to(one).view_as(one) for part, one in pairs if one.grad is not None]
'''

SELF_TEST: Final = '''
def self_test() -> None:
    """On a quadratic, steps stay finite and move; one that is restored from its state goes on as the first."""

    def train(optimizer: FoundOptimizer, weights: list[Tensor], steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            sum(0.005 * one.square().sum() for one in weights).backward()
            optimizer.step()

    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(size, generator=generator, dtype=torch.float64) for size in ((4, 3), (5,))]
    first = [one.clone().requires_grad_() for one in start]
    optimizer = FoundOptimizer(first)
    train(optimizer, first, 5)
    second = [one.detach().clone().requires_grad_() for one in first]
    restored = FoundOptimizer(second)
    restored.load_state_dict(optimizer.state_dict())
    train(optimizer, first, 3)
    train(restored, second, 3)
    assert all(bool(torch.isfinite(one).all()) for one in first), "not finite"
    assert any(not torch.equal(one, old) for one, old in zip(first, start, strict=True)), "nothing moved"
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True)), "restored one differs"
    moved = max(float((one - old).detach().abs().max()) for one, old in zip(first, start, strict=True))
    print(f"ok: 8 steps moved the weights by up to {moved:.3g}")


if __name__ == "__main__":
    self_test()
'''
