"""New tensors, whose values do not depend on those that go in, and draws of random numbers."""

from __future__ import annotations

from biaslens.algebra.axes import Shape
from biaslens.algebra.outcome import reads
from biaslens.algebra.sizes import number
from biaslens.catalogue.entry import Argument, Call, Entry, Result, Step
from biaslens.catalogue.steps import Unclear, as_size, listed, row, single, tensor, unknown_effects, whole


def sized(call: Call) -> Step:
    """`torch.zeros(2, 3)`, `torch.full((2, 3), 1.0)`, `x.new_zeros(2, 3)`."""
    wanted = listed(call["size"])
    if wanted is not None and len(wanted) == 1:
        wanted = listed(wanted[0]) or (wanted if as_size(wanted[0]) is not None else None)
    shape = Shape() if wanted is None else Shape.of(*(as_size(size) for size in wanted))
    return _fresh(call, shape)


def like(call: Call) -> Step:
    """`torch.zeros_like(x)`: only the shape of `x` is used."""
    return _fresh(call, tensor(call).shape)


def counted(call: Call) -> Step:
    """`torch.arange` and `torch.linspace`: one axis."""
    steps = as_size(call.get("steps"))
    if "step" in call.arguments and call["end"] is None:
        steps = as_size(call["start"]) if whole(call["step"]) == 1 else None
    return _fresh(call, Shape.of(steps))


def square(call: Call) -> Step:
    """`torch.eye(n, m)`."""
    rows, columns = as_size(call["n"]), as_size(call["m"])
    return _fresh(call, Shape.of(rows, columns if call["m"] is not None else rows))


def literal(call: Call) -> Step:
    """`torch.tensor(data)`: the shape of nested lists of numbers."""
    sizes: list[Argument] = []
    data = call["data"]
    if call.operands:
        return Step((Result(Shape(), unknown_effects(call, "its values are copied into a new tensor")),))
    while (items := listed(data)) is not None:
        sizes.append(number(len(items)))
        data = items[0] if items else None
    known = isinstance(data, (int, float)) or data is None
    return _fresh(call, Shape.of(*sizes) if known else Shape())


def grids(call: Call) -> Step:
    """`torch.meshgrid`: a tensor for each vector, in the shape of all."""
    vectors = call.operands
    if not vectors or len(vectors) != len(_flat(call["tensors"])):
        raise Unclear("what spans the grid is not known")
    sizes = [vector.shape.size(-1) for vector in vectors]
    if call["indexing"] == "xy" and len(sizes) > 1:
        sizes[:2] = sizes[1], sizes[0]
    effects = unknown_effects(call, "it spans a grid")
    return Step(tuple(Result(Shape.of(*sizes), effects) for _ in vectors), sequence=True)


def drawn(call: Call) -> Step:
    """Random numbers whose probabilities go in."""
    x = call.operands[0] if call.operands else None
    if x is None:
        raise Unclear("its probabilities are not known")
    return single(call, x.shape, {operand.index: reads("it decides a random draw") for operand in call.operands})


def draws(call: Call) -> Step:
    """`torch.multinomial`: a number of draws from each row."""
    x = tensor(call)
    shape = x.shape.with_size(-1, as_size(call["num_samples"]))
    return single(call, shape, {x.index: reads("it decides a random draw")})


def one_hot(call: Call) -> Step:
    """`F.one_hot`: a row for each index."""
    x = tensor(call)
    width = as_size(call["num_classes"]) if whole(call["num_classes"]) != -1 else None
    shape = (
        Shape.of(*x.shape.sizes, width) if x.shape.rank is not None else Shape(None, (width,), -1, x.shape.at_least + 1)
    )
    return single(call, shape, {x.index: reads("its values are used as indices")})


def _fresh(call: Call, shape: Shape) -> Step:
    return Step((Result(shape, (None,) * len(call.operands)),))


def _flat(value: Argument) -> list[Argument]:
    flat: list[Argument] = []
    for item in listed(value) or ():
        flat += listed(item) or (item,)
    return flat


_KEYWORDS = "*, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, generator=None"
_LIKE = "*, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None"


def _sized(name: str) -> Entry:
    return row(f"torch.{name}(*size, {_KEYWORDS.removeprefix('*, ')})", sized, "2, 3 |", "(2, 3) |")


ROWS = (
    *(_sized(name) for name in ("zeros", "ones", "rand", "randn")),
    row(f"torch.empty(*size, {_KEYWORDS.removeprefix('*, ')}, memory_format=None)", sized, "2, 3 |"),
    row(f"torch.full(size, fill_value, {_KEYWORDS})", sized, "(2, 3), 1.0 |"),
    row(f"torch.randperm(n, {_KEYWORDS})", lambda call: _fresh(call, Shape.of(as_size(call["n"]))), "5 |"),
    row(f"torch.normal(mean, std, size, {_KEYWORDS})", sized, "0.0, 1.0, (2, 3) |"),
    *(
        row(f"torch.{name}_like(input, {_LIKE})", like, "x | 2 4 5", also="torch.empty_like" if name == "zeros" else "")
        for name in ("zeros", "ones", "rand", "randn")
    ),
    row(f"torch.full_like(input, fill_value, {_LIKE})", like, "x, 2.0 | 2 4 5"),
    *(
        row(
            f"Tensor.new_{name}(input, *size, dtype=None, device=None, requires_grad=False)",
            sized,
            "x, 2, 3 | 4",
            also=also,
        )
        for name, also in (("zeros", "Tensor.new_empty"), ("ones", ""))
    ),
    row("Tensor.new_full(input, size, fill_value, *, dtype=None, device=None)", sized, "x, (2, 3), 1.0 | 4"),
    row(f"torch.arange(start, end=None, step=1, {_KEYWORDS})", counted, "5 |", "1, 7, 2 |"),
    row(f"torch.linspace(start, end, steps, {_KEYWORDS})", counted, "0, 1, 5 |"),
    row(f"torch.eye(n, m=None, {_KEYWORDS})", square, "3 |", "3, 4 |"),
    row(
        "torch.tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False)",
        literal,
        "[[1.0, 2.0]] |",
        also="torch.as_tensor",
    ),
    row("torch.meshgrid(*tensors, indexing=None)", grids, "x, y, indexing='ij' | 3 | 4"),
    row("torch.bernoulli(input, *, generator=None)", drawn, "x.sigmoid() / 2 | 2 40 5", also="Tensor.bernoulli"),
    row(
        "torch.multinomial(input, num_samples, replacement=False, *, generator=None)",
        draws,
        "x.sigmoid(), 9, True | 2 40",
    ),
    row("F.one_hot(input, num_classes=-1)", one_hot, "i, 5 | i 2 3"),
)
