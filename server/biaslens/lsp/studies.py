"""What is kept of a file that was followed, so that it can be judged by its uses in other files. For the worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from biaslens.options import Options
from biaslens.syntax.files import Files, digest
from biaslens.text import Edit, Source, Span

if TYPE_CHECKING:
    from biaslens.lint import Report, Study
    from biaslens.verdicts import Use

Pause: TypeAlias = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Foreign:
    """Uses of a file's layers in other files, each with the digest of the text of the file that it speaks of.

    base: a text of the file that most of them speak of.
    """

    uses: tuple[tuple[int, tuple[Use, ...]], ...] = ()
    base: Source | None = None

    def at(self, source: Source) -> tuple[Use, ...]:
        """The uses in terms of a text of the file. Where a layer's call was changed since, nothing is known of it."""
        wanted = digest(source)
        edit = _edit_between(self.base, source) if self.base is not None and self.uses else None
        found: list[Use] = []
        for spoken_of, uses in self.uses:
            if spoken_of == wanted:
                found += uses
            elif edit is not None and self.base is not None and spoken_of == digest(self.base):
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
    own: Study | None
    elsewhere: Mapping[str, tuple[Use, ...]]
    seen: Mapping[str, int | bool]

    def rests_on(self, path: str, look: Look) -> bool:
        """Whether that file is as it was when it was studied, or does not matter."""
        seen = self.seen.get(path)
        if seen is None:
            return True
        return seen == look.there if isinstance(seen, bool) else seen == look.digest


@dataclass(frozen=True, slots=True)
class Look:
    """A file as it is by now."""

    there: bool
    digest: int


def look(paths: Iterable[str], buffers: Mapping[str, str]) -> dict[str, Look]:
    """The files as they are by now."""
    files = Files(buffers)
    return {path: Look(files.exists(path), digest(files.read(path))) for path in paths}


def studied(
    path: str, buffers: Mapping[str, str], options: Options, pause: Pause, foreign: Foreign, is_used: bool
) -> tuple[Studied, Report | None]:
    """One file, followed, and a first report on it, by the uses that are known by now.

    is_used: whether other files use its layers.
    """
    from biaslens.lint import report_of, study, without_equations
    from biaslens.program.run import World

    files = Files(buffers)
    source = files.read(path)
    if not isinstance(source, Source):
        return Studied(path, None, {}, files.seen), None
    own, uses = without_equations(study(source, World(files, options, pause)))
    elsewhere: dict[str, list[Use]] = {}
    for use in uses:
        elsewhere.setdefault(use.layer.site.path, []).append(use)
    report = report_of(own, options, foreign.at(source))
    matters = is_used or bool(own.followed.uses or report.findings or report.problems)
    found = {other: tuple(its) for other, its in elsewhere.items()}
    return Studied(path, own if matters else None, found, files.seen), report


def judged(own: Study, options: Options, foreign: Foreign) -> Report:
    """What there is to say about a file by all that is known of its uses."""
    from biaslens.lint import report_of

    return report_of(own, options, foreign.at(own.source))


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
