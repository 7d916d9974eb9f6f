"""pygls' protocol where it departs from the specification: every request gets exactly one answer.

pygls 2.1 leaves requests with unreadable parameters and those after `shutdown` without an answer, serves those before
`initialize`, fails to shut down while a command runs, keeps something of every notification for ever, and a second copy
of every document by its own line rules.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, cast

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.protocol.json_rpc import RPCMessage

from biaslens.lsp.encoded import Encoded, encoded

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
NOT_INITIALIZED = -32002


class Protocol(LanguageServerProtocol):
    """Checks each message and its place in the life cycle before pygls handles it."""

    _initialized = False

    @property
    def is_shut_down(self) -> bool:
        """Whether the client asked to shut down; a server that exits without that fails."""
        return self._shutdown

    def handle_message(self, message: Any) -> None:
        """Handles one decoded message, or refuses it with an error."""
        if not isinstance(message, dict):
            self.refuse(None, INVALID_REQUEST, "A message must be an object.")
            return
        fields = cast("dict[str, Any]", message)
        method = fields.get("method")
        number = fields.get("id")
        is_request = "id" in fields and "method" in fields
        if (
            fields.get("jsonrpc") != "2.0"
            or not isinstance(method, str | None)
            or not isinstance(number, int | str | None)
        ):
            self.refuse(number, INVALID_REQUEST, "This is not a JSON-RPC 2.0 message.")
            return
        untimely = self._untimely(method)
        if untimely is not None:
            if is_request:
                self.refuse(number, *untimely)
            return
        if method is not None and is_request != _wants_answer(method, otherwise=is_request):
            if is_request:
                self.refuse(number, INVALID_REQUEST, f"{method} is a notification.")
            return
        try:
            structured = cast("RPCMessage", self.structure_message(fields))
        except JsonRpcException as error:
            if is_request:
                self._send_response(cast("int", number), error=error.to_response_error())
            return
        if method == types.INITIALIZE:
            self._initialized = True
        try:
            super().handle_message(structured)
        except Exception as error:  # pygls trusts the values in some messages: a number that is an object
            if is_request:
                self.refuse(number, INVALID_REQUEST, f"This cannot be handled ({type(error).__name__}).")

    def refuse_unreadable(self, why: str) -> None:
        """Answers to a message of which not even the number can be read."""
        self.refuse(None, PARSE_ERROR, why)

    def refuse(self, number: object, code: int, message: str) -> None:
        """Answers with an error; a request whose number cannot be read is answered to null."""
        self._send_data(
            {
                "jsonrpc": "2.0",
                "id": number if isinstance(number, int | str) else None,
                "error": {"code": code, "message": message},
            }
        )

    def notify(self, method: str, params: Any | None = None) -> None:
        """Sends a notification; what is encoded already is sent as it is."""
        if isinstance(params, Encoded):
            self._send_data(encoded({"params": params, "method": method, "jsonrpc": "2.0"}))
        else:
            super().notify(method, params)

    def _send_response(self, msg_id: str | int, result: Any | None = None, error: Any = None) -> None:
        if error is None and isinstance(result, Encoded):
            self._send_data(encoded({"id": msg_id, "result": result, "jsonrpc": "2.0"}))
        else:
            super()._send_response(msg_id, result, error)

    def _send_data(self, data: Any) -> None:
        if isinstance(data, Encoded) and self.writer is not None:
            header = f"Content-Length: {len(data)}\r\nContent-Type: {self.CONTENT_TYPE}; charset={self.CHARSET}\r\n\r\n"
            self.writer.write(f"{header}{data}".encode(self.CHARSET))
        else:
            super()._send_data(data)

    def _untimely(self, method: str | None) -> tuple[int, str] | None:
        if method is None or method == types.EXIT:
            return None
        if self._shutdown:
            return INVALID_REQUEST, "The server was asked to shut down."
        if not self._initialized and method != types.INITIALIZE:
            return NOT_INITIALIZED, "The server is not initialized."
        if self._initialized and method == types.INITIALIZE:
            return INVALID_REQUEST, "The server is initialized already."
        return None

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: Any) -> Generator[Any, Any, None]:
        """Cancels what is under way. A command that ends takes itself out of the table: pygls would trip over that."""
        yield from ()
        for number, future in list(self._request_futures.items()):
            if number != self.msg_id:
                future.cancel()
        self._shutdown = True

    def _check_handler_result(self, future: Any) -> None:
        """Called when a notification was handled; pygls would keep what came of it for ever."""
        super()._check_handler_result(future)
        handled = next((key for key, kept in reversed(self._request_futures.items()) if kept is future), None)
        if handled is not None:
            del self._request_futures[handled]

    # The documents are the session's; pygls would keep a second copy of them.

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> Generator[Any, Any, None]:
        """Hands the document to our own feature."""
        yield self._feature(types.TEXT_DOCUMENT_DID_OPEN), (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> Generator[Any, Any, None]:
        """Hands the changes to our own feature."""
        yield self._feature(types.TEXT_DOCUMENT_DID_CHANGE), (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> Generator[Any, Any, None]:
        """Hands the closing to our own feature."""
        yield self._feature(types.TEXT_DOCUMENT_DID_CLOSE), (params,), None

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    def lsp_notebook_document__did_open(self, params: types.DidOpenNotebookDocumentParams) -> Generator[Any, Any, None]:
        """Hands the notebook to our own feature."""
        yield self._feature(types.NOTEBOOK_DOCUMENT_DID_OPEN), (params,), None

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def lsp_notebook_document__did_change(
        self, params: types.DidChangeNotebookDocumentParams
    ) -> Generator[Any, Any, None]:
        """Hands the changes to our own feature."""
        yield self._feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE), (params,), None

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def lsp_notebook_document__did_close(
        self, params: types.DidCloseNotebookDocumentParams
    ) -> Generator[Any, Any, None]:
        """Hands the closing to our own feature."""
        yield self._feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE), (params,), None

    def _feature(self, method: str) -> Callable[[Any], None]:
        return cast("Any", self.fm).features[method]


def _wants_answer(method: str, *, otherwise: bool) -> bool:
    """Whether a method of the specification is a request; pygls would never answer a notification with a number."""
    known = cast("Mapping[str, tuple[object, ...]]", types.METHOD_TO_TYPES).get(method)
    return otherwise if known is None else known[1] is not None
