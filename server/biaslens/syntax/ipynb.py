"""Notebook files: their cells as a source, and the file with other cells, in which nothing else changes."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import cast

from biaslens.syntax.notebook import Cell, Notebook, notebook
from biaslens.text import Problem, Span

_MARK = "\ufeff"


def read(data: bytes, path: str) -> Notebook | Problem:
    """The Python cells of a notebook file, of nbformat 3 or 4; none where its kernel speaks another language.

    A file without any content is a notebook that was never saved.
    """
    try:
        text = data.decode("utf-8").removeprefix(_MARK)
        document: object = json.loads(text) if text.strip() else {"cells": []}
    except UnicodeDecodeError as error:
        return Problem("unreadable", f"It is not valid {error.encoding} text (byte {error.start}).", path)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        return Problem("unreadable", f"It is not a notebook, because it is not JSON: {error.msg} ({where}).", path)
    except (ValueError, RecursionError) as error:
        return Problem("unreadable", f"It is not a notebook that can be read: {error}.", path)
    cells = _cells(document)
    if cells is None:
        return Problem("unreadable", "It is not a notebook: it has no list of cells.", path)
    if not _is_python(_mapping(document).get("metadata")):
        return notebook(path, ())
    numbered = ((number, _code(cell)) for number, cell in enumerate(cells, start=1))
    return notebook(path, tuple(Cell(code, number) for number, code in numbered if code is not None))


def rewritten(data: bytes, after: Notebook) -> bytes | None:
    """The file with the texts of some cells; None where they would not be read from it as they are.

    Only the JSON strings of lines that differ change, in the manner of the file.
    """
    text = data.decode("utf-8")
    escapes = text.isascii() and re.search(r"(?<!\\)(?:\\\\)*\\u(?!00[0-7])", text) is not None
    wanted = {cell.number: cell.text for cell in after.cells}
    parts: list[str] = []
    position = 0
    for number, span in enumerate(_source_spans(text), start=1):
        raw = text[span.start : span.end]
        if number in wanted and _joined(json.loads(raw)) != wanted[number]:
            parts += (text[position : span.start], _edited(raw, wanted[number], escapes=escapes))
            position = span.end
    new = "".join((*parts, text[position:])).encode("utf-8")
    found = read(new, after.path)
    return new if isinstance(found, Notebook) and found.cells == after.cells else None


def _cells(document: object) -> list[object] | None:
    """All cells in their order; nbformat 3 has them on worksheets."""
    fields = _mapping(document)
    worksheets = fields.get("worksheets")
    if isinstance(worksheets, list):
        sheets = [_mapping(sheet).get("cells") for sheet in cast("list[object]", worksheets)]
        return [cell for sheet in sheets if isinstance(sheet, list) for cell in cast("list[object]", sheet)]
    cells = fields.get("cells")
    return cast("list[object]", cells) if isinstance(cells, list) else None


def _is_python(metadata: object) -> bool:
    """Whether the kernel speaks Python, which one that is not told does."""
    fields = _mapping(metadata)
    named = (_mapping(fields.get("kernelspec")).get("language"), _mapping(fields.get("language_info")).get("name"))
    return all(name.lower() in ("python", "ipython") for name in named if isinstance(name, str) and name)


def _code(cell: object) -> str | None:
    """The text of a cell with Python code, None for others."""
    fields = _mapping(cell)
    editor = _mapping(_mapping(fields.get("metadata")).get("vscode"))
    languages = (fields.get("language"), editor.get("languageId"), editor.get("language_id"))
    if fields.get("cell_type") != "code" or any(language not in (None, "python") for language in languages):
        return None
    return _joined(fields.get("source", fields.get("input")))


def _joined(source: object) -> str | None:
    """A text that may be given as a list of its lines."""
    lines = cast("list[object]", source) if isinstance(source, list) else [source]
    texts = [line for line in lines if isinstance(line, str)]
    return "".join(texts) if len(texts) == len(lines) else None


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


# The functions below find their way in a text that is known to be JSON.

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_SIMPLE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^\s,\]}]+', re.DOTALL)


def _source_spans(text: str) -> Iterator[Span]:
    """Where the text of each cell stands; an empty place for a cell without any."""
    document = _members(text, 1 if text.startswith(_MARK) else 0)
    lists = [document["cells"]] if "cells" in document else []
    if "worksheets" in document:
        sheets = _items(text, document["worksheets"].start)
        lists = [cells for sheet in sheets if (cells := _members(text, sheet.start).get("cells"))]
    for cells in lists:
        for cell in _items(text, cells.start):
            fields = _members(text, cell.start)
            yield fields.get("source", fields.get("input", Span(cell.start, cell.start)))


def _members(text: str, start: int) -> dict[str, Span]:
    """The values of an object by their keys; nothing for another value."""
    found: dict[str, Span] = {}
    keys = _values(text, start, "{")
    for key in keys:
        found[json.loads(text[key.start : key.end])] = next(keys)
    return found


def _items(text: str, start: int) -> list[Span]:
    """The items of a list; nothing for another value."""
    return list(_values(text, start, "["))


def _values(text: str, start: int, bracket: str) -> Iterator[Span]:
    """All values between two brackets; in an object keys and values take turns."""
    position = _after_space(text, start)
    if not text.startswith(bracket, position):
        return
    while True:
        position = _after_space(text, position + 1)
        if text[position] in "]}":
            return
        end = _end(text, position)
        yield Span(position, end)
        position = _after_space(text, end)
        if text[position] in "]}":
            return


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _end(text: str, start: int) -> int:
    """Where a value ends."""
    if text[start] not in "{[":
        found = _SIMPLE.match(text, start)
        return found.end() if found else start + 1
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text, start):
        depth += (token.group() in ("{", "[")) - (token.group() in ("}", "]"))
        if not depth:
            return token.end()
    return len(text)


def _edited(raw: str, new: str, *, escapes: bool) -> str:
    """The JSON of a string, or of a list of strings, with another text; what stays is as it was, byte for byte."""
    if not raw.startswith("["):
        return _edited_string(raw, new, escapes=escapes)
    spans = _items(raw, 0)
    items = [raw[span.start : span.end] for span in spans]
    before: list[str] = [json.loads(item) for item in items]
    after = _resplit(before, new)
    gaps = [raw[left.end : right.start] for left, right in pairwise(spans)]
    head, tail = (raw[: spans[0].start], raw[spans[-1].end :]) if spans else ("[", "]")
    gap = gaps[0] if gaps else f",{head[1:]}"
    result = head
    last = -1
    for number, (origin, line) in enumerate(zip(_origins(before, after), after, strict=True)):
        if number:
            result += gaps[last] if origin is not None and 0 <= last == origin - 1 else gap
        result += _edited_string(items[origin] if origin is not None else '""', line, escapes=escapes)
        last = -1 if origin is None else origin
    return result + tail if after else "[]"


def _resplit(items: Sequence[str], new: str) -> list[str]:
    """Another text as a list of strings: equal to the old list at both ends, and by lines in between."""
    start, first, end, last = 0, 0, len(new), len(items)
    while first < last and new.startswith(items[first], start):
        start += len(items[first])
        first += 1
    while last > first and new.endswith(items[last - 1], start, end):
        end -= len(items[last - 1])
        last -= 1
    if start < end:  # what is new is made of whole lines
        while first > 0 and not items[first - 1].endswith("\n"):
            first -= 1
            start -= len(items[first])
        while last < len(items) and not new.endswith("\n", start, end):
            end += len(items[last])
            last += 1
    return [*items[:first], *re.findall(r"[^\n]*\n|[^\n]+", new[start:end]), *items[last:]]


def _origins(before: Sequence[str], after: Sequence[str]) -> list[int | None]:
    """For each new string the old one that it is made from, None for one that is all new."""
    origins: list[int | None] = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        same = kind == "equal" or i2 - i1 == j2 - j1
        origins += range(i1, i2) if same else [None] * (j2 - j1)
    return origins


_UNIT = re.compile(r"\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|\\u\w{4}|\\.|.", re.DOTALL)
"""One character in a JSON string; one beyond the first plane may take two escapes."""


def _edited_string(raw: str, new: str, *, escapes: bool) -> str:
    """The JSON of a string with another text, of which only what differs is written anew."""
    old: str = json.loads(raw)
    units = _UNIT.findall(raw[1:-1])
    shorter = min(len(old), len(new))
    start = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    end = next((i for i in range(shorter - start) if old[-1 - i] != new[-1 - i]), shorter - start)
    middle = json.dumps(new[start : len(new) - end], ensure_ascii=escapes)[1:-1]
    middle = re.sub("[\ud800-\udfff]", lambda lone: f"\\u{ord(lone.group()):04x}", middle)
    return f'"{"".join(units[:start])}{middle}{"".join(units[len(units) - end :])}"'
