"""The files of the workspace and what they do with each other's layers. Values only; nothing here reads a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from biaslens.lsp.studies import NO_USES, Foreign, Found, Look, Studied
from biaslens.packed import Packed

if TYPE_CHECKING:
    from biaslens.verdicts import Use


class Tree:
    """The files in their order, what was followed of them, and what was found in them."""

    def __init__(self) -> None:
        self.files: dict[str, None] = {}
        self._studied: dict[str, Studied] = {}
        self._found: dict[str, Found] = {}
        self._users: dict[str, set[str]] = {}
        self._foreign: dict[str, Foreign] = {}

    def place(self, files: Iterable[str]) -> tuple[list[str], list[str], set[str]]:
        """Effect: takes other files. Gives those that are new, those that are gone, and those that these had used."""
        before, self.files = self.files, dict.fromkeys(files)
        gone = [path for path in before if path not in self.files]
        used: set[str] = set()
        for path in gone:
            used |= self._without(path)
            self._found.pop(path, None)
        return [path for path in self.files if path not in before], gone, used - set(gone)

    def put(self, study: Studied) -> set[str]:
        """Effect: takes what was followed of a file. Gives the files whose layers it uses, or used before."""
        used = self._without(study.path)
        self._studied[study.path] = study
        for path in study.elsewhere:
            self._users.setdefault(path, set()).add(study.path)
        used |= study.elsewhere.keys()
        for path in (*used, study.path):
            self._foreign.pop(path, None)
        return used

    def forget(self, path: str) -> set[str]:
        """Effect: forgets what was followed of a file and found in it. Gives the files whose layers it had used."""
        self._found.pop(path, None)
        self._foreign.pop(path, None)
        return self._without(path)

    def tell(self, path: str, found: Found | None) -> None:
        """Effect: takes what was found in a file."""
        if found is None or not found.findings:
            self._found.pop(path, None)
        else:
            self._found[path] = found

    def found(self, path: str) -> Found | None:
        """What was found in a file, None where it is nothing."""
        return self._found.get(path)

    def paths_with_findings(self) -> tuple[str, ...]:
        """The files in which anything was found, in their order."""
        return tuple(path for path in self.files if path in self._found)

    def study(self, path: str) -> Studied | None:
        """What is known of a file."""
        return self._studied.get(path)

    def is_used(self, path: str) -> bool:
        """Whether other files use its layers."""
        return bool(self._users.get(path))

    def foreign(self, path: str) -> Foreign:
        """The uses of a file's layers in the others; the same object until they change."""
        if not self.is_used(path):
            return NO_USES
        if path not in self._foreign:
            known = self._studied.get(path)
            self._foreign[path] = Foreign(tuple(self._uses(path)), known.own if known is not None else None)
        return self._foreign[path]

    def let_go(self, path: str) -> None:
        """Effect: keeps no more of the uses of a file's layers than that they can be found again."""
        self._foreign.pop(path, None)

    def resting_on(self, looks: Mapping[str, Look]) -> list[str]:
        """The files that have to be followed again because something that they rest on is another by now."""
        return [
            path
            for path, known in self._studied.items()
            if not all(known.rests_on(other, looks[other]) for other in looks.keys() & known.seen.keys())
        ]

    def rests_on(self) -> set[str]:
        """All that anything rests on."""
        return {path for known in self._studied.values() for path in known.seen}

    def _uses(self, path: str) -> Iterator[tuple[int, Packed[tuple[Use, ...]]]]:
        for user in self.files:  # in the order of the command line, so that both count alike
            known = self._studied.get(user) if user in self._users[path] else None
            if known is not None:
                yield int(known.seen[path]), known.elsewhere[path]

    def _without(self, path: str) -> set[str]:
        """Effect: forgets what was followed of a file. Gives the files whose layers it used."""
        known = self._studied.pop(path, None)
        used = set(known.elsewhere) if known is not None else set[str]()
        for other in used:
            self._users[other].discard(path)
            self._foreign.pop(other, None)
        return used
