"""The explanation of a place as its client can show it: with pictures, and links that run the client's commands."""

from __future__ import annotations

import json
from urllib.parse import quote

from biaslens.explain.document import Addresses, no_page, no_picture
from biaslens.explain.hover import Hover, hover
from biaslens.explain.picture import image
from biaslens.lint import Report
from biaslens.lsp.client import Client
from biaslens.syntax.files import Files

SHOW_RULE = "biaslens.showRule"
"""The client's command that shows the page of a rule, given its code."""


def explained(report: Report, offset: int, files: Files, client: Client) -> Hover | None:
    """What there is to say about a place, None where there is nothing."""
    addresses = Addresses(
        of_page=_page if SHOW_RULE in client.commands else no_page, picture=image if client.draws else no_picture
    )
    return hover(report, offset, files, addresses)


def _page(code: str) -> str:
    return f"command:{SHOW_RULE}?{quote(json.dumps([code]))}"
