"""The server over real standard input and output, with recorded editors at the other end."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types

from editor import Editor

MODEL = """\
import torch.nn as nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3)
        self.bn = nn.BatchNorm2d(64)

    def forward(self, x):
        return self.bn(self.conv(x))
"""
CALL = "nn.Conv2d(3, 64, 3)"
NORM = "nn.BatchNorm2d(64)"
OTHER = MODEL[MODEL.index("\n\nclass") :].replace("Block", "Other").replace("64", "32")

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning"),
]


async def test_a_redundant_bias_is_shown_where_it_is_constructed(editor: Editor, uri: str) -> None:
    text = editor.open(uri, MODEL)
    (shown,) = await editor.diagnostics(uri)
    assert text.excerpt(shown.range) == CALL
    assert (shown.source, shown.code, shown.severity) == ("biaslens", "BL101", types.DiagnosticSeverity.Warning)


async def test_a_diagnostic_has_what_the_editor_can_show_and_nothing_else(editor: Editor, uri: str) -> None:
    text = editor.open(uri, MODEL)
    (shown,) = await editor.diagnostics(uri)
    can = editor.capabilities.text_document
    assert can is not None
    assert can.publish_diagnostics is not None
    fades = can.publish_diagnostics.tag_support is not None
    assert list(shown.tags or ()) == ([types.DiagnosticTag.Unnecessary] if fades else [])
    assert (shown.code_description is not None) == bool(can.publish_diagnostics.code_description_support)
    if shown.code_description:
        assert shown.code_description.href.startswith("https://arxiv.org/abs/")
    if can.publish_diagnostics.related_information:
        assert shown.related_information
        assert {place.location.uri for place in shown.related_information} == {uri}
        assert NORM in [text.excerpt(place.location.range) for place in shown.related_information]
    else:
        assert shown.related_information is None


async def test_an_editor_is_told_or_asks_but_never_both(editor: Editor, uri: str) -> None:
    can = editor.capabilities.text_document
    assert can is not None
    assert editor.pulls == (can.diagnostic is not None)
    editor.open(uri, MODEL)
    assert len(await editor.diagnostics(uri)) == 1
    editor.change(uri, CALL, "nn.Conv2d(3, 64, 3, bias=False)")
    assert await editor.diagnostics(uri) == []
    assert [p.version for p in editor.published.received if p.uri == uri][-1:] == ([] if editor.pulls else [2])


async def test_a_closed_document_shows_nothing(editor: Editor, uri: str) -> None:
    editor.open(uri, MODEL)
    assert len(await editor.diagnostics(uri)) == 1
    editor.close(uri)
    if editor.pulls:
        report = await editor.pull(uri)
        assert isinstance(report, types.RelatedFullDocumentDiagnosticReport)
        assert not report.items
    else:
        assert not (await editor.publication(uri, None)).diagnostics
    assert (
        await editor.client.text_document_hover_async(
            types.HoverParams(types.TextDocumentIdentifier(uri), types.Position(6, 25))
        )
        is None
    )


async def test_the_same_diagnostics_are_answered_by_unchanged(editor: Editor, uri: str) -> None:
    if not editor.pulls:
        assert editor.answer.capabilities.diagnostic_provider is None
        return
    editor.open(uri, MODEL)
    first = await editor.pull(uri)
    assert isinstance(first, types.RelatedFullDocumentDiagnosticReport)
    assert first.result_id is not None
    editor.change(uri, "return self", "return  self")
    second = await editor.pull(uri, first.result_id)
    assert isinstance(second, types.RelatedUnchangedDocumentDiagnosticReport)
    assert second.result_id == first.result_id
    editor.change(uri, "import", "\nimport")
    third = await editor.pull(uri, first.result_id)
    assert isinstance(third, types.RelatedFullDocumentDiagnosticReport)
    assert third.items[0].range.start.line == first.items[0].range.start.line + 1


async def test_the_quick_fix_makes_the_diagnostic_go(editor: Editor, uri: str) -> None:
    text = editor.open(uri, MODEL)
    shown = await editor.diagnostics(uri)
    fix, *_ = await editor.fixes(uri, shown[0].range, shown, only=["quickfix"])
    assert fix.kind == types.CodeActionKind.QuickFix
    assert fix.is_preferred is True
    assert list(fix.diagnostics or ()) == shown
    assert fix.edit is not None
    can = editor.capabilities.workspace
    versioned = can is not None and can.workspace_edit is not None and bool(can.workspace_edit.document_changes)
    assert (fix.edit.document_changes is not None) == versioned
    assert (fix.edit.changes is None) == versioned
    editor.apply(fix.edit)
    assert text.content == MODEL.replace(CALL, "nn.Conv2d(3, 64, 3, bias=False)")
    assert await editor.diagnostics(uri) == []


async def test_another_quick_fix_keeps_old_checkpoints_loading(editor: Editor, uri: str) -> None:
    text = editor.open(uri, MODEL)
    shown = await editor.diagnostics(uri)
    usual, other = await editor.fixes(uri, shown[0].range, shown)
    assert usual.title == "Remove the bias of `conv`"
    assert other.title == "Remove the bias of `conv` and keep loading old checkpoints"
    assert other.is_preferred is None
    assert other.edit is not None
    editor.apply(other.edit)
    assert "nn.Conv2d(3, 64, 3, bias=False)" in text.content
    assert text.content.count("state_dict.pop(bias)") == 1
    assert await editor.diagnostics(uri) == []


async def test_one_quick_fix_removes_the_bias_and_all_that_sets_it(editor: Editor, uri: str) -> None:
    loop = "        for m in self.children():\n            if m is not self.bn:\n                m.bias.data.zero_()\n"
    behind = "\n    def forward"
    text = editor.open(uri, MODEL.replace(behind, f"        nn.init.zeros_(self.conv.bias)\n{loop}{behind}"))
    shown = await editor.diagnostics(uri)
    fix, *_ = await editor.fixes(uri, shown[0].range, shown)
    assert fix.edit is not None
    editor.apply(fix.edit)
    guarded = loop.replace("m.bias.data", "if m.bias is not None:\n                    m.bias.data")
    without = MODEL.replace(CALL, "nn.Conv2d(3, 64, 3, bias=False)")
    assert text.content == without.replace(behind, guarded + behind)


async def test_an_editor_that_names_no_diagnostics_gets_the_fixes_of_its_range(editor: Editor, uri: str) -> None:
    text = editor.open(uri, MODEL + OTHER)
    first, second = await editor.diagnostics(uri)
    fix, *_ = await editor.fixes(uri, types.Range(second.range.start, second.range.start), [])
    assert list(fix.diagnostics or ()) == [second]
    actions = await editor.fixes(uri, types.Range(first.range.start, second.range.end), [])
    assert [list(action.diagnostics or ()) for action in actions] == [[first], [first], [second], [second]]
    end = text.position(len(text.content))
    assert await editor.fixes(uri, types.Range(end, end), []) == []


async def test_only_the_diagnostics_that_the_editor_names_are_fixed(editor: Editor, uri: str) -> None:
    editor.open(uri, MODEL + OTHER)
    first, second = await editor.diagnostics(uri)
    whole = types.Range(first.range.start, second.range.end)
    fix, *_ = await editor.fixes(uri, whole, [second])
    assert list(fix.diagnostics or ()) == [second]
    bytes_for_units = types.Range(first.range.start, types.Position(first.range.end.line, 99))
    blurred = types.Diagnostic(range=bytes_for_units, message=first.message, source="biaslens", code="BL101")
    fix, *_ = await editor.fixes(uri, whole, [blurred])
    assert list(fix.diagnostics or ()) == [first]
    without_source = types.Diagnostic(range=bytes_for_units, message=first.message, code="BL101")
    fix, *_ = await editor.fixes(uri, whole, [without_source])
    assert list(fix.diagnostics or ()) == [first]
    foreign = types.Diagnostic(range=first.range, message="line too long", source="other", code="BL101")
    assert await editor.fixes(uri, whole, [foreign]) == []


async def test_of_two_on_one_line_the_one_that_is_named_is_fixed(editor: Editor, uri: str) -> None:
    pairs = "nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16)"
    text = editor.open(uri, f"import torch.nn as nn\n\nnet = nn.Sequential({pairs})\n")
    first, second = await editor.diagnostics(uri)
    assert first.range.start.line == second.range.start.line
    fix, *_ = await editor.fixes(uri, second.range, [second])
    assert fix.edit is not None
    editor.apply(fix.edit)
    assert text.content.count("nn.Conv2d(8, 16, 3, bias=False)") == 1
    assert [text.excerpt(shown.range) for shown in await editor.diagnostics(uri)] == ["nn.Conv2d(3, 8, 3)"]


@pytest.mark.parametrize(
    ("only", "count"), [(None, 2), ([""], 2), (["quickfix"], 2), (["source"], 0), (["refactor"], 0)]
)
async def test_only_the_kinds_asked_for_are_answered(
    editor: Editor, uri: str, only: list[str] | None, count: int
) -> None:
    editor.open(uri, MODEL)
    shown = await editor.diagnostics(uri)
    assert len(await editor.fixes(uri, shown[0].range, shown, only)) == count


@pytest.mark.parametrize(("place", "at"), [(CALL, 4), ("self.conv(x)", 6), (NORM, 4)])
async def test_the_hover_explains_a_layer_its_call_and_its_norm(editor: Editor, uri: str, place: str, at: int) -> None:
    text = editor.open(uri, MODEL)
    hover = await editor.hover(uri, place, at)
    assert hover is not None
    assert hover.range is not None
    assert isinstance(hover.contents, types.MarkupContent)
    can = editor.capabilities.text_document
    assert can is not None
    assert can.hover is not None
    preferred = (can.hover.content_format or [types.MarkupKind.PlainText])[0]
    assert hover.contents.kind == preferred
    assert "bias" in hover.contents.value
    assert ("](" in hover.contents.value or "**" in hover.contents.value) == (preferred == types.MarkupKind.Markdown)
    start = text.offset(hover.range.start)
    assert start <= text.content.index(place) + at <= text.offset(hover.range.end)


async def test_there_is_no_hover_where_there_is_nothing_to_say(editor: Editor, uri: str) -> None:
    editor.open(uri, MODEL)
    assert await editor.hover(uri, "import") is None


async def test_columns_after_other_scripts_are_counted_in_the_editors_units(editor: Editor, uri: str) -> None:
    wide = MODEL.replace("        self.conv = nn", "        '漢🙂é'; self.conv = nn").replace(
        "import", "# 🙂🙂\nimport", 1
    )
    text = editor.open(uri, wide)
    (shown,) = await editor.diagnostics(uri)
    assert text.excerpt(shown.range) == CALL
    fix, *_ = await editor.fixes(uri, shown.range, [shown])
    assert fix.edit is not None
    editor.apply(fix.edit)
    assert text.content == wide.replace(CALL, "nn.Conv2d(3, 64, 3, bias=False)")
    assert await editor.diagnostics(uri) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(MODEL.replace("\n", "\r\n"), id="carriage return and line feed"),
        pytest.param(MODEL.replace("\n", "\r"), id="carriage return"),
        pytest.param(
            MODEL.replace("\n\n\n", "\n\x0c\n\n").replace("import", "# \x0c \x85 \u2028\nimport", 1), id="form feed"
        ),
        pytest.param("\ufeff" + MODEL, id="byte order mark"),
    ],
)
async def test_every_kind_of_line_end_is_understood_and_kept(editor: Editor, uri: str, content: str) -> None:
    text = editor.open(uri, content)
    (shown,) = await editor.diagnostics(uri)
    assert text.excerpt(shown.range) == CALL
    fix, *_ = await editor.fixes(uri, shown.range, [shown])
    assert fix.edit is not None
    editor.apply(fix.edit)
    assert text.content == content.replace(CALL, "nn.Conv2d(3, 64, 3, bias=False)")
    assert await editor.diagnostics(uri) == []


async def test_a_class_that_needs_a_broken_one_keeps_its_diagnostic_at_its_new_place(editor: Editor, uri: str) -> None:
    helper = "class Norm(nn.BatchNorm2d):\n    def __init__(self, width):\n        super().__init__(width)\n"
    content = MODEL.replace("class Block", f"{helper}\n\nclass Block").replace(NORM, "Norm(64)")
    text = editor.open(uri, content)
    (shown,) = await editor.diagnostics(uri)
    assert text.excerpt(shown.range) == CALL
    for old, new in (("super().__init__(width)", "super().__init__(width"), ("(width", "(width, 'é',\n    eps + ")):
        editor.change(uri, old, new)
        (kept,) = await editor.diagnostics(uri)
        assert text.excerpt(kept.range) == CALL
        assert await editor.fixes(uri, kept.range, [kept]) == []
    editor.change(uri, "nn.Conv2d(3", "nn.Conv2d(4")
    assert await editor.diagnostics(uri) == []


async def test_diagnostics_of_untouched_classes_stay_while_another_one_is_broken(editor: Editor, uri: str) -> None:
    text = editor.open(uri, MODEL + OTHER)
    assert len(await editor.diagnostics(uri)) == 2
    editor.change(uri, "self.bn(self.conv(x))", 'self.bn(self.conv(x\n        """half a string')
    (shown,) = await editor.diagnostics(uri)
    assert text.excerpt(shown.range) == "nn.Conv2d(3, 32, 3)"
    editor.change(uri, '"""half a string', "))")
    assert len(await editor.diagnostics(uri)) == 2


