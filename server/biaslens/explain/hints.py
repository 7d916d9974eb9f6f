"""A few words at the end of each line that makes a layer: what becomes of its bias."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from biaslens.explain.document import prose
from biaslens.explain.verdicts import sentence
from biaslens.explain.view import View
from biaslens.flow import Ending, Fate, Flow, Site, Verdict
from biaslens.program.ir import Program
from biaslens.rules.absorbed import absorbers
from biaslens.rules.redundant import CLAIMS, bias_argument, subscripted
from biaslens.text import Source, Span

LENGTH = 40
"""So many characters a label has at most."""

_LONG = 15
"""Of a longer name only a part is in the label."""

_TOLD = 8
"""So many letters tell of a word that had to be cut; fewer are left out."""


@dataclass(frozen=True, slots=True)
class Hint:
    """offset: where it stands, behind a constructor call and what closes after it at the end of a line.

    tooltip: the verdict as a sentence, in Markdown. plain: the same without markup but for the backticks around code.
    """

    offset: int
    label: str
    tooltip: str
    plain: str


def hints(flow: Flow, source: Source, span: Span) -> tuple[Hint, ...]:
    """The hints of the flow's own file within a span, by place. source: that file.

    A layer without a bias has one where it is known what a bias would do.
    """
    found: list[Hint] = []
    view = View(flow, Program(flow.path, ()))
    for site in flow.affine_sites:
        if site.location.path != flow.path:
            continue
        offset = _behind(site.location.span.end, source)
        about = _telling_part(site) or site
        label = _label(about) if span.contains(offset) else ""
        if label:
            text = sentence(about, view)
            found.append(Hint(offset, label, prose(text), text))
    return tuple(sorted(found, key=lambda hint: hint.offset))


def _behind(end: int, source: Source) -> int:
    """The end of a call, or of the brackets and commas after it if the code of the line ends with them."""
    line, column = source.line_and_column(end)
    closing = re.match(r"[)\]},]+(?=\s*(?:#|$))", source.line(line)[column:])
    return end + len(closing.group()) if closing else end


def _telling_part(site: Site) -> Site | None:
    """The part of a needed bias that has no effect: a third of a `qkv`."""
    return site.parts[0] if site.parts and site.layer.bias is not False else None


def _label(site: Site) -> str:
    cancelled = site.first_cancelled
    if site.layer.bias is False:
        return _label_without(site)
    if cancelled is not None and (site.part is not None or site.verdict in CLAIMS):
        whole = f"bias: cancelled by {_canceller(cancelled)}"
        return _fitted(f"bias: {site.part.share} has no effect" if site.part else whole, _conditions(site))
    if site.verdict is Verdict.ABSORBED:
        return f"bias: absorbed by {_absorber(site)}"
    if site.verdict is Verdict.NEEDED and site.first_reading is not None:
        return _kept(site.first_reading)
    return "bias: layer not used" if site.verdict is Verdict.UNUSED else "bias: unknown"


def _label_without(site: Site) -> str:
    cancelled = site.first_cancelled
    if site.verdict in CLAIMS and cancelled is not None:
        return _fitted(f"no bias: {_canceller(cancelled)} would cancel it", _conditions(site))
    if site.verdict is Verdict.ABSORBED:
        return f"no bias: {_absorber(site)} can replace it"
    if site.unshifted:
        return "no bias: nothing replaces it"
    return "no bias: one would have an effect" if site.verdict is Verdict.NEEDED else ""


def _kept(fate: Fate) -> str:
    match fate.ending:
        case Ending.READ if fate.end is not None:
            return f"bias: needed by {_name(fate.end.label, fate.end.operation)}"
        case Ending.RETURNED:
            return "bias: reaches the output"
        case _:
            return "bias: unknown"


def _conditions(site: Site) -> tuple[str, ...]:
    """The condition as the end of a label, in more and in fewer words."""
    condition = site.condition.replace("`", "")
    if site.verdict is Verdict.IN_EVERY_USE:
        return (" in known uses",)
    if site.condition_origin == "handed":
        return (f" if {site.handed} leaves it as it is", f" if {site.handed} keeps it", " on some paths")
    if condition.startswith("with the default"):
        return (f" {condition}", " by default", " (default)")
    if condition.startswith(("with ", "on ")):
        return (f" {condition}",)
    argument = bias_argument(site.layer) if site.layer.bias is not False else ""
    parts = [_brief(part) for part in (condition, argument) if part]
    if parts:
        return (f" if {' and '.join(parts)}",)
    return (" on some paths" if site.verdict is Verdict.CONDITIONAL else "",)


def _brief(condition: str) -> str:
    """`use_bn is true` as code has it, `use_bn`."""
    name, _, value = condition.partition(" is ")
    return {"true": name, "false": f"not {name}"}.get(value, condition)


def _fitted(words: str, ends: Sequence[str]) -> str:
    """The words with the first end that has room, or else as much as has of the last one: the tooltip says all."""
    room = LENGTH - len(words)
    fitting = next((end for end in ends if len(end) <= room), None)
    if fitting is not None:
        return words + fitting
    start = ends[-1][: room - 1] if room > 0 else ""
    whole = start.rpartition(" ")[0].rstrip("=<>! ")
    return f"{words}{start if len(start) - len(whole) > _TOLD else whole}…"


def _canceller(fate: Fate) -> str:
    """What cancels it."""
    if fate.norm is not None:
        return _name(fate.norm.label, fate.norm.entry.label)
    end = fate.end
    return _name(end.label, end.operation) if end is not None and fate.cancelled_by == "softmax" else fate.cancelled_by


def _absorber(site: Site) -> str:
    layers = absorbers(site)
    return _name(layers[0].label, layers[0].entry.label) if len(layers) == 1 else "later layers"


def _name(label: str, kind: str) -> str:
    """A name as the code writes it, or the class where the model holds it by a position only; of a long one the end."""
    last = label.rpartition(".")[2]
    name = subscripted(label if last and not last.isdigit() else kind)
    if len(name) <= _LONG:
        return name
    last = re.split(r"[._]", name)[-1]
    return f"…{last}" if 2 < len(last) < _LONG else f"{name[: _LONG - 1]}…"
