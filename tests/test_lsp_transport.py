"""Messages on a stream: whatever comes, the next whole message is served."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from io import BytesIO

import pytest

from biaslens.lsp import transport
from biaslens.lsp.transport import Blocking, receive

ONE, TWO = b'{"id": 1}', b'{"id": 2}'


@dataclass
class Received:
    """What arrived, in order: messages, and why others could not be read."""

    messages: list[object] = field(default_factory=list[object])

    def handle_message(self, message: object) -> None:
        self.messages.append(message)

    def refuse_unreadable(self, why: str) -> None:
        self.messages.append(why)


def received(data: bytes) -> list[object]:
    """What a handler gets from a stream of these bytes."""

    async def run() -> list[object]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        handler = Received()
        await receive(reader, handler)
        return handler.messages

    return asyncio.run(run())


def framed(body: bytes, header: bytes = b"Content-Length: %d\r\n") -> bytes:
    return header % len(body) + b"\r\n" + body


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: %d\r\n",
        b"content-length:%d\r\n",
        b"CONTENT-LENGTH:   %d  \r\n",
        b"Content-Length: %d\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n",
        b"Content-Length: %d\r\nContent-Type: application/vscode-jsonrpc\r\n",
        b"\r\n\r\nX: y\r\n\r\nContent-Length: %d\r\n",
        b"Content-Length: -5\r\nContent-Length: x\r\nContent-Length: %d\r\n",
    ],
)
def test_every_spelling_of_a_header_is_read(header: bytes) -> None:
    assert received(framed(ONE, header) + framed(TWO)) == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000, b"nul", b" ", b'{"a": 1} x'])
def test_what_is_no_json_is_refused_and_the_next_message_is_served(body: bytes) -> None:
    assert received(framed(body) + framed(TWO)) == ["This is not JSON.", {"id": 2}]


def test_an_empty_message_is_refused() -> None:
    assert received(framed(b"") + framed(TWO)) == ["This is not JSON.", {"id": 2}]


def test_a_message_that_is_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MOST", 20)
    long = json.dumps({"text": "x" * 3_000_000}).encode()
    assert received(framed(long) + framed(TWO)) == [f"A message of {len(long)} bytes is too long.", {"id": 2}]


@pytest.mark.parametrize("cut", range(1, len(framed(TWO))))
def test_a_stream_that_ends_inside_of_a_message_just_ends(cut: int) -> None:
    assert received(framed(ONE) + framed(TWO)[:-cut]) == [{"id": 1}]


def test_a_length_that_no_memory_has_waits_for_its_bytes_and_keeps_none() -> None:
    huge = b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"
    (refusal,) = received(huge + b"x" * 100)
    assert isinstance(refusal, str)
    assert refusal.endswith("bytes is too long.")


class Pipe(BytesIO):
    """Bytes that arrive in portions, however many are wanted."""

    def __init__(self, data: bytes, portion: int) -> None:
        super().__init__(data)
        self._portion = portion

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read1(self._portion)


@pytest.mark.parametrize("portion", [1, 7, 1 << 20])
def test_a_pipe_is_read_in_whatever_portions_it_gives(portion: int) -> None:
    handler = Received()
    data = framed(ONE) + b"x" * 100_000 + b"\r\n" + framed(TWO) + framed(ONE)[:-1]
    asyncio.run(receive(Blocking(Pipe(data, portion)), handler))
    assert handler.messages == [json.loads(ONE), json.loads(TWO)]


def test_what_a_message_begins_sees_nothing_of_the_next_one() -> None:
    class Beginning(Received):
        def handle_message(self, message: object) -> None:
            super().handle_message(message)
            self.begun = asyncio.ensure_future(self.begin(message))

        async def begin(self, message: object) -> None:
            self.messages.append((message, "begun"))

    handler = Beginning()
    asyncio.run(receive(Blocking(Pipe(framed(ONE) + framed(TWO), 1 << 20)), handler))
    one, two = json.loads(ONE), json.loads(TWO)
    assert handler.messages == [one, (one, "begun"), two, (two, "begun")]
