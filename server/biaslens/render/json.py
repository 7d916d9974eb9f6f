"""Findings as JSON objects, with ruff's names wherever ruff has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biaslens.render.notice import JsonObject, Notice
from biaslens.render.place import Read, begins_at, ends
from biaslens.rules.rule import Fix
from biaslens.text import Location, Position


def finding_object(notice: Notice, read: Read) -> JsonObject:
    """One finding. Rows and columns are 1-based, columns count code points, `filename` is absolute.

    cell: the number of a notebook's cell, in which rows are then counted; null in Python files.
    condition: non-empty for every verdict but plain redundant. part: which part of the bias the finding is about, null
    for all of it. fix: with the reason why it is not safe. trail: from the layer to what cancels its bias, takes it
    over or reads it. absorbed_by: only where later biases take it over. A finding about a comment has no verdict.
    """
    return {
        "code": notice.code,
        "name": notice.name,
        "severity": notice.severity,
        "filename": notice.location.path,
        "cell": begins_at(notice.location, read).cell,
        "message": notice.message,
        **ends_object(notice.location, read),
        "fix": _fix(notice.fix, notice.location.path, read),
        "url": notice.url,
        **(notice.judgement or _NO_JUDGEMENT),
    }


_NO_JUDGEMENT: Mapping[str, Any] = {
    "verdict": None,
    "condition": "",
    "part": None,
    "cancelled_by": None,
    "trail": [],
}


def ends_object(location: Location, read: Read) -> JsonObject:
    """Where a location begins and ends."""
    start, end = ends(location, read)
    return {
        "location": {"row": start.row, "column": start.column},
        "end_location": {"row": end.row, "column": end.column},
    }


def place_object(location: Location, read: Read) -> JsonObject:
    """Where a location begins, and in which file."""
    start = begins_at(location, read)
    return {"filename": location.path, **_cell(start), "row": start.row, "column": start.column}


def _fix(fix: Fix | None, path: str, read: Read) -> JsonObject | None:
    if fix is None:
        return None
    places = [(edit, Location(path, edit.span)) for edit in fix.edits]
    edits = [{"content": e.text, **_cell(begins_at(place, read)), **ends_object(place, read)} for e, place in places]
    return {"applicability": fix.applicability, "message": fix.title, "reason": fix.reason or None, "edits": edits}


def _cell(position: Position) -> JsonObject:
    """For a place that may be in another cell than the finding."""
    return {} if position.cell is None else {"cell": position.cell}
