"""Findings as text for people: `full` with the source, `concise` with one line each, and the summary."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from biaslens.flow import Site, Verdict
from biaslens.render.excerpt import Mark, excerpt, row_number_width
from biaslens.render.place import Read, begins_at, displayed, printable
from biaslens.render.style import Paint
from biaslens.rules.redundant import named
from biaslens.rules.rule import Finding, Fix
from biaslens.text import Location, Problem, Source

_LONGEST_TRAIL = 9
_LONGEST_CHANGE = 60


def concise(finding: Finding, fix: Fix | None, read: Read, folder: str, paint: Paint) -> str:
    """One line: `path:row:column: BL101 [*] message`, the star where a safe fix exists."""
    place = paint(displayed(finding.location.path, folder), "path") + f":{begins_at(finding.location, read)}:"
    star = " [*]" if fix is not None and fix.applicability == "safe" else ""
    return f"{place} {paint(finding.code, 'code')}{star} {printable(finding.message)}"


def full(finding: Finding, fix: Fix | None, read: Read, folder: str, paint: Paint) -> str:
    """The concise line, the layer and the norm in the source, the way from one to the other, and the fix."""
    lines = [concise(finding, fix, read, folder, paint)]
    groups = _groups(finding, read)
    margin = max((row_number_width(group.source, group.marks) for group in groups), default=1)
    bar = paint(" " * margin + " |", "gutter")
    for group in groups:
        if not group.is_own:
            arrow = paint(" " * margin + "::: ", "gutter")
            lines.append(f"{arrow}{displayed(group.first.path, folder)}:{begins_at(group.first, read)}")
        lines += [bar, *excerpt(group.source, group.marks, margin, paint)]
    lines.append(bar)
    equals = paint(" " * margin + " = ", "gutter")
    lines += [f"{equals}{paint(word + ':', 'strong')} {text}" for word, text in _notes(finding, fix, read)]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Group:
    """What is marked in one text. first: the place of its first mark. is_own: it is the text of the finding itself."""

    source: Source
    first: Location
    marks: tuple[Mark, ...]
    is_own: bool = False


def _groups(finding: Finding, read: Read) -> list[_Group]:
    """The finding with what is marked in the same file, or cell of a notebook; other places each by itself."""
    groups: list[_Group] = []
    place = finding.location
    source = read(place.path)
    own = None if isinstance(source, Problem) else source.piece_at(place.span.start)
    marks = [Mark(own.inside(place.span), "^")] if own else []
    for location, words in finding.related:
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


def trail(site: Site) -> tuple[str, ...]:
    """The names of the steps from the layer to where its bias ends: conv1, max_pool2d, bn1. Bare positions have their
    class beside them."""
    fate = site.deciding
    if fate is None:
        return ()
    known = {layer.number: named(layer).replace("`", "") for layer in (site.layer, fate.norm) if layer is not None}
    return tuple(known.get(-1 if e.layer is None else e.layer, e.label) for e in fate.trail)


def summary(
    findings: Sequence[Finding], fixes: Sequence[Fix | None], fixed: int | None, files: int, codes: Collection[str]
) -> str:
    """The last line: "Found 12 redundant biases in 5 files (10 fixable with `--fix`)."

    findings, fixes: what remains, each with its repair. fixed: how many were repaired just now, None without `--fix`.
    files: in how many files there were findings. codes: of what remains and of what was repaired.
    """
    total = len(findings) + (fixed or 0)
    if not total:
        return "No redundant bias found."
    noun = "redundant bias" if all(code.startswith("BL1") for code in codes) else "finding"
    head = f"Found {total} {_plural(noun, total)} in {files} {_plural('file', files)}"
    safe = sum(fix is not None and fix.applicability == "safe" for fix in fixes)
    unsafe = sum(fix is not None and fix.applicability == "unsafe" for fix in fixes)
    remarks: list[str] = []
    if fixed is not None:
        remarks.append(f"{fixed} fixed, {len(findings)} remaining")
    if safe and fixed is None:
        remarks.append(f"{safe} fixable with `--fix`")
    if unsafe:
        remarks.append(f"{unsafe}{' more' if safe and fixed is None else ' fixable'} with `--unsafe-fixes`")
    return f"{head} ({'; '.join(remarks)})." if remarks else f"{head}."


def _notes(finding: Finding, fix: Fix | None, read: Read) -> list[tuple[str, str]]:
    notes: list[tuple[str, str]] = []
    site = finding.site
    steps = trail(site) if site else ()
    if len(steps) > 1:
        shown = steps if len(steps) <= _LONGEST_TRAIL else (*steps[:4], f"({len(steps) - 8} more)", *steps[-4:])
        notes.append(("trail", " → ".join(printable(step) for step in shown)))
    if site is not None and site.verdict is Verdict.CONDITIONAL and site.condition not in finding.message:
        notes.append(("where", printable(site.condition)))
    if fix is None:
        notes.append(("help", f"no automatic fix; `biaslens explain {finding.code}` tells more"))
    elif not fix.edits:
        notes.append(("help", printable(f"no automatic fix: {fix.reason}")))
    else:
        reason = f": {fix.reason}" if fix.reason else ""
        safety = "" if fix.applicability == "safe" else f" ({fix.applicability}{reason})"
        change = _change(fix, read(finding.location.path))
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
