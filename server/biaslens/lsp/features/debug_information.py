"""The command `biaslens.debugInformation`: what the server knows, for somebody who reports a bug."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from pygls.lsp.server import LanguageServer

from biaslens import __version__
from biaslens.lsp.session import Session

COMMAND = "biaslens.debugInformation"


def register(server: LanguageServer, session: Session) -> None:
    """Answers with an object: versions, the client's abilities, and the open documents with their options, no texts."""

    def information() -> dict[str, Any]:
        client = {**asdict(session.client), "commands": sorted(session.client.commands)}
        return {
            "version": __version__,
            "python": sys.version,
            "client": client,
            "documents": [
                {
                    "uri": document.uri,
                    "version": document.version,
                    "sha256": _digest(document.text),
                    "options": asdict(session.options_for(document.path)),
                }
                for document in session.documents.values()
            ],
        }

    server.command(COMMAND)(information)


def _digest(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
