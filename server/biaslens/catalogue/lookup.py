"""The one list of all rows, and how to find the row of a name, a method or an operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from types import MappingProxyType

from biaslens.catalogue import (
    activations,
    affine,
    arithmetic,
    creation,
    einops,
    indexing,
    losses,
    norms,
    pooling,
    products,
    recurrent,
    reductions,
    reshaping,
)
from biaslens.catalogue.entry import Argument, Entry, Parameter

ROWS: tuple[Entry, ...] = (
    *affine.ROWS,
    *norms.ROWS,
    *activations.ROWS,
    *pooling.ROWS,
    *arithmetic.ROWS,
    *reshaping.ROWS,
    *indexing.ROWS,
    *reductions.ROWS,
    *products.ROWS,
    *recurrent.ROWS,
    *einops.ROWS,
    *creation.ROWS,
    *losses.ROWS,
)

_OPERATORS = MappingProxyType(
    {
        "+": "torch.add",
        "-": "torch.sub",
        "*": "torch.mul",
        "/": "torch.div",
        "@": "torch.matmul",
        "**": "torch.pow",
        "//": "torch.floor_divide",
        "%": "torch.remainder",
        "unary -": "torch.neg",
        "unary +": "torch.positive",
        "~": "torch.logical_not",
        "&": "torch.logical_and",
        "|": "torch.logical_or",
        "^": "torch.logical_xor",
        "==": "torch.eq",
        "!=": "torch.ne",
        "<": "torch.lt",
        "<=": "torch.le",
        ">": "torch.gt",
        ">=": "torch.ge",
    }
)


@lru_cache(maxsize=4096)
def find(name: str) -> Entry | None:
    """The row of a full dotted name in any of its spellings: public, defining module, or in place."""
    table = _by_name()
    return next((table[spelling] for spelling in _spellings(name) if spelling in table), None)


def method(name: str) -> Entry | None:
    """The row of a tensor's method or attribute such as `view`, `relu_` or `T`."""
    if name.startswith("__") and name.endswith("__"):
        return _by_name().get(f"torch.Tensor.{name}")
    return find(f"torch.Tensor.{name}")


def operator(symbol: str) -> Entry:
    """The row of an operator as Python writes it; `unary -`, `unary +` and `~` are those of one operand."""
    return _by_name()[_OPERATORS[symbol]]


def bind(
    parameters: Sequence[Parameter], positional: Sequence[Argument], keywords: Mapping[str, Argument]
) -> dict[str, Argument] | None:
    """Arguments by parameter name, with defaults filled in as Python does; None where they do not fit."""
    bound: dict[str, Argument] = {}
    remaining: dict[str, Parameter] = {}
    others: str | None = None
    place = 0
    for parameter in parameters:
        if parameter.kind == "positional" and place < len(positional):
            bound[parameter.name] = positional[place]
            place += 1
        elif parameter.kind == "star":
            bound[parameter.name] = tuple(positional[place:])
            place = len(positional)
        elif parameter.kind == "double star":
            others = parameter.name
        else:
            remaining[parameter.name] = parameter
    if place < len(positional):
        return None
    extra: dict[str, Argument] = {}
    for name, value in keywords.items():
        if name in remaining:
            bound[name] = value
        elif others is None or name in bound:
            return None
        else:
            extra[name] = value
    if others is not None:
        bound[others] = tuple(extra.items())
    for name, parameter in remaining.items():
        if name not in bound:
            if parameter.required:
                return None
            bound[name] = parameter.default
    return bound


@cache
def _by_name() -> Mapping[str, Entry]:
    table: dict[str, Entry] = {}
    for entry in ROWS:
        for name in (entry.name, *entry.spellings):
            table.setdefault(name, entry)
    return MappingProxyType(table)


def _spellings(name: str) -> list[str]:
    """The name itself, without a module that only defines it, and without the underscore of an in-place operation."""
    last = name.rpartition(".")[2]
    names = [name]
    if name.startswith("torch.nn.modules."):
        names.append(f"torch.nn.{last}")
    if name.startswith("torch.functional."):
        names.append(f"torch.{last}")
    if name.startswith("torch._tensor."):
        names.append(f"torch.{name.removeprefix('torch._tensor.')}")
    if last.endswith("_") and not last.endswith("__"):
        names += [plain.removesuffix("_") for plain in names]
    return names
