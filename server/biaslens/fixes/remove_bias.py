"""The fix of the rules about biases that can go: a call is told to make none, or only where it has an effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os.path import basename

from biaslens.fixes.call import Argument, Change, with_argument
from biaslens.fixes.conditional import unless
from biaslens.fixes.hazards import Hazard, hazard
from biaslens.fixes.neighbours import initialiser_near, loader_near
from biaslens.fixes.surroundings import Surroundings
from biaslens.flow import Ending, Site, Verdict
from biaslens.program.ir import Layer
from biaslens.rules.redundant import bias_argument, named, when
from biaslens.rules.rule import Fix
from biaslens.syntax.files import Files
from biaslens.syntax.parse import Module, parse
from biaslens.text import Source


def fix(
    source: Source,
    site: Site,
    files: Files | None = None,
    module: Module | None = None,
    *,
    keeps_checkpoints: bool = False,
) -> Fix | None:
    """Edits of `source`, the file the site stands in, after which its layer has no bias where that has no effect.

    files: in which those that load weights are looked for. module: the source parsed, where that was done before.
    keeps_checkpoints: the caller takes care of stored biases.
    None where no edit is one that we would stand for: the condition is out of sight at the call, the norm has no
    argument for its β alone, the caller decides about the bias, or the call hides its arguments (`*sizes`,
    `functools.partial`). No edits, but a reason, where code would crash without the bias: in this file, or in an
    initialiser of another one.
    """
    shift = site.layer.entry.shift
    if shift is None or site.location.path != source.path or not _is_trusted(site):
        return None
    if site.layer.entry.role == "norm" and shift.argument != "bias":
        return None
    surroundings = Surroundings(module or parse(source), site.location.span)
    plan = _plan(source, site, surroundings)
    if plan is None:
        return None
    names = (
        site.layer.class_name,
        site.layer.entry.label,
        *(spelling.rpartition(".")[2] for spelling in site.layer.entry.spellings),
    )
    argument = Argument(site.layer.argument, site.layer.place)
    change = with_argument(source, site.location.span, argument, plan.value, of=plan.instead_of, names=names)
    if change is None:
        return None
    elsewhere = next((place.path for place in site.by_hand if place.path != source.path), None)
    if elsewhere is not None:
        return Fix(plan.title, (), "display-only", f"`{basename(elsewhere)}` uses it, and might fail without")
    labels = frozenset(layer.label for layer in (site.layer, *site.layers))
    danger = hazard(source, site.layer, labels, site.location.span)
    if danger.crashes:
        return Fix(plan.title, (), "display-only", f"`{danger.reads}` would fail without it")
    near = initialiser_near(source.path, site.layer, labels, files) if files is not None else None
    if near is not None and not near.may:
        return Fix(plan.title, (), "display-only", f"{near.imports}, and `{near.by}` would fail there without it")
    title = f"{plan.title} and its initialisation" if danger.companions else plan.title
    doubts = [*_doubts(change, plan, danger, surroundings, site)]
    if near is not None:
        doubts.append(("unsafe", f"{near.imports}, and `{near.by}` would fail there without it"))
    if not keeps_checkpoints:
        doubts += _doubts_of_checkpoints(danger, site, source, files)
    applicability, reason = min(doubts, default=("safe", ""), key=lambda doubt: _SAFETY.index(doubt[0]))
    return Fix(title, (change.edit, *danger.companions), applicability, reason)


_SAFETY = ("display-only", "unsafe", "safe")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the call is to pass instead of what, and why that may be wrong, or ""."""

    title: str
    value: str
    instead_of: str = "True"
    doubt: str = ""


def _is_trusted(site: Site) -> bool:
    """Whether every layer of the call is told in the same way whether to have a bias, and nobody meddles with it."""
    layers = (site.layer, *site.layers)
    is_told_alike = len({(layer.argument, layer.place) for layer in layers}) == 1
    return is_told_alike and not site.layer.tampered and not any(layer.frozen for layer in layers)


