"""What is kept of a file that was followed, so that it can be judged by its uses in other files. For the worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from biaslens.options import Options
from biaslens.packed import Packed, packed
from biaslens.runtime import collect_now
from biaslens.syntax.files import Files, digest
from biaslens.text import Edit, Problem, Source, Span

if TYPE_CHECKING:
    from biaslens.lint import Report, Study
    from biaslens.rules.rule import Finding
    from biaslens.verdicts import Use

Pause: TypeAlias = Callable[[], None]

Buffers: TypeAlias = Mapping[str, str | Source]
"""The unsaved texts, as `Files` takes them."""


@dataclass(eq=False)
class Foreign:
    """Uses of a file's layers in other files, each with the digest of the text of the file that it speaks of.

    base: the file as it was followed; most of them speak of its text.
    """

    uses: tuple[tuple[int, Packed[tuple[Use, ...]]], ...] = ()
    base: Packed[Study] | None = None
    _loaded: tuple[list[tuple[int, tuple[Use, ...]]], Source | None] | None = field(default=None, repr=False)

    def at(self, source: Source, pause: Pause, *, keep: bool = False) -> tuple[Use, ...]:
        """The uses in terms of a text of the file. Where a layer's call was changed since, nothing is known of it.

        keep: it will be asked again soon.
        """
        if not self.uses:
            return ()
        loaded = self._loaded
        if loaded is None:
            base = self.base.value(pause).source if self.base is not None else None
            loaded = [(spoken_of, uses.value(pause)) for spoken_of, uses in self.uses], base
            self._loaded = loaded if keep else None
        every, base = loaded
        wanted = digest(source)
        edit = _edit_between(base, source) if base is not None else None
        found: list[Use] = []
        for spoken_of, uses in every:
            if spoken_of == wanted:
                found += uses
            elif edit is not None and base is not None and spoken_of == digest(base):
                found += _moved(uses, edit)
        return tuple(found)


NO_USES = Foreign()


@dataclass(frozen=True, slots=True)
class Studied:
    """One file of the workspace, followed.

    own: its own layers; None where the file cannot be read, or where only uses in other files would make something of
    it. elsewhere: what it does with the layers of other files, by their paths. seen: what all this rests on, as
    `Files.seen` has it.
    """

    path: str
    own: Packed[Study] | None
    elsewhere: Mapping[str, Packed[tuple[Use, ...]]]
    seen: Mapping[str, int | bool]

    def rests_on(self, path: str, look: Look) -> bool:
        """Whether that file is as it was when it was studied, or does not matter."""
        seen = self.seen.get(path)
        if seen is None:
            return True
        return seen == look.there if isinstance(seen, bool) else seen == look.digest


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in a file, with the texts that it speaks of: its own, and those of related places by path.

    The findings know nothing any more of what they rest on.
    """

    source: Source
    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    related: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Look:
    """A file as it is by now."""

    there: bool
    digest: int


def look(paths: Iterable[str], buffers: Buffers) -> dict[str, Look]:
    """The files as they are by now."""
    files = Files(buffers)
    return {path: Look(files.exists(path), digest(files.read(path))) for path in paths}


def studied(
    path: str, buffers: Buffers, options: Options, pause: Pause, foreign: Foreign, is_used: bool
) -> tuple[Studied, Found | None]:
    """One file, followed, and what is found in it, by the uses that are known by now.

    is_used: whether other files use its layers.
    """
    from biaslens.lint import report_of, study, without_equations
    from biaslens.program.world import World

    files = Files(buffers)
    source = files.read(path)
    if not isinstance(source, Source):
        return Studied(path, None, {}, files.seen), None
    world = World(files, options, pause)
    own, uses = without_equations(study(source, world))
    is_large = world.size > LARGE
    del world
    elsewhere: dict[str, list[Use]] = {}
    for use in uses:
        elsewhere.setdefault(use.layer.site.path, []).append(use)
    report = report_of(own, options, foreign.at(source, pause))
    matters = is_used or bool(own.followed.uses or report.findings or report.problems)
    whole = Studied(
        path,
        packed(own, pause) if matters else None,
        {other: packed(tuple(its), pause) for other, its in elsewhere.items()},
        files.seen,
    )
    found = _found(report, files)
    if is_large:
        pause()
        collect_now()
    return whole, found


LARGE = 500_000
"""So many characters of source, parsed, are not left lying about."""


def judged(own: Packed[Study], buffers: Buffers, options: Options, pause: Pause, foreign: Foreign) -> Found | None:
    """What is found in a file by all that is known of its uses."""
    return _found(report_on(own, options, pause, foreign), Files(buffers))


def report_on(own: Packed[Study], options: Options | Mapping[str, Options], pause: Pause, foreign: Foreign) -> Report:
    """What there is to say about a file by all that is known of its uses. options: its own, or those of all files."""
    from biaslens.lint import report_of

    study = own.value(pause)
    its = options if isinstance(options, Options) else options[study.source.path]
    return report_of(study, its, foreign.at(study.source, pause))


def _found(report: Report, files: Files) -> Found | None:
    if not (report.findings or report.problems):
        return None
    places = {place.path for finding in report.findings for place, _ in finding.related} - {report.source.path}
    texts = {path: source.text for path in places if isinstance(source := files.read(path), Source)}
    findings = tuple(replace(finding, site=None) for finding in report.findings)
    return Found(report.source, findings, report.problems, texts)


def _edit_between(old: Source, new: Source) -> Edit | None:
    """One edit of whole lines that turns a text into another; None where they are equal."""
    before, after = old.text.splitlines(keepends=True), new.text.splitlines(keepends=True)
    most = min(len(before), len(after))
    first = next((i for i in range(most) if before[i] != after[i]), most)
    if first == len(before) == len(after):
        return None
    last = next((i for i in range(most - first) if before[-1 - i] != after[-1 - i]), most - first)
    start = sum(map(len, before[:first]))
    end = len(old.text) - sum(map(len, before[len(before) - last :]))
    return Edit(Span(start, end), "".join(after[first : len(after) - last]))


def _moved(uses: Iterable[Use], edit: Edit) -> Iterable[Use]:
    from biaslens.repair import moved

    for use in uses:
        site = use.layer.site
        if site.span.end <= edit.span.start:
            yield use
        elif edit.span.end <= site.span.start:
            yield replace(use, layer=replace(use.layer, site=moved(site, [edit])))
