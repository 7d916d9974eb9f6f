"""Which options hold for a document: by the client's settings for its folder and by the nearest configuration file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import cast

from biaslens.configuration.nearest import Configuration, Configurations
from biaslens.configuration.reading import Layer, read_table
from biaslens.configuration.resolver import Preference, Resolver
from biaslens.lsp.documents import Document
from biaslens.options import Options
from biaslens.syntax.discover import Excluded
from biaslens.syntax.files import Files

ELSEWHERE = ""
"""Stands for the folder of documents that are in no workspace folder."""


class Configured:
    """Resolves options by the same code as the command line. Nothing is read before the first question.

    settings: what the client sent at the start; it holds for what it does not say later. start: what holds where
    neither settings nor files say anything.
    """

    def __init__(self, settings: Mapping[str, object], start: Options) -> None:
        self.documents: dict[str, Document] = {}
        """The configuration files that the client has open."""
        self.folders: tuple[str, ...] = ()
        self._settings = settings
        self._start = start
        self._by_folder: Mapping[str, Mapping[str, object]] = {}
        self._configurations = Configurations(Files())
        self._resolvers: dict[str, Resolver] = {}
        self._complaints: dict[str, None] = {}

    def enter(self, folders: Sequence[str]) -> None:
        """Takes the workspace folders."""
        self.folders = tuple(folders)
        self._resolvers.clear()

    def choose(self, settings: Mapping[str, Mapping[str, object]]) -> None:
        """Takes what the client says now, by workspace folder; a folder that is missing has the settings elsewhere."""
        self._by_folder = settings
        self._resolvers.clear()

    def put(self, document: Document) -> None:
        """Takes a new or changed text of a configuration file."""
        self.documents[document.path] = document
        self.read_again()

    def close(self, path: str) -> None:
        """Takes the file on disk again."""
        del self.documents[path]
        self.read_again()

    def read_again(self) -> None:
        """Forgets what was read, except how files were when they could be used."""
        self._configurations = self._configurations.renewed(Files(self._buffers()))
        self._resolvers.clear()
        for path in self.documents:
            self._configurations.read(path)

    def options_for(self, path: str) -> Options:
        """The options of a document."""
        return self._resolver(path).options_for(path)

    def excludes(self, path: str) -> bool:
        """Whether a document, or a folder that it is in, is left out of what is checked."""
        return self._resolver(path).excludes(path)

    def walking(self) -> Excluded:
        """What a walk through folders leaves out by what holds now, for use on another thread."""
        copy = Configured(self._settings, self._start)
        copy.documents, copy.folders, copy._by_folder = dict(self.documents), self.folders, self._by_folder
        copy._configurations = self._configurations.renewed(Files(self._buffers()))
        return lambda path, folder: copy._resolver(path).leaves_out(path, folder)

    @property
    def read(self) -> tuple[Configuration, ...]:
        """The configuration files that were read so far, of those that are open all."""
        return self._configurations.all

    @property
    def files(self) -> Files:
        """The snapshot in which configuration files were read."""
        return self._configurations.files

    @property
    def complaints(self) -> tuple[str, ...]:
        """A sentence for each setting that could not be used so far."""
        return tuple(self._complaints)

    def _buffers(self) -> Mapping[str, str]:
        return {document.path: document.text for document in self.documents.values()}

    def _resolver(self, path: str) -> Resolver:
        folder = self._folder_of(path)
        if folder not in self._resolvers:
            self._resolvers[folder] = self._new_resolver(folder)
        return self._resolvers[folder]

    def _new_resolver(self, folder: str) -> Resolver:
        sent = self._by_folder.get(folder, self._by_folder.get(ELSEWHERE, {}))
        values, wrongs = read_table({**self._settings, **sent}, "editor", folder, self._configurations.files)
        self._complaints.update(dict.fromkeys(wrong.message for wrong in wrongs))
        preference = cast("Preference", values.get("configuration_preference", self._start.configuration_preference))
        given = cast("str", values.get("configuration", ""))
        if given and self._configurations.read(given, folder) is None:
            self._complaints[f"The configuration file {given!r} has no table `[tool.biaslens]`."] = None
        return Resolver(self._configurations, Layer("settings", values), folder, preference, given, self._start)

    def _folder_of(self, path: str) -> str:
        """The innermost workspace folder that a document is in, or is; of one that is no file the first one."""
        if not os.path.isabs(path):
            return self.folders[0] if self.folders else ELSEWHERE
        around = (folder for folder in self.folders if os.path.join(path, "").startswith(os.path.join(folder, "")))
        return max(around, key=len, default=ELSEWHERE)
