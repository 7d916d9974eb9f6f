"""The fix of the rules about biases that can go: a constructor call is told not to make a bias."""

from __future__ import annotations

from biaslens.fixes.call import with_argument_false
from biaslens.fixes.hazards import Hazard, hazard
from biaslens.flow import Site, Verdict
from biaslens.program.ir import Program
from biaslens.rules.rule import Fix
from biaslens.text import Source


def fix(source: Source, site: Site, program: Program | None = None) -> Fix | None:
    """Edits of `source`, the file the site stands in, after which its layer has no bias.

    program: tells under which other names the call's layers are held, where it makes several.
    None where no edit is one that we would stand for: the verdict is neither plain redundant nor absorbed, the norm has
    no argument for its β alone, the bias hangs on an expression, the call hides its arguments (`*args`, `**kwargs`,
    `functools.partial`), or code would crash without the bias: in this file, or in an initialiser of another one.
    """
    layer = site.layer
    shift = layer.entry.shift
    if shift is None or site.verdict not in (Verdict.REDUNDANT, Verdict.ABSORBED):
        return None
    if layer.bias is not True or layer.frozen or (layer.entry.role == "norm" and shift.argument != "bias"):
        return None
    if layer.tampered or site.location.path != source.path or _is_used_elsewhere(site, program):
        return None
    edit = with_argument_false(source, site.location.span, layer.entry, shift.argument)
    if edit is None:
        return None
    danger = hazard(source, layer, _labels(site, program))
    if danger.crashes:
        return None
    name = layer.label or layer.entry.label
    return Fix(f"Remove the bias of `{name}`", (edit,), *_safety(danger, site, f"{name}.{shift.attribute}"))


def _is_used_elsewhere(site: Site, program: Program | None) -> bool:
    """Whether code of another file reads the bias by hand; whether it asks for None first is not looked up."""
    paths = [path for run in program.runs for path in run.paths] if program else []
    return any(
        equation.starts
        and equation.layer is not None
        and path.layers[equation.layer].site == site.location
        and equation.location.path != site.location.path
        for path in paths
        for equation in path.equations
    )


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
