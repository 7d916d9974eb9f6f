"""The arithmetic of sliding windows, shared by convolutions, poolings, padding and folding."""

from __future__ import annotations

from biaslens.algebra.axes import NONE, Axes, axes_from
from biaslens.algebra.sizes import Size, number
from biaslens.catalogue.entry import Argument
from biaslens.catalogue.steps import as_size, whole


def spatial(count: int) -> tuple[int, ...]:
    """The last `count` axes, front to back."""
    return tuple(range(-count, 0))


def slid(
    size: Size | None, kernel: Argument, stride: Argument, padding: Argument, dilation: Argument, *, ceil: bool = False
) -> Size | None:
    """The number of windows along one axis, by torch's floor formula; None where an argument is not known."""
    window, step, border, spacing = as_size(kernel), whole(stride), as_size(padding), as_size(dilation)
    if size is None or window is None or not step or step < 0 or border is None or spacing is None:
        return None
    reach = size + number(2) * border - spacing * (window - number(1)) - number(1)
    if step == 1:
        return reach + number(1)
    if ceil:
        return _ceiled(size, reach, step, border)
    return reach // number(step) + number(1)


def _ceiled(size: Size, reach: Size, step: int, border: Size) -> Size | None:
    plain, length, edge = reach.value, size.value, border.value
    if plain is None or length is None or edge is None:
        return None
    count = -(-plain // step) + 1
    return number(count - 1 if (count - 1) * step >= length + edge else count)


def touched(borders: tuple[Argument, ...]) -> tuple[Axes, Axes]:
    """Along which of the last axes a border is added: (certainly, possibly)."""
    certain: list[int] = []
    possible: list[int] = []
    for axis, border in zip(spatial(len(borders)), borders, strict=True):
        width = whole(border)
        if width is None:
            possible.append(axis)
        elif width != 0:
            certain.append(axis)
    return axes_from(certain) if certain else NONE, axes_from(possible) if possible else NONE
