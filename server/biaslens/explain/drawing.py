"""A figure as SVG: boxes in a row, arrows between them, and a mark on the arrows.

All that is not on a surface of its own has a colour that can be seen on white and on black, since an editor does not
tell a picture which theme it has. What differs, differs in shape too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from xml.etree import ElementTree as ET

from biaslens.explain.lettering import shortened, width
from biaslens.flow import Ending

COLOURS: Mapping[str, str] = {
    "ink": "#1f2933",  # names
    "faint ink": "#4b5865",  # classes
    "surface": "#eef1f4",
    "edge": "#8792a0",
    "line": "#7e7e7e",  # arrows and dots, on the background
    "accent": "#d26a0c",  # the bias
    "light accent": "#ffd9a8",
    "accent ink": "#5c2c00",
    "paper": "#ffffff",
}

NAME_SIZE, CLASS_SIZE, CAPTION_SIZE = 12.0, 9.5, 10.5
MAX_TEXT = 104.0
"""No text in a box is wider."""

_CODE_FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"

_TOP, _TALL, _GAP, _PADDING, _NARROWEST, _MARGIN = 38.0, 44.0, 48.0, 9.0, 64.0, 2.0
_MIDDLE, _BOTTOM = _TOP + _TALL / 2, _TOP + _TALL
_BADGE, _BELOW_BADGE = _BOTTOM + 2, _BOTTOM + 17
_TILE, _CELLS = 16.0, 5


@dataclass(frozen=True, slots=True)
class Box:
    """kind: "layer", "operation", "unknown", "skipped" or "output"."""

    name: str
    about: str = ""
    kind: str = "operation"


@dataclass(frozen=True, slots=True)
class Mark:
    """What the bias is on one arrow. axes: along how many it varies, None where that is not known."""

    axes: int | None
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """What is to be drawn.

    title: all of it in one line. marks: one for each arrow between two boxes. start: the text on the first box's badge.
    later: that on the badge of a layer which takes the bias over. Captions have at most two lines. hollow: the bias is
    not there.
    """

    title: str
    boxes: tuple[Box, ...]
    marks: tuple[Mark, ...]
    start: str
    start_caption: str
    ending: Ending
    later: str
    end_caption: str
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """svg: the text of the picture; its width and height in pixels."""

    svg: str
    width: int
    height: int


def drawn(figure: Figure) -> Drawing:
    """The figure as a self-contained SVG."""
    pen = _Pen(figure.hollow)
    places = _places(figure)
    reached = places[-1] if figure.ending in (Ending.READ, Ending.RETURNED) else None
    for place, box in zip(places, figure.boxes, strict=True):
        pen.box(box, place, strong=place == reached)
    for (left, right), mark in zip(pairwise(places), figure.marks, strict=True):
        centre = (left.right + right.left) / 2
        pen.arrow(left.right, right.left)
        pen.tile(centre, _MIDDLE, mark.axes)
        pen.caption(mark.caption, centre, above=_TOP - 4)
    first, last = places[0], places[-1]
    alone = len(places) == 1
    pen.badge(figure.start, first.left + 24 if alone else first.centre, dashed=figure.hollow)
    if not alone:
        pen.caption(figure.start_caption, first.centre, below=_BELOW_BADGE)
    pen.end(figure, last.right - 24 if alone else last.centre, last.right)
    below = _BOTTOM + 6 if figure.ending is Ending.RETURNED else _BELOW_BADGE
    pen.caption(figure.end_caption, last.centre, below=below)
    return pen.finished(figure.title)


@dataclass(frozen=True, slots=True)
class _Place:
    left: float
    right: float

    @property
    def centre(self) -> float:
        return (self.left + self.right) / 2


def _places(figure: Figure) -> list[_Place]:
    """Where the boxes stand."""
    found: list[_Place] = []
    left = 0.0
    for box in figure.boxes:
        name, about = _texts(box)
        inside = max(width(name, NAME_SIZE), width(about, CLASS_SIZE))
        narrowest = 24 if box.kind == "skipped" else 108 if len(figure.boxes) == 1 else _NARROWEST
        found.append(_Place(left, left + max(inside + 2 * _PADDING, narrowest)))
        left = found[-1].right + _GAP
    return found


def _texts(box: Box) -> tuple[str, str]:
    return shortened(box.name, NAME_SIZE, MAX_TEXT), shortened(box.about, CLASS_SIZE, MAX_TEXT)


class _Pen:
    """Draws one picture, and remembers how far it reaches."""

    def __init__(self, hollow: bool) -> None:
        font = {"font-family": _FONT, "text-anchor": "middle"}
        self.svg = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", **font})
        self.title = ET.SubElement(self.svg, "title")
        self.hollow = hollow
        self.left = self.right = 0.0
        self.top, self.bottom = _TOP, _BOTTOM

    def finished(self, title: str) -> Drawing:
        self.title.text = title
        left, top = self.left - _MARGIN, self.top - _MARGIN
        wide, tall = math.ceil(self.right + _MARGIN - left), math.ceil(self.bottom + _MARGIN - top)
        view = f"{_number(left)} {_number(top)} {wide} {tall}"
        size = {"width": str(wide), "height": str(tall), "viewBox": view}
        self.svg.attrib.update(size)
        return Drawing(ET.tostring(self.svg, encoding="unicode"), wide, tall)

    # --- pieces ----------------------------------------------------------------------------------------------------

    def box(self, box: Box, place: _Place, *, strong: bool) -> None:
        """A layer has corners, an operation is round, what is not followed has a dashed edge."""
        group = self._group(box.kind, code=True)
        name, about = _texts(box)
        if box.kind == "skipped":
            self._text(group, "…", place.centre, _MIDDLE + 4, 16, "line", bold=True)
            return
        round_ = {"rx": "6"} if box.kind in ("layer", "unknown") else {"rx": _number(_TALL / 2)}
        edge = {"stroke": COLOURS["accent" if strong else "edge"], "stroke-width": "2" if strong else "1"}
        if box.kind == "unknown":
            edge = {"stroke": COLOURS["line"], "stroke-width": "1.5", "stroke-dasharray": "4 3"}
        self._rectangle(group, place.left, _TOP, place.right - place.left, _TALL, "surface", {**round_, **edge})
        self._text(group, name, place.centre, _TOP + (17 if about else 26), NAME_SIZE, "ink")
        if about:
            self._text(group, about, place.centre, _TOP + 30, CLASS_SIZE, "faint ink")

    def arrow(self, left: float, right: float) -> None:
        group = self._group("arrow")
        stroke = {"stroke": COLOURS["line"], "stroke-width": "1.5"}
        ET.SubElement(group, "path", {"d": f"{_at(left + 2, _MIDDLE)}H{_number(right - 6)}", **stroke})
        ET.SubElement(group, "path", {"d": f"{_at(right - 8, _MIDDLE - 4)}l7 4l-7 4z", "fill": COLOURS["line"]})
        self._reach(left, right)

    def tile(self, x: float, y: float, axes: int | None) -> ET.Element:
        """The bias: plain where it is one number, striped along one axis, checked along more, a disc if not known."""
        group = self._group("mark")
        left, top = x - _TILE / 2, y - _TILE / 2
        round_ = {"rx": _number(_TILE / 2) if axes is None else "2.5"}
        fill = "paper" if self.hollow else "light accent"
        self._rectangle(group, left, top, _TILE, _TILE, fill, round_ | _accent_edge(dashed=self.hollow))
        if axes:
            wide, tall, rows = _TILE / _CELLS, _TILE / (_CELLS if axes > 1 else 1), _CELLS if axes > 1 else 1
            filled = [(column, row) for row in range(rows) for column in range(_CELLS) if (column + row) % 2]
            corners = [_at(left + wide * column, top + tall * row) for column, row in filled]
            cells = "".join(f"{corner}h{_number(wide)}v{_number(tall)}h-{_number(wide)}z" for corner in corners)
            ET.SubElement(group, "path", {"d": cells, "fill": COLOURS["light accent" if self.hollow else "accent"]})
        return group

    def badge(self, text: str, x: float, *, dashed: bool) -> None:
        group = self._group("badge", code=True)
        wide = max(30.0, width(text, NAME_SIZE) + 12)
        edge = {"rx": "9"} | _accent_edge(dashed=dashed)
        self._rectangle(group, x - wide / 2, _BADGE - 9, wide, 18, "paper" if dashed else "light accent", edge)
        self._text(group, text, x, _BADGE + 4, NAME_SIZE, "accent ink", bold=True)

    def end(self, figure: Figure, x: float, right: float) -> None:
        """What happens to the mark in the last box."""
        axes = figure.marks[-1].axes if figure.marks else None
        match figure.ending:
            case Ending.CANCELLED:
                plate = {"rx": "13", "stroke": COLOURS["edge"], "stroke-width": "1"}
                self._rectangle(self._group("crossed out"), x - 13, _BADGE - 13, 26, 26, "paper", plate)
                cross = f"{_at(x - 8, _BADGE - 8)}l16 16m0 -16l-16 16"
                style = {"stroke": COLOURS["ink"], "stroke-width": "2.4", "stroke-linecap": "round"}
                ET.SubElement(self.tile(x, _BADGE, axes), "path", {"d": cross, "fill": "none", **style})
                self.arrow(right, right + 30)
            case Ending.READ:
                self.tile(x, _BADGE, axes)
            case Ending.ABSORBED:
                self.tile(x - 20, _BADGE, axes)
                self.badge(figure.later, x + 8, dashed=False)
            case Ending.UNKNOWN:
                self.badge("?", x, dashed=True)
            case Ending.RETURNED:
                pass

    def caption(self, text: str, x: float, *, above: float = 0, below: float = 0) -> None:
        rows = text.splitlines()
        if not rows:
            return
        group = self._group("caption")
        wide, tall = max(width(row, CAPTION_SIZE) for row in rows) + 4, 12 * len(rows) + 4
        top = above - tall if above else below
        self._rectangle(group, x - wide / 2, top, wide, tall, "surface", {"rx": "4"})
        for number, row in enumerate(rows):
            self._text(group, row, x, top + 11 + 12 * number, CAPTION_SIZE, "faint ink")

    # --- elements --------------------------------------------------------------------------------------------------

    def _group(self, kind: str, *, code: bool = False) -> ET.Element:
        return ET.SubElement(self.svg, "g", {"class": kind} | ({"font-family": _CODE_FONT} if code else {}))

    def _rectangle(
        self, group: ET.Element, x: float, y: float, wide: float, tall: float, fill: str, style: Mapping[str, str]
    ) -> None:
        sides = {"x": x, "y": y, "width": wide, "height": tall}
        shape = {key: _number(value) for key, value in sides.items()}
        ET.SubElement(group, "rect", {**shape, "fill": COLOURS[fill], **style})
        self._reach(x, x + wide)
        self.top, self.bottom = min(self.top, y), max(self.bottom, y + tall)

    def _text(
        self, group: ET.Element, text: str, x: float, y: float, size: float, colour: str, *, bold: bool = False
    ) -> None:
        style = {"fill": COLOURS[colour], "font-size": _number(size)}
        if bold:
            style["font-weight"] = "600"
        ET.SubElement(group, "text", {"x": _number(x), "y": _number(y), **style}).text = text
        self._reach(x - width(text, size) / 2, x + width(text, size) / 2)

    def _reach(self, left: float, right: float) -> None:
        self.left, self.right = min(self.left, left), max(self.right, right)


def _accent_edge(*, dashed: bool) -> dict[str, str]:
    edge = {"stroke": COLOURS["accent"], "stroke-width": "1.6"}
    return edge | {"stroke-dasharray": "3 2"} if dashed else edge


def _at(x: float, y: float) -> str:
    """The beginning of a path."""
    return f"M{_number(x)} {_number(y)}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
