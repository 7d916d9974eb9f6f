"""What the rules about cancelled biases share: which sites have one without effect, and the sentence that says so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from biaslens.algebra.outcome import Cancels
from biaslens.flow import Fate, Flow, Site, Verdict
from biaslens.program.ir import Equation, Layer
from biaslens.rules.rule import Finding, Rule
from biaslens.text import Location

_SPACE: Mapping[int, str] = {1: "length", 2: "height and width", 3: "depth, height and width"}
CLAIMS = (Verdict.REDUNDANT, Verdict.CONDITIONAL, Verdict.IN_EVERY_USE)
"""The verdicts that say that a bias has no effect."""


def findings(flow: Flow, rule: Rule) -> Iterator[Finding]:
    """One finding for each site of the flow's own file whose bias, or a part of it, the rule's mechanism cancels."""
    for site in (about for whole in flow.sites for about in (whole, *whole.parts)):
        fate = site.first_cancelled
        if fate is not None and fate.cancelled_by == rule.mechanism and is_reported(site, flow.path):
            yield Finding(
                code=rule.code,
                name=rule.name,
                location=site.location,
                message=statement(site, fate),
                severity=rule.severity if is_certain(site) else "information",
                site=site,
                related=((place_of(fate), f"{canceller(fate)} cancels it here"),),
                url=rule.url,
                unnecessary=site.part is None,
            )


def is_reported(site: Site, path: str, role: str = "affine") -> bool:
    """Whether a rule may speak of this site: it stands in the file, has a live bias, and nothing found needs it."""
    if site.verdict not in CLAIMS and site.part is None:
        return False
    if site.verdict is Verdict.CONDITIONAL and not site.condition:
        return False
    return is_live(site, path, role)


def is_live(site: Site, path: str, role: str) -> bool:
    """Whether a site of the file makes layers of a role that have a trainable shift by default or in a known use."""
    layer = site.layer
    if site.location.path != path or layer.entry.role != role or not site.by_default:
        return False
    return not layer.frozen and not layer.tampered and _has_bias(layer)


def is_certain(site: Site) -> bool:
    """Whether the finding holds as the code stands, without a condition, a caller or an argument of the user's."""
    return site.verdict is Verdict.REDUNDANT and bias_argument(site.layer) == ""


def bias_argument(layer: Layer) -> str:
    """The expression that decides at run time whether the layer has its bias; "" where the source says it outright."""
    return "" if layer.bias_text in ("", "True", "False", "0", "1") else layer.bias_text


def condition_of(site: Site) -> str:
    """What has to hold for the verdict; "" for a bias that is redundant as the code stands."""
    parts = [site.condition]
    if site.part is not None:
        parts = [f"only for {site.part.code or 'a part of it'}", site.condition]
    elif not site.condition and site.verdict is not Verdict.REDUNDANT:
        parts = [f"as used in {', '.join(site.seen_in)}" if site.seen_in else site.verdict.value]
    argument = bias_argument(site.layer)
    if argument and (site.verdict in CLAIMS or site.part is not None):
        parts.append(f"{argument} is true")
    return " and ".join(part for part in parts if part)


def statement(site: Site, fate: Fate) -> str:
    """The verdict in one sentence: "The bias of `conv1` has no effect: `bn1` subtracts …"."""
    argument = bias_argument(site.layer)
    where = ""
    if site.verdict is Verdict.IN_EVERY_USE:
        uses = ", ".join(f"`{use}`" for use in site.seen_in)
        where = f" in every use found ({uses})" if uses else " in every use found"
    elif argument:
        where = f" where `{argument}` gives it one"
    limits = f", {fate.assumption}" if fate.assumption else ""
    if site.part is not None:
        which = f"{site.part.share} of the bias of {named(site.layer)}"
        code = f" (`{site.part.code}`)" if site.part.code else ""
        condition = f", {when(site.condition)}" if site.condition else ""
        because = reason(fate, "this part")
        return f"{which[0].upper()}{which[1:]}{code} has no effect{where}: {because}{limits}{condition}."
    condition = f", {when(site.condition)}" if site.verdict is Verdict.CONDITIONAL else ""
    noun = shift_of(site.layer)
    return f"The {noun} of {named(site.layer)} has no effect{where}: {reason(fate, f'the {noun}')}{limits}{condition}."


