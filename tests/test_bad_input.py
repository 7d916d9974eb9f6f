"""Whatever it is given, the command says it in one line, checks the rest, and ends."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from biaslens.rounds import Fixed, repaired
from command import Outcome, run

GOOD = """\
from torch import nn

net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with one good file that has one finding."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.py").write_text(GOOD)
    return tmp_path


def _check_beside_good(name: str) -> Outcome:
    """Checks a file and the good one; the good one is checked whatever the other is."""
    outcome = run("check", name, "good.py", "--output-format", "json")
    assert outcome.code == 1
    assert [os.path.basename(finding["filename"]) for finding in outcome.json] == ["good.py"]
    return outcome


def _assert_one_line(outcome: Outcome, name: str, words: str) -> None:
    assert re.fullmatch(rf"{re.escape(name)}:\d+:\d+: [^\n]*{words}[^\n]*\n", outcome.err), outcome.err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        pytest.param("binary.py", b"\x7fELF\0\0\0", "binary", id="a binary file"),
        pytest.param("latin.py", b"\n\nname = '\xe9'\n", "not valid utf-8", id="undecodable bytes"),
        pytest.param("first.py", b"name = '\xe9'\n", "encoding", id="undecodable bytes in the first line"),
        pytest.param("cookie.py", b"# coding: klingon\n", "klingon", id="an unknown encoding"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(folder: Path, name: str, content: bytes, words: str) -> None:
    (folder / name).write_bytes(content)
    _assert_one_line(_check_beside_good(name), name, words)
    alone = run("check", name)
    assert (alone.code, alone.out) == (2, "")


def test_a_missing_path_is_one_line() -> None:
    _assert_one_line(_check_beside_good("missing.py"), "missing.py", "No such file")
    assert run("check", "missing.py").code == 2
    assert run("sites", "missing.py").code == 2
    assert run("program", "missing.py").code == 2


def test_json_stays_json_where_nothing_could_be_checked() -> None:
    outcome = run("check", "missing.py", "--output-format", "json")
    assert (outcome.code, outcome.json) == (2, [])


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.py")
    _assert_one_line(_check_beside_good("pipe.py"), "pipe.py", "neither a file nor a folder")
    assert run("check").code == 1


def test_a_folder_without_python_is_one_line_and_clean(folder: Path) -> None:
    (folder / "empty").mkdir()
    outcome = run("check", "empty")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "No Python files found under the given paths.\n")


def test_an_empty_file_is_clean(folder: Path) -> None:
    (folder / "empty.py").touch()
    outcome = run("check", "empty.py")
    assert (outcome.code, outcome.err) == (0, "")


def test_links_in_a_circle_end(folder: Path) -> None:
    (folder / "below").mkdir()
    (folder / "below" / "again").symlink_to(folder)
    (folder / "self.py").symlink_to("self.py")
    outcome = run("check", "--output-format", "json")
    assert (len(outcome.json), outcome.err) == (1, "")


def test_a_folder_that_may_not_be_read_is_one_line(folder: Path) -> None:
    (folder / "closed").mkdir()
    with patch("os.scandir", side_effect=PermissionError(13, "Permission denied")):
        outcome = run("check", "closed")
    _assert_one_line(outcome, "closed", "Permission denied")
    assert outcome.code == 2


def test_a_syntax_error_hides_only_its_own_statement(folder: Path) -> None:
    (folder / "typing.py").write_text("def broken(:\n    pass\n\n\n" + GOOD)
    outcome = run("check", "typing.py", "--output-format", "json")
    assert [finding["location"]["row"] for finding in outcome.json] == [7]
    _assert_one_line(outcome, "typing.py", "")
    assert outcome.err.startswith("typing.py:1:")


