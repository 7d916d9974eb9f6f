"""From findings and sites, which hold all that they rest on, to what is said of them."""

from __future__ import annotations

from biaslens.flow import Ending, Site, Verdict
from biaslens.program.ir import Layer
from biaslens.render.json import ends_object, place_object
from biaslens.render.notice import JsonObject, LayerNotice, Notice
from biaslens.render.place import Read, begins_at
from biaslens.render.sites import reason, site_cells, unreached_cells
from biaslens.rules.absorbed import absorbers
from biaslens.rules.redundant import condition_of, named
from biaslens.rules.rule import Finding, Fix
from biaslens.unreached import Unreached


def notice_of(finding: Finding, fix: Fix | None, read: Read) -> Notice:
    """What is said of a finding and its repair."""
    site = finding.site
    condition = site.condition if site is not None and site.verdict is Verdict.CONDITIONAL else ""
    return Notice(
        finding.code,
        finding.name,
        finding.severity,
        finding.location,
        finding.message,
        finding.url,
        finding.related,
        fix,
        steps=trail(site) if site else (),
        where="" if condition in finding.message else condition,
        judgement=_judgement(site, read) if site else {},
    )


def layer_notice(site: Site, read: Read) -> LayerNotice:
    """What is said of a layer."""
    return LayerNotice(site.location, site_cells(site), _site_object(site, read))


def unreached_notice(lost: Unreached, read: Read) -> LayerNotice:
    """What is said of a layer that nothing which was followed makes."""
    judgement: JsonObject = {
        "filename": lost.location.path,
        "cell": begins_at(lost.location, read).cell,
        **ends_object(lost.location, read),
        "layer": lost.entry.name,
        "label": "",
        "bias": lost.bias,
        "bias_argument": lost.bias_text or None,
        "verdict": Verdict.UNKNOWN.value,
        "condition": "",
        "parts": [],
        "reason": lost.reason,
    }
    return LayerNotice(lost.location, unreached_cells(lost), judgement)


def trail(site: Site) -> tuple[str, ...]:
    """The names of the steps from the layer to where its bias ends: conv1, max_pool2d, bn1. Bare positions have their
    class beside them."""
    fate = site.deciding
    if fate is None:
        return ()
    known = {layer.number: named(layer).replace("`", "") for layer in (site.layer, fate.norm) if layer is not None}
    return tuple(known.get(-1 if e.layer is None else e.layer, e.label) for e in fate.trail)


def _judgement(site: Site, read: Read) -> JsonObject:
    fate = site.deciding
    return {
        "verdict": site.verdict.value,
        "condition": condition_of(site),
        "part": _part(site),
        "cancelled_by": _cancelled_by(site, read),
        **({"absorbed_by": takers} if (takers := [_layer(layer, read) for layer in absorbers(site)]) else {}),
        "trail": [
            {"text": str(equation), "location": place_object(equation.location, read)}
            for equation in (fate.trail if fate else ())
        ],
    }


def _site_object(site: Site, read: Read) -> JsonObject:
    """One affine layer with its verdict. bias: true, false, or null where the source does not tell.

    parts: those of its bias that have no effect, while the whole has one.
    """
    return {
        "filename": site.location.path,
        "cell": begins_at(site.location, read).cell,
        **ends_object(site.location, read),
        "layer": site.layer.entry.name,
        "label": site.layer.label,
        "bias": site.layer.bias,
        "bias_argument": site.layer.bias_text or None,
        "verdict": site.verdict.value,
        "condition": condition_of(site),
        "parts": [
            {"part": _part(part), "condition": condition_of(part), "cancelled_by": _cancelled_by(part, read)}
            for part in site.parts
        ],
        "reason": reason(site),
    }


def _part(site: Site) -> str | None:
    return None if site.part is None else site.part.code or site.part.share


def _cancelled_by(site: Site, read: Read) -> JsonObject | None:
    """The norm or operation that cancels: the norm's constructor call, or the call of a function."""
    fate = site.deciding
    if fate is None or fate.ending is not Ending.CANCELLED:
        return None
    if fate.norm is not None:
        return _layer(fate.norm, read)
    end = fate.end
    return {
        "label": end.label if end else fate.cancelled_by,
        "name": fate.cancelled_by,
        "location": place_object(end.location, read) if end else None,
    }


def _layer(layer: Layer, read: Read) -> JsonObject:
    return {"label": layer.label, "name": layer.entry.name, "location": place_object(layer.site, read)}
