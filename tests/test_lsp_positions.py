"""The server's copy of a text and a client's stay the same, in every unit of columns and with every line end."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from biaslens.lsp.convert import offset_of, position_of, text_after
from biaslens.lsp.documents import BYTE_ORDER_MARK, Document, opened
from biaslens.text import Source
from editor import CODECS, UNIT_BYTES, Text

PIECES = [
    "x",
    "self.conv",
    " ",
    "\t",
    "é",
    "漢",
    "🙂",
    "e\u0301",
    "\n",
    "\r\n",
    "\r",
    "\x0c",
    "\x0b",
    "\x1c",
    "\x85",
    "\u2028",
]
texts = st.lists(st.sampled_from(PIECES)).map("".join)
encodings = st.sampled_from(sorted(CODECS))


@given(texts, encodings, st.data())
def test_a_position_comes_back_to_its_offset_and_is_the_one_a_client_would_name(
    text: str, encoding: str, data: st.DataObject
) -> None:
    offset = data.draw(st.integers(0, len(text)))
    if text[offset - 1 : offset + 1] == "\r\n":
        offset -= 1
    position = types.Position(*position_of(Source("a.py", text), offset, encoding))
    assert position == Text(text, encoding).position(offset)
    assert offset_of(Source("a.py", text), position, encoding) == offset


@given(texts, encodings, st.integers(0, 60), st.integers(0, 60))
def test_a_position_beyond_the_end_is_clamped(text: str, encoding: str, line: int, character: int) -> None:
    lines = Text(text, encoding).lines()
    offset = offset_of(Source("a.py", text), types.Position(line, character), encoding)
    if line >= len(lines):
        assert offset == len(text)
        return
    content = lines[line].rstrip("\r\n")
    start = sum(map(len, lines[:line]))
    assert start <= offset <= start + len(content)
    if character * UNIT_BYTES[encoding] >= len(content.encode(CODECS[encoding])):
        assert offset == start + len(content)


@pytest.mark.parametrize(("encoding", "inside"), [("utf-8", 2), ("utf-16", 2)])
def test_a_position_inside_of_a_character_is_that_characters_start(encoding: str, inside: int) -> None:
    assert offset_of(Source("a.py", "a🙂b"), types.Position(0, inside), encoding) == 1


def test_a_lone_surrogate_is_one_unit_of_utf_16() -> None:
    source = Source("a.py", "\ud83d x")
    assert position_of(source, 3, "utf-16") == (0, 3)
    assert offset_of(source, types.Position(0, 2), "utf-16") == 2


@pytest.mark.parametrize("encoding", sorted(CODECS))
@pytest.mark.parametrize("seed", range(4))
def test_after_300_random_edits_both_copies_are_the_same(encoding: str, seed: int) -> None:
    chance = random.Random(seed)
    document = Document("file:///a.py", "/a.py", 1, "".join(chance.choices(PIECES, k=80)))
    client = Text(document.text, encoding)
    for version in range(2, 302):
        changes: list[types.TextDocumentContentChangeEvent] = []
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            start, end = sorted(_places(client.content, chance))
            text = "".join(chance.choices(PIECES, k=chance.randrange(6)))
            if chance.random() < 0.02:
                client.content = text
                changes.append(types.TextDocumentContentChangeWholeDocument(text))
            else:
                changes.append(client.replace(start, end, text))
        document = document.changed(version, text_after(document, changes, encoding))
        assert document.text == client.content
        assert document.version == version


def _places(text: str, chance: random.Random) -> list[int]:
    """Two offsets that a client can name: none is between the two halves of a line end."""
    places = [chance.randint(0, len(text)) for _ in range(2)]
    return [place - 1 if text[place - 1 : place + 1] == "\r\n" else place for place in places]


def test_a_replacement_up_to_a_column_far_beyond_the_end_takes_the_line_and_keeps_its_end() -> None:
    place = types.Range(types.Position(0, 0), types.Position(0, 999))
    change = types.TextDocumentContentChangePartial(range=place, text="Z")
    assert text_after(Document("file:///a.py", "/a.py", 1, "abc"), [change], "utf-16") == "Z"
    assert text_after(Document("file:///a.py", "/a.py", 1, "abc\r\nd"), [change], "utf-16") == "Z\r\nd"


def test_an_insertion_after_the_last_line_end_is_at_the_end() -> None:
    place = types.Range(types.Position(1, 0), types.Position(1, 0))
    change = types.TextDocumentContentChangePartial(range=place, text="b")
    assert text_after(Document("file:///a.py", "/a.py", 1, "a\n"), [change], "utf-16") == "a\nb"


def test_a_byte_order_mark_stays_in_the_copy_and_does_not_stop_python() -> None:
    document = opened("file:///a.py", "python", 1, f"{BYTE_ORDER_MARK}import torch\n")
    assert document is not None
    assert document.text.startswith(BYTE_ORDER_MARK)
    assert len(document.source.text) == len(document.text)
    compile(document.source.text, "a.py", "exec")
    assert position_of(document.mirror, 7, "utf-8") == (0, 9)