def test_a_file_of_one_line_of_five_megabytes_ends(folder: Path) -> None:
    (folder / "long.py").write_text("from torch import nn; x = [" + f"'{'y' * 990}', " * 5000 + "nn.Linear(2, 2)]\n")
    assert (folder / "long.py").stat().st_size > 4_900_000
    started = time.monotonic()
    assert _check_beside_good("long.py").err == ""
    assert time.monotonic() - started < 30


def test_a_finding_in_a_long_line_is_shown_in_a_window(folder: Path) -> None:
    statement = GOOD.splitlines()[2].removeprefix("net = ")
    (folder / "long.py").write_text(
        f"from torch import nn; x = '{'y' * 5000}'; net = {statement}; z = '{'y' * 5000}'\n"
    )
    lines = run("check", "long.py").out.splitlines()
    shown = next(line for line in lines if "nn.Conv2d(3, 16, 3)" in line)
    marks = next(line for line in lines if "^" in line)
    assert len(shown) < 200
    assert shown[marks.index("^") : marks.rindex("^") + 1] == "nn.Conv2d(3, 16, 3)"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x = " + "(" * 5000 + ")" * 5000, id="brackets"),
        pytest.param("x = " + "-" * 5000 + "1", id="unary operators"),
        pytest.param("x = " + " + ".join(["1"] * 5000), id="a sum"),
        pytest.param("x = a" + ".b" * 5000, id="attributes"),
        pytest.param("from torch import nn\nx = " + "nn.Sequential(" * 5000 + ")" * 5000, id="containers"),
        pytest.param(
            "\n".join("    " * depth + "if x:" for depth in range(99)) + "\n" + "    " * 99 + "y", id="blocks"
        ),
        pytest.param("if x:\n    y\n" + "elif x:\n    y\n" * 5000, id="alternatives"),
    ],
)
def test_five_thousand_levels_end_without_a_crash(folder: Path, text: str) -> None:
    (folder / "deep.py").write_text(text + "\n")
    outcome = _check_beside_good("deep.py")
    assert "Traceback" not in outcome.err
    assert len(outcome.err.splitlines()) <= 1


def test_code_that_calls_itself_for_ever_ends(folder: Path) -> None:
    (folder / "deep.py").write_text(
        "from torch import nn\n\n\ndef make(n):\n    return nn.Sequential(nn.Conv2d(n, n, 3), make(n + 1))\n\n\n"
        "net = make(1)\n"
        "while True:\n    net = make(2)\n"
    )
    started = time.monotonic()
    outcome = _check_beside_good("deep.py")
    assert time.monotonic() - started < 30
    assert "Traceback" not in outcome.err


MERGE = """\
from torch import nn


def merge(fn, dicts):
    first = dicts[0]
    found = {}
    for key, value in first.items():
        inner = [one[key] for one in dicts]
        found[key] = merge(fn, inner) if isinstance(value, dict) else fn(inner)
    return found


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x, states):
        return self.layer(x), merge(sum, states)
"""


ORDER = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, low, high):
        super().__init__()
        for _ in range(40):
            low, high = min(low, high), max(low, high)
        self.layer = nn.Linear(3, low)

    def forward(self, x):
        return self.layer(x)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("text", [MERGE, ORDER], ids=["items", "arguments"])
def test_names_that_double_again_and_again_take_neither_memory_nor_time(folder: Path, text: str) -> None:
    """An item is named by what it is an item of, and by its key, which may be named by the same."""
    import resource

    (folder / "merge.py").write_text(text)
    found = subprocess.run(
        [sys.executable, "-m", "biaslens", "check", "--no-cache", "merge.py"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000)),
    )
    assert (found.returncode, found.stderr) == (0, "")


def test_a_module_that_imports_itself_ends(folder: Path) -> None:
    (folder / "again.py").write_text("from again import *\nimport again\nfrom again import Net as Net\n" + GOOD)
    (folder / "ping.py").write_text("from pong import Base\n\n\nclass Net(Base):\n    pass\n")
    (folder / "pong.py").write_text("from ping import Net\n\n\nclass Base(Net):\n    pass\n")
    outcome = run("check", "--output-format", "json")
    assert outcome.code == 1
    assert sorted(os.path.basename(finding["filename"]) for finding in outcome.json) == ["again.py", "good.py"]
    assert "Traceback" not in outcome.err


