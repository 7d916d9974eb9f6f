"""The packed extension: what is in it, and that any Python on this machine runs the server from it, without network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_string
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
from benchmarks.wire import started
from client.bundle import PYTHONS, TARGETS, here, is_compiled
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from biaslens import __version__

ROOT = Path(__file__).parent.parent
TARGET = here()
VSIX = ROOT / "build" / f"biaslens-{TARGET}-{__version__}.vsix"
MEGABYTE = 1_000_000
NOT_USED = frozenset(("pyyaml", "pyyaml-ft"))
"""What LibCST asks for, for a command of its own only."""
MODEL = "from torch import nn\nnet = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))\n"
POISON = "raise SystemExit('a package of the environment was imported')\n"


@pytest.fixture(scope="module")
def vsix() -> Iterator[ZipFile]:
    if not VSIX.exists():
        pytest.fail(f"{VSIX.relative_to(ROOT)} is not there. `make vsix` builds it.")
    with ZipFile(VSIX) as archive:
        yield archive


@pytest.fixture(scope="module")
def extension(vsix: ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the installed extension."""
    folder = tmp_path_factory.mktemp("extension")
    vsix.extractall(folder)
    return folder / "extension"


def bundled(vsix: ZipFile) -> list[PurePosixPath]:
    """The files of bundled/, from there."""
    prefix = "extension/bundled/"
    return [PurePosixPath(name.removeprefix(prefix)) for name in vsix.namelist() if name.startswith(prefix)]


def text(vsix: ZipFile, name: str) -> str:
    return vsix.read(f"extension/{name}").decode("utf-8")


def distributions(vsix: ZipFile) -> dict[str, Any]:
    """The metadata of the bundled packages."""
    files = [str(file) for file in bundled(vsix) if file.name == "METADATA"]
    found = [message_from_string(text(vsix, f"bundled/{file}")) for file in files]
    return {canonicalize_name(metadata["Name"]): metadata for metadata in found}


def test_its_size(vsix: ZipFile) -> None:
    """12.6 MB packed and 45 MB unpacked at the time of writing: six times the parser of LibCST, mostly."""
    assert VSIX.stat().st_size < 15 * MEGABYTE
    assert sum(file.file_size for file in vsix.infolist()) < 55 * MEGABYTE


def test_nothing_is_in_it_that_only_its_makers_need(vsix: ZipFile) -> None:
    names = [PurePosixPath(name) for name in vsix.namelist()]
    folders = {folder for name in names for folder in name.parts[:-1]}
    assert folders.isdisjoint(("test", "tests", "node_modules", "__pycache__", "src", "out", "e2e"))
    assert {name.suffix for name in names}.isdisjoint((".map", ".ts", ".mjs", ".pyc", ".whl"))
    assert "sourceMappingURL" not in text(vsix, "dist/extension.js")
    assert b"direct_url" not in b"".join(name.encode() for name in vsix.namelist())


def test_it_is_built_from_what_stands_here(vsix: ZipFile) -> None:
    for folder, packed in (("server/biaslens", "bundled/biaslens"), ("client", "client")):
        here = {f.relative_to(ROOT / folder).as_posix(): f for f in (ROOT / folder).rglob("*.py")}
        here.pop("bundle.py", None)
        there = {
            n.removeprefix(f"extension/{packed}/") for n in vsix.namelist() if n.startswith(f"extension/{packed}/")
        }
        assert here.keys() == {name for name in there if name.endswith(".py")}, "run `make vsix`"
        old = [name for name, file in here.items() if file.read_bytes() != vsix.read(f"extension/{packed}/{name}")]
        assert not old, "run `make vsix`"


def test_the_licence_of_all_that_it_brings_along_is_in_it(vsix: ZipFile) -> None:
    files = bundled(vsix)
    named = re.compile(r"(?i)^(licen[cs]e|copying)")
    with_licence = {file.parts[0] for file in files if named.match(file.name) and file.parts[0].endswith(".dist-info")}
    assert with_licence == {file.parts[0] for file in files if file.parts[0].endswith(".dist-info")}
    assert len(with_licence) == len(distributions(vsix))
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    shipped = {
        name.rpartition("node_modules/")[2]: entry for name, entry in lock.items() if name and "dev" not in entry
    }
    assert shipped
    licences = text(vsix, "dist/licences.txt")
    assert [
        f"{name} {entry['version']}"
        for name, entry in shipped.items()
        if f"{name} {entry['version']}\n" not in licences
    ] == []


def test_its_version_is_the_same_everywhere(vsix: ZipFile) -> None:
    identity = ElementTree.fromstring(vsix.read("extension.vsixmanifest")).find("*/{*}Identity")
    assert identity is not None
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))
    written = re.search(r"^## (\S+)", text(vsix, "changelog.md"), re.MULTILINE)
    assert written is not None
    assert {
        "manifest": identity.get("Version"),
        "package.json": json.loads(text(vsix, "package.json"))["version"],
        "package-lock.json": lock["version"],
        "root of package-lock.json": lock["packages"][""]["version"],
        "bundled": distributions(vsix)["biaslens"]["Version"],
        "changelog": written[1],
    } == dict.fromkeys(
        ("manifest", "package.json", "package-lock.json", "root of package-lock.json", "bundled", "changelog"),
        __version__,
    )
    assert identity.get("TargetPlatform") == TARGET


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_what_a_bundled_package_asks_for_is_there(vsix: ZipFile, python: str, system: str) -> None:
    names = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
    marks = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": system, "extra": ""}
    marks["platform_system"] = names[system]
    there = distributions(vsix)
    missing: list[str] = []
    for name, metadata in there.items():
        assert python in Requirement(f"python{metadata['Requires-Python']}").specifier, name
        for line in metadata.get_all("Requires-Dist", []):
            asked = Requirement(line)
            other = canonicalize_name(asked.name)
            if other in NOT_USED or (asked.marker is not None and not asked.marker.evaluate(marks)):
                continue
            if other not in there or there[other]["Version"] not in asked.specifier:
                missing.append(f"{name} asks for {line}")
    assert not missing


