"""Where the packages of a Python environment are installed, told by its folders alone: nothing of it is run."""

from __future__ import annotations

import os

from biaslens.syntax.files import Files

_LIBRARIES = ("lib", "lib64", os.path.join("local", "lib"))
_PACKAGES = ("site-packages", "dist-packages")


def site_packages(python: str, files: Files) -> tuple[str, ...]:
    """The folders of installed packages of an environment; none where there are none.

    python: the environment's folder, or the interpreter in it. A link to an interpreter is not followed, since that is
    how a virtual environment has one.
    """
    home = _home(python, files) if python else None
    if home is None:
        return ()
    return (*_on_windows(home, files), *_elsewhere(home, os.path.basename(python), files))


def _home(python: str, files: Files) -> str | None:
    if files.folders_in(python) is not None:
        return python
    folder = os.path.dirname(python)
    if not files.exists(python):
        return None
    return os.path.dirname(folder) if os.path.basename(folder) in ("bin", "Scripts") else folder


def _on_windows(home: str, files: Files) -> list[str]:
    packages = os.path.join(home, "Lib", "site-packages")
    return [] if files.folders_in(packages) is None else [packages]


def _elsewhere(home: str, interpreter: str, files: Files) -> list[str]:
    """The version that the interpreter is called by first, then the newest."""
    found: list[tuple[bool, tuple[int, ...], str]] = []
    for library in _LIBRARIES:
        for name in files.folders_in(os.path.join(home, library)) or ():
            version = name.removeprefix("python")
            if version == name or not all(part.isdigit() for part in version.split(".")):
                continue
            for packages in _PACKAGES:
                folder = os.path.join(home, library, name, packages)
                if files.folders_in(folder) is not None:
                    found.append((name == interpreter, tuple(map(int, version.split("."))), folder))
    return [folder for _, _, folder in sorted(found, key=lambda one: one[:2], reverse=True)]
