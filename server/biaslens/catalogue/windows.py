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
    step = whole(stride)
    if size is None or not step or step < 0:
        return None
    reach = _reach(size, kernel, padding, dilation)
    if reach is None:
        return None
    if step == 1:
        return reach + number(1)
    if ceil:
        return _ceiled(size, reach, step, as_size(padding))
    return reach // number(step) + number(1)


def _reach(size: Size, kernel: Argument, padding: Argument, dilation: Argument) -> Size | None:
    """The place of the last window where they are one step apart."""
    width, edge, distance = whole(kernel), whole(padding), whole(dilation)
    if width is not None and edge is not None and distance is not None:  # saves the arithmetic of polynomials
        return size + number(2 * edge - distance * (width - 1) - 1)
    window, border, spacing = as_size(kernel), as_size(padding), as_size(dilation)
    if window is None or border is None or spacing is None:
        return None
    return size + number(2) * border - spacing * (window - number(1)) - number(1)


def _ceiled(size: Size, reach: Size, step: int, border: Size | None) -> Size | None:
    plain, length, edge = reach.value, size.value, border.value if border else None
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