@pytest.mark.parametrize(
    "content", ["", "def f(:\n", "\x00", "\\", "print('no model here')\n", "SELECT 1;\n", "\ud800"]
)
async def test_a_text_without_models_has_no_diagnostics(editor: Editor, uri: str, content: str) -> None:
    editor.open(uri, content)
    assert await editor.diagnostics(uri) == []


async def test_documents_that_are_not_ours_are_ignored(editor: Editor, tmp_path: Path) -> None:
    ours, git, toml = ((tmp_path / "a.py").as_uri(), "git:/a.py", (tmp_path / "a.toml").as_uri())
    editor.open(git, MODEL)
    editor.open(toml, MODEL, language="toml")
    editor.change(git, "64", "65")
    editor.open(ours, MODEL)
    assert len(await editor.diagnostics(ours)) == 1
    if editor.pulls:
        assert await editor.diagnostics(git) == []
        assert await editor.diagnostics(toml) == []
    assert not {p.uri for p in editor.published.received} & {git, toml}
    editor.close(git)
    assert await editor.hover(toml, CALL, 4) is None


async def test_an_untitled_buffer_is_checked(editor: Editor, uri: str) -> None:
    untitled = "untitled:Untitled-1"
    text = editor.open(untitled, MODEL)
    (shown,) = await editor.diagnostics(untitled)
    assert text.excerpt(shown.range) == CALL
    editor.close(untitled)


