"""What is said about a norm or a softmax: which biases it takes away, which it does not, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from biaslens.explain.document import Link, Paragraph
from biaslens.explain.formulas import called, is_dot_product
from biaslens.explain.references import references
from biaslens.explain.verdicts import verdict
from biaslens.explain.view import View
from biaslens.flow import Ending, NormUse, Site, Verdict
from biaslens.program.ir import Equation, Var
from biaslens.rules.redundant import CLAIMS, named, subscripted, when

_LISTED = 8


def about_norm(norm: NormUse, view: View) -> Iterator[Paragraph]:
    """The paragraphs about a norm or softmax, the biases that it cancels first."""
    kind, name = _kind(norm.name), f"`{subscripted(norm.label)}`"
    sites = {site.location: site for site in view.flow.affine_sites}
    met = [sites[place] for place in dict.fromkeys(norm.cancels) if place in sites]
    cancelled = [site for site in met if site.verdict in CLAIMS and site.layer.bias is not False]
    spared = [site for site in met if site.verdict in CLAIMS and site.layer.bias is False]
    kept = [site for site in met if site.verdict not in CLAIMS]
    read = [sites[place] for place in dict.fromkeys(norm.reads) if place in sites]
    if cancelled:
        where = " in training" if kind == "batch norm" else ""
        effect = "that bias has no effect" if len(cancelled) == 1 else "these have no effect"
        noun = "the bias" if len(cancelled) == 1 else "the biases"
        yield (f"**{name} cancels {noun} of** ", *_names(cancelled, norm), f": {effect}{where}.")
    if spared:
        yield (f"**{name} would cancel a bias of** ", *_names(spared, norm), ", built without one for that reason.")
    partly = [sites[place] for place in norm.cancels_parts_of if place in sites and sites[place].parts]
    for site in partly:
        about = f", {site.parts[0].part.share}" if site.parts[0].part else ""
        yield (f"**{name} cancels a part of the bias of** ", *_names([site], norm), f"{about}; keep the rest.")
    if not met and not partly and not norm.centres:
        yield (f"**{name} cancels no bias: it subtracts no mean of what comes in.**",)
    elif not met and not partly and read:
        yield (f"**{name} cancels no bias.**",)
    elif not met and not partly:
        yield (f"**{name} cancels no bias: none arrives here that we followed.**",)
        yield from _read_before(norm, view)
    if kept:
        yield (f"{name} subtracts the bias of ", *_names(kept, norm), " too, but another use may need it.")
    for why, group in _by_reason(norm, read).items():
        one = len(group) == 1
        varies = f", which {'varies' if one else 'vary'}{why.removeprefix('it varies')} there"
        clause = varies if why.startswith("it varies") else f": {why}" if why else ""
        yield (f"{name} does not cancel {'the bias' if one else 'the biases'} of ", *_names(group, norm), f"{clause}.")
    yield from _own_shift(norm, view)
    fact = FACTS.get(kind, "") if norm.centres or kind == "rms norm" else NOT_CENTRED.get(kind, "")
    keys = kind == "softmax" and any(_is_attention(site) for site in (*met, *read))
    if fact:
        yield (f"{fact} {_KEYS}" if keys else fact,)
    if kind and (keys or kind != "softmax"):
        yield references(kind)


def _read_before(norm: NormUse, view: View) -> Iterator[Paragraph]:
    """What depends on the biases of the layers before a norm, so that they do not come to it as they were."""
    ends = {
        id(fate.end): (site, fate)
        for site in view.flow.affine_sites
        for fate in site.fates
        if fate.ending is Ending.READ and fate.end is not None
    }
    for step in _steps_before(norm, view):
        if id(step) in ends:
            site, fate = ends[id(step)]
            name = named(replace(site.layer, label=fate.trail[0].label))
            why = f": {fate.reason}" if fate.reason else ""
            yield ("Before it, ", Link(f"`{called(step)}`", step.location), f" depends on the bias of {name}{why}.")
            return


def _steps_before(norm: NormUse, view: View) -> Iterator[Equation]:
    """The steps on the ways to a norm, the nearest first."""
    for path in (path for run in view.program.runs for path in run.paths):
        makers = {result: equation for equation in path.equations for result in equation.results}
        norms = [e for e in path.equations if e.label == norm.label and e.location in norm.calls]
        todo, seen = [operand for equation in norms for operand in equation.operands], set[Var]()
        for operand in todo:  # which grows
            if operand not in seen and operand in makers:
                seen.add(operand)
                yield makers[operand]
                todo += makers[operand].operands


def _is_attention(site: Site) -> bool:
    """Whether a bias comes to a softmax through `q·k`."""
    return any(fate.trail and is_dot_product(fate) for fate in site.fates)


def _by_reason(norm: NormUse, sites: Sequence[Site]) -> Mapping[str, list[Site]]:
    """The sites whose bias the norm reads, by the reason why it is not cancelled."""
    found: dict[str, list[Site]] = {}
    for site in sites:
        places = (norm.location, *norm.calls)
        ends = [fate for fate in site.fates if fate.ending is Ending.READ and fate.end and fate.end.location in places]
        found.setdefault(ends[0].reason if ends else "", []).append(site)
    return found


def _own_shift(norm: NormUse, view: View) -> Iterator[Paragraph]:
    """What becomes of the norm's β."""
    own = view.shift_of(norm.location)
    if own is None or own.layer.entry.role != "norm" or own.layer.bias is not True:
        return
    if own.verdict in CLAIMS:
        yield (f"{verdict(own)} That does no harm: there is nothing to change.",)
    elif own.verdict is Verdict.ABSORBED:
        yield (f"{verdict(_without_useless(own, view))} That does no harm: there is nothing to change.",)
    elif own.verdict is Verdict.NEEDED:
        yield (f"Its own shift β (`{subscripted(norm.label)}.bias`) comes after the subtraction, so it has an effect.",)