def test_names_that_steer_terminals_or_cannot_be_encoded_are_shown_as_pictures(folder: Path) -> None:
    for name in (b"\x1b[31mred.py", b"two\nlines.py", b"not\xffutf8.py"):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(b"\0")
    outcome = run("check", "--quiet")
    assert outcome.code == 1
    assert "\x1b" not in outcome.err
    assert len(outcome.err.splitlines()) == 3


def test_a_file_that_changed_meanwhile_is_left_alone(folder: Path) -> None:
    good = folder / "good.py"
    newer = "# newer\n" + GOOD

    def save_and_fix(*arguments: Any) -> tuple[Fixed, ...]:
        good.write_text(newer)
        return repaired(*arguments)

    with patch("biaslens.rounds.repaired", side_effect=save_and_fix):
        outcome = run("check", "--fix", "good.py")
    assert good.read_text() == newer
    assert outcome.code == 1
    _assert_one_line(outcome, "good.py", "changed on disk meanwhile")
    assert "0 fixed, 1 remaining" in outcome.out


def test_a_file_that_cannot_be_written_is_one_line(folder: Path) -> None:
    with patch("os.replace", side_effect=OSError(28, "No space left on device")):
        outcome = run("check", "--fix", "good.py")
    _assert_one_line(outcome, "good.py", "No space left on device")
    assert outcome.code == 1
    assert (folder / "good.py").read_text() == GOOD
    assert [path.name for path in folder.iterdir()] == ["good.py"], "the temporary file is gone"


def test_undecodable_standard_input_is_one_line_and_passed_on_by_fix() -> None:
    outcome = run("check", "-", stdin=b"\xff\xfe\0")
    assert (outcome.code, outcome.out) == (2, "")
    assert len(outcome.err.splitlines()) == 1
    assert run("check", "--fix", "-", stdin=b"\xff\xfe\0").bytes_out == b"\xff\xfe\0"


def test_a_bug_of_ours_is_one_line_without_a_traceback() -> None:
    with patch("biaslens.cli.work.study", side_effect=ValueError("first line\nsecond line")):
        outcome = run("check", "good.py")
    assert (outcome.code, outcome.out) == (2, "")
    assert re.fullmatch(
        r"biaslens [\d.]+ failed: ValueError: first line second line \(.*\)\. This is a bug.*report.*\n", outcome.err
    )


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", ">/dev/full"])
def test_closed_and_full_streams_are_no_bug_of_ours(redirection: str) -> None:
    command = f"{sys.executable} -m biaslens check - {redirection}"
    done = subprocess.run(["bash", "-c", command], check=False, input=GOOD, capture_output=True, text=True, timeout=60)
    assert done.returncode == {"<&-": 0, ">/dev/full": 2}.get(redirection, 1)
    assert "bug" not in done.stderr
    assert len(done.stderr.splitlines()) == (redirection == ">/dev/full")


ENDLESS = """\
import torch
from torch import nn


class Crop(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = {layer}

    def forward(self, x):
        while True:
            for _ in range(400):
                left, right = int(torch.rand(1) * 5), int(torch.rand(1) * 9)
            x = self.layer(x)


head = nn.Linear(3, 3)
"""


def test_a_loop_without_end_costs_little_where_there_is_no_layer(folder: Path) -> None:
    """The whole budget of an entry is for models; of this one there is nothing to leave alone."""
    (folder / "crop.py").write_text(ENDLESS.format(layer="layer"))
    assert _check_beside_good("crop.py").err == ""
    (folder / "model.py").write_text(ENDLESS.format(layer="nn.Linear(3, 3)"))
    _assert_one_line(_check_beside_good("model.py"), "model.py", "goes on for too long")
