"""`check --fix`, `--diff` and `--add-ignore` on real files: what is written, what is left alone, and what is said."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from biaslens.lint import report_of
from command import run

BIASLENS = (sys.executable, "-m", "biaslens")
CALL = "nn.Conv2d(3, 16, 3)"
FIXED_CALL = "nn.Conv2d(3, 16, 3, bias=False)"
MODEL = f"from torch import nn\n\nnet = nn.Sequential({CALL}, nn.BatchNorm2d(16))\n"
FIXED = MODEL.replace(CALL, FIXED_CALL)
IGNORED = MODEL.replace("(16))", "(16))  # biaslens: ignore[BL101]")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    return tmp_path


TEXTS = {
    "line feeds": (MODEL, "utf-8"),
    "carriage returns and line feeds": (MODEL.replace("\n", "\r\n"), "utf-8"),
    "carriage returns": (MODEL.replace("\n", "\r"), "utf-8"),
    "mixed line ends": (MODEL.replace("\n", "\r\n", 1) + "x = 1\r\ny = 2\n", "utf-8"),
    "no final line end": (MODEL.rstrip("\n"), "utf-8"),
    "form feeds and line separators": ("# \x0c \x85 \u2028\n\x0c\n" + MODEL, "utf-8"),
    "a byte order mark": ("\ufeff" + MODEL, "utf-8"),
    "other scripts": ("# 漢字 🙂\n" + MODEL.replace("net =", "名 = '🙂'; net ="), "utf-8"),
    "latin-1": ("# -*- coding: latin-1 -*-\n# Größe\n" + MODEL, "latin-1"),
    "a code page": ("#!/usr/bin/python\n# vim: set fileencoding=cp1251 :\n# смещение\n" + MODEL, "cp1251"),
}


@pytest.mark.parametrize(("text", "encoding"), TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(
    ("flag", "old", "new"),
    [
        ("--fix", CALL, FIXED_CALL),
        ("--add-ignore", "(16))", "(16))  # biaslens: ignore[BL101]"),
    ],
)
def test_every_other_byte_stays(folder: Path, text: str, encoding: str, flag: str, old: str, new: str) -> None:
    model = folder / "model.py"
    model.write_bytes(text.encode(encoding))
    assert run("check", flag, "model.py").code == 0
    assert model.read_bytes() == text.replace(old, new).encode(encoding)
    assert run("check", "model.py").out == "No redundant bias found.\n"


@pytest.mark.parametrize(("text", "encoding"), TEXTS.values(), ids=TEXTS)
def test_a_diff_writes_nothing_and_is_a_patch(folder: Path, text: str, encoding: str) -> None:
    model = folder / "model.py"
    model.write_bytes(text.encode(encoding))
    outcome = run("check", "--diff", "model.py")
    assert (outcome.code, outcome.err) == (1, "Would fix 1 finding in 1 file.\n")
    assert model.read_bytes() == text.encode(encoding)
    if encoding == "utf-8" and not text.startswith("\ufeff") and "\n" in text:
        subprocess.run(["patch", "--binary", "-s", "-p0"], input=outcome.bytes_out, cwd=folder, check=True)
        assert model.read_bytes() == text.replace(CALL, FIXED_CALL).encode(encoding)


@pytest.mark.parametrize(("flag", "after"), [("--fix", FIXED), ("--add-ignore", IGNORED)])
def test_permissions_links_and_neighbours_stay(folder: Path, flag: str, after: str) -> None:
    model = folder / "model.py"
    model.chmod(0o751)
    (folder / "near").mkdir()
    link, second = folder / "near" / "link.py", folder / "near" / "second.py"
    link.symlink_to("../model.py")
    second.symlink_to("link.py")
    assert run("check", flag, second).code == 0
    assert (os.readlink(link), os.readlink(second)) == ("../model.py", "link.py")
    assert stat.S_IMODE(model.stat().st_mode) == 0o751
    assert model.read_text() == after
    assert sorted(os.listdir(folder)) == ["model.py", "near"]
    assert sorted(os.listdir(folder / "near")) == ["link.py", "second.py"]


def _as_somebody(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the real command without the right of a superuser to write everywhere."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*BIASLENS, *arguments]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", *command]
    return subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("flag", ["--fix", "--add-ignore"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_written_is_said_and_the_others_are_repaired(folder: Path, flag: str, what: str) -> None:
    (folder / "closed").mkdir()
    closed = folder / "closed" / "model.py"
    closed.write_text(MODEL)
    (closed if what == "file" else closed.parent).chmod(0o444 if what == "file" else 0o555)
    outcome = _as_somebody("check", flag, ".", folder=folder)
    closed.parent.chmod(0o755)
    assert closed.read_text() == MODEL
    assert os.listdir(closed.parent) == ["model.py"]
    assert (folder / "model.py").read_text() != MODEL
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("closed/model.py:1:1: ")
    assert ("write-protected" if what == "file" else "Permission denied") in line
    assert outcome.returncode == 1


@pytest.mark.parametrize("flag", ["--fix", "--add-ignore"])
def test_a_file_that_changed_on_disk_meanwhile_is_left_alone(folder: Path, flag: str) -> None:
    newer = "# newer\n" + MODEL

    def change_afterwards(*arguments: object) -> object:
        found = report_of(*arguments)  # type: ignore[arg-type]
        (folder / "model.py").write_text(newer)
        return found

    with patch("biaslens.cli.work.report_of", side_effect=change_afterwards):
        outcome = run("check", flag, "model.py")
    assert outcome.code == 1
    assert outcome.err == "model.py:1:1: It changed on disk meanwhile, so it was left as it is.\n"
    assert (folder / "model.py").read_text() == newer


def test_a_file_that_went_away_is_said(folder: Path) -> None:
    def remove_afterwards(*arguments: object) -> object:
        found = report_of(*arguments)  # type: ignore[arg-type]
        (folder / "model.py").unlink()
        return found

    with patch("biaslens.cli.work.report_of", side_effect=remove_afterwards):
        outcome = run("check", "--fix", "model.py")
    assert outcome.code == 1
    assert outcome.err == "model.py:1:1: It cannot be written: No such file or directory.\n"
    assert os.listdir(folder) == []


def test_the_standard_input_is_fixed_onto_the_standard_output_byte_by_byte(folder: Path) -> None:
    for text, encoding in TEXTS.values():
        data = text.encode(encoding)
        done = subprocess.run([*BIASLENS, "check", "--fix", "-"], check=False, input=data, capture_output=True)
        assert done.stdout == text.replace(CALL, FIXED_CALL).encode(encoding)
        assert (done.returncode, done.stderr) == (0, b"")
    outcome = run("check", "--diff", "-", "--stdin-filename", "a.py", stdin=MODEL.encode())
    assert (outcome.code, outcome.out.splitlines()[:2]) == (1, ["--- a.py", "+++ a.py"])


def test_unsafe_fixes_are_in_the_diff_where_asked(folder: Path) -> None:
    (folder / "model.py").write_text(f"{MODEL}net.load_state_dict(weights)\n")
    assert run("check", "--diff").code == 0
    outcome = run("check", "--diff", "--unsafe-fixes")
    assert (outcome.code, f"+net = nn.Sequential({FIXED_CALL}" in outcome.out) == (1, True)
    assert run("check", "--diff", "--unsafe-fixes", "--exit-zero").code == 0


def test_fixes_that_touch_each_other_take_another_round(folder: Path) -> None:
    text = f"{MODEL}other = nn.Sequential({CALL}, nn.BatchNorm2d(16))  # biaslens: ignore[BL101, BL105]\n"
    (folder / "model.py").write_text(text)
    outcome = run("check", "--fix", "--select", "BL1,BL9")
    assert outcome.out == "Found 2 findings in 1 file (2 fixed, 0 remaining).\n"
    assert (folder / "model.py").read_text() == text.replace(CALL, FIXED_CALL, 1).replace(", BL105", "")


def test_a_useless_comment_is_told_in_every_format(folder: Path) -> None:
    (folder / "model.py").write_text(f"{FIXED.rstrip()}  # biaslens: ignore[BL101]\n")
    assert run("check").code == 0
    full = run("check", "--select", "BL901")
    assert full.code == 1
    assert full.out.startswith("model.py:3:75: BL901 [*] `BL101` silences nothing here.")
    assert full.out.endswith("Found 1 finding in 1 file (1 fixable with `--fix`).\n")
    (finding,) = run("check", "--select", "BL901", "--output-format", "json").json
    assert (finding["verdict"], finding["condition"], finding["cancelled_by"], finding["trail"]) == (None, "", None, [])
    assert finding["fix"]["applicability"] == "safe"


# --- several files ---------------------------------------------------------------------------------------------------

PROJECTION = """\
from torch import nn


