"""Findings as text for people: `full` with the source, `concise` with one line each, and the summary."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from biaslens.render.excerpt import Mark, excerpt, row_number_width
from biaslens.render.notice import Notice
from biaslens.render.place import Read, begins_at, displayed, printable
from biaslens.render.style import Paint
from biaslens.rules.rule import Fix
from biaslens.text import Location, Problem, Source

_LONGEST_TRAIL = 9
_LONGEST_CHANGE = 60


def concise(notice: Notice, read: Read, folder: str, paint: Paint) -> str:
    """One line: `path:row:column: BL101 [*] message`, the star where a safe fix exists."""
    place = paint(displayed(notice.location.path, folder), "path") + f":{begins_at(notice.location, read)}:"
    star = " [*]" if notice.fix is not None and notice.fix.applicability == "safe" else ""
    return f"{place} {paint(notice.code, 'code')}{star} {printable(notice.message)}"


def full(notice: Notice, read: Read, folder: str, paint: Paint) -> str:
    """The concise line, the layer and the norm in the source, the way from one to the other, and the fix."""
    lines = [concise(notice, read, folder, paint)]
    groups = _groups(notice, read)
    margin = max((row_number_width(group.source, group.marks) for group in groups), default=1)
    bar = paint(" " * margin + " |", "gutter")
    for group in groups:
        if not group.is_own:
            arrow = paint(" " * margin + "::: ", "gutter")
            lines.append(f"{arrow}{displayed(group.first.path, folder)}:{begins_at(group.first, read)}")
        lines += [bar, *excerpt(group.source, group.marks, margin, paint)]
    lines.append(bar)
    equals = paint(" " * margin + " = ", "gutter")
    lines += [f"{equals}{paint(word + ':', 'strong')} {text}" for word, text in _notes(notice, read)]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Group:
    """What is marked in one text. first: the place of its first mark. is_own: it is the text of the finding itself."""

    source: Source
    first: Location
    marks: tuple[Mark, ...]
    is_own: bool = False


def _groups(notice: Notice, read: Read) -> list[_Group]:
    """The finding with what is marked in the same file, or cell of a notebook; other places each by itself."""
    groups: list[_Group] = []
    place = notice.location
    source = read(place.path)
    own = None if isinstance(source, Problem) else source.piece_at(place.span.start)
    marks = [Mark(own.inside(place.span), "^")] if own else []
    for location, words in notice.related:
        source = read(location.path)
        if isinstance(source, Problem):
            continue
        piece = source.piece_at(location.span.start)
        mark = Mark(piece.inside(location.span), "-", printable(words))
        if own is not None and (location.path, piece.start) == (place.path, own.start):
            marks.append(mark)
        else:
            groups.append(_Group(piece.source, location, (mark,)))
    return [*([_Group(own.source, place, tuple(marks), is_own=True)] if own else []), *groups]


def summary(
    notices: Sequence[Notice], fixed: int | None, files: int, codes: Collection[str], unfollowed: int = 0
) -> str:
    """The last line: "Found 12 redundant biases in 5 files (10 fixable with `--fix`)."

    notices: what remains. fixed: how many were repaired just now, None without `--fix`. files: in how many files there
    were findings. codes: of what remains and of what was repaired. unfollowed: how many biases there are of which
    nothing is known.
    """
    words = f"{unfollowed} {_plural('bias', unfollowed)} could not be followed (`biaslens sites` says why)"
    rest = f"; {words}." if unfollowed else "."
    total = len(notices) + (fixed or 0)
    if not total:
        return f"No redundant bias found{rest}"
    noun = "redundant bias" if all(code.startswith("BL1") for code in codes) else "finding"
    head = f"Found {total} {_plural(noun, total)} in {files} {_plural('file', files)}"
    fixes = [notice.fix for notice in notices if notice.fix is not None]
    safe = sum(fix.applicability == "safe" for fix in fixes)
    unsafe = sum(fix.applicability == "unsafe" for fix in fixes)
    remarks: list[str] = []
    if fixed is not None:
        remarks.append(f"{fixed} fixed, {len(notices)} remaining")
    if safe and fixed is None:
        remarks.append(f"{safe} fixable with `--fix`")
    if unsafe:
        remarks.append(f"{unsafe}{' more' if safe and fixed is None else ' fixable'} with `--unsafe-fixes`")
    return f"{head} ({'; '.join(remarks)}){rest}" if remarks else f"{head}{rest}"


def _notes(notice: Notice, read: Read) -> list[tuple[str, str]]:
    notes: list[tuple[str, str]] = []
    steps, fix = notice.steps, notice.fix
    if len(steps) > 1:
        shown = steps if len(steps) <= _LONGEST_TRAIL else (*steps[:4], f"({len(steps) - 8} more)", *steps[-4:])
        notes.append(("trail", " → ".join(printable(step) for step in shown)))
    if notice.where:
        notes.append(("where", printable(notice.where)))
    if fix is None:
        notes.append(("help", f"no automatic fix; `biaslens explain {notice.code}` tells more"))
    elif not fix.edits:
        notes.append(("help", printable(f"no automatic fix: {fix.reason}")))
    else:
        reason = f": {fix.reason}" if fix.reason else ""
        safety = "" if fix.applicability == "safe" else f" ({fix.applicability}{reason})"
        change = _change(fix, read(notice.location.path))
        notes.append(("help", printable(f"{fix.title}{change}{safety}")))
    return notes


def _change(fix: Fix, source: Source | Problem) -> str:
    """What a fix of a single short edit does to the text."""
    if len(fix.edits) != 1 or isinstance(source, Problem):
        return ""
    (edit,) = fix.edits
    old, new = source.excerpt(edit.span), edit.text
    if "\n" in old + new or len(old + new) > _LONGEST_CHANGE:
        return ""
    if not old:
        return f": insert `{new}`"
    return f": replace `{old}` by `{new}`" if new else f": delete `{old}`"


def _plural(noun: str, count: int) -> str:
    if count == 1:
        return noun
    return noun + ("es" if noun.endswith("s") else "s")
