"""Code actions beside the repair of one finding: a comment that silences it, and all safe fixes of a file at once."""

from __future__ import annotations

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from editor import Editor
from test_lsp_wire import CALL, MODEL, OTHER

REPAIRS = ["Remove the bias of `conv`", "Remove the bias of `conv` and keep loading old checkpoints"]
FIX_ALL = "source.fixAll.biaslens"
BOTH = MODEL + OTHER
FIXED = BOTH.replace("64, 3)", "64, 3, bias=False)").replace("32, 3)", "32, 3, bias=False)")
LOADING = BOTH.replace("\n\nclass Other", "\n\nnet = Block()\nnet.load_state_dict(weights)\n\n\nclass Other")

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning"),
]


def resolves(editor: Editor) -> bool:
    provider = editor.answer.capabilities.code_action_provider
    assert isinstance(provider, types.CodeActionOptions)
    notebooks = [f"notebook.{FIX_ALL}"] if editor.capabilities.notebook_document else []
    can = editor.capabilities.workspace
    asks = can and can.workspace_edit and can.workspace_edit.change_annotation_support
    more = [*notebooks, *(["source"] if asks else [])]
    assert list(provider.code_action_kinds or ()) == ["quickfix", FIX_ALL, *more]
    return bool(provider.resolve_provider)


async def test_a_comment_is_offered_after_the_repair_and_never_preferred(editor: Editor, uri: str) -> None:
    text = editor.open(uri, MODEL.replace(CALL, f"{CALL}  # type: ignore"))
    shown = await editor.diagnostics(uri)
    actions = await editor.actions(uri, shown[0].range, shown, only=["quickfix"])
    assert [action.title for action in actions] == [*REPAIRS, "Ignore BL101 on this line", "Explain BL101"]
    assert [action.is_preferred for action in actions] == [True, None, None, None]
    ignore = actions[-2]
    assert ignore.kind == types.CodeActionKind.QuickFix
    assert list(ignore.diagnostics or ()) == shown
    assert ignore.edit is not None
    editor.apply(ignore.edit)
    assert text.content == MODEL.replace(CALL, f"{CALL}  # type: ignore  # biaslens: ignore[BL101]")
    assert await editor.diagnostics(uri) == []


async def test_of_two_findings_on_one_line_an_action_says_which_it_is_about(editor: Editor, uri: str) -> None:
    pairs = "nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16)"
    text = editor.open(uri, f"import torch.nn as nn\n\nnet = nn.Sequential({pairs})\n")
    shown = await editor.diagnostics(uri)
    actions = await editor.actions(uri, types.Range(shown[0].range.start, shown[1].range.end), shown, ["quickfix"])
    assert [action.title for action in actions] == [
        "Remove the bias of `net[0]` (Conv2d)",
        "Remove the bias of `net[2]` (Conv2d)",
        "Ignore BL101 on this line",
        "Explain BL101 for `net[0]` (Conv2d)",
        "Explain BL101 for `net[2]` (Conv2d)",
        "Fix all BL101 in this file",
    ]
    ignore = actions[2]
    assert list(ignore.diagnostics or ()) == shown
    assert ignore.edit is not None
    editor.apply(ignore.edit)
    assert text.content.endswith(")  # biaslens: ignore[BL101]\n")
    assert await editor.diagnostics(uri) == []


@pytest.mark.parametrize(
    "content", ["\ufeff" + MODEL, MODEL.replace("\n", "\r\n"), MODEL.replace("self.conv =", "'🙂'; self.conv =")]
)
async def test_a_comment_keeps_line_ends_and_other_scripts(editor: Editor, uri: str, content: str) -> None:
    text = editor.open(uri, content)
    shown = await editor.diagnostics(uri)
    (ignore,) = [a for a in await editor.actions(uri, shown[0].range, shown) if a.title.startswith("Ignore")]
    assert ignore.edit is not None
    editor.apply(ignore.edit)
    assert text.content == content.replace(CALL, f"{CALL}  # biaslens: ignore[BL101]")
    assert await editor.diagnostics(uri) == []


async def test_a_useless_comment_is_removed_by_its_fix_and_gets_no_comment(uri: str) -> None:
    editor = await Editor.start("vscode_139", {"select": ["BL1", "BL9"]})
    content = MODEL.replace(CALL, f"{CALL[:-1]}, bias=False)  # biaslens: ignore[BL101]")
    text = editor.open(uri, content)
    (shown,) = await editor.diagnostics(uri)
    assert (shown.code, text.excerpt(shown.range)) == ("BL901", "# biaslens: ignore[BL101]")
    (fix,) = await editor.actions(uri, shown.range, [shown], only=["quickfix"])
    assert fix.is_preferred is True
    assert fix.edit is not None
    editor.apply(fix.edit)
    assert text.content == content.replace("  # biaslens: ignore[BL101]", "")
    await editor.stop()


