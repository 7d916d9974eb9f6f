"""Source's line table, against the plainest model of the same rule."""

from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biaslens.text import Edit, Source, Span, edits_between

LINE_ENDS = ("\n", "\r\n", "\r")
NOT_LINE_ENDS = ("\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")
texts = st.lists(st.sampled_from([*LINE_ENDS, *NOT_LINE_ENDS, "a", "bc", "é", "漢", "🙂", " ", "\t"])).map("".join)


def lines_of(text: str) -> list[str]:
    """The lines with their ends; the last one has none."""
    return [line + end for line, end in re.findall(r"([^\r\n]*)(\r\n|\r|\n|\Z)", text)][: 1 + len(_ends(text))]


def _ends(text: str) -> list[str]:
    return re.findall(r"\r\n|\r|\n", text)


@given(texts)
def test_the_lines_put_together_are_the_text(text: str) -> None:
    source = Source("a.py", text)
    lines = lines_of(text)
    assert "".join(lines) == text
    assert len(source.line_starts) == len(lines)
    assert [source.line(number) for number in range(len(lines))] == [line.rstrip("\r\n") for line in lines]


@given(texts, st.integers(-3, 200))
def test_an_offset_comes_back_from_its_line_and_column(text: str, offset: int) -> None:
    source = Source("a.py", text)
    line, column = source.line_and_column(offset)
    clamped = max(0, min(offset, len(text)))
    assert source.line_starts[line] + column == clamped
    inside_a_line_end = text[clamped - 1 : clamped + 1] == "\r\n"
    assert source.offset(line, column) == (clamped - 1 if inside_a_line_end else clamped)


@given(texts, st.integers(-2, 40), st.integers(-2, 40))
def test_a_line_and_column_out_of_range_are_clamped_to_the_line_and_the_text(text: str, line: int, column: int) -> None:
    source = Source("a.py", text)
    lines = [content.rstrip("\r\n") for content in lines_of(text)]
    offset = source.offset(line, column)
    if line < 0:
        assert offset == 0
    elif line >= len(lines):
        assert offset == len(text)
    else:
        assert source.line_and_column(offset) == (line, max(0, min(column, len(lines[line]))))


@pytest.mark.parametrize("char", NOT_LINE_ENDS)
def test_only_the_three_line_ends_end_a_line(char: str) -> None:
    assert Source("a.py", f"a{char}b\nc").line_starts == (0, 4)


@given(st.lists(st.sampled_from(LINE_ENDS), min_size=1, max_size=6))
def test_python_counts_lines_as_we_do(ends: list[str]) -> None:
    text = "".join(f"x{number} = 1{end}" for number, end in enumerate(ends))
    source = Source("a.py", text)
    for node in ast.parse(text).body:
        assert isinstance(node, ast.Assign)
        name = ast.unparse(node.targets[0])
        assert source.text.startswith(f"{name} =", source.line_starts[node.lineno - 1])


@given(texts, st.data())
def test_edits_replace_their_spans_and_nothing_else(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=4, max_size=4)))
    first, second = Span(cuts[0], cuts[1]), Span(cuts[2], cuts[3])
    edited = Source("a.py", text).edited([Edit(second, "<2>"), Edit(first, "<1>")])
    assert edited == text[: cuts[0]] + "<1>" + text[cuts[1] : cuts[2]] + "<2>" + text[cuts[3] :]


def test_overlapping_edits_are_refused() -> None:
    with pytest.raises(ValueError, match="overlapping"):
        Source("a.py", "abcdef").edited([Edit(Span(0, 3), ""), Edit(Span(2, 4), "")])


@pytest.mark.parametrize(("text", "newline"), [("a\r\nb\n", "\r\n"), ("a\rb\n", "\r"), ("a\nb\r\n", "\n"), ("a", "\n")])
def test_the_newline_of_a_text_is_its_first_one(text: str, newline: str) -> None:
    assert Source("a.py", text).newline == newline


@given(texts, texts)
def test_the_edits_between_two_texts_turn_one_into_the_other(before: str, after: str) -> None:
    edits = edits_between(before, after)
    assert Source("a.py", before).edited(edits) == after
    assert edits_between(before, before) == ()


def test_the_edits_between_two_texts_are_small() -> None:
    lines = [f"line {number}\r\n" for number in range(9)]
    after = [*lines[:2], "line 2, new\r\n", "line 3!\r\n", *lines[4:7], "more\r\n", *lines[7:]]
    edits = edits_between("".join(lines), "".join(after))
    assert [edit.text for edit in edits] == [", new", "!", "more\r\n"]
    assert {edit.span.end - edit.span.start for edit in edits} == {0}