def _without_useless(own: Site, view: View) -> Site:
    """The site without those biases that could take it over but have no effect themselves."""
    live = [f for f in own.fates if f.norm is None or not _has_no_effect(view.shift_of(f.norm.site))]
    return replace(own, fates=tuple(live)) if any(f.norm is not None for f in live) else own


def _has_no_effect(site: Site | None) -> bool:
    return site is not None and site.verdict in CLAIMS


FACTS: Mapping[str, str] = {
    "batch norm": "`γ·(y − mean(y)) / σ + β`, for each channel over batch and positions: a bias that is the same in "
    "all of a channel is part of `mean(y)` and goes with it, whether `affine` (γ and β) is on or off.",
    "instance norm": "`γ·(y − mean(y)) / σ + β`, for each sample and channel: a bias that is the same in all of a "
    "channel is part of `mean(y)` and goes with it, whether `affine` (γ and β) is on or off.",
    "group norm": "`γ·(y − mean(y)) / σ + β`, for each group of channels: with one channel per group a bias is part of "
    "`mean(y)` and goes with it; with fewer groups only its average in each group does.",
    "layer norm": "`γ·(y − mean(y)) / σ + β`, over the normalised axes: of a bias that varies along them only the "
    "average goes; one that is the same along them goes as a whole.",
    "rms norm": "`γ·y / rms(y)`: it divides by the size of the values and subtracts no mean, so a bias before it keeps "
    "its effect.",
    "softmax": "`softmax(s + c) = softmax(s)` for any number `c` that is the same for all entries of its axis.",
}

_KEYS = (
    "In attention that takes away the bias of the keys, unless something turns the keys by their position first "
    "(rotary embeddings) or norms them."
)

NOT_CENTRED: Mapping[str, str] = {
    "batch norm": "It is in eval mode here: it subtracts a stored number, `running_mean`, and not the mean of what "
    "comes in. So a bias before it keeps its effect.",
    "instance norm": "It uses stored statistics here: it subtracts a stored number and not the mean of what comes in. "
    "So a bias before it keeps its effect.",
}


def _kind(name: str) -> str:
    word = re.sub(r"[^a-z]", "", name.rpartition(".")[2].lower())
    kinds = {"batchnorm": "batch norm", "instancenorm": "instance norm", "groupnorm": "group norm"}
    kinds |= {"layernorm": "layer norm", "rmsnorm": "rms norm", "softmax": "softmax", "scaleddotproduct": "softmax"}
    return next((kind for part, kind in kinds.items() if part in word), "")


def _names(sites: list[Site], norm: NormUse) -> Paragraph:
    """The layers, each a link to its constructor, by the names that they have where this norm meets them."""
    line: list[str | Link] = []
    for number, site in enumerate(sites[:_LISTED]):
        last = number == len(sites) - 1
        line.append("" if not number else " and " if last else ", ")
        line += [Link(named(_as_met(site, norm).layer), site.location), _limits(site)]
    return (*line, f" and {len(sites) - _LISTED} more") if len(sites) > _LISTED else tuple(line)


def _as_met(site: Site, norm: NormUse) -> Site:
    """The site with the name of the layer whose bias comes to the norm."""
    ends = (fate for fate in site.fates if fate.end is not None and fate.end.label == norm.label)
    label = next((fate.trail[0].label for fate in ends), "")
    return replace(site, layer=replace(site.layer, label=label)) if label and not label.isdigit() else site


def _limits(site: Site) -> str:
    match site.verdict:
        case Verdict.CONDITIONAL:
            return f", {when(site.condition)}"
        case Verdict.IN_EVERY_USE:
            return ", in every use found"
        case _:
            return ""
