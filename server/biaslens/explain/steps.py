"""The way of a bias in words: each step as a link to its line, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.explain.document import Link, Paragraph
from biaslens.explain.formulas import called
from biaslens.explain.view import View
from biaslens.flow import Ending, Fate, Site
from biaslens.program.ir import Equation
from biaslens.rules.redundant import subscripted
from biaslens.text import Location

_LONGEST_TRAIL = 8


def end_clause(fate: Fate, site: Site, view: View) -> Paragraph:
    """What reads the bias, hides it from us or hands it out, as a clause that ends a sentence.

    It names the layer where the fate is that of another one than the site speaks of.
    """
    end = fate.end
    if fate.ending is Ending.UNKNOWN:
        if end is None:
            return (f"{fate.reason}.",)
        why = f" ({fate.reason})" if fate.reason and "is code that could not be followed" not in fate.reason else ""
        return ("we cannot follow it at ", _linked(end, view), f"{why}.")
    if fate.ending is Ending.RETURNED or end is None:
        return (f"it reaches the output of `{fate.root}`.",)
    label = fate.trail[0].label
    bias = "it" if label == site.layer.label or label.isdigit() else f"that of `{subscripted(label)}`"
    if fate.reason.startswith("it varies"):
        return (_linked(end, view), f" does not cancel {bias}, since {fate.reason} there.")
    return (_linked(end, view), f" depends on {bias}{f': {fate.reason}' if fate.reason else ''}.")


def _linked(step: Equation, view: View) -> str | Link:
    return Link(step_name(step), step.location) if view.is_written(step.location) else step_name(step)


def as_sentence(clause: Paragraph) -> Paragraph:
    """The clause with a capital at its start, where that is no code."""
    first, *rest = clause
    return (first[:1].upper() + first[1:] if isinstance(first, str) else first, *rest)


def trail(site: Site, fate: Fate, view: View) -> Iterator[Paragraph]:
    """Each step as a link to its line."""
    if len(fate.trail) < 2:
        return
    steps = list(range(len(fate.trail)))
    shown = [*steps[: _LONGEST_TRAIL - 3], None, *steps[-2:]] if len(steps) > _LONGEST_TRAIL else steps
    line: list[str | Link] = ["Path: "]
    for index in shown:
        line.append(" → " if index else "")
        if index is None:
            line.append(" → …")
            continue
        step = fate.trail[index]
        place = _place(step, index, site, fate, view)
        line.append(Link(step_name(step), place) if place is not None else step_name(step))
    yield tuple(line)


def _place(step: Equation, index: int, site: Site, fate: Fate, view: View) -> Location | None:
    """Where a step is applied; a layer that the code holds by a position is found better where it is made."""
    made = site.location if index == 0 else fate.norm.site if fate.norm and index == len(fate.trail) - 1 else None
    if made is not None and (called(step).endswith("]") or not view.is_written(step.location)):
        return made
    return step.location if view.is_written(step.location) else None


def step_name(step: Equation) -> str:
    """What a step applies, by the name that the code has for it, with the class where that is a position."""
    return f"`{called(step)}`{_class_of(step)}"


def _class_of(step: Equation) -> str:
    """The class of a step that the code calls by a position."""
    return f" ({step.operation})" if called(step).endswith("]") else ""
