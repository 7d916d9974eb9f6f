"""What is said of all files that a command line names: what is remembered, and what is followed anew."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from biaslens.cli.cache import FOLDER, Cache, Entry, New, clean, digest_of, key_of
from biaslens.cli.choices import Choices, resolver_of
from biaslens.cli.console import Console
from biaslens.cli.inputs import Inputs, home_of
from biaslens.cli.progress import Bar
from biaslens.cli.results import Result, read_back, written
from biaslens.cli.workers import Crew, DiedError, Job
from biaslens.options import Options
from biaslens.render.place import displayed
from biaslens.syntax.files import Files
from biaslens.text import Problem

if TYPE_CHECKING:
    from biaslens.cli.seen import Look
    from biaslens.cli.work import Traced

SAVED_EVERY = 2.0
"""Seconds between writing to the cache, so that a run that is interrupted was not for nothing."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a command line wants its files looked at.

    jobs: how many files at a time, None for as many as there are cores. cache: whether to remember and to recall.
    cache_folder: where, None for the folder of the configuration.
    """

    jobs: int | None = None
    cache: bool = True
    cache_folder: str | None = None

    @property
    def most(self) -> int:
        """How many processes are of use."""
        return self.jobs or _cores()

    def folder(self, home: str) -> str:
        """Where the cache is, in a project that lies in the folder `home`."""
        return os.path.abspath(self.cache_folder) if self.cache_folder else os.path.join(home, FOLDER)


def results(inputs: Inputs, manner: Manner, console: Console, *, layers: bool = False) -> list[Result]:
    """What is said of each file, in the order of the paths; complains about what was skipped.

    layers: whether the layers with their verdicts are wanted as well.
    """
    for problem in (*inputs.remarks, *inputs.problems):
        console.complain(problem, inputs.files.read)
    found = _Run(inputs, manner, console, layers).results()
    for result in found:
        for problem in result.problems:
            console.complain(problem, inputs.files.read)
    return found


def clean_cache(folder: str | None, console: Console) -> int:
    """Deletes the cache and says so."""
    files = Files()
    resolver, _ = resolver_of(Choices(), files)
    where = Manner(cache_folder=folder).folder(home_of(resolver))
    if clean(where):
        console.note(f"Deleted the cache in {displayed(where, console.folder)}.")
    else:
        console.note(f"There is no cache in {displayed(where, console.folder)}.")
    return 0


class _Run:
    """One run over several files, each judged by all uses of its layers that are found in any of them."""

    def __init__(self, inputs: Inputs, manner: Manner, console: Console, layers: bool) -> None:
        self._paths = inputs.paths
        self._files = inputs.files
        self._console = console
        self._layers = layers
        self._options = {path: inputs.resolver.options_for(path) for path in inputs.paths}
        self._keys = _keys(self._options, layers)
        self._most = manner.most if inputs.from_stdin is None else 1
        self._entries: dict[str, Entry] = {}
        self._followed: dict[str, Traced] = {}
        self._looks: dict[Look, Look] = {}
        self._dead: set[str] = set()
        self._unsaved: list[New] = []
        self._saved_at = time.monotonic()
        self._cache: Cache | None = None
        if manner.cache and inputs.from_stdin is None and inputs.paths:
            self._cache = Cache(manner.folder(inputs.home), inputs.files, time.time_ns())

    def results(self) -> list[Result]:
        """What is said of each file, in their order."""
        if self._cache is None:
            return self._found()
        self._entries = {path: entry for path, entry in self._cache.known(self._keys).items() if _is_whole(path, entry)}
        known = len(self._entries)
        try:
            return self._found()
        finally:
            self._save()
            self._cache.close(tidy=known < len(self._paths))

    def _found(self) -> list[Result]:
        with Bar(self._console.err) as bar, Crew(self._files, self._most, bar.advance) as crew:
            self._follow([path for path in self._paths if path not in self._entries], crew, bar)
            users = self._users()
            bases = {path: digest_of(self._signs(users.get(path, ()))) for path in self._paths}
            outdated = [path for path in self._paths if self._entries[path].basis != bases[path]]
            asked = {user for path in outdated for user in users.get(path, ())}.union(outdated)
            asked -= self._dead.union(self._followed)
            self._follow([path for path in self._paths if path in asked], crew, bar)
            self._judge([path for path in outdated if bases[path] and path in self._followed], users, bases, crew, bar)
        return [read_back(path, self._entries[path].result, tuple(users.get(path, ()))) for path in self._paths]

    def _follow(self, paths: Sequence[str], crew: Crew, bar: Bar) -> None:
        """Effect: follows some files, and judges them by their own uses."""
        bar.expect(len(paths))
        jobs = [Job("follow", path, (self._order(path),)) for path in paths]
        for place, answer in crew.do(jobs):
            path = paths[place]
            if isinstance(answer, DiedError):
                self._entries[path] = Entry("", (), "", written(_died(path, answer)))
                self._dead.add(path)
                continue
            looks = self._once(answer.looks)
            followed: Traced = replace(answer, looks=looks)
            self._followed[path] = followed
            sign = digest_of(part for look in sorted(followed.looks[: followed.following]) for part in look)
            entry = Entry(sign, tuple(followed.elsewhere), "", written(followed.result))
            self._keep(New(path, self._keys[path], entry, looks))

    def _judge(
        self,
        paths: Sequence[str],
        users: Mapping[str, Sequence[str]],
        bases: Mapping[str, str],
        crew: Crew,
        bar: Bar,
    ) -> None:
        """Effect: judges some files by their uses in all files."""
        bar.expect(len(paths))
        followed = self._followed
        jobs = [
            Job(
                "judge",
                path,
                (
                    self._order(path),
                    followed[path].study,
                    [
                        its
                        for user in users.get(path, ())
                        if user in followed and (its := followed[user].elsewhere.get(path))
                    ],
                ),
            )
            for path in paths
        ]
        for place, answer in crew.do(jobs):
            path = paths[place]
            before = self._entries[path]
            if isinstance(answer, DiedError):
                self._entries[path] = replace(before, result=written(_died(path, answer)))
                continue
            entry = replace(before, basis=bases[path], result=written(answer.result))
            looks = dict.fromkeys((*followed[path].looks[: followed[path].following], *answer.looks))
            self._keep(New(path, self._keys[path], entry, tuple(looks)))

    def _once(self, looks: Sequence[Look]) -> tuple[Look, ...]:
        """The same looks, each held once: the files of a package rest on the same thousands."""
        return tuple(self._looks.setdefault(look, look) for look in looks)

    def _order(self, path: str) -> Any:
        from biaslens.cli.work import Order

        return Order(path, self._options[path], self._layers, is_alone=len(self._paths) == 1)

    def _users(self) -> dict[str, list[str]]:
        """For each file the others that use its layers, in the order of the command line."""
        users: dict[str, list[str]] = {}
        for path in self._paths:
            for used in self._entries[path].uses:
                users.setdefault(used, []).append(path)
        return {path: its for path, its in users.items() if path in self._entries}

    def _signs(self, users: Sequence[str]) -> Iterator[str]:
        for user in users:
            yield user
            yield self._entries[user].sign

    def _keep(self, new: New) -> None:
        """Effect: takes what was found out about a file, and has it remembered sooner or later."""
        self._entries[new.path] = new.entry
        if self._cache is not None:
            self._unsaved.append(new)
            if time.monotonic() - self._saved_at > SAVED_EVERY:
                self._save()

    def _save(self) -> None:
        if self._cache is not None:
            self._cache.remember(self._unsaved)
            self._unsaved = []
            self._saved_at = time.monotonic()


def _keys(options: Mapping[str, Options], layers: bool) -> dict[str, str]:
    """What is asked about each file, as the cache knows it; most files have the same options."""
    known: dict[int, str] = {}
    return {path: known.get(id(its)) or known.setdefault(id(its), key_of(its, layers)) for path, its in options.items()}


def _is_whole(path: str, entry: Entry) -> bool:
    """Whether what is remembered can be understood; somebody may have changed it."""
    try:
        read_back(path, entry.result)
    except (ValueError, TypeError, LookupError, AttributeError):
        return False
    return True


def _died(path: str, error: DiedError) -> Result:
    message = f"BiasLens ended while it followed this file ({error}); perhaps it ran out of memory. It was skipped."
    return Result(path, problems=(Problem("internal", message, path),))


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