async def test_an_unsaved_import_is_seen_and_its_users_are_checked_again(editor: Editor, tmp_path: Path) -> None:
    (tmp_path / "norms.py").write_text("import torch.nn as nn\n\nNorm = nn.Identity\n", encoding="utf-8")
    user = MODEL.replace("nn.BatchNorm2d", "Norm").replace("\n", "\nfrom norms import Norm\n", 1)
    norms, model = (tmp_path / "norms.py").as_uri(), (tmp_path / "model.py").as_uri()
    editor.open(model, user)
    assert await editor.diagnostics(model) == []
    before = editor.client.diagnostic_refresh_count
    editor.open(norms, "import torch.nn as nn\n\nNorm = nn.BatchNorm2d\n")
    await _shown_eventually(editor, model, 1)
    editor.close(norms)
    await _shown_eventually(editor, model, 0)
    workspace = editor.capabilities.workspace
    refreshes = workspace is not None and workspace.diagnostics is not None
    assert (editor.client.diagnostic_refresh_count > before) == bool(refreshes and editor.pulls)


async def _shown_eventually(editor: Editor, uri: str, count: int) -> None:
    """A push client must be told without a change of its own; a pull client asks."""
    if editor.pulls:
        assert len(await editor.diagnostics(uri)) == count
        return
    while True:
        newest = editor.published.newest(uri)
        if newest is not None and len(newest.diagnostics) == count:
            return
        await editor.published.wait()


async def test_typing_fast_ends_with_the_diagnostics_of_the_last_text(editor: Editor, uri: str) -> None:
    text = editor.open(uri, "")
    for number in range(0, len(MODEL), 3):
        editor.send(uri, [text.replace(number, number, MODEL[number : number + 3])])
    (shown,) = await editor.diagnostics(uri)
    assert text.content == MODEL
    assert text.excerpt(shown.range) == CALL
    versions = [p.version or 0 for p in editor.published.received if p.uri == uri]
    assert versions == sorted(versions)


async def test_settings_choose_the_rules(uri: str) -> None:
    editor = await Editor.start("nvim_0.11", {"ignore": ["BL101"], "linelength": 80})
    editor.open(uri, MODEL)
    assert await editor.diagnostics(uri) == []
    assert [entry.message for entry in editor.client.log_messages] == ["There is no setting named 'linelength'."]
    await editor.stop()
