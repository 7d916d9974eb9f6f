"""The command `biaslens.rules`: what the rules say about themselves, for an editor that shows their pages."""

from __future__ import annotations

from pygls.lsp.server import LanguageServer

from biaslens.lsp.session import Session

COMMAND = "biaslens.rules"


def register(server: LanguageServer, _: Session) -> None:
    """Answers with an object for each rule: its code, its name, its title, and its page as Markdown."""

    def rules() -> list[dict[str, str]]:
        # The rules take time to load, which a server that starts does not have.
        from biaslens.rules.page import page
        from biaslens.rules.registry import RULES

        return [{"code": rule.code, "name": rule.name, "title": rule.title, "page": page(rule)} for rule in RULES]

    server.command(COMMAND)(rules)
