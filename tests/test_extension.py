"""What the extension for VS Code says of itself in `package.json`, beside what the server knows."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

from docs.extension import MANIFEST, README, manifest, readme, write_manifest, write_readme
from lsprotocol import types

from biaslens.configuration.reading import read_table, setting_of
from biaslens.lsp.features.fix_all import KIND
from biaslens.lsp.features.rule_pages import COMMAND
from biaslens.options import Options
from biaslens.rules.page import page
from biaslens.rules.registry import RULES
from biaslens.syntax.files import Files
from editor import Editor

PACKAGE = json.loads(MANIFEST.read_text("utf-8"))
PROPERTIES = PACKAGE["contributes"]["configuration"]["properties"]
SOURCES = {file.name: file.read_text("utf-8") for file in (MANIFEST.parent / "client/src").glob("*.ts")}
OWN = {"biaslens.path", "biaslens.interpreter", "biaslens.importStrategy", "biaslens.trace.server"}


def test_the_manifest_is_current() -> None:
    text = MANIFEST.read_text("utf-8")
    assert manifest(text) == text, "package.json is out of date: run `make docs`"


def test_an_old_manifest_is_brought_up_to_date(tmp_path: Path) -> None:
    file = tmp_path / "package.json"
    old = json.loads(json.dumps(PACKAGE))
    del old["contributes"]["configuration"]["properties"]["biaslens.select"]
    old["contributes"]["configuration"]["properties"]["biaslens.gone"] = {"type": ["string", "null"], "default": None}
    file.write_text(json.dumps(old))
    assert write_manifest(file) == ["wrote package.json"]
    assert json.loads(file.read_text("utf-8")) == PACKAGE
    assert write_manifest(file) == []


def test_the_readme_is_current() -> None:
    text = README.read_text("utf-8")
    assert readme(text, PACKAGE) == text, "client/README.md is out of date: run `make docs`"
    for name in [*PROPERTIES, *(command["command"] for command in PACKAGE["contributes"]["commands"])]:
        assert f"`{name}` |" in text


def test_an_old_readme_is_brought_up_to_date(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    text = README.read_text("utf-8")
    file.write_text(re.sub(r"(?m)^\| `biaslens.select` .*\n", "", text), "utf-8")
    assert file.read_text("utf-8") != text
    assert write_readme(file) == ["wrote README.md"]
    assert file.read_text("utf-8") == text
    assert write_readme(file) == []


def test_every_picture_is_there_and_used() -> None:
    pictures = MANIFEST.parent / "docs" / "images"
    texts = [
        MANIFEST.read_text("utf-8"),
        *(file.read_text("utf-8") for file in (README, MANIFEST.parent / "README.md")),
    ]
    used = {name for text in texts for name in re.findall(r"docs/images/([\w-]+\.png)", text)}
    assert {file.name for file in pictures.iterdir()} == used
    assert all(file.stat().st_size < 150_000 for file in pictures.iterdir())


def test_every_option_is_a_setting_without_a_value() -> None:
    options = {f"biaslens.{setting_of(field.name)}" for field in fields(Options)}
    assert set(PROPERTIES) == options | OWN
    assert all(PROPERTIES[name]["default"] is None for name in options)
    unset = {name.removeprefix("biaslens."): None for name in options}
    assert read_table(unset, "editor", "/project", Files()) == ({}, ())


def test_the_extension_keeps_its_own_settings_to_itself() -> None:
    (names,) = re.findall(r"OWN: ReadonlySet<string> = new Set\(\[(.*)\]\)", SOURCES["settings.ts"])
    assert set(re.findall(r"'(\w+)'", names)) == {name.split(".")[1] for name in OWN}
    restricted = PACKAGE["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    assert set(restricted) == OWN - {"biaslens.trace.server"}


def test_the_extension_has_the_commands_that_it_contributes() -> None:
    written = set(re.findall(r"'(biaslens\.\w+)'", "".join(SOURCES.values())))
    assert {command["command"] for command in PACKAGE["contributes"]["commands"]} <= written
    assert COMMAND in written
    assert KIND == "source.fixAll.biaslens"
    assert "SourceFixAll.append('biaslens')" in SOURCES["commands.ts"]


async def test_the_server_tells_the_pages_of_the_rules() -> None:
    editor = await Editor.start("vscode_139")
    rules = await editor.execute(types.Command("Rules", COMMAND))
    await editor.stop()
    assert rules == [{"code": r.code, "name": r.name, "title": r.title, "page": page(r)} for r in RULES]
