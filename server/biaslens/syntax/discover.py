"""Finding the Python files and notebooks that a person means by the paths on a command line."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from biaslens.options import EXCLUDED
from biaslens.syntax.patterns import specification
from biaslens.text import Problem

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

Excluded: TypeAlias = Callable[[str, bool], bool]
"""Whether a walk leaves out what has this absolute name; True for folders."""


SUFFIXES = (".py", ".ipynb")
"""Of the files that a walk finds."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """Absolute names of the files to check, each once, and the paths that lead nowhere."""

    files: tuple[str, ...]
    problems: tuple[Problem, ...]


def is_usually_excluded(path: str, _: bool) -> bool:
    """What a walk leaves out where nobody chose anything else."""
    return os.path.basename(path) in EXCLUDED


def discover(paths: Iterable[str], excluded: Excluded = is_usually_excluded) -> Discovered:
    """The named files whatever their suffix, and every `*.py` and `*.ipynb` file in the named folders but the excluded.

    A walk honours `.gitignore` files, from the repository's root down, and does not follow links to folders, so it
    ends. A folder that is named is walked even where a `.gitignore` above it leaves it out.
    """
    files: dict[str, None] = {}
    problems: list[Problem] = []
    for path in paths:
        absolute = os.path.abspath(path)
        kind = _kind(absolute)
        if isinstance(kind, Problem):
            problems.append(kind)
        elif kind == "folder":
            files.update(dict.fromkeys(_walk(absolute, _rules_above(absolute), excluded, problems)))
        else:
            files[absolute] = None
    return Discovered(tuple(files), tuple(problems))


@dataclass(frozen=True, slots=True)
class _IgnoreRules:
    """The `.gitignore` files that hold in one folder, the nearest last."""

    specs: tuple[tuple[str, GitIgnoreSpec], ...] = field(default=())

    def leaves_out(self, path: str, *, folder: bool) -> bool:
        """Whether git ignores the path: the nearest file with an opinion decides."""
        for root, spec in reversed(self.specs):
            relative = os.path.relpath(path, root).replace(os.sep, "/") + ("/" if folder else "")
            decision = spec.check_file(relative).include
            if decision is not None:
                return decision
        return False

    def inside(self, folder: str) -> _IgnoreRules:
        """These rules and those of the folder's own `.gitignore`."""
        try:
            with open(os.path.join(folder, ".gitignore"), encoding="utf-8-sig", errors="replace") as file:
                lines = file.read().split("\n")
        except OSError:
            return self
        return _IgnoreRules((*self.specs, (folder, specification(lines))))


def _kind(path: str) -> str | Problem:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return Problem("unreadable", f"{reason or error}.", path)
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    return Problem("unreadable", "This is neither a file nor a folder.", path)


def _rules_above(folder: str) -> _IgnoreRules:
    """The rules that hold for the contents of a named folder, those of its parents in the same repository included."""
    chain: list[str] = []
    parent = folder
    while not os.path.exists(os.path.join(parent, ".git")):
        above = os.path.dirname(parent)
        if above == parent:
            return _IgnoreRules()  # not in a repository: only .gitignore files inside the folder count
        chain.append(above)
        parent = above
    rules = _IgnoreRules()
    for outer in reversed(chain):
        rules = rules.inside(outer)
        if rules.leaves_out(folder, folder=True):
            return _IgnoreRules()
    return rules


def _walk(folder: str, rules: _IgnoreRules, excluded: Excluded, problems: list[Problem]) -> Iterator[str]:
    """Every Python file and notebook below a folder, in the order of names, files before folders."""
    waiting = [(folder, rules)]
    while waiting:
        folder, above = waiting.pop()
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            problems.append(Problem("unreadable", f"This folder cannot be read: {error.strerror or error}.", folder))
            continue
        here = above.inside(folder) if any(entry.name == ".gitignore" for entry in entries) else above
        folders: list[tuple[str, _IgnoreRules]] = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not excluded(entry.path, True) and not here.leaves_out(entry.path, folder=True):
                    folders.append((entry.path, here))
            elif (
                entry.name.endswith(SUFFIXES)
                and _is_regular(entry)
                and not excluded(entry.path, False)
                and not here.leaves_out(entry.path, folder=False)
            ):
                yield entry.path
        waiting += reversed(folders)


def _is_regular(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a file or a link to one; pipes and dead links are not."""
    try:
        return entry.is_file()
    except OSError:  # a link that points to itself
        return False
