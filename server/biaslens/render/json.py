"""Findings and sites as JSON objects, with ruff's names wherever ruff has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biaslens.flow import Ending, Site
from biaslens.program.ir import Layer
from biaslens.render.place import Read, begins_at, ends
from biaslens.rules.absorbed import absorbers
from biaslens.rules.redundant import condition_of
from biaslens.rules.rule import Finding, Fix
from biaslens.text import Location, Position

JsonObject = dict[str, Any]


def finding_object(finding: Finding, fix: Fix | None, read: Read) -> JsonObject:
    """One finding. Rows and columns are 1-based, columns count code points, `filename` is absolute.

    cell: the number of a notebook's cell, in which rows are then counted; null in Python files.
    condition: non-empty for every verdict but plain redundant. part: which part of the bias the finding is about, null
    for all of it. fix: with the reason why it is not safe. trail: from the layer to what cancels its bias, takes it
    over or reads it. absorbed_by: only where later biases take it over. A finding about a comment has no verdict.
    """
    site = finding.site
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "filename": finding.location.path,
        "cell": begins_at(finding.location, read).cell,
        "message": finding.message,
        **_ends(finding.location, read),
        "fix": _fix(fix, finding.location.path, read),
        "url": finding.url,
        **(_judgement(site, read) if site else _NO_JUDGEMENT),
    }


def _judgement(site: Site, read: Read) -> JsonObject:
    fate = site.deciding
    return {
        "verdict": site.verdict.value,
        "condition": condition_of(site),
        "part": _part(site),
        "cancelled_by": _cancelled_by(site, read),
        **({"absorbed_by": takers} if (takers := [_layer(layer, read) for layer in absorbers(site)]) else {}),
        "trail": [
            {"text": str(equation), "location": _place(equation.location, read)}
            for equation in (fate.trail if fate else ())
        ],
    }


_NO_JUDGEMENT: Mapping[str, object] = {
    "verdict": None,
    "condition": "",
    "part": None,
    "cancelled_by": None,
    "trail": [],
}


def site_object(site: Site, reason: str, read: Read) -> JsonObject:
    """One affine layer with its verdict. bias: true, false, or null where the source does not tell.

    parts: those of its bias that have no effect, while the whole has one.
    """
    return {
        "filename": site.location.path,
        "cell": begins_at(site.location, read).cell,
        **_ends(site.location, read),
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
        "reason": reason,
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
        "location": _place(end.location, read) if end else None,
    }


def _layer(layer: Layer, read: Read) -> JsonObject:
    return {"label": layer.label, "name": layer.entry.name, "location": _place(layer.site, read)}


def _fix(fix: Fix | None, path: str, read: Read) -> JsonObject | None:
    if fix is None:
        return None
    places = [(edit, Location(path, edit.span)) for edit in fix.edits]
    edits = [{"content": e.text, **_cell(begins_at(place, read)), **_ends(place, read)} for e, place in places]
    return {"applicability": fix.applicability, "message": fix.title, "reason": fix.reason or None, "edits": edits}


def _ends(location: Location, read: Read) -> JsonObject:
    start, end = ends(location, read)
    return {
        "location": {"row": start.row, "column": start.column},
        "end_location": {"row": end.row, "column": end.column},
    }


def _place(location: Location, read: Read) -> JsonObject:
    start = begins_at(location, read)
    return {"filename": location.path, **_cell(start), "row": start.row, "column": start.column}


def _cell(position: Position) -> JsonObject:
    """For a place that may be in another cell than the finding."""
    return {} if position.cell is None else {"cell": position.cell}