class Projection(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.stem = nn.Conv2d(3, width, 3)
        self.stem_norm = nn.BatchNorm2d(width)

    def forward(self, x):
        x = self.stem_norm(self.stem(x)).mean((2, 3))
        return self.norm(self.linear(x))
"""
USER = """\
from torch import nn

from projection import Projection


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.projection = Projection(8)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.projection.linear(x)), self.projection(x)
"""


def test_a_use_in_another_file_counts_in_every_round(folder: Path) -> None:
    """The bias of `linear` is redundant by its own file and needed by another one: later rounds must know it too."""
    (folder / "model.py").unlink()
    (folder / "projection.py").write_text(PROJECTION)
    alone = run("check", "--fix", "--quiet", "projection.py")
    assert (folder / "projection.py").read_text().count("bias=False") == 2, alone.out
    (folder / "projection.py").write_text(PROJECTION)
    (folder / "user.py").write_text(USER)
    outcome = run("check", "--fix")
    assert (outcome.code, "1 fixed, 0 remaining" in outcome.out) == (0, True), outcome.out
    fixed = PROJECTION.replace("nn.Conv2d(3, width, 3)", "nn.Conv2d(3, width, 3, bias=False)")
    assert (folder / "projection.py").read_text() == fixed
    assert run("check").code == 0


NET = f"""\
from torch import nn

