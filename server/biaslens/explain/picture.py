"""The way of a bias as a small picture: boxes for the steps, and a mark on the arrows for what the bias has become."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from biaslens.explain.drawing import Box, Drawing, Figure, Mark, drawn
from biaslens.explain.lettering import cleaned, shortened
from biaslens.explain.variation import Variation, variations
from biaslens.flow import Ending, Fate, Site
from biaslens.rules.redundant import shift_of, subscripted

MAX_STEPS = 6
"""A longer way is shown by its first three and its last two steps; with long names by its first two, or one."""

MAX_WIDTH = 700
"""In pixels, so that an editor's hover shows it without scrolling; a wider picture is shown smaller."""

SMALLEST = 0.85
"""A picture that is shown smaller than this cannot be read: then it shows fewer steps."""

_NORMS = ("batch norm", "instance norm", "group norm", "layer norm")
_SUSPECT = re.compile(r"[^\w .,:→…−'()-]")
"""What might mean something in Markdown."""


def picture(site: Site, fate: Fate) -> str:
    """A self-contained SVG of one way of a layer's bias."""
    return _drawing(site, fate).svg


def image(site: Site, fate: Fate) -> str:
    """The picture as a Markdown image, with its size as VS Code reads it."""
    drawing = _drawing(site, fate)
    scale = min(1, MAX_WIDTH / drawing.width)
    size = f"width={round(drawing.width * scale)},height={round(drawing.height * scale)}"
    text = _SUSPECT.sub("·", re.sub(r"\[(\d+)\]", r".\1", alternative(site, fate)))
    return f"![{text}]({data_uri(drawing.svg)}|{size})"


