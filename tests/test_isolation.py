"""Nothing of a project is executed: not by any command, not by the processes that they start, not by the server.

Where Python runs something of the current folder before it comes to our first line (`python -m` without `-P`, or a
PYTHONPATH that names the folder), the traps are those names that it has not imported by then.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest
from benchmarks.wire import Wire, started

import biaslens
from biaslens.import_path import installed_path
from planted import MODELS, Planted, every_name, names_at_start, plant

ROOT = Path(__file__).parent.parent
SAFE = "-P" if sys.version_info >= (3, 11) else "-I"
"""What keeps Python from looking into the current folder first."""

COMMANDS: Mapping[str, tuple[int, ...]] = {
    "--version": (0,),
    "--help": (0,),
    "rules": (0,),
    "explain BL101": (0,),
    "config": (0,),
    "config src": (0,),
    "config --schema": (0,),
    "check --show-settings": (0,),
    "sites": (0,),
    "sites --no-cache --output-format json .": (0,),
    "program model0.py": (0,),
    "explain model0.py:7": (0,),
    "check": (1,),
    "check --isolated --no-cache --jobs 2": (1,),
    "check --output-format json model0.py": (1,),
    "check --diff": (1,),
    "check -": (1,),
    "check --fix --stdin-filename model0.py": (0,),
    "check --add-ignore model1.py": (0,),
    "check --fix": (1, 0),
    "check --fix --unsafe-fixes": (1, 0),
    "clean": (0,),
}
"""Every command, with the codes with which it may end."""

SETTINGS: Mapping[str, object] = {
    "select": ["ALL"],
    "extendSelect": ["BL2"],
    "ignore": ["BL9"],
    "perFileIgnores": {"src/": ["ALL"]},
    "severity": {"BL1": "error"},
    "exclude": ["nothing"],
    "extendExclude": ["nowhere"],
    "forceExclude": True,
    "python": ".venv",
    "src": [".", "src"],
    "like": {"typing.Convolution": "torch.nn.Conv2d"},
    "maxRuns": 8,
    "maxSteps": 10_000,
    "inlayHints": True,
    "codeLens": True,
    "configuration": "pyproject.toml",
    "configurationPreference": "filesystemFirst",
    "diagnosticMode": "workspace",
}

CREW = """\
import os, sys
here = os.getcwd()
sys.path[:] = [entry for entry in sys.path if not entry.startswith(here)]
import biaslens.cli.workers as workers
from biaslens.cli.main import main
if __name__ == "__main__":
    workers.PATIENCE = 0
    worker, started = workers._Worker, []
    workers._Worker = lambda: (started.append(worker()), started[-1])[1]
    code = main()
    sys.exit(code if len(started) == 2 else f"{len(started)} processes were started")
"""


@dataclass(frozen=True)
class Home:
    """An environment in which BiasLens and what it needs are installed. at_start: as `names_at_start` gives them."""

    python: Path
    biaslens: Path
    at_start: frozenset[str]

    def module(self, *flags: str) -> tuple[str, ...]:
        return (str(self.python), *flags, "-m", "biaslens")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """As an editable installation makes it, with the command as pip writes it."""
    folder = tmp_path_factory.mktemp("home")
    venv.create(folder / "env", symlinks=os.name != "nt")
    (packages,) = (folder / "env").glob("[lL]ib/**/site-packages")
    there = [Path(module.__file__).parent.parent for module in (biaslens, click) if module.__file__]
    (packages / "editable.pth").write_text("".join(f"{one}\n" for one in there))
    (python,) = (folder / "env").glob("[bS]*/python")
    entry = re.search(r'^biaslens = "(.+):(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert entry is not None
    module, function = entry.groups()
    command = python.with_name("biaslens")
    command.write_text(f"#!{python}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    command.chmod(0o755)
    (folder / "empty").mkdir()
    return Home(python, command, names_at_start(python, folder / "empty"))


def outside(**variables: str) -> dict[str, str]:
    """The environment of this process, with nothing said to Python but what is given."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}, **variables}


def test_the_traps_are_where_it_hurts() -> None:
    assert every_name() >= {"warnings", "typing", "hashlib", "multiprocessing", "__future__", "msvcrt", "yaml", "torch"}
    assert every_name() >= {"biaslens", "pygls", "lsprotocol", "cattrs", "attr", "libcst", "rich", "click", "pathspec"}


