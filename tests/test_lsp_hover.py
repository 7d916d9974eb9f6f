"""Hovers over the wire, as each client can show them."""

from __future__ import annotations

import pytest
from lsprotocol import types

from editor import Editor
from test_lsp_wire import CALL, MODEL

pytestmark = pytest.mark.asyncio(loop_scope="function")

RULE_LINK = "[BL101](command:biaslens.showRule?%5B%22BL101%22%5D)"


async def said(editor: Editor, uri: str, place: str) -> str:
    editor.open(uri, MODEL.replace(CALL, f"{CALL}  # biaslens: ignore[BL101]"))
    hover = await editor.hover(uri, place, len(place) - 1)
    assert hover is not None
    assert isinstance(hover.contents, types.MarkupContent)
    await editor.stop()
    return hover.contents.value


@pytest.mark.parametrize("profile", ["vscode_139", "nvim_0.11"])
async def test_pictures_and_commands_are_for_clients_that_say_so(profile: str, uri: str) -> None:
    plain = await said(await Editor.start(profile), uri, CALL)
    assert "data:image" not in plain
    assert "command:" not in plain
    assert "`biaslens explain BL101`" in plain
    rich = await said(await Editor.start(profile, pictures=True, commands=["biaslens.showRule", 1]), uri, CALL)
    assert "](data:image/svg+xml;base64," in rich
    assert rich.endswith(RULE_LINK)
    other = await said(await Editor.start(profile, pictures="yes", commands={"biaslens.showRule": True}), uri, CALL)
    assert other == plain


async def test_a_client_of_plain_text_gets_no_markup(uri: str) -> None:
    text = await said(await Editor.start("ale", pictures=True, commands=["biaslens.showRule"]), uri, CALL)
    assert text.startswith("The bias of ")
    for markup in ("**", "](", "data:image", "command:", "\\["):
        assert markup not in text


@pytest.mark.parametrize("profile", ["vscode_139", "ale"])
async def test_a_comment_and_the_code_in_it_are_explained(profile: str, uri: str) -> None:
    comment = await said(await Editor.start(profile), uri, "# biaslens: ig")
    assert "This comment silences `BL101` on this line." in comment
    page = await said(await Editor.start(profile), uri, "ignore[BL1")
    assert page.startswith("# Bias before a batch norm")


@pytest.mark.parametrize("profile", ["vscode_139", "nvim_0.11", "eglot"])
async def test_a_finding_is_explained_by_a_command(profile: str, uri: str) -> None:
    editor = await Editor.start(profile)
    editor.open(uri, MODEL)
    shown = await editor.diagnostics(uri)
    (action,) = [a for a in await editor.actions(uri, shown[0].range, shown) if a.title == "Explain BL101"]
    assert action.edit is None
    assert action.command is not None
    await editor.execute(action.command)
    (message,) = editor.client.messages
    assert message.message.startswith(shown[0].message)
    assert "Leave it out (`bias=False`)." in message.message
    arguments = action.command.arguments
    assert arguments is not None
    await editor.execute(types.Command("", action.command.command, arguments=[uri, 0, 0]))
    await editor.execute(types.Command("", action.command.command, arguments=["file:///never/opened.py", 1, 1]))
    assert len(editor.client.messages) == 1
    await editor.stop()
