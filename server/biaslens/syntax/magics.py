"""IPython's own syntax in cells: magics, shell lines and requests for help become Python of the same length."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Literal

RUNS_PYTHON = ("capture", "debug", "ipytest", "memit", "mprun", "prun", "time", "timeit")
"""Magics that run the code behind them among the names of the notebook; what others do with it is not known."""

UNKNOWN = "ǃ"
"""A name of one letter that nobody binds: the value of a magic."""


def neutral(text: str) -> str:
    """The text of a cell with all that is not Python replaced, line by line and of the same length.

    A cell for another language (`%%bash`) becomes blank. Top-level `await` is left as it is: Python's parser knows it.
    """
    if text.startswith("\ufeff"):  # not allowed inside of a text; a form feed is skipped
        text = "\f" + text[1:]
    start = 0
    head = ""
    while magic := _CELL_MAGIC.match(text, start):
        if magic["name"] not in RUNS_PYTHON:
            return head + _blank(text[start:])
        lead = magic.start("magic")
        head += text[start:lead] + _statement(text[lead : magic.end()])
        start = magic.end()
    return head + _lines(text[start:])


_CELL_MAGIC = re.compile(r"\s*(?P<magic>%%(?P<name>\w+)(?!\w*\?)[^\r\n]*)")
_LINE_END = r"(?:\r\n|\n|\r)"
_REST = rf"(?:\\{_LINE_END}|[^\r\n])*"
"""A line with those that continue it: a magic takes them as well."""

_ESCAPED = re.compile(rf"(?P<indent>[ \t\f]*)(?P<escaped>(?:%(?P<name>\w*)|[!?,;/]){_REST})")
_TOKEN = re.compile(
    rf"#[^\r\n]*|\"\"\"(?:\\.|[^\\])*?(?:\"\"\"|\Z)|'''(?:\\.|[^\\])*?(?:'''|\Z)"
    rf"|\"(?:\\{_LINE_END}|\\.|[^\"\\\r\n])*\"?|'(?:\\{_LINE_END}|\\.|[^'\\\r\n])*'?"
    rf"|[()\[\]{{}}]|\\{_LINE_END}|{_LINE_END}"
    rf"|=[ \t]*(?P<value>(?:%(?P<name>\w+)|!){_REST})|\?[ \t]*(?={_LINE_END}|\Z)",
    re.DOTALL,
)


_SUSPECT = re.compile(r"[%!?]|(?:\A|[\r\n])[ \t\f]*[,;/]")
"""Without one of these a text is plain Python."""


def _lines(text: str) -> str:
    """The code with each magic replaced that begins a line or is assigned, and each line that asks for help."""
    if not _SUSPECT.search(text):
        return text
    parts: list[str] = []
    copied = begin = position = depth = 0
    fresh = True

    def replace(start: int, end: int, new: str) -> None:
        nonlocal copied, position
        parts.extend((text[copied:start], new))
        copied = position = end

    while True:
        if fresh:
            fresh, begin = False, position
            escaped = _ESCAPED.match(text, position)
            if escaped:
                place = escaped.start("escaped")
                replace(place, escaped.end(), _escaped_statement(escaped["escaped"], escaped["name"]))
        token = _TOKEN.search(text, position)
        if token is None:
            return "".join((*parts, text[copied:]))
        word, position = token.group(), token.end()
        if word in "([{":
            depth += 1
        elif word in ")]}":
            depth = max(0, depth - 1)
        elif word[0] in "\r\n":
            fresh = depth == 0
        elif word[0] == "=" and depth:
            position = token.start() + 1
        elif word[0] == "=":
            replace(token.start("value"), token.end(), _escaped_value(token["value"], token["name"]))
        elif word[0] == "?" and depth == 0 and begin >= copied:
            begin += len(text[begin:]) - len(text[begin:].lstrip(" \t\f"))
            replace(begin, token.end(), _statement(text[begin : token.end()]))


def _escaped_statement(text: str, name: str | None) -> str:
    code = _code(text, name, "exec")
    return _statement(text) if code is None else "0;" + _blank(text[2:code]) + text[code:]


def _escaped_value(text: str, name: str | None) -> str:
    code = _code(text, name, "eval")
    return UNKNOWN + _blank(text[1:]) if code is None else _blank(text[:code]) + text[code:]


def _code(text: str, name: str | None, mode: Literal["exec", "eval"]) -> int | None:
    """Where the Python code of a magic begins, behind its options; None where there is none that can be kept."""
    if name is None or name not in RUNS_PYTHON:
        return None
    start = len(name) + 1
    is_option = text[start:].lstrip().startswith("-")
    for word in re.finditer(r"\S+", text[start:]):
        code = start + word.start()
        if _is_simple(text[code:], mode):
            return code
        if not is_option:
            return None
    return None


_COMPOUND = (
    *(ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, ast.AsyncFor, ast.AsyncWith),
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
)


def _is_simple(code: str, mode: Literal["exec", "eval"]) -> bool:
    """Whether a text is an expression, or statements that can stand behind a semicolon."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code.strip(), mode=mode)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return not isinstance(tree, ast.Module) or not any(isinstance(node, _COMPOUND) for node in tree.body)


def _statement(text: str) -> str:
    """A statement without effect."""
    return "0" + _blank(text[1:])


def _blank(text: str) -> str:
    """Spaces, with the line ends where they were."""
    return re.sub(r"[^\r\n]", " ", text)