def test_a_trap_goes_off(home: Home, tmp_path: Path) -> None:
    planted = plant(tmp_path, every_name(), packages=False)
    subprocess.run([home.python, "-c", "import warnings, click"], cwd=planted.folder, env=outside(), check=True)
    subprocess.run([planted.folder / ".venv/bin/python"], check=True)
    assert {"project-warnings", "project-click", ".venv-bin-python"} <= {*planted.fired}


@dataclass(frozen=True)
class Way:
    """A way to start BiasLens. spares: it is one where Python itself runs what is called as its own modules."""

    command: Callable[[Home], tuple[str, ...]]
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    spares: bool = False

    def planted(self, home: Home, root: Path, *, packages: bool) -> Planted:
        names = every_name() - home.at_start if self.spares else every_name()
        return plant(root, names, packages=packages)


WAYS: Mapping[str, Way] = {
    "biaslens": Way(lambda home: (str(home.biaslens),)),
    f"python {SAFE} -m": Way(lambda home: home.module(SAFE)),
    "isolated, with a PYTHONPATH": Way(lambda home: home.module("-I"), {"PYTHONPATH": f".{os.pathsep}src"}),
    "python -m": Way(lambda home: home.module(), spares=True),
    "PYTHONPATH=.": Way(lambda home: (str(home.biaslens),), {"PYTHONPATH": f".{os.pathsep}src"}, spares=True),
    "an empty entry": Way(lambda home: (str(home.biaslens),), {"PYTHONPATH": os.pathsep}, spares=True),
}


