"""Linting a text that changes: only what an edit can have changed is followed and judged again.

Everything is kept in terms of addresses (`syntax/outline.py`), which an edit elsewhere leaves as they are: the entries
of the program with the globals that each rests on, what became of their biases, the verdict for each constructor call
with the uses that it rests on, and what the rules say of it. What is shown is told in offsets; the rest only when it is
asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from weakref import WeakValueDictionary

from biaslens.flow import Flow, Site
from biaslens.follow import Followed, Follower, judged, together
from biaslens.lint import Report, bug, with_severity
from biaslens.options import Options
from biaslens.program.ir import Program
from biaslens.program.trace import NOTHING_KNOWN, Definition, Entry, trace
from biaslens.program.world import Stopped, World, go_on
from biaslens.relocation import Relocation
from biaslens.rules.registry import chosen, findings_of, settled
from biaslens.rules.rule import Finding, Rule
from biaslens.runtime import deeply
from biaslens.syntax.files import Files
from biaslens.syntax.notebook import Notebook
from biaslens.syntax.outline import Outlined, changed_names, outlined
from biaslens.syntax.parse import Module
from biaslens.syntax.suppressions import Suppressions
from biaslens.text import Location, Problem, Source, Span
from biaslens.verdicts import Known, Use


@dataclass(frozen=True)
class Latest:
    """What is found in one version of a text, as a `Report` tells it, but that the sites of findings tell addresses.

    told: all of the report, in addresses.
    """

    source: Source
    options: Options
    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    told: Report
    modules: Mapping[str, Outlined]

    @property
    def module(self) -> Outlined:
        """The text as it was parsed."""
        return self.modules[self.source.path]

    @cached_property
    def whole(self) -> Report:
        """The report. It takes a while; any thread may ask for it."""
        anew = Relocation(self.modules)
        findings = tuple(anew.value(finding) for finding in _by_place(self.told.findings, anew))
        old = self.told.program
        program = Program(old.path, anew.value(old.runs), self.problems, anew.value(old.layerless))
        return replace(
            self.told, program=program, flow=anew.value(self.told.flow), findings=findings, problems=self.problems
        )


class Memories:
    """What is known of several files. Not for several threads."""

    def __init__(self) -> None:
        self._by_path: dict[str, Memory] = {}
        self._common = Common()

    def of(self, source: Source) -> Memory | None:
        """What is known of a file; None for a notebook, which is followed anew each time."""
        if isinstance(source, Notebook):
            return None
        return self._by_path.setdefault(source.path, Memory(self._common))

    def forget(self, path: str) -> None:
        """Effect: nothing is known of a file any more."""
        self._by_path.pop(path, None)


@dataclass(slots=True)
class Common:
    """What several memories hold together: files of one package import the same ones, hundreds of them in large ones.

    files: the last snapshot that was looked at. modules: what is known parsed, by path.
    """

    files: Files | None = None
    modules: WeakValueDictionary[str, Outlined] = field(default_factory=WeakValueDictionary[str, "Outlined"])


class Memory:
    """What is known of a file by its last version. Not for several threads."""

    def __init__(self, common: Common | None = None) -> None:
        self._known: _Known | None = None
        self._common = common or Common()

    def files(self, buffers: Mapping[str, str | Source]) -> Files:
        """The files as they are by now; what has not changed on disk is not read again."""
        return Files(buffers, self._known.files if self._known is not None else self._common.files)

    def lint(
        self,
        source: Source,
        files: Files,
        options: Options,
        others: Sequence[Use] = (),
        pause: Callable[[], None] = go_on,
    ) -> Latest | Report:
        """As `lint.lint`, of a text that is one piece."""
        try:
            before = self._known if self._known is not None and self._known.options == options else None
            self._known, latest = deeply(_linted, source, files, options, others, pause, before, self._common)
            self._common.files = files
            return latest
        except Stopped:
            raise
        except Exception as error:  # a bug of ours must not take the server with it
            self._known = None
            failed = Program(source.path, ())
            return Report(source, failed, Flow(source.path, (), ()), (), (bug(source, error),), options=options)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is kept from one version to the next.

    said: what the rules say of each site, by its identity. shown: findings, and the same with their places as they are
    by now, by the identity of the former.
    """

    module: Outlined
    files: Files
    options: Options
    modules: Mapping[str, Outlined]
    entries: Mapping[Definition, Entry]
    followed: Mapping[Definition, Followed]
    sites: Known
    said: Mapping[int, tuple[Site, tuple[Finding, ...]]]
    shown: Mapping[int, tuple[Finding, Finding]]


