"""A folder that is full of traps: whatever in it is executed leaves a mark."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MODEL = """\
from torch import nn


class Net{number}(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x):
        return self.bn(self.conv(x))
"""
MODELS = 6

BY_HAND = frozenset(
    (
        "IPython",
        "colorama",
        "google",
        "hyperscan",
        "ipywidgets",
        "java",
        "org",
        "re2",
        "setup",
        "conftest",
        "websockets",
    )
)
"""What libraries try to import where it is there, and what other tools execute."""

AT_START = frozenset(("biaslens", "sitecustomize", "usercustomize"))
"""What Python looks up before anything of ours runs, besides what it has imported by then."""

CONFIGURATION = """\
[build-system]
requires = []
build-backend = "setup"
backend-path = ["."]

[tool.biaslens]
python = ".venv"
src = [".", "src"]
extend-exclude = ["/*", "!/model*.py"]

[tool.pytest.ini_options]
pythonpath = ["."]
"""


def every_name() -> frozenset[str]:
    """The modules of Python's library, of every package that is installed here, and some that are not."""
    installed = importlib.metadata.packages_distributions()
    found = {*sys.stdlib_module_names, *installed, *AT_START, *BY_HAND}
    return frozenset(name for name in found if name.isidentifier())


def names_at_start(python: Path, empty: Path) -> frozenset[str]:
    """What Python itself imports, or tries to, before the first line of a program. empty: a folder for a probe."""
    (empty / "probe.py").write_text("import sys\nprint(*sys.modules)\n")
    ways = ([python, "probe.py"], [python, "-m", "probe"])
    told = [subprocess.run(way, cwd=empty, capture_output=True, text=True, check=True).stdout for way in ways]
    return AT_START.union(name.partition(".")[0] for name in " ".join(told).split())


@dataclass(frozen=True)
class Planted:
    """The folder, and where its marks are left."""

    folder: Path
    marks: Path

    @property
    def fired(self) -> list[str]:
        """What was executed."""
        return sorted(mark.name for mark in self.marks.iterdir())


def plant(root: Path, names: frozenset[str], *, packages: bool) -> Planted:
    """A project with some models and a trap of every kind. packages: names are folders, instead of files."""
    planted = Planted(root / "project", root / "marks")
    planted.marks.mkdir(parents=True)
    planted.folder.mkdir()

    def trap(name: str) -> str:
        return f"open({str(planted.marks / name)!r}, 'a').close()\n"

    for folder in (planted.folder, planted.folder / "src"):
        folder.mkdir(exist_ok=True)
        for name in names:
            file = folder / name / "__init__.py" if packages else folder / f"{name}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(trap(f"{folder.name}-{name}"))
            if packages:
                (folder / name / "__main__.py").write_text(trap(f"{folder.name}-{name}-main"))
    for number in range(MODELS):
        (planted.folder / f"model{number}.py").write_text(MODEL.format(number=number))
    for name in ("__init__.py", "__main__.py"):
        (planted.folder / name).write_text(trap(name))
    (planted.folder / "pyproject.toml").write_text(CONFIGURATION)
    (planted.folder / "here.pth").write_text(f"import sys; {trap('here.pth')}")
    (planted.folder / "here-1.0.dist-info").mkdir()
    for environment in ("venv", ".venv", "env"):
        _environment(planted.folder / environment, planted.marks, trap)
    return planted


def _environment(folder: Path, marks: Path, trap: Callable[[str], str]) -> None:
    """What looks like an environment."""
    packages = folder / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"
    packages.mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\n")
    (packages / "there.pth").write_text(f"import sys; {trap(f'{folder.name}-pth')}")
    for name in ("sitecustomize", "torch", "typing"):
        (packages / f"{name}.py").write_text(trap(f"{folder.name}-{name}"))
    (folder / "bin").mkdir()
    for name in ("python", "python3", "biaslens", "pip"):
        program = folder / "bin" / name
        program.write_text(f"#!/bin/sh\ntouch '{marks}/{folder.name}-bin-{name}'\n")
        program.chmod(0o755)
