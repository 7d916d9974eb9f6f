"""Configuration in an editor: the same options as on the command line, taken anew whenever they change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from lsprotocol import types

from command import run
from editor import Editor
from test_cli import MODEL

PUSHING = "vscode_139 without pull"
EDITORS = ("vscode_139", PUSHING)

OWN = "from mypkg import Norm\n" + MODEL.replace("nn.BatchNorm2d", "Norm")
TWO_NORMS = (
    MODEL.replace("self.head(self.bn(", "self.head(self.last(self.bn(")
    .replace(".relu()", ").relu()")
    .replace("        self.head", "        self.last = nn.BatchNorm2d(16)\n        self.head", 1)
)

TREE = {
    "pyproject.toml": """\
[tool.biaslens]
extend-select = ["BL203"]
severity = { BL1 = "error", BL203 = "information" }
per-file-ignores = { "tests/" = ["ALL"], "half.py" = ["BL1"] }
extend-exclude = ["/generated/", "*_pb2.py"]
like = { "mypkg.Norm" = "torch.nn.BatchNorm2d" }
""",
    "model.py": MODEL.replace("        self.conv", "        '🙂'; self.conv", 1),
    "two.py": TWO_NORMS,
    "half.py": TWO_NORMS,
    "own.py": OWN,
    "tests/test_model.py": MODEL,
    "generated/model.py": MODEL,
    "deep/x_pb2.py": MODEL,
    "build/model.py": MODEL,
    "sub/.biaslens.toml": 'select = ["BL203"]\nsrc = ["../lib"]',
    "sub/pyproject.toml": "[tool.biaslens]\nignore = 3",
    "sub/two.py": TWO_NORMS,
    "sub/own.py": OWN,
    "sub/inner/biaslens.toml": 'ignore = ["BL101"]\nseverity = { ALL = "hint" }\nexclude = ["gen.py"]\n',
    "sub/inner/two.py": TWO_NORMS,
    "sub/inner/gen.py": TWO_NORMS,
    "sub/build/model.py": MODEL,
    "used/biaslens.toml": 'src = ["../lib"]\nseverity = { BL101 = "hint" }',
    "used/model.py": OWN,
    "lib/mypkg.py": "from torch import nn\n\nNorm = nn.BatchNorm2d\n",
    "other/pyproject.toml": '[project]\nname = "biaslens-user"\n',
    "other/model.py": MODEL,
}
"""Nested configurations with everything that can differ by file."""


def grow(folder: Path, tree: dict[str, str]) -> Path:
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def rows(diagnostics: list[types.Diagnostic], encoding: str, text: str) -> list[tuple[Any, ...]]:
    """Diagnostics in the terms of the command line: rows and columns are one-based and count characters."""
    lines = text.split("\n")
    codec, size = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[encoding]

    def place(position: types.Position) -> tuple[int, int]:
        head = lines[position.line].encode(codec)[: position.character * size]
        return position.line + 1, len(head.decode(codec)) + 1

    return [
        (
            found.code,
            place(found.range.start),
            place(found.range.end),
            found.severity.name.lower() if found.severity else "",
            found.message,
        )
        for found in diagnostics
    ]


def from_command_line(path: Path, *flags: str) -> list[tuple[Any, ...]]:
    found = run("check", "--force-exclude", "--output-format", "json", *flags, path)
    ends = ("location", "end_location")
    return [
        (
            item["code"],
            *((item[end]["row"], item[end]["column"]) for end in ends),
            item["severity"],
            item["message"],
        )
        for item in found.json
    ]


@pytest.mark.parametrize("profile", [*EDITORS, "nvim_0.7"])
async def test_the_editor_and_the_command_line_agree_about_every_file(
    profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(grow(tmp_path, TREE))
    editor = await Editor.start(profile, folders=[tmp_path])
    found: dict[str, list[str]] = {}
    for name in (name for name in TREE if name.endswith(".py")):
        path = tmp_path / name
        text = editor.open(path.as_uri(), path.read_text("utf-8"))
        shown = rows(await editor.diagnostics(path.as_uri()), editor.encoding, text.content)
        assert shown == from_command_line(path), name
        if shown:
            found[name] = [f"{code} {severity}" for code, _, _, severity, _ in shown]
    assert found == {
        "model.py": ["BL101 error"],
        "two.py": ["BL101 error", "BL203 information"],
        "half.py": ["BL203 information"],
        "own.py": ["BL101 error"],
        "sub/two.py": ["BL203 hint"],
        "used/model.py": ["BL101 hint"],
        "other/model.py": ["BL101 error"],
    }
    await editor.stop()
    assert run("check", "--config", "sub/pyproject.toml").err == (
        "sub/pyproject.toml:2:10: The key 'ignore' must be a list of strings.\n"
    )


async def in_force(editor: Editor, uri: str, expected: Callable[[list[types.Diagnostic]], bool]) -> None:
    """Waits until the editor shows what is expected for a document that did not change itself."""
    shown: list[types.Diagnostic] = []
    for _ in range(200):
        if editor.pulls:
            shown = await editor.diagnostics(uri)
        else:
            await editor.hover(uri, "import")
            newest = editor.published.newest(uri)
            shown = list(newest.diagnostics) if newest else []
        if expected(shown):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(shown)


def codes(*wanted: str) -> Callable[[list[types.Diagnostic]], bool]:
    return lambda shown: [str(one.code) for one in shown] == list(wanted)


def severity(wanted: types.DiagnosticSeverity) -> Callable[[list[types.Diagnostic]], bool]:
    return lambda shown: [one.severity for one in shown] == [wanted]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return grow(
        tmp_path, {"biaslens.toml": 'severity = { BL1 = "hint" }\n', "model.py": MODEL, "other/model.py": MODEL}
    )


@pytest.mark.parametrize("profile", EDITORS)
async def test_a_configuration_file_counts_as_it_is_in_the_editor(profile: str, project: Path) -> None:
    editor = await Editor.start(profile, folders=[project])
    model, toml = ((project / name).as_uri() for name in ("model.py", "biaslens.toml"))
    editor.open(model, MODEL)
    await in_force(editor, model, severity(types.DiagnosticSeverity.Hint))
    text = editor.open(toml, (project / "biaslens.toml").read_text(), "toml")
    assert editor.published.newest(toml) is None
    editor.change(toml, '"hint"', '"error"')
    await in_force(editor, model, severity(types.DiagnosticSeverity.Error))
    editor.change(toml, "severity", "# 🙂\nseverty")
    shown = await editor.publication(toml, text.version)
    (problem,) = shown.diagnostics
    assert (text.excerpt(problem.range), problem.severity) == ("severty", types.DiagnosticSeverity.Error)
    assert (problem.source, problem.code) == ("biaslens", "configuration")
    assert problem.message == "There is no key named 'severty'. Did you mean 'severity'?"
    await in_force(editor, model, severity(types.DiagnosticSeverity.Error))
    editor.change(toml, 'BL1 = "error" }', "BL1 = ")
    (problem,) = (await editor.publication(toml, text.version)).diagnostics
    assert problem.message == "This is not TOML: invalid value."
    assert problem.range.start.line == 1
    await in_force(editor, model, severity(types.DiagnosticSeverity.Error))
    editor.change(toml, "severty = { BL1 = ", 'ignore = ["BL101"]')
    assert (await editor.publication(toml, text.version)).diagnostics == ()
    await in_force(editor, model, codes())
    editor.close(toml)
    await in_force(editor, model, severity(types.DiagnosticSeverity.Hint))
    assert len(editor.client.log_messages) == 1
    assert "biaslens.toml:2: There is no key named 'severty'." in editor.client.log_messages[0].message
    assert editor.client.messages == []
    await editor.stop()


@pytest.mark.parametrize("profile", EDITORS)
async def test_a_configuration_file_that_changes_on_disk_is_read_again(profile: str, project: Path) -> None:
    editor = await Editor.start(profile, folders=[project])
    model, other, toml = (project / name for name in ("model.py", "other/model.py", "other/.biaslens.toml"))
    for path in (model, other):
        editor.open(path.as_uri(), MODEL)
        await in_force(editor, path.as_uri(), severity(types.DiagnosticSeverity.Hint))
    registrations = {one.id: one for one in editor.requests.registered}
    (watcher,) = cast("Any", registrations["biaslens/configurationFiles"].register_options)["watchers"]
    assert watcher["globPattern"] == "**/{.biaslens,biaslens,pyproject}.toml"
    before = len(editor.published.received)
    toml.write_text("max-runs = 3\nselct = 1")
    editor.tell_of_changes(toml)
    await in_force(editor, other.as_uri(), severity(types.DiagnosticSeverity.Warning))
    concerned = {params.uri for params in editor.published.received[before:]}
    assert concerned == ({toml.as_uri()} if editor.pulls else {toml.as_uri(), other.as_uri()})
    published = editor.published.newest(toml.as_uri())
    assert published is not None
    assert (published.version, [one.range.start.line for one in published.diagnostics]) == (None, [1])
    toml.unlink()
    editor.tell_of_changes(toml)
    await in_force(editor, other.as_uri(), severity(types.DiagnosticSeverity.Hint))
    published = editor.published.newest(toml.as_uri())
    assert published is not None
    assert published.diagnostics == ()
    before = len(editor.published.received)
    editor.tell_of_changes(project / "unrelated.toml", model)
    await editor.hover(model.as_uri(), "import")
    assert len(editor.published.received) == before
    await editor.stop()


async def test_an_editor_that_watches_no_files_has_them_read_whenever_a_document_is_opened(project: Path) -> None:
    editor = await Editor.start("nvim_0.7", folders=[project])
    model, other = ((project / name).as_uri() for name in ("model.py", "other/model.py"))
    editor.open(model, MODEL)
    await in_force(editor, model, severity(types.DiagnosticSeverity.Hint))
    (project / "biaslens.toml").write_text('severity = { BL1 = "error" }')
    editor.open(other, MODEL)
    for uri in (model, other):
        await in_force(editor, uri, severity(types.DiagnosticSeverity.Error))
    assert editor.requests.registered == []
    await editor.stop()


@pytest.mark.parametrize("profile", EDITORS)
async def test_each_workspace_folder_has_settings_of_its_own(profile: str, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b", "b/inner")]
    paths = [folder / "model.py" for folder in folders]
    grow(tmp_path, dict.fromkeys(("a/model.py", "b/model.py", "b/inner/model.py", "c/model.py"), MODEL))
    editor = await Editor.start(profile, {"severity": {"BL1": "information"}}, {}, folders=folders[:2])
    for folder, level in zip(folders, ("error", "hint", "warning"), strict=True):
        settings = {"biaslens": {"severity": {"BL101": level}}}
        editor.client.set_configuration(settings, scope_uri=folder.as_uri())
    editor.configure({})
    wanted = [getattr(types.DiagnosticSeverity, name) for name in ("Error", "Hint", "Hint", "Information")]
    everything = [*paths, tmp_path / "c/model.py"]
    for path, level in zip(everything, wanted, strict=True):
        editor.open(path.as_uri(), MODEL)
        await in_force(editor, path.as_uri(), severity(level))
    added = types.WorkspaceFolder(folders[2].as_uri(), "inner")
    removed = types.WorkspaceFolder(folders[0].as_uri(), "a")
    event = types.WorkspaceFoldersChangeEvent(added=[added], removed=[removed])
    editor.client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(event))
    wanted = [getattr(types.DiagnosticSeverity, name) for name in ("Information", "Hint", "Warning", "Information")]
    for path, level in zip(everything, wanted, strict=True):
        await in_force(editor, path.as_uri(), severity(level))
    await editor.stop()


async def test_the_preference_decides_between_settings_and_files(project: Path) -> None:
    editor = await Editor.start("vscode_139", folders=[project])
    model = (project / "model.py").as_uri()
    editor.open(model, MODEL)
    settings = {"severity": {"BL1": "error"}, "ignore": None}
    for preference, level in (
        ("editorFirst", types.DiagnosticSeverity.Error),
        ("filesystemFirst", types.DiagnosticSeverity.Hint),
        ("editorOnly", types.DiagnosticSeverity.Error),
    ):
        editor.configure({**settings, "configurationPreference": preference})
        await in_force(editor, model, severity(level))
    editor.configure({"configurationPreference": "editorOnly"})
    await in_force(editor, model, severity(types.DiagnosticSeverity.Warning))
    (project / "strict.toml").write_text('severity = { ALL = "information" }')
    editor.configure({"configuration": "strict.toml"})
    await in_force(editor, model, severity(types.DiagnosticSeverity.Information))
    await editor.stop()


@pytest.mark.parametrize("profile", EDITORS)
async def test_nothing_is_said_about_excluded_documents(profile: str, project: Path) -> None:
    grow(project, {"build/model.py": MODEL})
    editor = await Editor.start(profile, folders=[project])
    uri = (project / "build/model.py").as_uri()
    text = editor.open(uri, MODEL)
    assert await editor.diagnostics(uri) == []
    assert await editor.hover(uri, "nn.Conv2d") is None
    assert await editor.actions(uri, text.range(0, len(MODEL))) == []
    editor.configure({"exclude": ["gen/"]})
    await in_force(editor, uri, codes("BL101"))
    assert await editor.hover(uri, "nn.Conv2d") is not None
    editor.configure({"extendExclude": ["/build/*.py"], "exclude": []})
    await in_force(editor, uri, codes())
    await editor.stop()


async def test_a_text_without_a_file_has_the_options_of_the_first_folder(project: Path) -> None:
    editor = await Editor.start("vscode_139", folders=[project])
    uri = "untitled:Untitled-1"
    editor.open(uri, MODEL)
    await in_force(editor, uri, severity(types.DiagnosticSeverity.Hint))
    await editor.stop()


async def test_what_is_wrong_in_an_unopened_file_is_shown_when_it_is_first_read(project: Path) -> None:
    (project / "biaslens.toml").write_text('select = ["BL1"]\npython = "nowhere"\nmax-runs = []')
    editor = await Editor.start("nvim_0.11", folders=[project])
    model, toml = ((project / name).as_uri() for name in ("model.py", "biaslens.toml"))
    editor.open(model, MODEL)
    await in_force(editor, model, severity(types.DiagnosticSeverity.Warning))
    published = editor.published.newest(toml)
    assert published is not None
    assert [(one.range.start.line, one.severity, one.code) for one in published.diagnostics] == [
        (1, types.DiagnosticSeverity.Warning, "environment"),
        (2, types.DiagnosticSeverity.Error, "configuration"),
    ]
    await editor.stop()
