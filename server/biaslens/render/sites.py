"""Every affine layer of a file with its verdict, and the program behind the verdicts, as text."""

from __future__ import annotations

from collections.abc import Sequence

from biaslens.flow import Ending, Fate, Flow, Site, Verdict
from biaslens.lint import Report
from biaslens.program.ir import Layer
from biaslens.render.place import Read, begins_at, displayed
from biaslens.rules.redundant import when
from biaslens.unreached import Unreached


def affine_sites(flow: Flow) -> tuple[Site, ...]:
    """The layers with a weight and a bias that the flow's own file constructs, in their order in it."""
    own = (site for site in flow.affine_sites if site.location.path == flow.path)
    return tuple(sorted(own, key=lambda site: site.location))


def unfollowed(sites: Sequence[Site], lost: Sequence[Unreached]) -> int:
    """How many biases there are of which nothing is known."""
    unknown = sum(site.verdict is Verdict.UNKNOWN and site.layer.bias is not False for site in sites)
    return unknown + sum(layer.bias is not False for layer in lost)


def unreached_cells(lost: Unreached) -> tuple[str, ...]:
    """What the table says of a layer that nothing which was followed makes."""
    bias = lost.bias_text or ("?" if lost.bias is None else str(lost.bias))
    return lost.entry.label, bias, Verdict.UNKNOWN.value, lost.reason


def site_cells(site: Site) -> tuple[str, ...]:
    """What the table says of it: the layer, its bias, the verdict and the reason."""
    label, kind = site.layer.label, site.layer.class_name
    layer = f"{label} ({kind})" if label not in ("", kind) else kind
    return layer, bias_text(site.layer), site.verdict.value, reason(site)


def bias_text(layer: Layer) -> str:
    """The source of the argument that decides about the bias, else what holds: True, False or ?."""
    return layer.bias_text or ("?" if layer.bias is None else str(layer.bias))


def reason(site: Site) -> str:
    """What decides the verdict, in a few words."""
    cancels = site.first_cancelled
    match site.verdict:
        case Verdict.REDUNDANT | Verdict.CONDITIONAL | Verdict.IN_EVERY_USE:
            by = f"cancelled by {cancelled_by(cancels)}" if cancels else ""
            where = when(site.condition) if site.verdict is Verdict.CONDITIONAL else site.condition
            return ", ".join(part for part in (by, where) if part)
        case _:
            keeps = site.first_reading
            why = site.condition or (keeps.reason or keeps.ending.value if keeps else "")
            return "; ".join([why, *map(_part, site.parts)])


def _part(site: Site) -> str:
    """What is said beside the verdict: but softmax cancels a third of it (bias.chunk(3)[1])."""
    fate, part = site.first_cancelled, site.part
    if fate is None or part is None:
        return ""
    code = f" ({part.code})" if part.code else ""
    condition = f", {when(site.condition)}" if site.condition else ""
    return f"but {part.share} of it{code} is cancelled by {cancelled_by(fate)}{condition}"


def cancelled_by(fate: Fate) -> str:
    """The name of what cancels, as the code has it: bn1 (batch norm)."""
    name = fate.norm.label if fate.norm is not None else fate.end.label if fate.end else ""
    return f"{name} ({fate.cancelled_by})" if name and name != fate.cancelled_by else fate.cancelled_by


def program_text(report: Report, read: Read, folder: str, lost: Sequence[Unreached] = ()) -> str:
    """The equations of every path, and below them how every use of every bias ends. lost: layers without a site."""
    lines = [str(report.program)] if report.program.runs else [_nothing(report, lost)]
    for site in report.flow.sites:
        place = f"{displayed(site.location.path, folder)}:{begins_at(site.location, read)}"
        lines += ["", f"{site.layer.label or site.layer.class_name} at {place}: {_verdict(site)}"]
        lines += [f"  {_fate(fate)}" for fate in site.fates]
    for layer in lost:
        place = f"{displayed(layer.location.path, folder)}:{begins_at(layer.location, read)}"
        lines += ["", f"{layer.entry.label} at {place}: {Verdict.UNKNOWN.value}: {layer.reason}"]
    return "\n".join(lines)


def _nothing(report: Report, lost: Sequence[Unreached]) -> str:
    """What is said where nothing was followed: that there is nothing only where that is known."""
    if lost or report.problems:
        return "Nothing that makes a layer could be followed."
    return "No model, container or layer was found."


def _verdict(site: Site) -> str:
    """The verdict with its condition, as one phrase: redundant when norm is 'bn'; needed: relu reads it."""
    if site.verdict is Verdict.CONDITIONAL:
        return f"redundant {when(site.condition)}"
    return f"{site.verdict.value}: {site.condition}" if site.condition else site.verdict.value


def _fate(fate: Fate) -> str:
    steps = " → ".join(equation.label for equation in fate.trail)
    ending = f"cancelled by {cancelled_by(fate)}" if fate.ending is Ending.CANCELLED else fate.ending.value
    if fate.ending is Ending.ABSORBED and fate.norm is not None:
        ending = f"absorbed by {fate.norm.label}"
    words = [f"{ending} in {fate.root}: {steps}"]
    if fate.reason:
        words.append(fate.reason)
    if fate.assumption:
        words.append(f"assumed {fate.assumption}")
    if fate.answers:
        words.append("where " + ", ".join(answer.text for answer in fate.answers))
    return "; ".join(words)
