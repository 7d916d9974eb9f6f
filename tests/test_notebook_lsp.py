"""Notebooks over the wire: cells are documents of their own, and one module together."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from biaslens.lsp.notebooks import NotebookDocument, notebook_after, opened_notebook
from biaslens.syntax.magics import neutral
from biaslens.syntax.parse import parse
from biaslens.text import Source
from editor import CODECS, Text
from notebook_editor import PROFILES, NotebookEditor

IMPORT = "%matplotlib inline\nimport torch.nn as nn"
BLOCK = """\
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3)
        self.bn = norm(64)

    def forward(self, x):
        return self.bn(self.conv(x))"""
NORM = "norm = nn.BatchNorm2d"
CALL = "nn.Conv2d(3, 64, 3)"
FIXED = CALL.replace("3)", "3, bias=False)")
FIX_ALL = "source.fixAll.biaslens"

pytestmark = pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning")
in_one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PROFILES)
async def editor(request: pytest.FixtureRequest) -> AsyncIterator[NotebookEditor]:
    editor = await NotebookEditor.start(request.param)
    assert isinstance(editor, NotebookEditor)
    yield editor
    assert editor.client.messages == [], "nobody wants a popup"
    assert [entry.message for entry in editor.client.log_messages] == []
    await editor.stop()


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return (tmp_path / "my notes.ipynb").as_uri()


@in_one_loop
async def test_cells_are_one_module_and_each_shows_its_own(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK, "%%bash\nls '", "x = Block(")
    assert await editor.excerpts(uri) == [[], [], [CALL], [], []]
    (shown,) = await editor.shown(cells[2])
    assert (shown.source, shown.code) == ("biaslens", "BL101")
    assert shown.related_information
    assert {place.location.uri for place in shown.related_information} == {cells[2]}


@in_one_loop
async def test_a_cell_is_told_or_asked_about_but_never_both(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK)
    assert len(await editor.shown(cells[2])) == 1
    published = {params.uri: params for params in editor.published.received}
    assert not editor.published.newest(uri)
    if editor.pulls_cells:
        assert not published.keys() & set(cells)
        return
    assert [(len(published[cell].diagnostics), published[cell].version) for cell in cells] == [(0, 1), (0, 1), (1, 1)]
    if editor.pulls:
        report = await editor.pull(cells[2])
        assert isinstance(report, types.RelatedFullDocumentDiagnosticReport)
        assert (len(report.items), report.result_id) == (0, None)
    file = uri.replace(".ipynb", ".py")
    editor.open(file, f"import torch.nn as nn\n{NORM}\n{BLOCK}")
    assert len(await editor.diagnostics(file)) == 1
    assert (editor.published.newest(file) is None) == editor.pulls
    editor.close(file)


@in_one_loop
async def test_what_changes_in_one_cell_shows_in_others(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK)
    assert await editor.excerpts(uri) == [[], [], [CALL]]
    refreshed = editor.client.diagnostic_refresh_count
    editor.change(cells[1], "BatchNorm2d", "Identity")
    assert await editor.excerpts(uri) == [[], [], []]
    editor.change(cells[1], "Identity", "InstanceNorm2d")
    (shown,) = await editor.shown(cells[2])
    assert shown.code == "BL102"
    assert (editor.client.diagnostic_refresh_count > refreshed) == editor.pulls_cells
    refreshed = editor.client.diagnostic_refresh_count
    editor.change(cells[1], "norm", "# more\n\nnorm")
    assert (await editor.shown(cells[2]))[0].range == shown.range
    assert editor.client.diagnostic_refresh_count == refreshed, "nothing has changed for the other cells"


@in_one_loop
async def test_only_what_is_new_is_published(editor: NotebookEditor, uri: str) -> None:
    if editor.pulls_cells:
        return
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK)
    await editor.settle(cells[0])
    before = len(editor.published.received)
    editor.change(cells[0], "import", "\nimport")
    await editor.settle(cells[0])
    news = [(params.uri, params.version) for params in editor.published.received[before:]]
    assert news == [(cells[0], 2)]


@in_one_loop
async def test_cells_come_go_and_move(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, BLOCK, NORM)
    assert await editor.excerpts(uri) == [[], [CALL], []]
    editor.splice(uri, 1, 0, editor.new_cell(uri, "# nothing"), editor.new_cell(uri, BLOCK.replace("Block", "Other")))
    assert await editor.excerpts(uri) == [[], [], [CALL], [CALL], []]
    editor.move(uri, 4, 0)
    assert await editor.excerpts(uri) == [[], [], [], [CALL], [CALL]]
    editor.splice(uri, 0, 1, editor.new_cell(uri, "norm = nn.Identity"))
    assert await editor.excerpts(uri) == [[], [], [], [], []]
    assert not (editor.published.newest(cells[2]) or types.PublishDiagnosticsParams("", [])).diagnostics
    editor.splice(uri, 0, 1, editor.new_cell(uri, NORM))
    assert await editor.excerpts(uri) == [[], [], [], [CALL], [CALL]]
    editor.splice(uri, 4, 1)
    assert await editor.excerpts(uri) == [[], [], [], [CALL]]
    if not editor.pulls_cells:
        gone = editor.published.newest(cells[1])
        assert gone is not None
        assert (len(gone.diagnostics), gone.version) == (0, None)


@in_one_loop
async def test_a_cell_that_becomes_prose_leaves(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK)
    assert await editor.excerpts(uri) == [[], [], [CALL]]
    item = types.TextDocumentItem(cells[1], "markdown", 2, NORM)
    placed = types.NotebookCell(types.NotebookCellKind.Markup, cells[1])
    closed = [types.TextDocumentIdentifier(cells[1])]
    array = types.NotebookCellArrayChange(1, 1, [placed])
    structure = types.NotebookDocumentCellChangeStructure(array, [item], closed)
    editor.tell(uri, types.NotebookDocumentCellChanges(structure=structure))
    assert await editor.shown(cells[2]) == []
    placed = types.NotebookCell(types.NotebookCellKind.Code, cells[1])
    item = types.TextDocumentItem(cells[1], "python", 3, NORM)
    array = types.NotebookCellArrayChange(1, 1, [placed])
    structure = types.NotebookDocumentCellChangeStructure(array, [item], closed)
    editor.tell(uri, types.NotebookDocumentCellChanges(structure=structure))
    assert len(await editor.shown(cells[2])) == 1
    for kind, count in ((types.NotebookCellKind.Markup, 0), (types.NotebookCellKind.Code, 1)):
        data = [types.NotebookCell(kind, cells[1])]
        editor.tell(uri, types.NotebookDocumentCellChanges(data=data))
        assert len(await editor.shown(cells[2])) == count


@in_one_loop
async def test_cells_in_other_languages_are_no_part_of_it(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK)
    assert len(await editor.shown(cells[2])) == 1
    structure = types.NotebookDocumentCellChangeStructure(
        types.NotebookCellArrayChange(1, 1, [types.NotebookCell(types.NotebookCellKind.Code, cells[1])]),
        [types.TextDocumentItem(cells[1], "julia", 2, NORM)],
        [types.TextDocumentIdentifier(cells[1])],
    )
    editor.tell(uri, types.NotebookDocumentCellChanges(structure=structure))
    assert await editor.shown(cells[2]) == []


@in_one_loop
async def test_running_a_cell_changes_nothing(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK)
    assert len(await editor.shown(cells[2])) == 1
    before = len(editor.published.received)
    ran = types.NotebookCell(
        types.NotebookCellKind.Code, cells[2], execution_summary=types.ExecutionSummary(7, success=True)
    )
    editor.tell(uri, types.NotebookDocumentCellChanges(data=[ran]))
    editor.tell(uri, None, metadata={"kernelspec": {"language": "python"}})
    identifier = types.NotebookDocumentIdentifier(uri)
    editor.client.notebook_document_did_save(types.DidSaveNotebookDocumentParams(identifier))
    assert await editor.excerpts(uri) == [[], [], [CALL]]
    assert len(editor.published.received) == before


@in_one_loop
async def test_a_hover_speaks_of_its_cell_and_links_to_others(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(
        uri, IMPORT, NORM, BLOCK, "conv = nn.Conv2d(3, 8, 3)", "bn = nn.BatchNorm2d(8)", "y = bn(conv(x))"
    )
    found = await editor.hover(cells[2], CALL, 4)
    assert found is not None
    assert found.range is not None
    assert editor.texts[cells[2]].excerpt(found.range) == CALL
    assert isinstance(found.contents, types.MarkupContent)
    assert f"]({cells[2]})" in found.contents.value
    assert uri not in found.contents.value
    found = await editor.hover(cells[3], "nn.Conv2d")
    assert found is not None
    assert isinstance(found.contents, types.MarkupContent)
    assert f"]({cells[4]})" in found.contents.value or f"]({cells[5]})" in found.contents.value
    assert await editor.hover(cells[0], "import") is None


@in_one_loop
async def test_a_quick_fix_edits_the_cells_that_it_concerns(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, f"# 🙂\n{BLOCK}", "net = Block()\nnn.init.zeros_(net.conv.bias)")
    (shown,) = await editor.shown(cells[2])
    (usual,) = await editor.fixes(cells[2], shown.range, [shown], only=["quickfix"])
    assert usual.is_preferred is True
    assert usual.edit is not None
    assert usual.edit.changes is None
    changes = [change for change in usual.edit.document_changes or () if isinstance(change, types.TextDocumentEdit)]
    assert [(change.text_document.uri, change.text_document.version) for change in changes] == [
        (cells[2], 1),
        (cells[3], 1),
    ]
    editor.apply(usual.edit)
    assert editor.texts[cells[2]].content == f"# 🙂\n{BLOCK}".replace(CALL, FIXED)
    assert (
        editor.texts[cells[3]].content
        == "net = Block()\nif net.conv.bias is not None:\n    nn.init.zeros_(net.conv.bias)"
    )
    assert await editor.shown(cells[2]) == []


@in_one_loop
async def test_only_the_findings_of_a_cell_have_actions_in_it(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK, BLOCK.replace("Block", "Other"))
    for cell in cells:
        text = editor.texts[cell]
        actions = await editor.fixes(cell, text.range(0, len(text.content)), [])
        assert len(actions) == (1 if cell in cells[2:] else 0)
    (shown,) = await editor.shown(cells[3])
    titles = [action.title for action in await editor.actions(cells[3], shown.range, [shown])]
    assert titles == [
        "Remove the bias of `conv`",
        "Ignore BL101 on this line",
        "Explain BL101",
        "Fix all BL101 in this notebook",
        "BiasLens: apply all safe fixes",
    ]


@in_one_loop
async def test_a_finding_can_be_ignored_in_its_cell(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK)
    (shown,) = await editor.shown(cells[2])
    actions = await editor.actions(cells[2], shown.range, [shown])
    (ignore,) = [action for action in actions if action.title == "Ignore BL101 on this line"]
    assert ignore.edit is not None
    editor.apply(ignore.edit)
    assert f"{CALL}  # biaslens: ignore[BL101]\n" in editor.texts[cells[2]].content
    assert await editor.shown(cells[2]) == []


@in_one_loop
@pytest.mark.parametrize("only", [["notebook.source.fixAll.biaslens"], ["notebook.source.fixAll"], ["notebook"]])
async def test_all_fixes_of_a_notebook_are_one_edit(editor: NotebookEditor, uri: str, only: list[str]) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK, "x = 1", BLOCK.replace("Block", "Other"))
    text = editor.texts[cells[0]]
    (action,) = await editor.actions(cells[0], text.range(0, 0), only=only)
    assert action.kind == f"notebook.{FIX_ALL}"
    resolved = await editor.resolved(action)
    assert resolved.edit is not None
    assert len(resolved.edit.document_changes or ()) == 2
    editor.apply(resolved.edit)
    assert [editor.texts[cell].content.count(FIXED) for cell in cells] == [0, 0, 1, 0, 1]
    assert await editor.excerpts(uri) == [[]] * 5


@in_one_loop
@pytest.mark.parametrize("only", [[FIX_ALL], ["source.fixAll"], ["source"]])
async def test_no_cell_is_fixed_when_files_are(editor: NotebookEditor, uri: str, only: list[str]) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK)
    (shown,) = await editor.shown(cells[2])
    assert await editor.actions(cells[2], shown.range, [shown], only=only) == []
    file = uri.replace(".ipynb", ".py")
    text = editor.open(file, f"import torch.nn as nn\n{NORM}\n{BLOCK}")
    whole = text.range(0, len(text.content))
    assert [action.kind for action in await editor.actions(file, whole, only=only)] == [FIX_ALL]
    assert await editor.actions(file, whole, only=["notebook"]) == []
    editor.close(file)


@in_one_loop
async def test_an_action_for_older_cells_is_refused(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK, BLOCK.replace("Block", "Other"))
    (shown,) = await editor.shown(cells[2])
    actions = await editor.actions(cells[2], shown.range, [shown])
    (fix_all,) = [action for action in actions if action.title == "Fix all BL101 in this notebook"]
    editor.change(cells[0], "import", "\nimport")
    with pytest.raises(JsonRpcException, match="has changed"):
        await editor.resolved(fix_all)


@in_one_loop
async def test_hints_and_lenses_are_those_of_the_cell(uri: str) -> None:
    editor = await NotebookEditor.start("vscode_139", configuration={"inlayHints": True, "codeLens": True})
    assert isinstance(editor, NotebookEditor)
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK, f"\n{BLOCK}".replace("Block", "Other"))
    await editor.settle(cells[0])
    for cell, line in zip(cells, (None, None, 3, 4), strict=True):
        hints = await editor.hints(cell)
        assert [hint.position.line for hint in hints] == ([] if line is None else [line])
        lenses = await editor.lenses(cell)
        assert {lens.range.start.line for lens in lenses} == (set() if line is None else {line - 3})
    fix_all = next(
        lens.command for lens in await editor.lenses(cells[3]) if lens.command and lens.command.title == "Fix all"
    )
    await editor.execute(fix_all)
    await editor.requests.wait_for(lambda: bool(editor.requests.edits))
    editor.apply(editor.requests.edits[0].edit)
    assert [editor.texts[cell].content.count(FIXED) for cell in cells] == [0, 0, 0, 1]
    refreshed = len(editor.requests.refreshed)
    editor.change(cells[1], "BatchNorm2d", "Identity")
    await editor.requests.wait_for(lambda: len(editor.requests.refreshed) > refreshed)
    await editor.stop()


@in_one_loop
async def test_notebooks_that_are_no_files_yet(editor: NotebookEditor) -> None:
    untitled = "untitled:Untitled-1.ipynb?jupyter-notebook"
    editor.open_notebook(untitled, IMPORT, NORM, BLOCK)
    assert await editor.excerpts(untitled) == [[], [], [CALL]]
    editor.close_notebook(untitled)
    compared = "git:/project/train.ipynb"
    cells = editor.open_notebook(compared, IMPORT, NORM, BLOCK)
    assert await editor.shown(cells[2]) == []
    editor.change(cells[2], "64", "32")
    editor.close_notebook(compared)


@in_one_loop
async def test_a_notebook_as_text_is_json_or_python(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK)
    editor.open(uri, '{"cells": []}', language="json")
    editor.change(uri, "[]", "[1]")
    editor.change(cells[1], "BatchNorm2d", "InstanceNorm2d")
    editor.close(uri)
    (shown,) = await editor.shown(cells[2])
    assert shown.code == "BL102"
    concatenated = uri.replace("my", "jupyterlab")
    text = editor.open(concatenated, f"import torch.nn as nn\n{NORM}\n\n\n{BLOCK}\n")
    (shown,) = await editor.diagnostics(concatenated)
    assert text.excerpt(shown.range) == CALL
    (action,) = await editor.actions(concatenated, shown.range, only=[FIX_ALL])
    assert action.kind == FIX_ALL
    editor.close(concatenated)


@in_one_loop
async def test_a_closed_notebook_shows_nothing(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK)
    assert len(await editor.shown(cells[2])) == 1
    editor.close_notebook(uri)
    assert await editor.shown(cells[2]) == []
    if not editor.pulls_cells:
        newest = [editor.published.newest(cell) for cell in cells]
        assert [(len(params.diagnostics), params.version) for params in newest if params] == [(0, None)] * 3
    assert await editor.hover(cells[2], CALL, 4) is None
    editor.open_notebook(uri, IMPORT, NORM, BLOCK)
    assert await editor.excerpts(uri) == [[], [], [CALL]]


@in_one_loop
async def test_what_was_found_stays_while_another_cell_is_broken(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK, "x = 1")
    assert await editor.excerpts(uri) == [[], [], [CALL], []]
    for old, new in (("= 1", "= '''"), ("x =", "def f(x ="), ("def", "class")):
        editor.change(cells[3], old, new)
        assert await editor.excerpts(uri) == [[], [], [CALL], []]
    editor.change(cells[1], NORM, "norm = (")
    assert await editor.excerpts(uri) == [[], [], [CALL], []], "it needs a name that only the broken statement binds"


@in_one_loop
@pytest.mark.parametrize("end", ["\r\n", "\r"])
async def test_cells_with_other_line_ends_and_characters(editor: NotebookEditor, uri: str, end: str) -> None:
    block = f"# \x0c\u2028🙂\n{BLOCK}".replace("        self.conv =", "        '漢🙂é'; self.conv =").replace("\n", end)
    cells = editor.open_notebook(uri, f"\ufeff{IMPORT}\n", f"{NORM}{end}", block)
    assert await editor.excerpts(uri) == [[], [], [CALL]]
    editor.change(cells[2], "🙂é", "é")
    (shown,) = await editor.shown(cells[2])
    (usual,) = await editor.fixes(cells[2], shown.range, [shown])
    assert usual.edit is not None
    editor.apply(usual.edit)
    assert editor.texts[cells[2]].content == block.replace("🙂é", "é").replace(CALL, FIXED)
    assert await editor.excerpts(uri) == [[], [], []]


@in_one_loop
async def test_changes_of_what_is_not_there_are_harmless(editor: NotebookEditor, uri: str) -> None:
    cells = editor.open_notebook(uri, IMPORT, NORM, BLOCK)
    unknown = editor.new_cell(uri, "x").uri
    content = types.NotebookDocumentCellContentChanges(
        types.VersionedTextDocumentIdentifier(uri=unknown, version=2),
        [types.TextDocumentContentChangeWholeDocument("y")],
    )
    editor.tell(uri, types.NotebookDocumentCellChanges(text_content=[content]))
    array = types.NotebookCellArrayChange(99, 7, [types.NotebookCell(types.NotebookCellKind.Code, unknown)])
    editor.tell(uri, types.NotebookDocumentCellChanges(structure=types.NotebookDocumentCellChangeStructure(array)))
    assert await editor.excerpts(uri) == [[], [], [CALL]]
    assert await editor.shown(unknown) == []
    for address in (cells[0], uri, f"{uri}2"):
        identifier = types.VersionedTextDocumentIdentifier(uri=address, version=9)
        change = types.TextDocumentContentChangeWholeDocument("")
        editor.client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, [change]))
        editor.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(address)))
    assert await editor.excerpts(uri) == [[], [], [CALL]]


TEXTS = (
    IMPORT,
    NORM,
    BLOCK,
    BLOCK.replace("Block", "Other"),
    "norm = nn.InstanceNorm2d",
    "%%bash\n'",
    "x = '''",
    "é🙂 = 1",
    "",
)


@in_one_loop
@pytest.mark.parametrize("seed", [1, 2])
async def test_any_changes_end_like_a_fresh_notebook(editor: NotebookEditor, uri: str, seed: int) -> None:
    chance = random.Random(seed)
    editor.open_notebook(uri, *TEXTS[:3])
    for step in range(40):
        cells = editor.notebooks[uri].cells
        place = chance.randint(0, len(cells))
        match chance.choice(("edit", "edit", "edit", "insert", "delete", "move", "replace")):
            case "edit" if cells:
                text = editor.texts[cell := chance.choice(cells)]
                start = chance.randint(0, len(text.content))
                end = min(len(text.content), start + chance.choice((0, 0, 1, 3)))
                editor.send(cell, [text.replace(start, end, chance.choice(("", "\n", "é", "x", "🙂", "# ")))])
            case "insert":
                editor.splice(
                    uri, place, 0, *(editor.new_cell(uri, chance.choice(TEXTS)) for _ in range(chance.randint(1, 2)))
                )
            case "delete":
                editor.splice(uri, place, min(len(cells) - place, 1))
            case "move" if len(cells) > 1:
                editor.move(uri, chance.randrange(len(cells)), chance.randrange(len(cells)))
            case _:
                editor.splice(uri, place, min(len(cells) - place, 1), editor.new_cell(uri, chance.choice(TEXTS)))
        if step % 10 == 9:
            for number, cell in enumerate(list(editor.notebooks[uri].cells)):
                if parse(Source("", neutral(editor.texts[cell].content))).problems:
                    # What was found before something broke would stay.
                    editor.splice(uri, number, 1, editor.new_cell(uri, chance.choice(TEXTS[:4])))
            fresh = uri.replace("my", f"fresh-{step}")
            editor.open_notebook(fresh, *(editor.texts[cell].content for cell in editor.notebooks[uri].cells))
            assert await editor.excerpts(uri) == await editor.excerpts(fresh)
            editor.close_notebook(fresh)


@pytest.mark.parametrize("encoding", CODECS)
def test_the_text_of_a_notebook_is_that_of_the_client(encoding: str) -> None:
    chance = random.Random(encoding)
    texts: dict[str, Text] = {}
    order: list[str] = []
    document = opened_notebook(
        types.DidOpenNotebookDocumentParams(
            types.NotebookDocument("file:///project/a.ipynb", "jupyter-notebook", 1, []), []
        )
    )
    assert document is not None
    for version in range(2, 400):
        change = _any_change(chance, order, texts, encoding, version)
        identifier = types.VersionedNotebookDocumentIdentifier(version, document.uri)
        params = types.DidChangeNotebookDocumentParams(identifier, types.NotebookDocumentChangeEvent(cells=change))
        document = notebook_after(document, params, encoding)
        assert isinstance(document, NotebookDocument)
        assert document.version == version
        assert [(part.uri, part.text) for part in document.parts] == [(uri, texts[uri].content) for uri in order]
        assert [piece.source.text for piece in document.source.pieces][: len(order)] == [
            texts[uri].content for uri in order
        ]
        assert len(document.source.text) == sum(len(texts[uri].content) + 1 for uri in order)


def _any_change(
    chance: random.Random, order: list[str], texts: dict[str, Text], encoding: str, version: int
) -> types.NotebookDocumentCellChanges:
    """Applies a change to the model of the client and gives it as the client tells it."""
    changes = types.NotebookDocumentCellChanges()
    if chance.random() < 0.5:
        start = chance.randint(0, len(order))
        count = chance.randint(0, min(2, len(order) - start))
        removed = order[start : start + count]
        kept = [uri for uri in removed if chance.random() < 0.6]
        chance.shuffle(kept)
        new = [f"vscode-notebook-cell:/project/a.ipynb#{version}-{number}" for number in range(chance.randint(0, 2))]
        for uri in new:
            texts[uri] = Text(chance.choice(TEXTS), encoding)
        inserted = [*kept, *new]
        order[start : start + count] = inserted
        changes.structure = types.NotebookDocumentCellChangeStructure(
            types.NotebookCellArrayChange(
                start, count, [types.NotebookCell(types.NotebookCellKind.Code, uri) for uri in inserted]
            ),
            [types.TextDocumentItem(uri, "python", 1, texts[uri].content) for uri in new],
            [types.TextDocumentIdentifier(uri) for uri in removed if uri not in kept],
        )
    told: list[types.NotebookDocumentCellContentChanges] = []
    for uri in chance.sample(order, min(len(order), chance.randint(0, 2))):
        partial: list[Any] = []
        for _ in range(chance.randint(1, 3)):
            length = len(texts[uri].content)
            start = chance.randint(0, length)
            end = min(length, start + chance.randint(0, 4))
            partial.append(texts[uri].replace(start, end, chance.choice(("", "\n", "é", "🙂\u2028", "\x0c", "ab\ncd"))))
        identifier = types.VersionedTextDocumentIdentifier(uri=uri, version=version)
        told.append(types.NotebookDocumentCellContentChanges(identifier, partial))
    changes.text_content = told or None
    return changes
