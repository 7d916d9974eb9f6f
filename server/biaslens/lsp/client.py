"""What the editor at the other end can do, read once from its capabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from lsprotocol import types
from pygls.capabilities import get_capability

from biaslens.lsp.settings import at_start


@dataclass(frozen=True, slots=True)
class Client:
    """The abilities that our answers depend on.

    encoding: the unit of its columns, "utf-8", "utf-16" or "utf-32". pulls: it asks for diagnostics; otherwise we
    publish them. notebooks: it tells of notebooks. pulls_cells: it asks for the diagnostics of their cells as well.
    refreshes: it asks again when told to. fades: it draws the tag Unnecessary. links: it shows the address of a code.
    relates: it shows related places. versions: it takes edits that name the version they are for. literals: it takes
    code actions, not only commands. markdown: it prefers hovers as Markdown. resolves: it asks for the edit of a code
    action when the action was chosen. hints, lenses: it shows inlay hints, code lenses. refreshes_hints,
    refreshes_lenses: it asks for them again when told to. edits: it applies edits that we send. configures: it tells
    its settings when asked. registers: it lets us register for changes of them. watches: it lets us register for
    changes of files; watches_below: in single folders. renames, deletes: it tells of files that people rename, delete
    in it. confirms: it asks before it applies edits that want it. shows_progress: it draws bars. settings: what it sent
    of its settings at the start.
    draws: it shows pictures in hovers. commands: those of its own that a link in a hover can run. No capability tells
    of these two, so a client says them itself: `{"pictures": true, "commands": ["biaslens.showRule"]}`.
    """

    encoding: str
    pulls: bool
    notebooks: bool
    pulls_cells: bool
    refreshes: bool
    fades: bool
    links: bool
    relates: bool
    versions: bool
    literals: bool
    markdown: bool
    resolves: bool
    hints: bool
    refreshes_hints: bool
    lenses: bool
    refreshes_lenses: bool
    edits: bool
    configures: bool
    registers: bool
    watches: bool
    watches_below: bool
    renames: bool
    deletes: bool
    confirms: bool
    shows_progress: bool
    settings: Mapping[str, object]
    draws: bool
    commands: frozenset[str]


def client_of(capabilities: types.ClientCapabilities, encoding: str, initialization_options: object = None) -> Client:
    """Reads the abilities; whatever a client does not mention it does not have."""
    said: Mapping[str, object] = {}
    if isinstance(initialization_options, dict):
        said = cast("Mapping[str, object]", initialization_options)
    named = said.get("commands")
    commands = cast("list[object]", named) if isinstance(named, list) else []

    def has(field: str) -> Any:
        return get_capability(capabilities, field)

    def shows(field: str) -> Any:
        return has(f"text_document.publish_diagnostics.{field}") or has(f"text_document.diagnostic.{field}")

    tags = shows("tag_support")
    resolved = has("text_document.code_action.resolve_support.properties") or ()
    formats = has("text_document.hover.content_format") or ()
    return Client(
        encoding=encoding,
        pulls=has("text_document.diagnostic") is not None,
        notebooks=has("notebook_document") is not None,
        # No capability tells. The library of VS Code does it since the version that first mentioned this one.
        pulls_cells=has("notebook_document") is not None and has("text_document.diagnostic.data_support") is not None,
        refreshes=bool(has("workspace.diagnostics.refresh_support")),
        fades=tags is not None and types.DiagnosticTag.Unnecessary in tags.value_set,
        links=bool(shows("code_description_support")),
        relates=bool(shows("related_information")),
        versions=bool(has("workspace.workspace_edit.document_changes")),
        literals=has("text_document.code_action.code_action_literal_support") is not None,
        markdown=bool(formats) and formats[0] == types.MarkupKind.Markdown,
        resolves=bool(has("text_document.code_action.data_support")) and "edit" in resolved,
        hints=has("text_document.inlay_hint") is not None,
        refreshes_hints=bool(has("workspace.inlay_hint.refresh_support")),
        lenses=has("text_document.code_lens") is not None,
        refreshes_lenses=bool(has("workspace.code_lens.refresh_support")),
        edits=bool(has("workspace.apply_edit")),
        configures=bool(has("workspace.configuration")),
        registers=bool(has("workspace.did_change_configuration.dynamic_registration")),
        watches=bool(has("workspace.did_change_watched_files.dynamic_registration")),
        watches_below=bool(has("workspace.did_change_watched_files.relative_pattern_support")),
        renames=bool(has("workspace.file_operations.did_rename")),
        deletes=bool(has("workspace.file_operations.did_delete")),
        confirms=has("workspace.workspace_edit.change_annotation_support") is not None,
        shows_progress=bool(has("window.work_done_progress")),
        settings=at_start(said),
        draws=said.get("pictures") is True,
        commands=frozenset(command for command in commands if isinstance(command, str)),
    )