def shift_of(layer: Layer) -> str:
    """What people call the learnable shift of a layer."""
    return "shift β" if layer.entry.role == "norm" else "bias"


def when(condition: str) -> str:
    """A condition as the end of a sentence: "when norm is None", "with the default `norm=True`", "on every path …"."""
    return condition if condition.startswith(("with ", "on ")) else f"when {condition}"


def reason(fate: Fate, bias: str = "the bias") -> str:
    """Why the bias has no effect, as a clause in the user's names; `bias` says which: "a bias" that is not there yet,
    or "this part" of one."""
    name, noun = canceller(fate), bias.partition(" ")[2]
    match fate.cancelled_by:
        case "batch norm":
            return f"{name} subtracts the mean over {_batch_axes(fate)}, and {bias} with it"
        case "instance norm":
            return f"{name} subtracts each channel's mean over {_space(fate) or 'all positions'}, and {bias} with it"
        case "group norm":
            return f"{name} has one channel per group and subtracts each channel's mean, and {bias} with it"
        case "layer norm":
            return f"{name} subtracts the mean over axes along which this {noun} is the same, and {bias} with it"
        case "softmax":
            return f"{_softmax(fate)} gives the same result whatever {'it' if bias.startswith('the ') else bias} is"
        case _:
            return f"a mean that contains it is subtracted again, and {bias} with it"


def canceller(fate: Fate) -> str:
    """What cancels the bias, by the name that the code gives it: `` `bn1` `` or `` `softmax` ``."""
    if fate.norm is not None:
        return named(fate.norm)
    return f"`{fate.end.label}`" if fate.end is not None else fate.cancelled_by


def named(layer: Layer) -> str:
    """A layer by the name that the model holds it by; a bare position gets its class: `` `layers[0]` (Conv2d) ``."""
    if not layer.label:
        return f"`{layer.class_name}`"
    name = subscripted(layer.label)
    return f"`{name}` ({layer.class_name})" if name.endswith("]") else f"`{name}`"


def subscripted(label: str) -> str:
    """The label of a layer as Python writes it: `layers.0` as `layers[0]`, without what would end a span of code."""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", re.sub(r"[`\r\n]", "", label))


def place_of(fate: Fate) -> Location:
    """Where the canceller stands: a norm's constructor, else the call that cancels."""
    if fate.norm is not None:
        return fate.norm.site
    return fate.trail[-1].location


def _has_bias(layer: Layer) -> bool:
    # Where the source leaves it open, only a name ("bias=bias", "bias=config.qkv_bias") can be looked up by the reader.
    return layer.bias is True or (layer.bias is None and all(map(str.isidentifier, layer.bias_text.split("."))))


def _softmax(fate: Fate) -> str:
    end = fate.trail[-1]
    if fate.norm is not None or "softmax" not in end.label:
        return f"the softmax in {canceller(fate)}"
    dim = _dim(end)
    return f"the {end.label}" + (f" over dim {dim}" if dim else "")


def _dim(softmax: Equation) -> str:
    """The axis of a softmax as the source writes it, else counted from the back; "" where neither is known."""
    written = softmax.settings.partition(",")[0]
    if written.lstrip("-").isdigit():
        return written
    over = [effect.over for row in softmax.effects for effect in row if isinstance(effect, Cancels)]
    return str(next(iter(over[0].named))) if over and len(over[0].named) == 1 and not over[0].others else ""


def _batch_axes(fate: Fate) -> str:
    space = _space(fate)
    if fate.norm is not None and fate.norm.entry.label.endswith("1d"):
        return "batch and length" if _varies_before_last(fate) else "the batch"
    return f"batch{' and' if ' and ' not in space else ','} {space}" if space else "the batch and all positions"


def _varies_before_last(fate: Fate) -> bool:
    """Whether the bias arrives along the axis before the last one: as channels with a length behind them."""
    terms = fate.shift.terms if fate.shift is not None else ()
    return bool(terms) and all(set(term.certain.named) == {-2} and not term.certain.others for term in terms)


def _space(fate: Fate) -> str:
    dimensions = re.search(r"([123])d$", fate.norm.entry.label) if fate.norm is not None else None
    return _SPACE[int(dimensions.group(1))] if dimensions else ""