def _linted(
    source: Source,
    files: Files,
    options: Options,
    others: Sequence[Use],
    pause: Callable[[], None],
    before: _Known | None,
    common: Common,
) -> tuple[_Known, Latest]:
    modules = _Modules(before.modules if before is not None else {}, common)
    world = World(files, options, pause, modules.parse)
    module = modules.of(world.add(source))
    kept = _kept(before, module, modules, world) if before is not None else NOTHING_KNOWN
    follower = Follower(pause)
    traced = trace(module, world, follower.reached, kept)
    followed = {
        entry.node: before.followed[entry.node]
        if before is not None and kept.get(entry.node) is entry
        else follower.follow(entry.run)
        for entry in traced.entries
        if entry.run is not None
    }
    program, sites = traced.program, dict(before.sites if before is not None else {})
    placed = [replace(use, layer=replace(use.layer, site=_address(use.layer.site, module))) for use in others]
    flow = judged(program, together(followed.values()), placed, sites)
    rules = chosen(options.selects)
    said = _said(flow, rules, before.said if before is not None else {})
    found = [finding for _, its in said.values() for finding in its]
    found += findings_of(rules, Flow(flow.path, (), (), flow.compounds))
    anew = Relocation(modules.known)
    problems = tuple(_moved(problem, module) for problem in program.problems)
    suppressions = Suppressions(source, module.offset)
    findings = with_severity(settled(found, flow, options.selects, suppressions, complete=not problems), options)
    told = Report(source, program, flow, findings, problems, options=options, others=tuple(others))
    shown = _shown(findings, anew, before.shown if before is not None else {})
    entries = {entry.node: entry for entry in traced.entries}
    known = _Known(module, files, options, modules.known, entries, followed, sites, said, shown)
    light = tuple(sorted((light for _, light in shown.values()), key=lambda one: one.order))
    return known, Latest(source, options, light, problems, told, modules.known)


class _Modules:
    """Parses what a world asks for, with what is known of earlier texts of the same files."""

    def __init__(self, before: Mapping[str, Outlined], common: Common) -> None:
        self.known = dict(before)
        self._common = common

    def parse(self, source: Source, name: str, package: str) -> Outlined:
        known = [self.known.get(source.path), self._common.modules.get(source.path)]
        old, others = (one if one is not None and (one.name, one.package) == (name, package) else None for one in known)
        same = (one for one in (old, others) if one is not None and one.source.text == source.text)
        found = next(same, None) or outlined(source, name, package, old)
        self.known[source.path] = self._common.modules[source.path] = found
        return found

    def of(self, module: Module) -> Outlined:
        return self.known[module.path]


def _kept(before: _Known, module: Outlined, modules: _Modules, world: World) -> Mapping[Definition, Entry]:
    """The entries that no change concerns."""
    changed = _changes(before, module, modules, world)
    if changed is None:
        return {}
    return {
        node: entry
        for node, entry in before.entries.items()
        if all(names.isdisjoint(entry.reads.get(path, ())) for path, names in changed.items())
    }


def _changes(before: _Known, module: Outlined, modules: _Modules, world: World) -> Mapping[str, frozenset[str]] | None:
    """By file the names that may mean something else; None where files came or went."""
    changed: dict[str, frozenset[str]] = {}
    there, texts = world.files.differences(before.files)
    if there - {module.path}:
        return None
    for path in {*texts, module.path}:
        old, new = before.modules.get(path), world.module(path)
        if new is None:
            return None
        if old is not None and old is not new:
            changed[path] = changed_names(old, modules.of(new)) | {""}
        elif old is None:
            changed[path] = frozenset({""})
    return changed


def _said(
    flow: Flow, rules: Sequence[Rule], known: Mapping[int, tuple[Site, tuple[Finding, ...]]]
) -> dict[int, tuple[Site, tuple[Finding, ...]]]:
    """What the rules say of each site."""
    found: dict[int, tuple[Site, tuple[Finding, ...]]] = {}
    for site in flow.sites:
        same = known.get(id(site))
        if same is None:
            same = site, tuple(findings_of(rules, Flow(flow.path, (site,), ())))
        found[id(site)] = same
    return found


def _by_place(findings: Sequence[Finding], anew: Relocation) -> list[Finding]:
    """The findings of a file in the order of its text."""
    return sorted(findings, key=lambda finding: (anew.location(finding.location), finding.code))


def _shown(
    findings: Sequence[Finding], anew: Relocation, known: Mapping[int, tuple[Finding, Finding]]
) -> dict[int, tuple[Finding, Finding]]:
    """Each finding with the places as they are by now."""
    found: dict[int, tuple[Finding, Finding]] = {}
    for finding in findings:
        same = known.get(id(finding))
        if same is None or not _is_where_it_was(*same, anew):
            same = finding, _light(finding, anew)
        found[id(finding)] = same
    return found


def _is_where_it_was(finding: Finding, light: Finding, anew: Relocation) -> bool:
    if anew.start(finding.location) != light.location.span.start:
        return False
    places = zip(finding.related, light.related, strict=True)
    return all(anew.start(old) == new.span.start for (old, _), (new, _) in places)


def _light(finding: Finding, anew: Relocation) -> Finding:
    """A finding that tells its own place and those of what it is related to."""
    related = tuple((anew.location(place), word) for place, word in finding.related)
    place = anew.location(finding.location)
    return Finding(
        finding.code,
        finding.name,
        place,
        finding.message,
        finding.severity,
        finding.site,
        related,
        finding.url,
        finding.unnecessary,
        finding.fix,
    )


def _moved(problem: Problem, module: Outlined) -> Problem:
    if problem.span is None or problem.path != module.path:
        return problem
    start = module.offset(problem.span.start)
    return replace(problem, span=Span(start, start + problem.span.end - problem.span.start))


def _address(place: Location, module: Outlined) -> Location:
    return Location(place.path, module.address(place.span)) if place.path == module.path else place
