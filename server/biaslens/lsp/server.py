"""The language server: registers the features and speaks over standard input and output."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BufferedIOBase
from typing import Any, BinaryIO, NoReturn, cast

from lsprotocol import types
from pygls.capabilities import ServerCapabilitiesBuilder
from pygls.exceptions import FeatureRequestError, JsonRpcInternalError
from pygls.io_ import StdoutWriter
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter

from biaslens import __version__
from biaslens.lsp.checked import Analysis, Checked, installed_analysis
from biaslens.lsp.client import client_of
from biaslens.lsp.features import (
    code_action,
    code_lens,
    configuration,
    configuration_files,
    debug_information,
    diagnostics_pull,
    diagnostics_push,
    explain_finding,
    fix_all,
    hover,
    inlay_hints,
    notebook_synchronization,
    rule_pages,
    synchronization,
    watched_files,
    workspace_fix,
    workspace_progress,
    workspace_pull,
)
from biaslens.lsp.protocol import Protocol
from biaslens.lsp.session import Session
from biaslens.lsp.transport import Blocking, receive
from biaslens.options import Options

FEATURES = (
    synchronization,
    notebook_synchronization,
    configuration,
    configuration_files,
    diagnostics_push,
    diagnostics_pull,
    hover,
    code_action,
    explain_finding,
    fix_all,
    inlay_hints,
    code_lens,
    workspace_progress,
    workspace_pull,
    workspace_fix,
    watched_files,
    rule_pages,
    debug_information,
)
"""Each has `register(server, session)`, and registers only what the session's client can use."""


LOOPBACK = "127.0.0.1"
_PARENT_WATCH = 2.0
"""Seconds between two looks whether the process that started the server is still there."""


LEVELS: Mapping[str, types.MessageType] = {
    "error": types.MessageType.Error,
    "warning": types.MessageType.Warning,
    "info": types.MessageType.Info,
    "debug": types.MessageType.Log,
}


def main(port: int | None = None, level: str = "warning") -> NoReturn:
    """Serves one client on standard input and output, or on a port of this machine alone, and ends the process.

    level: of what is logged, one of `LEVELS`.

    The exit code is 0 if the client asked to shut down before, else 1. Whatever else writes to standard output goes
    to standard error: it would break the framing of the messages.
    """
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    stdout = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = sys.stderr
    server = language_server()
    server.level = LEVELS[level]
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve_pipes(server, stdout) if port is None else _serve_port(server, port))
    sys.stderr.flush()
    # An analysis under way would hold up an ordinary exit.
    os._exit(0 if server.wire.is_shut_down else 1)


async def _serve_pipes(server: BiasLensServer, stdout: BinaryIO) -> None:
    server.wire.set_writer(StdoutWriter(stdout))
    await receive(Blocking(cast("BufferedIOBase", sys.stdin.buffer)), server.wire)


async def _serve_port(server: BiasLensServer, port: int) -> None:
    """Waits for one client, and ends with it."""
    ended = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listening.close()
        server.wire.set_writer(writer)
        await receive(reader, server.wire)
        ended.set()

    listening = await asyncio.start_server(connected, LOOPBACK, port)
    host, chosen = listening.sockets[0].getsockname()[:2]
    print(f"BiasLens listens on {host}:{chosen}.", file=sys.stderr, flush=True)
    await ended.wait()


async def _end_with(parent: int) -> None:
    """Ends the process when its parent has gone: a client that was killed closes no pipes on some systems."""
    while True:
        await asyncio.sleep(_PARENT_WATCH)
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(1)
        except OSError:  # it is there, and somebody else's
            pass


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
        server.wire.trace = params.trace or types.TraceValue.Off
        session = Session(client, Options(), load, server.log)

        def initialized(_: types.InitializedParams) -> None:
            who = f"{params.client_info.name} {params.client_info.version or ''}".strip() if params.client_info else "?"
            python = ".".join(map(str, sys.version_info[:3]))
            server.log(f"BiasLens {__version__} with Python {python} serves {who}.", types.MessageType.Info)
            session.begin()

        if params.process_id is not None and os.name == "posix":
            server.parent_watch = asyncio.ensure_future(_end_with(params.process_id))
        server.feature(types.INITIALIZED)(initialized)
        for feature in FEATURES:
            feature.register(server, session)
        session.listeners.append(lambda checked, _: server.trace(checked))

    server.feature(types.INITIALIZE)(initialize)
    return server


class BiasLensServer(LanguageServer):
    """pygls' server with quiet errors: an entry in the client's log instead of a message in the user's face."""

    parent_watch: asyncio.Future[None] | None = None
    level = types.MessageType.Warning
    """What is less important than this is not logged."""

    @property
    def wire(self) -> Protocol:
        """The protocol, by its own class."""
        return cast("Protocol", self.protocol)

    def log(self, message: str, kind: types.MessageType = types.MessageType.Error) -> None:
        """Adds an entry to the client's log, which nobody is shown unasked, and to standard error."""
        if kind.value <= self.level.value:
            self.window_log_message(types.LogMessageParams(kind, message))
            print(f"{kind.name}: {message}", file=sys.stderr, flush=True)

    def trace(self, checked: Checked) -> None:
        """Tells a client that traces, or asked for a detailed log, what a check found and what it read."""
        document, count = checked.document, len(checked.findings)
        took = f"{1000 * checked.seconds:.0f} ms"
        message = f"Checked version {document.version} of {document.uri} in {took}: {count} findings."
        self.log(message, types.MessageType.Log)
        if self.wire.trace != types.TraceValue.Off:
            read = "\n".join(sorted(checked.files.reads)) if self.wire.trace == types.TraceValue.Verbose else None
            self.log_trace(types.LogTraceParams(message, read))

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Called by pygls for what went wrong outside of a request."""
        if source is not FeatureRequestError or isinstance(error, JsonRpcInternalError):
            # Any other failed request tells its client by its answer.
            self.log(f"{source.__name__}: {error}")
