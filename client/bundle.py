"""Puts BiasLens with all that it needs at run time into bundled/: `python client/bundle.py linux-x64`.

Which Python will run it is not known before. One tree serves all of them: it is pure Python but for LibCST's parser,
which is there once for each version of Python, under file names that tell them apart.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "bundled"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")


@dataclass(frozen=True)
class Target:
    """A platform of VS Code. wheels: what the index calls it. pythons: for which there is a compiled LibCST."""

    wheels: str
    libcst: str = "1.9.0"
    pythons: Sequence[str] = PYTHONS


TARGETS: Mapping[str, Target] = {
    "linux-x64": Target("manylinux_2_28_x86_64"),
    "linux-arm64": Target("manylinux_2_28_aarch64"),
    "alpine-x64": Target("musllinux_1_2_x86_64"),
    "alpine-arm64": Target("musllinux_1_2_aarch64"),
    # The last LibCST that was built for Macs with a processor of Intel.
    "darwin-x64": Target("macosx_11_0_x86_64", "1.8.6", PYTHONS[:-1]),
    "darwin-arm64": Target("macosx_11_0_arm64"),
    "win32-x64": Target("win_amd64"),
    "win32-arm64": Target("win_arm64"),
    # For any other platform: nothing compiled, so that there are findings but no fixes.
    "universal": Target("manylinux_2_28_x86_64", pythons=()),
}


PROCESSORS: Mapping[str, str] = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def here() -> str:
    """The platform of this machine, as VS Code calls it."""
    system = "alpine" if sys.platform == "linux" and platform.libc_ver()[0] != "glibc" else sys.platform
    target = f"{system}-{PROCESSORS.get(platform.machine().lower())}"
    return target if target in TARGETS else "universal"


def main() -> None:
    """Builds the tree of one platform."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=sorted(TARGETS))
    target = TARGETS[parser.parse_args().target]
    shutil.rmtree(BUNDLED, ignore_errors=True)
    with TemporaryDirectory() as folder:
        wheels = Path(folder)
        pip("wheel", "--no-deps", "--wheel-dir", folder, str(ROOT))
        pure = ("--platform", "any", "--implementation", "py", "--abi", "none", "--python-version", PYTHONS[0])
        download(wheels, *pure, "--requirement", str(ROOT / "client/bundled.txt"))
        for wheel in wheels.glob("*.whl"):
            unpack(wheel)
        for python in target.pythons or PYTHONS[:1]:
            into = wheels / python
            download(into, "--platform", target.wheels, "--python-version", python, f"libcst=={target.libcst}")
            (wheel,) = into.glob("*.whl")
            # What is not compiled is the same in each of them.
            unpack(wheel, lambda name: bool(target.pythons) or not is_compiled(name))


def download(folder: Path, *what: str) -> None:
    """Fetches wheels, and exactly those that are asked for."""
    pip("download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), *what)


def pip(*arguments: str) -> None:
    """Runs pip, which says itself what goes wrong."""
    command = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)
    if subprocess.run(command, check=False).returncode:
        sys.exit("The packages for the extension could not be fetched; pip says above why.")


def unpack(wheel: Path, wanted: Callable[[str], bool] = lambda _: True) -> None:
    """Unpacks what is used of a wheel: no tests, no commands, no list of files that would not hold any more."""
    with ZipFile(wheel) as archive:
        for name in archive.namelist():
            folder, *inner = name.split("/")
            is_used = "tests" not in inner and not folder.endswith(".data") and inner != ["RECORD"]
            if is_used and wanted(name):
                archive.extract(name, BUNDLED)


def is_compiled(name: str) -> bool:
    """Whether a file of a wheel is for one version of Python on one platform."""
    return name.endswith((".so", ".pyd"))


if __name__ == "__main__":
    main()