async def test_all_safe_fixes_are_one_action_resolved_when_chosen(editor: Editor, uri: str) -> None:
    text = editor.open(uri, BOTH)
    whole = text.range(0, len(text.content))
    (action,) = await editor.actions(uri, whole, only=[FIX_ALL])
    assert action.kind == FIX_ALL
    assert (action.edit is None) == resolves(editor)
    action = await editor.resolved(action)
    assert action.edit is not None
    can = editor.capabilities.workspace
    versioned = can is not None and can.workspace_edit is not None and bool(can.workspace_edit.document_changes)
    assert (action.edit.document_changes is not None) == versioned
    editor.apply(action.edit)
    assert text.content == FIXED
    assert await editor.diagnostics(uri) == []
    assert await editor.actions(uri, whole, only=[FIX_ALL]) == []


@pytest.mark.parametrize(
    ("only", "titles"),
    [
        (["source"], ["BiasLens: apply all safe fixes"]),
        (["source.fixAll"], ["BiasLens: apply all safe fixes"]),
        (["source.fixAll.biaslens", "quickfix"], None),
        (None, None),
        ([""], None),
        (["source.fixAll.ruff"], []),
        (["source.fixAllAnything"], []),
        (["source.organizeImports"], []),
        (["refactor"], []),
    ],
)
async def test_kinds_are_matched_by_their_prefix(
    editor: Editor, uri: str, only: list[str] | None, titles: list[str] | None
) -> None:
    editor.open(uri, BOTH)
    first, second = await editor.diagnostics(uri)
    place = types.Range(first.range.start, second.range.end)
    found = [action.title for action in await editor.actions(uri, place, [first], only)]
    every = [
        *REPAIRS,
        "Ignore BL101 on this line",
        "Explain BL101",
        "Fix all BL101 in this file",
        "BiasLens: apply all safe fixes",
    ]
    assert found == (every if titles is None else titles)


async def test_a_request_that_no_person_made_costs_no_rounds(editor: Editor, uri: str) -> None:
    editor.open(uri, BOTH)
    shown = await editor.diagnostics(uri)
    automatic = types.CodeActionTriggerKind.Automatic
    titles = [action.title for action in await editor.actions(uri, shown[0].range, shown, trigger=automatic)]
    assert ("BiasLens: apply all safe fixes" in titles) == resolves(editor)
    assert "Remove the bias of `conv`" in titles
    (on_save,) = await editor.actions(uri, shown[0].range, [], only=[FIX_ALL], trigger=automatic)
    assert on_save.kind == FIX_ALL


async def test_all_findings_of_a_rule_are_fixed_together(editor: Editor, uri: str) -> None:
    text = editor.open(uri, BOTH)
    first, _ = await editor.diagnostics(uri)
    (action,) = [a for a in await editor.actions(uri, first.range, [first]) if a.title == "Fix all BL101 in this file"]
    assert action.kind == types.CodeActionKind.QuickFix
    assert action.is_preferred is None
    action = await editor.resolved(action)
    assert action.edit is not None
    editor.apply(action.edit)
    assert text.content == FIXED


async def test_unsafe_fixes_are_left_out(editor: Editor, uri: str) -> None:
    text = editor.open(uri, LOADING)
    assert len(await editor.diagnostics(uri)) == 2
    assert await editor.actions(uri, text.range(0, len(text.content)), only=[FIX_ALL]) == []


async def test_fixes_that_wait_for_another_round_are_in_the_same_edit(editor: Editor, uri: str) -> None:
    pairs = "Conv2d(3,8,1),Conv2d(8,8,1),BatchNorm2d(8),Conv2d(8,8,1),BatchNorm2d(8)"
    text = editor.open(uri, f"from torch.nn import *\nnet = Sequential({pairs})\n")
    (action,) = await editor.actions(uri, text.range(0, 0), only=["source.fixAll"])
    action = await editor.resolved(action)
    assert action.edit is not None
    editor.apply(action.edit)
    assert text.content == f"from torch.nn import *\nnet = Sequential({pairs})\n".replace("1)", "1, bias=False)")


@pytest.mark.parametrize("close", [False, True])
async def test_an_action_for_an_older_version_is_refused(editor: Editor, uri: str, close: bool) -> None:
    text = editor.open(uri, BOTH)
    (action,) = await editor.actions(uri, text.range(0, 0), only=[FIX_ALL])
    if close:
        editor.close(uri)
    else:
        editor.change(uri, "import", "\nimport")
    if not resolves(editor):
        assert action.data is None
        return
    with pytest.raises(JsonRpcException) as refused:
        await editor.resolved(action)
    assert refused.value.code == types.LSPErrorCodes.ContentModified


async def test_a_change_while_it_is_resolved_is_noticed(editor: Editor, uri: str) -> None:
    if not resolves(editor):
        return
    text = editor.open(uri, BOTH)
    (action,) = await editor.actions(uri, text.range(0, 0), only=[FIX_ALL])
    answer = editor.client.code_action_resolve_async(action)
    editor.change(uri, "import", "\nimport")
    with pytest.raises(JsonRpcException) as refused:
        await answer
    assert refused.value.code == types.LSPErrorCodes.ContentModified


async def test_an_action_of_somebody_else_is_given_back(editor: Editor) -> None:
    if resolves(editor):
        foreign = types.CodeAction("Sort imports", data={"other": 1})
        assert await editor.resolved(foreign) == foreign