@pytest.mark.parametrize(
    ("way", "packages"), [*((way, False) for way in WAYS), ("biaslens", True), ("python -m", True)]
)
def test_no_command_executes_anything_of_the_project(way: str, packages: bool, home: Home, tmp_path: Path) -> None:
    chosen = WAYS[way]
    planted = chosen.planted(home, tmp_path, packages=packages)
    few = ["check --isolated --no-cache --jobs 2 --fix", "sites"]
    lines = list(COMMANDS) if way == "biaslens" and not packages else few
    for line in lines:
        done = subprocess.run(
            [*chosen.command(home), *line.split()],
            cwd=planted.folder,
            env=outside(**chosen.variables),
            input=(planted.folder / "model0.py").read_bytes(),
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert planted.fired == [], line
        assert done.returncode in COMMANDS.get(line, (0, 1)), (line, done.stderr.decode())
        assert line == "clean" or b"skipped" not in done.stderr, (line, done.stderr.decode())


@pytest.mark.parametrize(
    ("variables", "packages"), [({}, False), ({}, True), ({"PYTHONPATH": f".{os.pathsep}src"}, False)], ids=str
)
def test_no_process_that_is_started_executes_anything_of_the_project(
    variables: Mapping[str, str], packages: bool, home: Home, tmp_path: Path
) -> None:
    """It inherits the environment, and the current folder."""
    planted = plant(tmp_path, every_name() - home.at_start if variables else every_name(), packages=packages)
    script = tmp_path / "crew.py"
    script.write_text(CREW)
    command = [home.python, script, "check", "--no-cache", "--jobs", "2", "--output-format", "json"]
    done = subprocess.run(
        command, cwd=planted.folder, env=outside(**variables), capture_output=True, check=False, timeout=120
    )
    assert planted.fired == []
    assert (done.returncode, done.stderr) == (1, b"")
    assert len(json.loads(done.stdout)) == MODELS


def bundle(home: Home, folder: Path) -> tuple[str, ...]:
    """How the extension starts what it brings along; here, links to what is installed."""
    (folder / "client").mkdir(parents=True)
    (folder / "client" / "start.py").write_bytes((ROOT / "client" / "start.py").read_bytes())
    (folder / "bundled").mkdir()
    for module in (biaslens, click):
        assert module.__file__
        for one in Path(module.__file__).parent.parent.iterdir():
            if one.name.partition(".")[0].isidentifier() and one.suffix != ".pth":
                (folder / "bundled" / one.name).symlink_to(one)
    return (str(home.python), "-I", "-S", "-X", "utf8", str(folder / "client" / "start.py"))


def written_in_the_client(name: str) -> str:
    """A program for Python that stands in the extension, as text."""
    source = (ROOT / "client/src/python.ts").read_text("utf-8")
    match = re.search(rf"^const {name} =\s+([`\"])(.*?)\1;", source, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[2]


SERVERS: Mapping[str, Callable[[Home, Path], tuple[str, ...]]] = {
    "biaslens": lambda home, _: (str(home.biaslens), "server"),
    "--stdio": lambda home, _: (*home.module(SAFE), "server", "--stdio", "--log-level", "debug"),
    "bundled": lambda home, folder: (*bundle(home, folder), "server"),
    "of Python 3.10": lambda home, _: (
        str(home.python),
        "-c",
        written_in_the_client("WITHOUT_CURRENT_FOLDER"),
        "server",
    ),
}


@pytest.mark.parametrize("way", SERVERS)
def test_no_server_executes_anything_of_the_project(way: str, home: Home, tmp_path: Path) -> None:
    if way == "of Python 3.10" and sys.version_info >= (3, 13):
        pytest.skip("this Python imports a module of its library before it runs a `-c`, and it has `-P` for that")
    planted = plant(tmp_path, every_name(), packages=way == "--stdio")
    serve(SERVERS[way](home, tmp_path / "extension"), planted, SETTINGS)


@pytest.mark.parametrize(
    "settings", [{}, {"diagnosticMode": "off"}, {"diagnosticMode": "workspace", "python": "venv/bin/python"}], ids=str
)
def test_whatever_its_settings(settings: Mapping[str, object], home: Home, tmp_path: Path) -> None:
    planted = plant(tmp_path, every_name(), packages=False)
    serve((str(home.biaslens), "server"), planted, settings)


def test_nor_does_one_that_inherits_a_pythonpath(home: Home, tmp_path: Path) -> None:
    planted = plant(tmp_path, every_name() - home.at_start, packages=False)
    serve((str(home.biaslens), "server"), planted, SETTINGS, PYTHONPATH=f".{os.pathsep}src")


def test_nor_one_on_a_port(home: Home, tmp_path: Path) -> None:
    planted = plant(tmp_path, every_name(), packages=False)
    command = [home.biaslens, "server", "--tcp"]
    with subprocess.Popen(
        command, cwd=planted.folder, env=outside(), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            match = re.search(rb"127\.0\.0\.1:(\d+)", said)
            assert match is not None, said
            with closing(socket.create_connection(("127.0.0.1", int(match[1])), 30)) as line:
                pipes = line.makefile("rwb")
                session(Wire(Pipes(pipes)), planted, SETTINGS)  # pyright: ignore[reportArgumentType]
        finally:
            process.kill()
    assert planted.fired == []


@dataclass
class Pipes:
    """A socket in the place of a process."""

    stdin: Any
    stdout: Any = None

    def __post_init__(self) -> None:
        self.stdout = self.stdin


def serve(command: Sequence[str], planted: Planted, settings: Mapping[str, object], **variables: str) -> None:
    """Has a server do all that an editor asks of it, in the project."""
    before = Path.cwd(), dict(os.environ)
    os.chdir(planted.folder)
    os.environ.clear()
    os.environ.update(outside(**variables))
    try:
        with started(*command, patience=120) as wire:
            session(wire, planted, settings)
    finally:
        os.chdir(before[0])
        os.environ.update(before[1])
    assert planted.fired == []


def session(wire: Wire, planted: Planted, settings: Mapping[str, object]) -> None:
    model = planted.folder / "model0.py"
    document = {"uri": model.as_uri()}
    folders = [{"uri": planted.folder.as_uri(), "name": "project"}]
    whole = {"start": {"line": 0, "character": 0}, "end": {"line": 12, "character": 0}}
    capabilities: dict[str, Any] = {
        "workspace": {"configuration": True, "workspaceFolders": True, "applyEdit": True, "diagnostics": {}},
        "textDocument": {
            "diagnostic": {},
            "inlayHint": {},
            "codeLens": {},
            "hover": {"contentFormat": ["markdown"]},
            "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix", "source.fixAll"]}}},
        },
    }
    talk = Talk(wire, settings)
    talk.ask(
        "initialize",
        {
            "processId": None,
            "rootUri": planted.folder.as_uri(),
            "workspaceFolders": folders,
            "capabilities": capabilities,
            "initializationOptions": {"settings": settings, "pictures": True},
        },
    )
    wire.notify("initialized", {})
    item = {**document, "languageId": "python", "version": 1, "text": model.read_text()}
    wire.notify("textDocument/didOpen", {"textDocument": item})
    found = talk.ask("textDocument/diagnostic", {"textDocument": document})["items"]
    assert [one["code"] for one in found] == ([] if settings.get("diagnosticMode") == "off" else ["BL101"])
    place = {"textDocument": document, "position": {"line": 6, "character": 25}}
    assert "has no effect" in str(talk.ask("textDocument/hover", place))
    context = {"diagnostics": found}
    actions = talk.ask("textDocument/codeAction", {"textDocument": document, "range": whole, "context": context})
    assert actions
    talk.ask("textDocument/codeLens", {"textDocument": document})
    talk.ask("textDocument/inlayHint", {"textDocument": document, "range": whole})
    if settings.get("diagnosticMode") == "workspace":
        reports = talk.ask("workspace/diagnostic", {"previousResultIds": []})["items"]
        assert sum(bool(report.get("items")) for report in reports) >= MODELS - 1
    for command in talk.commands:
        talk.ask("workspace/executeCommand", {"command": command, "arguments": []}, fails=True)
    talk.ask("shutdown", None)


