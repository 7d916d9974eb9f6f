"""Module names to files and back, as Python's import system would find them, without importing anything."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from biaslens.syntax.files import Files

MAX_ANCESTORS = 8
"""How many folders above a file are tried as the root of its imports."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file stands in the package tree: its dotted name, and the package of its relative imports."""

    name: str
    package: str


def place_of(path: str, files: Files) -> Place:
    """The dotted name of a file, by the `__init__.py` files above it."""
    folder, filename = os.path.split(path)
    parts = [] if filename == "__init__.py" else [filename.removesuffix(".py")]
    package: list[str] = []
    while files.exists(os.path.join(folder, "__init__.py")):
        folder, name = os.path.split(folder)
        if not name:  # nothing is above it: the root, or the current folder of a text without a place
            break
        package.insert(0, name)
    return Place(".".join([*package, *parts]), ".".join(package))


def locate(name: str, importer: str, files: Files, search_paths: tuple[str, ...]) -> str | None:
    """The file of an absolute module name, or None.

    The roots are the folders above the importing file, nearest last-but-own first as for a script or an installed
    package, then the search paths. Standard library, torch and einops have no files here: the catalogue knows the two.
    """
    if has_no_file(name):
        return None
    parts = name.split(".")
    for root in (*_ancestors(importer), *search_paths):
        found = _inside(root, parts, files)
        if found:
            return found
    return None


def has_no_file(name: str) -> bool:
    """Whether a dotted name is one of the modules that are never read: Python's own, torch's and einops'."""
    first = name.partition(".")[0]
    return first in sys.stdlib_module_names or first in ("torch", "einops")


def locate_relative(name: str, level: int, importer: str, files: Files) -> str | None:
    """The file of `from ..name import`, where level counts the dots."""
    folder = os.path.dirname(importer)
    for _ in range(level - 1):
        folder = os.path.dirname(folder)
    return _inside(folder, name.split(".") if name else [], files)


def submodule(package_file: str, name: str, files: Files) -> str | None:
    """The file of a submodule of the package whose `__init__.py` is given."""
    if os.path.basename(package_file) != "__init__.py":
        return None
    return _inside(os.path.dirname(package_file), [name], files)


def _ancestors(path: str) -> list[str]:
    folders: list[str] = []
    folder = os.path.dirname(path)
    while folder and len(folders) < MAX_ANCESTORS:
        folders.append(folder)
        parent = os.path.dirname(folder)
        if parent == folder:
            break
        folder = parent
    return folders


def _inside(root: str, parts: list[str], files: Files) -> str | None:
    stem = os.path.join(root, *parts)
    for candidate in (os.path.join(stem, "__init__.py"), stem + ".py"):
        if (parts or candidate.endswith("__init__.py")) and files.exists(candidate):
            return candidate
    return None
