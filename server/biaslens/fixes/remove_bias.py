"""The fix of the rules about biases that can go: a constructor call is told not to make a bias."""

from __future__ import annotations

from dataclasses import replace
from os.path import basename

from biaslens.fixes.call import with_argument_false
from biaslens.fixes.hazards import Hazard, hazard
from biaslens.flow import Site, Verdict
from biaslens.program.ir import Program
from biaslens.rules.rule import Fix
from biaslens.text import Source


def fix(source: Source, site: Site, program: Program | None = None, *, keeps_checkpoints: bool = False) -> Fix | None:
    """Edits of `source`, the file the site stands in, after which its layer has no bias.

    program: tells under which other names the call's layers are held, where it makes several.
    keeps_checkpoints: the caller takes care of stored biases.
    None where no edit is one that we would stand for: the verdict is neither plain redundant nor absorbed, the norm has
    no argument for its β alone, the bias hangs on an expression, or the call hides its arguments (`*args`, `**kwargs`,
    `functools.partial`). No edits, but a reason,
    where code would crash without the bias: in this file, or in an initialiser of another one.
    """
    layer = site.layer
    shift = layer.entry.shift
    if shift is None or site.verdict not in (Verdict.REDUNDANT, Verdict.ABSORBED):
        return None
    if layer.bias is not True or layer.frozen or (layer.entry.role == "norm" and shift.argument != "bias"):
        return None
    if layer.tampered or site.location.path != source.path:
        return None
    edit = with_argument_false(source, site.location.span, layer.entry, shift.argument)
    if edit is None:
        return None
    name = layer.label or layer.entry.label
    title = f"Remove the bias of `{name}`"
    elsewhere = next((place.path for place in site.by_hand if place.path != source.path), None)
    if elsewhere is not None:
        return Fix(title, (), "display-only", f"`{basename(elsewhere)}` uses it, and might fail without")
    danger = hazard(source, layer, _labels(site, program), site.location.span)
    if danger.crashes:
        return Fix(title, (), "display-only", f"`{danger.reads}` would fail without it")
    if danger.companions:
        title += " and its initialisation"
    if keeps_checkpoints:
        danger = replace(danger, loads="")
    return Fix(title, (edit, *danger.companions), *_safety(danger, site, f"{name}.{shift.attribute}"))


def _labels(site: Site, program: Program | None) -> frozenset[str]:
    paths = [path for run in program.runs for path in run.paths] if program else []
    others = {layer.label for path in paths for layer in path.layers if layer.site == site.location}
    return frozenset({site.layer.label, *others})


def _safety(danger: Hazard, site: Site, parameter: str) -> tuple[str, str]:
    if site.verdict is Verdict.ABSORBED:
        return "unsafe", f"the same functions can be learned, but `{parameter}` has an effect until it is moved"
    if danger.reads:
        return "unsafe", f"this file uses `{danger.reads}` without asking whether it is None"
    if danger.loads:
        return "unsafe", f"this file loads weights (`{danger.loads}`), and they may hold `{parameter}`"
    if site.layer.entry.role == "norm":
        return "unsafe", f"`{site.layer.entry.label}` takes `bias` only since torch 2.1"
    return "safe", ""