@dataclass
class Talk:
    """Asks a server, and answers what it asks. commands: those that it says it can execute."""

    wire: Wire
    settings: Mapping[str, object]
    number: int = 0
    commands: Sequence[str] = ()

    def ask(self, method: str, params: object, *, fails: bool = False) -> Any:
        self.number += 1
        self.wire.send(self.number, method, params)
        while True:
            message = self.wire.read()
            assert message is not None, (method, self.wire.process.stderr and self.wire.process.stderr.read())
            if "method" in message:
                self.answer(message)
            elif message["id"] == self.number:
                assert fails or "result" in message, message
                if method == "initialize":
                    self.commands = message["result"]["capabilities"]["executeCommandProvider"]["commands"]
                return message.get("result")

    def answer(self, message: Mapping[str, Any]) -> None:
        if "id" in message:
            is_question = message["method"] == "workspace/configuration"
            result = [self.settings] * len(message["params"]["items"]) if is_question else None
            self.wire.send_bytes(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode())


@pytest.mark.parametrize("flags", [["-S"], []], ids=["useBundled", "fromEnvironment"])
def test_nor_does_the_probe_of_the_extension(flags: list[str], home: Home, tmp_path: Path) -> None:
    """It is run in the extension's own folder, but would do no harm in another one either."""
    if sys.version_info >= (3, 13):
        pytest.skip("this Python imports a module of its library before it runs a `-c`")
    planted = plant(tmp_path, every_name(), packages=False)
    command = [home.python, *flags, "-c", written_in_the_client("PROBE")]
    done = subprocess.run(command, cwd=planted.folder, env=outside(), capture_output=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["version"] == list(sys.version_info[:3])
    assert planted.fired == []


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What remains of some entries of `sys.path`, for a process in the folder `project`."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")

    def remaining(*entries: str | Path, named: Sequence[str | Path] = ()) -> list[str]:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, named)))
        monkeypatch.setattr(sys, "path", [str(entry) for entry in entries])
        return installed_path()

    return remaining


OWN = str(Path(biaslens.__file__ or "").parent.parent)
LIBRARY = str(Path(os.__file__).parent)


def test_the_library_and_the_folder_of_biaslens_stay(path: Callable[..., list[str]], tmp_path: Path) -> None:
    assert path(LIBRARY, OWN) == [LIBRARY, OWN]
    assert path(LIBRARY) == [LIBRARY, OWN], "an editable installation may find it in another way"
    assert path(OWN, named=[OWN]) == [OWN]


def test_the_current_folder_goes_whoever_put_it_there(path: Callable[..., list[str]], tmp_path: Path) -> None:
    here = tmp_path / "project"
    (here / "click-8.0.dist-info").mkdir()
    (tmp_path / "link").symlink_to(here)
    assert path("", ".", "src", here, tmp_path / "link", f"{here}{os.sep}", OWN) == [OWN]


def test_what_is_around_or_inside_of_it_goes(path: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "project" / "src").mkdir()
    assert path(tmp_path, tmp_path / "project" / "src", OWN) == [OWN]


def test_installed_packages_stay_even_there(path: Callable[..., list[str]], tmp_path: Path) -> None:
    environment = tmp_path / "project" / ".venv" / "lib" / "python3.12" / "site-packages"
    told = tmp_path / "project" / "packages"
    (told / "click-8.1.dist-info").mkdir(parents=True)
    assert path(environment, told, OWN) == [str(environment), str(told), OWN]


def test_elsewhere_pythonpath_may_name_installations_only(path: Callable[..., list[str]], tmp_path: Path) -> None:
    other, packages = tmp_path / "other", tmp_path / "module" / "site-packages"
    assert path(other, packages, OWN, named=[other, packages]) == [str(packages), OWN]
    assert path(other, OWN) == [str(other), OWN], "an editable installation of something else"


def test_a_folder_that_is_no_more_is_no_problem(path: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "project").rmdir()
    assert path("", OWN, named=["src"]) == [OWN]
