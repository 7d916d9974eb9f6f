"""What is sent ready-made is to the letter what pygls would make of the same values."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types
from pygls.protocol import default_converter

from biaslens.lsp.convert import Mark, diagnostic, encoded_diagnostic
from biaslens.lsp.encoded import encoded
from biaslens.lsp.server import language_server

CONVERTER = default_converter()

texts = st.text(st.characters(), max_size=8)
places = st.tuples(*[st.integers(0, 2**31 - 1)] * 4)
severities = st.sampled_from(["error", "warning", "information", "hint"])
marks = st.builds(
    Mark, texts, texts, severities, texts, st.booleans(), places, st.lists(st.tuples(texts, places, texts)).map(tuple)
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda values: st.lists(values) | st.dictionaries(texts, values),
)


@settings(deadline=None)
@given(marks)
def test_a_diagnostic_is_sent_as_pygls_would_send_it(mark: Mark) -> None:
    assert encoded_diagnostic(mark) == json.dumps(CONVERTER.unstructure(diagnostic(mark)))


@settings(deadline=None)
@given(plain, st.dictionaries(texts, plain))
def test_what_is_encoded_in_parts_is_as_if_it_were_encoded_at_once(value: Any, around: dict[str, Any]) -> None:
    whole = {**around, "value": [value]}
    assert encoded({**around, "value": [encoded(value)]}) == encoded(whole) == json.dumps(whole)


def test_a_notification_with_encoded_parts_is_that_of_pygls() -> None:
    sent: list[bytes] = []

    class Writer:
        def write(self, data: bytes) -> None:
            sent.append(data)

        def close(self) -> None: ...

    wire = language_server().wire
    wire.set_writer(Writer())
    shown = Mark("BL101", "é", "warning", "", False, (0, 1, 2, 3), ())
    params = types.PublishDiagnosticsParams("file:///a.py", [diagnostic(shown)], 7)
    wire.notify(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS, params)
    ready = {"uri": "file:///a.py", "diagnostics": [encoded_diagnostic(shown)], "version": 7}
    wire.notify(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS, encoded(ready))
    assert len(sent) == 2
    assert sent[0] == sent[1]