from starting import start


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = {CALL}
        self.norm = nn.BatchNorm2d(16)
        start(self)

    def forward(self, x):
        return self.norm(self.conv(x))
"""
STARTING = """\
from torch import nn


def start(net):
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            m.bias.data.zero_()
"""
STARTER = """\
from torch import nn

from net import Net


class Starter(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net()
        nn.init.zeros_(self.net.conv.bias)

    def forward(self, x):
        return self.net(x)
"""


@pytest.mark.parametrize(("name", "text"), [("starting.py", STARTING), ("starter.py", STARTER)])
def test_a_bias_that_another_file_sets_by_hand_stays(folder: Path, name: str, text: str) -> None:
    (folder / "model.py").unlink()
    (folder / "net.py").write_text(NET)
    (folder / "starting.py").write_text("def start(net):\n    pass\n")
    harmless = (folder / name).read_text() if name == "starting.py" else ""
    (folder / name).write_text(text)
    outcome = run("check", "--fix", "--unsafe-fixes")
    assert (outcome.code, "1 remaining" in outcome.out) == (1, True)
    assert (folder / "net.py").read_text() == NET
    (folder / name).write_text(harmless)
    assert run("check", "--fix").code == 0


def test_what_remains_after_a_fix_is_what_a_check_finds(folder: Path) -> None:
    helper = "from torch import nn\n\n\ndef conv(width):\n    return nn.Conv2d(width, width, 1)\n"
    layers = f"{CALL}, nn.BatchNorm2d(16), conv(16), nn.BatchNorm2d(16)"
    user = f"from torch import nn\n\nfrom helper import conv\n\nnet = nn.Sequential({layers})\n"
    (folder / "model.py").unlink()
    (folder / "helper.py").write_text(f"{helper}\n\nstem = nn.Sequential({CALL}, nn.BatchNorm2d(16))\n")
    (folder / "user.py").write_text(user)
    fixing = run("check", "--fix", "--output-format", "json")
    assert "bias=False" in (folder / "helper.py").read_text()
    assert "bias=False" in (folder / "user.py").read_text()
    checking = run("check", "--output-format", "json")
    assert fixing.json == checking.json
    assert [finding["verdict"] for finding in checking.json] == ["redundant in every use found"]


def test_add_ignore_leaves_nothing_to_find_in_several_files(folder: Path) -> None:
    layers = "nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)"
    (folder / "two.py").write_text(f"from torch import nn\n\nnet = nn.Sequential({layers})\n")
    assert run("check", "--add-ignore").out == "Added ignore comments to 2 lines in 2 files.\n"
    assert run("check", "--select", "BL1,BL9").out == "No redundant bias found.\n"
    assert (folder / "model.py").read_text() == IGNORED
    assert run("check", "--add-ignore").out == "Added ignore comments to 0 lines.\n"
    assert run("check", "--add-ignore", "missing.py").code == 2
    assert run("sites", "model.py").out.count("redundant") == 1, "what becomes of the bias stays the same"


@pytest.mark.parametrize("arguments", [("--fix",), ("--diff",), ("-",), ("--stdin-filename", "a.py")])
def test_add_ignore_is_for_files_and_by_itself(arguments: tuple[str, ...]) -> None:
    outcome = run("check", "--add-ignore", *arguments)
    assert (outcome.code, "Error: --add-ignore" in outcome.err) == (2, True)