def test_there_is_a_parser_of_libcst_for_each_version_of_python(vsix: ZipFile) -> None:
    compiled = [file for file in bundled(vsix) if is_compiled(file.name)]
    assert {file.parent.name for file in compiled} == {"libcst"}
    versions = {f"3.{match[1]}" for file in compiled if (match := re.match(r"native\.c(?:python-|p)3(\d+)", file.name))}
    assert versions == set(TARGETS[TARGET].pythons)
    assert len(compiled) == len(versions)


@cache
def interpreter(version: str) -> str | None:
    """A Python of that version on this machine."""
    asked = "import sys; print('%d.%d' % sys.version_info[:2])"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    installed = [str(folder / "bin" / "python") for folder in sorted(pyenv.glob(f"{version}.*"))]
    for python in (sys.executable, shutil.which(f"python{version}"), *installed):
        if python is not None:
            told = subprocess.run([python, "-I", "-S", "-c", asked], capture_output=True, text=True, check=False)
            if told.stdout.strip() == version:
                return python
    return None


def start_of(extension: Path, cache_folder: Path) -> tuple[str, ...]:
    """The arguments with which the extension has Python run the bundled server."""
    source = (ROOT / "client/src/python.ts").read_text("utf-8")
    match = re.search(r"return \[(.*), start\];", source)
    assert match is not None
    arguments = [argument.strip(" '`").replace("${cache}", str(cache_folder)) for argument in match[1].split(",")]
    assert "$" not in "".join(arguments)
    return (*arguments, str(extension / "client" / "start.py"), "server")


def offline() -> tuple[str, ...]:
    """What to put before a command so that it reaches no network, where the system lets us."""
    for command in (("unshare", "--net"), ("unshare", "--net", "--map-root-user")):
        if (
            shutil.which("unshare")
            and not subprocess.run([*command, "true"], capture_output=True, check=False).returncode
        ):
            return command
    return ()


@pytest.mark.parametrize("version", PYTHONS)
def test_a_bare_python_serves_findings_and_fixes(
    version: str, extension: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an environment, a folder and a PYTHONPATH that each have an old pygls."""
    base = interpreter(version)
    if base is None:
        pytest.skip(f"There is no Python {version} on this machine.")
    subprocess.run([base, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (packages,) = (tmp_path / "venv").glob("[lL]ib/**/site-packages")
    for folder in (packages, tmp_path):
        (folder / "pygls.py").write_text(POISON)
    (packages / "old.pth").write_text("import pygls\n")
    (python,) = (tmp_path / "venv").glob("[bS]*/python")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = sorted(extension.rglob("*"))
    titles = served([*offline(), str(python), *start_of(extension, tmp_path / "cache")])
    assert titles[0] == "Remove the bias of `net[0]` (Conv2d)"
    assert sorted(extension.rglob("*")) == before, "the folder of the extension stays as it is"
    assert list((tmp_path / "cache").rglob("*.pyc"))


def test_without_a_compiled_parser_there_are_findings(vsix: ZipFile, tmp_path: Path) -> None:
    """As in the extension for a platform that is none of ours, and with a Python that is newer than it."""
    vsix.extractall(tmp_path, [name for name in vsix.namelist() if not is_compiled(name)])
    titles = served([sys.executable, *start_of(tmp_path / "extension", tmp_path / "cache")])
    assert titles == ["Ignore BL101 on this line", "Explain BL101"]


def served(command: list[str]) -> list[str]:
    """What a server offers to do about the one finding of the model."""
    document = {"uri": "file:///project/model.py"}
    place = {"line": 1, "character": 25}
    able = {
        "diagnostic": {},
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix"]}}},
    }
    with started(*command, patience=120) as wire:
        answer = wire.ask(1, "initialize", {"processId": None, "rootUri": None, "capabilities": {"textDocument": able}})
        assert answer["result"]["serverInfo"] == {"name": "biaslens", "version": __version__}
        wire.notify("initialized", {})
        item = {**document, "languageId": "python", "version": 1, "text": MODEL}
        wire.notify("textDocument/didOpen", {"textDocument": item})
        (finding,) = wire.ask(2, "textDocument/diagnostic", {"textDocument": document})["result"]["items"]
        assert finding["code"] == "BL101"
        context: dict[str, Any] = {"diagnostics": [], "only": ["quickfix"]}
        wire.send(
            3,
            "textDocument/codeAction",
            {"textDocument": document, "range": {"start": place, "end": place}, "context": context},
        )
        while "method" in (message := wire.read() or {}):
            assert message["method"] == "window/logMessage", message
        return [action["title"] for action in message["result"]]
