"""Several files at a time: the same output whatever the number, and an end that leaves nothing behind."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from biaslens.cli import workers
from biaslens.cli.workers import Job
from command import run
from test_cache import HELPER, PLAIN, READER, USER

SLOW = """\
from torch import nn


class Net{number}(nn.Module):
    def __init__(self, a=1, b=2, c=3):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, a)
        self.other = b is None or c

    def forward(self, x, y=None):
        for i in range(100000):
            if y is not None:
                x = self.conv(x) + y
            x = x * 2
        return x
"""

SCRIPT = "import sys, biaslens.cli.{module} as m; m.PATIENCE = 0; from biaslens.cli.main import main; sys.exit(main())"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "reader.py").write_text(READER.replace("helper", "second"))
    (tmp_path / "second.py").write_text(HELPER)
    (tmp_path / "broken.py").write_text("import torch.nn\ndef (\nx = torch.nn.Linear\n")
    (tmp_path / "binary.py").write_bytes(b"\0\0")
    for number in range(5):
        (tmp_path / f"model{number}.py").write_text(PLAIN + "\n" * number + PLAIN.replace("net", "other"))
    return tmp_path


@pytest.mark.parametrize(
    "command", [("check", "--select", "ALL"), ("check", "--output-format", "json"), ("sites",), ("check", "--diff")]
)
def test_the_output_is_the_same_whatever_the_jobs(
    folder: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = run(*command, "--no-cache", "--jobs", "1")
    monkeypatch.setattr(workers, "PATIENCE", 0)
    with patch.object(workers, "_Worker", side_effect=workers._Worker) as started:  # pyright: ignore[reportPrivateUsage]
        together = run(*command, "--no-cache", "--jobs", "3")
    assert started.call_count == 3
    assert together == alone
    assert "binary.py:1:1: This is a binary file" in alone.err
    assert "model4.py" in alone.out
    assert "--diff" in command or "helper.py" in alone.out


def test_few_small_files_start_no_process(folder: Path) -> None:
    with patch.object(workers, "_Worker", side_effect=AssertionError("a process was started")):
        outcome = run("check", "model0.py", "--jobs", "3")
    assert outcome.code == 1


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_dies_costs_the_file_that_it_was_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch, sign: signal.Signals
) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 0)
    give = workers._Worker.give  # pyright: ignore[reportPrivateUsage]

    def give_and_kill(self: Any, job: Job) -> None:
        if job.path.endswith("model3.py"):
            os.kill(self._process.pid, sign)
            self._process.wait()
        give(self, job)

    monkeypatch.setattr(workers._Worker, "give", give_and_kill)  # pyright: ignore[reportPrivateUsage]
    outcome = run("check", "--jobs", "2", "--output-format", "concise")
    lines = [line for line in outcome.err.splitlines() if "model3.py" in line]
    assert len(lines) == 1
    assert f"BiasLens ended while it followed this file (ended by {sign.name})" in lines[0]
    assert {line.partition(":")[0] for line in outcome.out.splitlines()[:-1]} >= {"model2.py", "model4.py"}
    assert "model3.py" not in outcome.out
    monkeypatch.undo()
    os.chdir(folder)
    assert "model3.py" in run("check", "--output-format", "concise").out, "that was not remembered"


def test_systems_without_other_processes_do_without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = run("check", "--no-cache", "--jobs", "1")
    monkeypatch.setattr(workers, "PATIENCE", 0)
    with patch.object(workers, "_Worker", side_effect=OSError("no more processes")):
        assert run("check", "--no-cache", "--jobs", "3") == alone


def children(parent: int) -> list[int]:
    """All processes below one, by what Linux tells of them."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            status = (entry / "stat").read_text() if entry.name.isdigit() else ""
        except OSError:
            continue
        if status and int(status.rpartition(")")[2].split()[1]) == parent:
            found += [int(entry.name), *children(int(entry.name))]
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_an_interrupt_ends_all_processes_quietly(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"slow{number}.py").write_text(SLOW.replace("{number}", "") * 20)
    command = [
        sys.executable,
        "-c",
        SCRIPT.format(module="workers"),
        "check",
        "--no-cache",
        "--jobs",
        "2",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(family := children(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (130, b"", b"")
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in family) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []


def test_a_long_run_on_a_terminal_shows_how_far_it_is(folder: Path) -> None:
    command = [
        sys.executable,
        "-c",
        SCRIPT.format(module="progress"),
        "check",
        "--no-cache",
        "--jobs",
        "1",
        str(folder),
    ]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # Linux says so where nobody has the other end any more
            break
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert b"Checking" in shown
    assert b"/11" in shown
    assert b"\x1b" not in out
    piped = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert piped.stdout == out
    assert b"Checking" not in piped.stderr
