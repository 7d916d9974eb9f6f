"""The language server: registers the features and speaks over standard input and output."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from json import JSONDecodeError
from typing import Any, NoReturn, cast

from lsprotocol import types
from pygls.capabilities import ServerCapabilitiesBuilder
from pygls.exceptions import FeatureRequestError, JsonRpcInternalError
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter

from biaslens import __version__
from biaslens.lsp.client import client_of
from biaslens.lsp.features import (
    code_action,
    code_lens,
    configuration,
    diagnostics_pull,
    diagnostics_push,
    fix_all,
    hover,
    inlay_hints,
    notebook_synchronization,
    synchronization,
)
from biaslens.lsp.protocol import PARSE_ERROR, Protocol
from biaslens.lsp.session import Analysis, Session, installed_analysis
from biaslens.lsp.settings import at_start

FEATURES = (
    synchronization,
    notebook_synchronization,
    configuration,
    diagnostics_push,
    diagnostics_pull,
    hover,
    code_action,
    fix_all,
    inlay_hints,
    code_lens,
)
"""Each has `register(server, session)`, and registers only what the session's client can use."""


def main() -> NoReturn:
    """Serves one client on standard input and output, and ends the process.

    The exit code is 0 if the client asked to shut down before, else 1. Whatever else writes to standard output goes
    to standard error: it would break the framing of the messages.
    """
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    stdout = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = sys.stderr
    server = language_server()
    server.start_io(sys.stdin.buffer, stdout)
    sys.stderr.flush()
    # An analysis under way would hold up an ordinary exit.
    os._exit(0 if server.wire.is_shut_down else 1)


def language_server(load: Callable[[], Analysis] = installed_analysis) -> BiasLensServer:
    """A server that waits for its client. load: gives the analysis, on the thread that runs it."""
    server = BiasLensServer(
        name="biaslens",
        version=__version__,
        protocol_cls=Protocol,
        converter_factory=default_converter,
        max_workers=1,
        notebook_document_sync=notebook_synchronization.OPTIONS,
    )

    def initialize(params: types.InitializeParams) -> None:
        encoding = ServerCapabilitiesBuilder.choose_position_encoding(params.capabilities)
        unit = types.PositionEncodingKind(encoding).value
        client = client_of(params.capabilities, unit, params.initialization_options)
        options, problems = at_start(params.initialization_options)
        session = Session(client, options, load, server.log)

        def initialized(_: types.InitializedParams) -> None:
            for problem in problems:
                session.log_once(problem)
            session.begin()

        server.feature(types.INITIALIZED)(initialized)
        for feature in FEATURES:
            feature.register(server, session)

    server.feature(types.INITIALIZE)(initialize)
    return server


class BiasLensServer(LanguageServer):
    """pygls' server with quiet errors: an entry in the client's log instead of a message in the user's face."""

    @property
    def wire(self) -> Protocol:
        """The protocol, by its own class."""
        return cast("Protocol", self.protocol)

    def log(self, message: str) -> None:
        """Adds an entry to the client's log, which nobody is shown unasked."""
        self.window_log_message(types.LogMessageParams(types.MessageType.Error, message))

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Called by pygls for what went wrong outside of a request."""
        if isinstance(error, JSONDecodeError | UnicodeDecodeError):
            self.wire.refuse(None, PARSE_ERROR, "This is not JSON.")
        elif source is not FeatureRequestError or isinstance(error, JsonRpcInternalError):
            # Any other failed request tells its client by its answer.
            self.log(f"{source.__name__}: {error}")
