"""What is said of one file, as plain data: what goes to the output, through processes and into the cache."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from biaslens.render.notice import JsonObject, LayerNotice, Notice
from biaslens.rules.rule import Fix
from biaslens.text import Edit, Location, Problem, Span


@dataclass(frozen=True, slots=True)
class Result:
    """What is said of one file.

    layers: only where they were asked for. users: the other files whose uses of its layers were counted. unfollowed:
    how many biases it has of which nothing is known.
    """

    path: str
    notices: tuple[Notice, ...] = ()
    layers: tuple[LayerNotice, ...] = ()
    problems: tuple[Problem, ...] = ()
    users: tuple[str, ...] = ()
    unfollowed: int = 0

    @property
    def is_checked(self) -> bool:
        """False where the file could not be read, or a bug of ours kept us from looking."""
        failed = any(problem.kind in ("unreadable", "internal") for problem in self.problems)
        return not failed or bool(self.notices or self.layers)


def written(result: Result) -> str:
    """A result as JSON, without its users; "" where nothing is said of the file."""
    if not (result.notices or result.layers or result.problems or result.unfollowed):
        return ""
    data = [
        [_notice_data(notice) for notice in result.notices],
        [[_place_data(layer.location), layer.cells, layer.judgement] for layer in result.layers],
        [[one.kind, one.message, one.path, one.span and _span_data(one.span)] for one in result.problems],
        result.unfollowed,
    ]
    return json.dumps(data, separators=(",", ":"))


def read_back(path: str, text: str, users: tuple[str, ...] = ()) -> Result:
    """The result that was written so. Raises ValueError, TypeError, LookupError or AttributeError for anything else."""
    if not text:
        return Result(path, users=users)
    notices, layers, problems, unfollowed = json.loads(text)
    return Result(
        path,
        tuple(_notice(data) for data in notices),
        tuple(LayerNotice(_place(place), tuple(cells), judgement) for place, cells, judgement in layers),
        tuple(Problem(kind, message, where, span and Span(*span)) for kind, message, where, span in problems),
        users,
        unfollowed,
    )


def _notice_data(notice: Notice) -> JsonObject:
    fix = notice.fix
    return {
        "code": notice.code,
        "name": notice.name,
        "severity": notice.severity,
        "location": _place_data(notice.location),
        "message": notice.message,
        "url": notice.url,
        "related": [[_place_data(place), words] for place, words in notice.related],
        "fix": fix and [fix.title, [[*_span_data(e.span), e.text] for e in fix.edits], fix.applicability, fix.reason],
        "steps": notice.steps,
        "where": notice.where,
        "judgement": notice.judgement,
    }


def _notice(data: JsonObject) -> Notice:
    simple = {key: data[key] for key in ("code", "name", "severity", "message", "url", "where", "judgement")}
    return Notice(
        **simple,
        location=_place(data["location"]),
        related=tuple((_place(place), words) for place, words in data["related"]),
        fix=_fix(*data["fix"]) if data["fix"] is not None else None,
        steps=tuple(data["steps"]),
    )


def _fix(title: str, edits: list[Any], applicability: str, reason: str) -> Fix:
    made = tuple(Edit(Span(start, end), text) for start, end, text in edits)
    return Fix(title, made, applicability, reason)


def _span_data(span: Span) -> tuple[int, int]:
    return span.start, span.end


def _place_data(location: Location) -> tuple[str, int, int]:
    return location.path, location.span.start, location.span.end


def _place(data: tuple[str, int, int]) -> Location:
    path, start, end = data
    return Location(path, Span(start, end))
