"""Inlay hints and code lenses over the wire: switched while the server runs, and only where they can be shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from editor import Editor
from test_lsp_wire import CALL, MODEL, OTHER

BOTH = MODEL + OTHER
FIXED = MODEL.replace(CALL, "nn.Conv2d(3, 64, 3, bias=False)")
INLAY, LENS = types.WORKSPACE_INLAY_HINT_REFRESH, types.WORKSPACE_CODE_LENS_REFRESH
SHOWING = ("vscode_139", "nvim_0.11")

pytestmark = [
    pytest.mark.asyncio(loop_scope="function"),
    pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning"),
]


@pytest_asyncio.fixture(params=SHOWING)
async def showing(request: pytest.FixtureRequest) -> AsyncIterator[Editor]:
    """An editor that shows both, with nothing switched on."""
    editor = await Editor.start(request.param)
    yield editor
    assert [entry.message for entry in editor.client.log_messages] == []
    await editor.stop()


def refreshes(editor: Editor, method: str) -> bool:
    can = editor.capabilities.workspace
    support = can and (can.inlay_hint if method == INLAY else can.code_lens)
    return bool(support and support.refresh_support)


async def refreshed(editor: Editor, method: str, count: int) -> None:
    """Waits for a refresh where the editor takes any; elsewhere for an answer to a request made after the change."""
    if refreshes(editor, method):
        await editor.requests.wait_for(lambda: editor.requests.refreshed.count(method) >= count)


async def settled(editor: Editor, uri: str) -> None:
    """All that came before was handled, what the editor answers to questions as well."""
    for _ in range(2):
        await editor.hover(uri, "import")


def titles(lenses: Sequence[types.CodeLens]) -> list[str]:
    return [lens.command.title for lens in lenses if lens.command is not None]


@pytest.mark.parametrize("profile", ["vscode_139", "vscode_139 without pull", "nvim_0.11", "nvim_0.7", "eglot", "ale"])
async def test_they_are_offered_only_to_those_who_can_show_them(profile: str) -> None:
    editor = await Editor.start(profile, {"inlayHints": True, "codeLens": True})
    able, can = editor.capabilities.text_document, editor.answer.capabilities
    assert able is not None
    assert (can.inlay_hint_provider is not None) == (able.inlay_hint is not None)
    assert (can.code_lens_provider is not None) == (able.code_lens is not None)
    commands = can.execute_command_provider.commands if can.execute_command_provider else ()
    about_lenses = {"biaslens.fixAll", "biaslens.explain"}
    assert set(commands) & about_lenses == (about_lenses if able.code_lens else set())
    await editor.stop()


@pytest.mark.parametrize("profile", [*SHOWING, "eglot_1.17"])
async def test_the_first_answer_knows_the_settings_where_no_refresh_can_mend_it(profile: str, uri: str) -> None:
    editor = await Editor.start(profile, configuration={"inlayHints": True})
    text = editor.open(uri, MODEL)
    if refreshes(editor, INLAY):
        await refreshed(editor, INLAY, 1)
    (hint,) = await editor.hints(uri)
    assert text.offset(hint.position) == text.content.index(CALL) + len(CALL)
    await editor.stop()


async def test_hints_come_and_go_with_their_setting(showing: Editor, uri: str) -> None:
    text = showing.open(uri, MODEL)
    assert await showing.hints(uri) == ()
    showing.configure({"inlayHints": True})
    await settled(showing, uri)
    await refreshed(showing, INLAY, 1)
    (hint,) = await showing.hints(uri)
    assert hint.label == "bias: cancelled by bn"
    assert text.offset(hint.position) == text.content.index(CALL) + len(CALL)
    assert hint.padding_left is True
    assert isinstance(hint.tooltip, types.MarkupContent)
    assert hint.tooltip.value.startswith("The bias of `conv` has no effect")
    assert await showing.hints(uri, 0, text.content.index(CALL)) == ()
    showing.configure({"inlayHints": False})
    await settled(showing, uri)
    await refreshed(showing, INLAY, 2)
    assert await showing.hints(uri) == ()
    assert LENS not in showing.requests.refreshed


async def test_hints_follow_the_text_in_the_editors_units(showing: Editor, uri: str) -> None:
    showing.configure({"inlayHints": True})
    wide = MODEL.replace("self.conv = ", "'🙂漢'; self.conv = ")
    text = showing.open(uri, wide)
    await settled(showing, uri)
    showing.change(uri, "64, 3)", "64, 3, bias=False)")
    (hint,) = await showing.hints(uri)
    assert hint.label == "no bias: bn would cancel it"
    assert text.content[: text.offset(hint.position)].endswith("bias=False)")


async def test_a_change_elsewhere_refreshes_what_is_switched_on(showing: Editor, uri: str) -> None:
    helper = uri.replace("my%20model", "norms")
    showing.configure({"inlayHints": True, "codeLens": True})
    user = MODEL.replace("nn.BatchNorm2d", "Norm").replace("\n", "\nfrom norms import Norm\n", 1)
    showing.open(uri, user)
    await settled(showing, uri)
    assert [hint.label for hint in await showing.hints(uri)] == ["bias: unknown"]
    showing.requests.refreshed.clear()
    showing.open(helper, "import torch.nn as nn\n\nNorm = nn.BatchNorm2d\n")
    for method in (INLAY, LENS):
        await refreshed(showing, method, 1)
    assert [hint.label for hint in await showing.hints(uri)] == ["bias: cancelled by bn"]
    showing.configure({})
    await settled(showing, uri)
    showing.requests.refreshed.clear()
    showing.close(helper)
    assert await showing.diagnostics(uri) == []
    assert showing.requests.refreshed == []


async def test_the_lens_counts_and_offers_a_fix_and_an_explanation(showing: Editor, uri: str) -> None:
    text = showing.open(uri, BOTH)
    assert await showing.lenses(uri) == ()
    showing.configure({"codeLens": True})
    await settled(showing, uri)
    await refreshed(showing, LENS, 1)
    lenses = await showing.lenses(uri)
    assert titles(lenses) == [
        *("1 redundant bias · 64 parameters", "Fix all", "Explain"),
        *("1 redundant bias · 32 parameters", "Fix all", "Explain"),
    ]
    assert [text.excerpt(lens.range) for lens in lenses[::3]] == ["class Block(nn.Module):", "class Other(nn.Module):"]
    assert INLAY not in showing.requests.refreshed
    showing.configure({"codeLens": None})
    await settled(showing, uri)
    assert await showing.lenses(uri) == ()


async def test_fix_all_repairs_one_class(showing: Editor, uri: str) -> None:
    text = showing.open(uri, BOTH)
    showing.configure({"codeLens": True})
    await settled(showing, uri)
    fix = (await showing.lenses(uri))[1].command
    assert fix is not None
    await showing.execute(fix)
    (asked,) = showing.requests.edits
    assert asked.label == "Fix all biases of Block"
    can = showing.capabilities.workspace
    versioned = can is not None and can.workspace_edit is not None and bool(can.workspace_edit.document_changes)
    assert (asked.edit.document_changes is not None) == versioned
    showing.apply(asked.edit)
    assert text.content == FIXED + OTHER
    assert titles(await showing.lenses(uri)) == ["1 redundant bias · 32 parameters", "Fix all", "Explain"]
    assert len(await showing.diagnostics(uri)) == 1


@pytest.mark.parametrize("late", [False, True])
async def test_a_fix_for_an_older_version_is_refused_quietly(showing: Editor, uri: str, late: bool) -> None:
    showing.configure({"codeLens": True})
    showing.open(uri, BOTH)
    await settled(showing, uri)
    fix = (await showing.lenses(uri))[1].command
    assert fix is not None
    if late:
        params = types.ExecuteCommandParams(fix.command, fix.arguments)
        answer = showing.client.workspace_execute_command_async(params)
        showing.change(uri, "import", "\nimport")
        assert await answer is None
    else:
        showing.change(uri, "import", "\nimport")
        assert await showing.execute(fix) is None
    await settled(showing, uri)
    assert showing.requests.edits == []
    assert showing.client.messages == []


async def test_what_has_no_safe_fix_is_explained_only(showing: Editor, uri: str) -> None:
    loading = MODEL + "\n\nnet = Block()\nnet.load_state_dict(weights)\n"
    showing.open(uri, loading)
    showing.configure({"codeLens": True})
    await settled(showing, uri)
    lenses = await showing.lenses(uri)
    assert titles(lenses) == ["1 redundant bias · 64 parameters", "Explain"]
    explain = lenses[1].command
    assert explain is not None
    await showing.execute(explain)
    (message,) = showing.client.messages
    assert message.type == types.MessageType.Info
    assert message.message == (
        "The bias of `conv` has no effect: `bn` subtracts the mean over batch, height and width, and the bias with it."
    )


async def test_commands_with_arguments_of_somebody_else_do_nothing(showing: Editor, uri: str) -> None:
    showing.open(uri, MODEL)
    for arguments in ([uri, 0], ["git:/a.py", 3], [uri, 10**9], [uri, -1]):
        await showing.execute(types.Command("", "biaslens.explain", arguments=arguments))
    for arguments in ([uri, 7, 3], [uri, 1, 0], ["file:///nowhere.py", 1, 3]):
        await showing.execute(types.Command("", "biaslens.fixAll", arguments=arguments))
    for arguments in ([], [uri], [uri, "x"]):
        with pytest.raises(JsonRpcException) as refused:
            await showing.execute(types.Command("", "biaslens.explain", arguments=arguments))
        assert refused.value.code == -32602
    assert showing.client.messages == []
    assert showing.requests.edits == []


@pytest.mark.parametrize("profile", ["vscode_139", "vscode_139 without pull", "nvim_0.11", "nvim_0.7", "eglot", "ale"])
async def test_rules_change_without_a_restart(profile: str, uri: str) -> None:
    editor = await Editor.start(profile, {"maxRuns": 32})
    editor.open(uri, MODEL)
    assert len(await editor.diagnostics(uri)) == 1
    before, published = editor.client.diagnostic_refresh_count, len(editor.published.received)
    editor.configure({"ignore": ["BL101"], "maxRun": 3})
    await settled(editor, uri)
    assert await shown(editor, uri, published) == []
    can = editor.capabilities.workspace
    asks_again = can is not None and can.diagnostics is not None and editor.pulls
    assert editor.client.diagnostic_refresh_count - before == (1 if asks_again else 0)
    published = len(editor.published.received)
    editor.configure({"ignore": None, "maxRun": 3})
    await settled(editor, uri)
    assert len(await shown(editor, uri, published)) == 1
    assert [entry.message for entry in editor.client.log_messages] == [
        "There is no setting named 'maxRun'. Did you mean 'maxRuns'?"
    ]
    await editor.stop()


async def shown(editor: Editor, uri: str, published: int) -> list[types.Diagnostic]:
    """What the editor shows after a change of which its own text knows nothing."""
    if editor.pulls:
        return await editor.diagnostics(uri)
    while len(editor.published.received) == published:
        await editor.published.wait()
    return list(editor.published.received[-1].diagnostics)


@pytest.mark.parametrize("profile", ["vscode_139", "eglot", "nvim_0.7"])
async def test_settings_are_asked_for_at_the_start(profile: str, uri: str) -> None:
    editor = await Editor.start(profile, {"ignore": ["BL1"]}, {"ignore": ["BL102"], "inlayHints": True})
    editor.open(uri, MODEL)
    await settled(editor, uri)
    can = editor.capabilities.workspace
    asked = bool(can and can.configuration)
    if asked or editor.pulls:
        assert len(await editor.diagnostics(uri)) == (1 if asked else 0)
    registers = can is not None and can.did_change_configuration is not None
    methods = [registration.method for registration in editor.requests.registered]
    assert methods.count(types.WORKSPACE_DID_CHANGE_CONFIGURATION) == (1 if registers else 0)
    await editor.stop()


async def test_an_editor_that_keeps_no_settings_for_us_leaves_those_of_the_start(uri: str) -> None:
    editor = await Editor.start("vscode_139", {"inlayHints": True})
    editor.open(uri, MODEL)
    assert len(await editor.hints(uri)) == 1
    editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(None))
    await settled(editor, uri)
    assert len(await editor.hints(uri)) == 1
    await editor.stop()
