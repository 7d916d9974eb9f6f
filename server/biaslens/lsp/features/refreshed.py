"""When a client has to be told to ask again for what it shows."""

from __future__ import annotations

from collections.abc import Callable

from biaslens.lsp.checked import Checked
from biaslens.lsp.features.shown import unchanged
from biaslens.lsp.session import Session
from biaslens.options import Options


def keep_fresh(session: Session, is_on: Callable[[Options], bool], refresh: Callable[[], object]) -> None:
    """Refreshes when the setting of a feature changes, and when a result changes of which the client cannot know.

    A client asks by itself for a document that it changed, or for a cell, but not for the other cells.
    """

    def options_changed(before: Options, after: Options) -> None:
        if is_on(before) != is_on(after):
            refresh()

    def result_changed(checked: Checked, before: Checked | None) -> None:
        again = before is not None and any(unchanged(before.document, checked.document))
        if again and is_on(session.options_for(checked.document.path)):
            refresh()

    session.options_listeners.append(options_changed)
    session.listeners.append(result_changed)