def _plan(source: Source, site: Site, surroundings: Surroundings) -> _Plan | None:
    title = f"Remove the bias of {named(site.layer)}"
    if bias_argument(site.layer):
        return _plan_without_argument(site, surroundings, title)
    if site.layer.bias is not True:
        return None
    match site.verdict:
        case Verdict.REDUNDANT:
            return _Plan(title, "False")
        case Verdict.ABSORBED:
            parameter = _parameter(site.layer)
            doubt = f"the same functions can be learned, but `{parameter}` has an effect until it is moved"
            return _Plan(title, "False", doubt=doubt)
        case Verdict.CONDITIONAL if site.condition_origin == "handed":
            return _Plan(title, "False")
        case Verdict.IN_EVERY_USE:
            return _Plan(title, "False", doubt=_OTHER_USES)
        case Verdict.CONDITIONAL if not site.by_use or _argument_makes_norm(site, surroundings):
            value = unless(site.alternatives, surroundings, source)
            if value is not None:
                doubt = _OTHER_USES if site.by_use and not surroundings.are_private else ""
                return _Plan(f"{title} {when(site.condition)}", value, doubt=doubt)
            rests_on = site.condition.removeprefix("with ")
            if site.condition_origin == "default" and rests_on != site.condition and " and " not in rests_on:
                return _Plan(title, "False", doubt=f"it rests on {rests_on}")
            return None
        case _:
            return None


_OTHER_USES = "uses of this code that were not found may need it"


def _plan_without_argument(site: Site, surroundings: Surroundings, title: str) -> _Plan | None:
    """Where an expression decides about the bias, and all that it can give was seen: what is made is redundant.

    A parameter is for the caller to decide, and its default is the place to change.
    """
    text = bias_argument(site.layer)
    is_understood = site.verdict is Verdict.REDUNDANT and all(layer.bias is not None for layer in site.layers)
    if not site.layers or not is_understood or not surroundings.decide(text):
        return None
    return _Plan(title, "False", instead_of=text)


def _argument_makes_norm(site: Site, surroundings: Surroundings) -> bool:
    """Whether the argument that tells the uses apart is what each norm hangs on, and not just a different number."""
    norms = [fate.norm for fate in site.fates if fate.ending is Ending.CANCELLED]
    names = {test.argument for tests in site.alternatives for test in tests}
    return bool(names) and all(
        norm is not None and surroundings.hangs_on(norm.site, name) for norm in norms for name in names
    )


def _doubts(
    change: Change, plan: _Plan, danger: Hazard, surroundings: Surroundings, site: Site
) -> Iterator[tuple[str, str]]:
    """Why the edit may not be right, with what follows for its safety."""
    if change.hidden:
        yield "display-only", f"`{change.hidden}` may carry `{site.layer.argument}`"
    if plan.doubt:
        yield "unsafe", plan.doubt
    root, *attributes = change.callee.split(".")
    if surroundings.is_parameter(root) and (not attributes or root in ("self", "cls")):
        yield "unsafe", f"`{change.callee}` may be another class, which has no `{site.layer.argument}`"
    if site.layer.unseen:
        name, entry = site.layer.class_name, site.layer.entry.label
        yield (
            "unsafe",
            f"`{name}` is declared to be like `{entry}`, and what arguments it takes itself was not looked at",
        )
    if site.layer.entry.role == "norm" and not site.layer.declared:
        yield "unsafe", f"`{site.layer.entry.label}` takes `bias` only since torch 2.1"
    if site.handed:
        yield "unsafe", f"it is handed to `{site.handed}`, which could not be followed"
    if danger.reads:
        yield "unsafe", f"this file uses `{danger.reads}` without asking whether it is None"


def _doubts_of_checkpoints(
    danger: Hazard, site: Site, source: Source, files: Files | None
) -> Iterator[tuple[str, str]]:
    parameter = _parameter(site.layer)
    if danger.loads:
        yield "unsafe", f"this file loads weights (`{danger.loads}`), and they may hold `{parameter}`"
        return
    loader = loader_near(source.path, files) if files is not None else None
    if loader is not None:
        text = f"{loader.imports} and loads weights (`{loader.by}`), and they may hold `{parameter}`"
        yield "unsafe", text


def _parameter(layer: Layer) -> str:
    attribute = layer.entry.shift.attribute if layer.entry.shift else "bias"
    return f"{layer.label or layer.class_name}.{attribute}"
