"""Which options hold for a file: what was chosen in the nearest configuration file and in one other place, together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias, cast

from biaslens.configuration.nearest import Configuration, Configurations
from biaslens.configuration.reading import Layer
from biaslens.options import Options
from biaslens.syntax.patterns import Patterns

Preference: TypeAlias = Literal["editorFirst", "filesystemFirst", "editorOnly"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The options of one file, and where they come from: for each field that was chosen, the names of the places.

    configuration: the file that holds, None where none does.
    """

    options: Options
    origins: Mapping[str, tuple[str, ...]]
    configuration: Configuration | None


class Resolver:
    """The options of files for one place where options are chosen: a command line, or a folder of an editor.

    chosen: what was chosen there; it wins unless `preference` says otherwise. home: the absolute name of that place's
    folder; what is excluded everywhere is so inside of it. given: the configuration file for all files, instead of
    the nearest one of each; its relative names refer to `home`. start: what holds where nothing was chosen.
    """

    def __init__(
        self,
        configurations: Configurations,
        chosen: Layer,
        home: str,
        preference: Preference = "editorFirst",
        given: str = "",
        start: Options | None = None,
    ) -> None:
        self._configurations = configurations
        self._chosen = chosen
        self._home = home
        self._preference = preference
        self._given = given
        self._start = start or Options()
        self._folders: dict[str, Resolved] = {}
        self._by_configuration: dict[str, Resolved] = {}
        self._patterns: dict[tuple[str, ...], Patterns] = {}
        self._excluded: dict[str, Patterns] = {}

    def resolved(self, path: str) -> Resolved:
        """What holds for a file, and why."""
        found = self._in_folder(os.path.dirname(path) if os.path.isabs(path) else self._home)
        if not found.options.per_file_ignores:
            return found
        holding = tuple(item for item in found.options.per_file_ignores if self._concerns(item[0], path))
        return replace(found, options=replace(found.options, per_file_ignores=holding))

    def options_for(self, path: str) -> Options:
        """What holds for a file."""
        return self.resolved(path).options

    def excludes(self, path: str) -> bool:
        """Whether a file, or a folder that it is in, is left out of what is checked."""
        folder = False
        while os.path.isabs(path):
            parent = os.path.dirname(path)
            if parent == path or not self._governs(parent):
                return False
            if self.leaves_out(path, folder):
                return True
            path, folder = parent, True
        return False

    def leaves_out(self, path: str, folder: bool) -> bool:
        """Whether a walk leaves out an entry of a folder; what holds in that folder decides."""
        parent = os.path.dirname(path)
        if parent not in self._excluded:
            options = self._in_folder(parent).options
            self._excluded[parent] = self._compiled((*options.exclude, *options.extend_exclude))
        return self._excluded[parent].match(path, folder=folder)

    def _in_folder(self, folder: str) -> Resolved:
        if folder not in self._folders:
            configuration = self._configuration(folder)
            key = configuration.path if configuration is not None else ""
            if key not in self._by_configuration:
                self._by_configuration[key] = self._combined_with(configuration)
            self._folders[folder] = self._by_configuration[key]
        return self._folders[folder]

    def _combined_with(self, configuration: Configuration | None) -> Resolved:
        layers = [self._chosen]
        if configuration is not None:
            layers.insert(1 if self._preference == "filesystemFirst" else 0, configuration.layer)
        options, origins = combined(self._start, layers)
        return Resolved(options, origins, configuration)

    def _governs(self, folder: str) -> bool:
        """Whether anything was chosen for a folder: there, above it, or for the place that it is inside of."""
        inside = os.path.join(folder, "").startswith(os.path.join(self._home, "")) if self._home else False
        return inside or (not self._given and self._configuration(folder) is not None)

    def _configuration(self, folder: str) -> Configuration | None:
        if self._preference == "editorOnly":
            return None
        if self._given:
            return self._configurations.read(self._given, self._home)
        return self._configurations.nearest(folder)

    def _concerns(self, pattern: str, path: str) -> bool:
        """Whether a pattern of `per-file-ignores` is about a file; with `!` it is about all others."""
        if pattern.startswith("!"):
            return not self._concerns(pattern[1:], path)
        return self._compiled((pattern,)).match_below(path)

    def _compiled(self, lines: tuple[str, ...]) -> Patterns:
        if lines not in self._patterns:
            self._patterns[lines] = Patterns(lines)
        return self._patterns[lines]


def combined(start: Options, layers: Sequence[Layer]) -> tuple[Options, Mapping[str, tuple[str, ...]]]:
    """The options after several choices, later ones winning, and the places where each was made.

    A choice of rules by `select` stands for itself: what weaker places say about rules is forgotten with theirs.
    """
    adding = {field.name for field in fields(Options) if field.metadata.get("adds")}
    values: dict[str, Any] = {}
    origins: dict[str, tuple[str, ...]] = {}
    for layer in layers:
        if "select" in layer.values:
            for name in _ABOUT_RULES:
                values.pop(name, None)
                origins.pop(name, None)
        for name, value in layer.values.items():
            if name in adding and name in values:
                values[name] = _together(values[name], cast("tuple[Any, ...]", value))
                origins[name] = (*origins[name], layer.name)
            else:
                values[name] = value
                origins[name] = (layer.name,)
    return replace(start, **values), origins


_ABOUT_RULES = ("select", "extend_select", "ignore")


def _together(weaker: tuple[Any, ...], stronger: tuple[Any, ...]) -> tuple[Any, ...]:
    """Both choices; where they are pairs, the stronger one of each name."""
    both = (*weaker, *stronger)
    return tuple(dict(both).items()) if all(isinstance(item, tuple) for item in both) else both
