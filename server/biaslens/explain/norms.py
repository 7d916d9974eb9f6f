"""What is said about a norm or a softmax: which biases it takes away, which it does not, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from biaslens.explain.document import Link, Paragraph
from biaslens.explain.formulas import subscripted
from biaslens.explain.layers import CLAIMS, verdict
from biaslens.explain.references import references
from biaslens.flow import Ending, Flow, NormUse, Site, Verdict
from biaslens.rules.redundant import named, when

_LISTED = 8


def about_norm(norm: NormUse, flow: Flow) -> Iterator[Paragraph]:
    """The paragraphs about a norm or softmax, the biases that it cancels first."""
    kind, name = _kind(norm.name), f"`{subscripted(norm.label)}`"
    sites = {site.location: site for site in flow.affine_sites}
    met = [sites[place] for place in dict.fromkeys(norm.cancels) if place in sites]
    cancelled = [site for site in met if site.verdict in CLAIMS and site.layer.bias is not False]
    spared = [site for site in met if site.verdict in CLAIMS and site.layer.bias is False]
    kept = [site for site in met if site.verdict not in CLAIMS]
    read = [sites[place] for place in dict.fromkeys(norm.reads) if place in sites]
    if cancelled:
        where = " in training" if kind == "batch norm" else ""
        effect = "it has no effect" if len(cancelled) == 1 else "they have no effect"
        yield (f"**{name} cancels the bias of** ", *_names(cancelled), f"**: {effect}{where}.**")
    if spared:
        yield (f"**{name} would cancel a bias of** ", *_names(spared), "**, which is rightly built without.**")
    if not met and not norm.centres:
        yield (f"**{name} cancels no bias: it subtracts no mean of what comes in.**",)
    elif not met:
        yield (f"**{name} cancels no bias that we followed to it.**",)
    if kept:
        yield (f"{name} subtracts the bias of ", *_names(kept), " too, but another use may need it.")
    for why, group in _by_reason(norm, read).items():
        noun = "the bias" if len(group) == 1 else "the biases"
        yield (f"It depends on {noun} of ", *_names(group), f": {why}." if why else ".")
    yield from _own_shift(norm, flow)
    fact = FACTS.get(kind, "") if norm.centres or kind == "rms norm" else NOT_CENTRED.get(kind, "")
    if fact:
        yield (fact,)
    if kind:
        yield references(kind)


def _by_reason(norm: NormUse, sites: Sequence[Site]) -> Mapping[str, list[Site]]:
    """The sites whose bias the norm reads, by the reason why it is not cancelled."""
    found: dict[str, list[Site]] = {}
    for site in sites:
        places = (norm.location, *norm.calls)
        ends = [fate for fate in site.fates if fate.ending is Ending.READ and fate.end and fate.end.location in places]
        found.setdefault(ends[0].reason if ends else "", []).append(site)
    return found


def _own_shift(norm: NormUse, flow: Flow) -> Iterator[Paragraph]:
    """What becomes of the norm's β."""
    own = next((site for site in flow.sites if site.location == norm.location and site.layer.bias is True), None)
    if own is None or own.layer.entry.role != "norm":
        return
    if own.verdict in (*CLAIMS, Verdict.ABSORBED):
        yield (verdict(own),)
    elif own.verdict is Verdict.NEEDED:
        yield (f"Its own shift β (`{subscripted(norm.label)}.bias`) comes after the subtraction, so it has an effect.",)


FACTS: Mapping[str, str] = {
    "batch norm": "`γ·(y − mean(y)) / σ + β`, for each channel over batch and positions: a bias before it is part of "
    "`mean(y)` and goes with it, whether `affine` (γ and β) is on or off.",
    "instance norm": "`γ·(y − mean(y)) / σ + β`, for each sample and channel: a bias before it is part of `mean(y)` "
    "and goes with it, whether `affine` (γ and β) is on or off.",
    "group norm": "`γ·(y − mean(y)) / σ + β`, for each group of channels: with one channel per group a bias before it "
    "is part of `mean(y)` and goes with it; with fewer groups only its average in each group does.",
    "layer norm": "`γ·(y − mean(y)) / σ + β`, over the normalised axes: of a bias that varies along them only the "
    "average goes; one that is the same along them goes as a whole.",
    "rms norm": "`γ·y / rms(y)`: it divides by the size of the values and subtracts no mean, so a bias before it keeps "
    "its effect.",
    "softmax": "`softmax(s + c) = softmax(s)` for any number `c` that is the same for all entries of its axis. In "
    "attention that takes away the bias of the keys, unless something turns the keys by their position first (rotary "
    "embeddings) or norms them.",
}

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


def _names(sites: list[Site]) -> Paragraph:
    """The layers, each a link to its constructor."""
    line: list[str | Link] = []
    for number, site in enumerate(sites[:_LISTED]):
        line += [", " if number else "", Link(named(site.layer), site.location), _limits(site)]
    return (*line, f" and {len(sites) - _LISTED} more") if len(sites) > _LISTED else tuple(line)


def _limits(site: Site) -> str:
    match site.verdict:
        case Verdict.CONDITIONAL:
            return f", {when(site.condition)}"
        case Verdict.IN_EVERY_USE:
            return ", in every use found"
        case _:
            return ""
