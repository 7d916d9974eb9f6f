"""Configuration files: which one holds in a folder, and what is written in it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from biaslens.configuration.kinds import Wrong
from biaslens.configuration.reading import Layer, read_table
from biaslens.syntax.files import Files
from biaslens.text import Problem, Source

if TYPE_CHECKING:
    from biaslens.configuration.toml import Keys

PYPROJECT = "pyproject.toml"
NAMES = (".biaslens.toml", "biaslens.toml", PYPROJECT)
"""What a configuration file is called, the first one in a folder winning; in the last one only a table is ours."""

TABLE = ("tool", "biaslens")
"""The keys of our table in `pyproject.toml`."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is written in one file.

    values: by the names of the fields of `Options`, without what cannot be used. problems: of the kind "configuration"
    where something cannot be used, of the kind "environment" where it may be usable elsewhere.
    """

    path: str
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    problems: tuple[Problem, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether everything in it was understood."""
        return not any(problem.kind == "configuration" for problem in self.problems)

    @property
    def layer(self) -> Layer:
        """Its choices under its name."""
        return Layer(self.path, self.values)


class Configurations:
    """The configuration files of one snapshot, each read once.

    files: where they are read. good: how those that cannot be used now were when they could; that stays in force.
    """

    def __init__(self, files: Files, good: Mapping[str, Configuration] | None = None) -> None:
        self.files = files
        self._good = dict(good or {})
        self._read: dict[tuple[str, str], Configuration | None] = {}
        self._nearest: dict[str, Configuration | None] = {}

    def renewed(self, files: Files) -> Configurations:
        """The same files in another snapshot, remembering how they were when they could be used."""
        usable = {found.path: found for found in self.all if found.is_usable}
        return Configurations(files, {**self._good, **usable})

    @property
    def all(self) -> tuple[Configuration, ...]:
        """Those that were read so far."""
        return tuple(found for found in self._read.values() if found is not None)

    def nearest(self, folder: str) -> Configuration | None:
        """The configuration that holds in a folder: its own, or else that of the folder above."""
        passed: list[str] = []
        while folder not in self._nearest:
            passed.append(folder)
            found, parent = self._in(folder), os.path.dirname(folder)
            if found is not None or parent == folder:
                self._nearest[folder] = found
            else:
                folder = parent
        for below in passed:
            self._nearest[below] = self._nearest[folder]
        return self._nearest[folder]

    def read(self, path: str, folder: str = "") -> Configuration | None:
        """What a file says; None for a `pyproject.toml` without our table. Never raises.

        folder: to which its relative names refer, its own folder by default.
        """
        key = (path, folder or os.path.dirname(path))
        if key not in self._read:
            self._read[key] = self._with_the_last_good(_configuration(path, key[1], self.files))
        return self._read[key]

    def _in(self, folder: str) -> Configuration | None:
        if not os.path.isabs(folder):
            return None  # a text that is in no file
        for name in NAMES:
            path = os.path.join(folder, name)
            found = self.read(path) if self.files.exists(path) else None
            if found is not None:
                return found
        return None

    def _with_the_last_good(self, found: Configuration | None) -> Configuration | None:
        if found is None or found.is_usable or found.path not in self._good:
            return found
        return replace(found, values=self._good[found.path].values)


def _configuration(path: str, folder: str, files: Files) -> Configuration | None:
    source = files.read(path)
    if isinstance(source, Problem):
        return Configuration(path, problems=(replace(source, kind="configuration"),))
    inside: tuple[str, ...] = TABLE if os.path.basename(path) == PYPROJECT else ()
    if inside and TABLE[-1] not in source.text:
        return None  # it is not ours, so whatever is wrong with it is not our business
    from biaslens.configuration.toml import parse  # imported where there is a file, to start fast

    parsed = parse(source)
    if isinstance(parsed, Problem):
        return Configuration(path, problems=(parsed,))
    table = _inside(parsed, inside)
    if table is None:
        return None
    if not isinstance(table, dict):
        return Configuration(path, problems=(_problem(Wrong((), "`tool.biaslens` must be a table."), source, inside),))
    values, wrongs = read_table(cast("dict[str, object]", table), "file", folder, files)
    return Configuration(path, values, tuple(_problem(wrong, source, inside) for wrong in wrongs))


def _inside(table: object, keys: Sequence[str]) -> object:
    """What keys lead to, None where they lead to nothing."""
    for key in keys:
        table = cast("dict[str, object]", table).get(key) if isinstance(table, dict) else None
    return table


def _problem(wrong: Wrong, source: Source, inside: Keys) -> Problem:
    """At the place of what is wrong, or of what it is a part of."""
    from biaslens.configuration.toml import places

    found = places(source.text)
    keys = (*inside, *wrong.keys)
    while keys and keys not in found:
        keys = keys[:-1]
    place = found.get(keys)
    span = None if place is None else place.key if wrong.at_key else place.value
    return Problem("environment" if wrong.is_remark else "configuration", wrong.message, source.path, span)
