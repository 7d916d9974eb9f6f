"""How fast whole trees are checked: `python -m benchmarks.speed FOLDER … [--torchfix COMMAND] [--flake8 COMMAND]`.

BiasLens without a cache in one process and on all cores, and with a cache; beside it, in the same run, TorchFix and
`flake8 --select TOR` where they are installed (`pip install torchfix flake8`, best in an environment of their own,
since TorchFix wants an older LibCST), and ruff with its syntax and Pyflakes rules. A machine that does something else
as well makes everything slower: then the CPU time tells more than the time on the clock.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bytecode import compile_package
from rich.console import Console
from rich.table import Table

from biaslens.syntax.discover import discover

SAMPLED_EVERY = 0.02
"""Seconds between two looks at the processes of a command."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds on the clock and of all cores, and the most that one of its processes took of the memory, in MB."""

    name: str
    wall: float
    cpu: float
    memory: float
    code: int


class Chosen(argparse.Namespace):
    """The arguments of a command line."""

    folders: Sequence[str] = ()
    torchfix: str = ""
    flake8: str = ""
    only_warm: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("folders", nargs="+", help="trees of Python files")
    parser.add_argument("--torchfix", default="torchfix", help="the command of TorchFix")
    parser.add_argument("--flake8", default="", help="a flake8 with TorchFix installed beside it")
    parser.add_argument("--only-warm", action="store_true", help="leave out BiasLens in one process, and TorchFix")
    chosen = parser.parse_args(arguments, Chosen())
    compile_package()
    files = discover(chosen.folders).files
    lines = sum(Path(path).read_bytes().count(b"\n") for path in files)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    console = Console()
    title = f"{len(files):,} files, {lines:,} lines; {cores} cores, Python {platform.python_version()}, {_processor()}"
    table = Table("command", "s", "CPU s", "MB", "times ruff", title=title)
    with tempfile.TemporaryDirectory() as cache:
        found = [measured(name, command) for name, command in _commands(chosen, cache)]
    ruff = next((one.wall for one in found if one.name.startswith("ruff")), None)
    for one in found:
        ratio = f"{one.wall / ruff:.1f}" if ruff else ""
        failed = "" if one.code in (0, 1) else f" (failed with {one.code})"
        table.add_row(one.name + failed, f"{one.wall:.2f}", f"{one.cpu:.2f}", f"{one.memory:.0f}", ratio)
    console.print(table)
    return 0


def _commands(chosen: Chosen, cache: str) -> list[tuple[str, list[str]]]:
    """What is measured, in this order: the first run that has a cache fills it."""
    biaslens = [sys.executable, "-m", "biaslens", "check", "--isolated", "--quiet", "--output-format", "concise"]
    cached = [*biaslens, "--cache-dir", cache]
    commands = [
        ("BiasLens, one process", [*biaslens, "--no-cache", "--jobs", "1", *chosen.folders]),
        ("BiasLens, all cores", [*biaslens, "--no-cache", *chosen.folders]),
        ("BiasLens, filling its cache", [*cached, *chosen.folders]),
        ("BiasLens, nothing changed", [*cached, *chosen.folders]),
    ]
    if chosen.only_warm:
        commands = commands[2:]
    beside = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", "")))
    if not chosen.only_warm and (torchfix := shutil.which(chosen.torchfix, path=beside)):
        commands.append(("TorchFix, one process", [torchfix, "--jobs", "1", *chosen.folders]))
        commands.append(("TorchFix, all cores", [torchfix, *chosen.folders]))
    if not chosen.only_warm and chosen.flake8 and (flake8 := shutil.which(chosen.flake8)):
        commands.append(("flake8 --select TOR", [flake8, "--isolated", "--select", "TOR", *chosen.folders]))
    if ruff := shutil.which("ruff", path=beside):
        rules = ["--isolated", "--no-cache", "--quiet", "--select", "E9,F"]
        commands.append(("ruff check --select E9,F", [ruff, "check", *rules, *chosen.folders]))
    return commands


def measured(name: str, command: Sequence[str]) -> Measured:
    """Runs a command and looks at all its processes; those of its session, since not all of them stay its children."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, start_new_session=True
    )
    seconds: dict[int, float] = {}
    memory: dict[int, float] = {}
    pause = SAMPLED_EVERY
    while not _has_ended(process):
        _sample(process.pid, seconds, memory)
        time.sleep(pause)
    wall = time.perf_counter() - begun
    _, status, usage = os.wait4(process.pid, 0)
    seconds[process.pid] = max(usage.ru_utime + usage.ru_stime, seconds.get(process.pid, 0))
    scale = 1024 * 1024 if sys.platform == "darwin" else 1024
    memory[process.pid] = max(usage.ru_maxrss / scale, memory.get(process.pid, 0))
    return Measured(name, wall, sum(seconds.values()), max(memory.values()), os.waitstatus_to_exitcode(status))


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ended; its resources can still be asked for."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _sample(session: int, seconds: dict[int, float], memory: dict[int, float]) -> None:
    """Effect: notes what each process of a session has used so far. Linux tells; elsewhere only the first counts."""
    tick = os.sysconf("SC_CLK_TCK")
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                pid = int(entry.name)
                seconds[pid] = (int(fields[11]) + int(fields[12])) / tick
                status = (entry / "status").read_text()
                memory[pid] = int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