def data_uri(svg: str) -> str:
    """An address that holds the whole picture."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')}"


def alternative(site: Site, fate: Fate) -> str:
    """The picture in one line: "conv1 → max_pool2d → bn1: the bias is subtracted at bn1"."""
    names = ["…" if box is None else _short(box.name) for box in _shown(_boxes(site, fate), MAX_STEPS)]
    return f"{' → '.join(names)}: {_outcome(site, fate)}"


def _outcome(site: Site, fate: Fate) -> str:
    """What happens to the bias, or would happen to one."""
    without = site.layer.bias is False
    noun = ("this part of the " if site.part else "a " if without else "the ") + shift_of(site.layer)
    end = _short(_boxes(site, fate)[len(fate.trail) - 1].name) if fate.trail else ""
    match fate.ending:
        case Ending.CANCELLED if fate.cancelled_by == "softmax":
            return f"{noun} {'would' if without else 'does'} not change the {_softmax_gives(fate)} of {end}"
        case Ending.CANCELLED:
            again = "" if fate.cancelled_by in _NORMS else " again"
            return f"{noun} {'would be' if without else 'is'} subtracted{again} at {end}"
        case Ending.ABSORBED:
            absorbing = shift_of(fate.norm) if fate.norm is not None else "bias"
            return f"the {absorbing} of {end} can add the same as {noun}"
        case Ending.READ:
            return f"{noun} {'would change' if without else 'changes'} the result of {end}"
        case Ending.RETURNED:
            return f"{noun} {'would be' if without else 'is'} part of the output"
        case Ending.UNKNOWN:
            return f"what becomes of {noun} is not known{f' from {end} on' if end else ''}"


def _softmax_gives(fate: Fate) -> str:
    """What stays the same: of a loss or a logarithm the result."""
    operation = fate.end.operation.lower() if fate.end is not None else ""
    return "weights" if operation in ("softmax", "softmax2d") or "attention" in operation else "result"


# --- what is drawn ---------------------------------------------------------------------------------------------------


def _drawing(site: Site, fate: Fate) -> Drawing:
    """The figure with as many steps as can be read."""
    drawings = (drawn(_figure(site, fate, steps)) for steps in range(MAX_STEPS, 3, -1))
    return next(drawing for drawing in drawings if drawing.width * SMALLEST <= MAX_WIDTH)


def _figure(site: Site, fate: Fate, steps: int) -> Figure:
    role, without = site.layer.entry.role, site.layer.bias is False
    own = "β" if role == "norm" else "b"
    later = "c" if fate.norm is None or fate.norm.entry.role == role else "β" if role == "affine" else "b"
    boxes = _boxes(site, fate)
    looks = [*variations(site.layer, fate), *(Variation(None) for _ in boxes)][: len(boxes) - 1]
    taken_itself = bool(fate.trail) and fate.trail[0].starts
    about_part = f"{site.part.share} of {own}" if site.part is not None else ""
    return Figure(
        title=alternative(site, fate),
        boxes=tuple(box or Box("…", kind="skipped") for box in _shown(boxes, steps)),
        marks=_marks(looks, steps),
        start=own if taken_itself else f"+ {own}",
        start_caption=f"has no {'β' if role == 'norm' else 'bias'}" if without else about_part,
        ending=fate.ending,
        later=f"+ {later}",
        end_caption=_ending(fate, own, later, without=without),
        hollow=without,
    )


def _boxes(site: Site, fate: Fate) -> list[Box]:
    """One for each step of the way, and one for the output that it leaves by."""
    steps = [(step.label, step.operation if step.layer is not None else "") for step in fate.trail] or [
        (site.layer.label, site.layer.entry.label)
    ]
    boxes = [_box(*step) for step in steps]
    if fate.ending is Ending.UNKNOWN:
        boxes[-1] = Box(boxes[-1].name, boxes[-1].about, "unknown")
    return [*boxes, Box("output", kind="output")] if fate.ending is Ending.RETURNED else boxes


def _box(label: str, made_by: str) -> Box:
    """A layer by the name that the model holds it by, as Python writes it; one that has only a number by its class."""
    label, made_by = cleaned(label), cleaned(made_by)
    if not made_by:
        return Box(label)
    if not re.search(r"[^\d.]", label):
        return Box(made_by, kind="layer")
    name = subscripted(label)
    return Box(name, made_by if name != made_by else "", "layer")


def _short(name: str) -> str:
    return shortened(name, 1, 25)


def _shown(boxes: Sequence[Box], steps: int) -> list[Box | None]:
    """At most so many boxes of a way, the last two among them; None stands for those left out."""
    return [*boxes] if len(boxes) <= steps else [*boxes[: steps - 3], None, *boxes[-2:]]


def _marks(looks: Sequence[Variation], steps: int) -> tuple[Mark, ...]:
    """What the bias is on each arrow that is shown, in words where it has changed."""
    shown = [*looks] if len(looks) < steps else [*looks[: steps - 3], *looks[-2:]]
    marks: list[Mark] = []
    before, said = Variation(None), ""
    for look in shown:
        caption = look.words.replace(" and ", "\nand ")
        if not caption and look.axes is not None and before.axes is not None and look.axes != before.axes:
            caption = f"now along\n{'more' if look.axes > before.axes else 'fewer'} axes"
        marks.append(Mark(look.axes, caption if caption != said or not look.words else ""))
        said = caption or said
        before = look
    return tuple(marks)


def _ending(fate: Fate, own: str, later: str, *, without: bool) -> str:
    """What stands below the end."""
    match fate.ending:
        case Ending.CANCELLED if fate.cancelled_by == "softmax":
            return f"same {_softmax_gives(fate)}\nwith any {own}"
        case Ending.CANCELLED if fate.cancelled_by in _NORMS:
            return f"− mean: {own} {'would go' if without else 'is gone'}"
        case Ending.CANCELLED:
            return f"subtracted:\n{own} {'would go' if without else 'is gone'}"
        case Ending.ABSORBED:
            return f"{later} can add the same"
        case Ending.READ:
            return "would change\nthe result" if without else "changes the result"
        case Ending.RETURNED:
            return f"{own} would be\npart of it" if without else f"{own} is part of it"
        case Ending.UNKNOWN:
            return "not followed\nfrom here on"
