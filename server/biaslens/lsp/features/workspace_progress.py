"""The bar that shows how far the files of the workspace are followed."""

from __future__ import annotations

from pygls.lsp.server import LanguageServer

from biaslens.lsp.progress import Bar
from biaslens.lsp.session import Session

FEW = 10
"""So many files are followed without a bar."""


def register(server: LanguageServer, session: Session) -> None:
    """Shows it while there are many to follow."""
    workspace = session.workspace
    bar: Bar | None = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        if bar is None and total > FEW:
            bar = Bar(server, session.client, "BiasLens: looking at the workspace", workspace.leave_it)
        if bar is not None:
            bar.show(done, total)
        if bar is not None and not total:
            bar.close()
            bar = None

    workspace.progress_listeners.append(show)
