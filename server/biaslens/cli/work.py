"""What is done with one file: it is followed, and judged. Imports the analysis, so it is imported late itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from biaslens.cli.results import Result
from biaslens.cli.seen import Look, fingerprint
from biaslens.follow import Followed
from biaslens.lint import MOST_KEPT, Report, Study, report_of, study, without_equations
from biaslens.options import Options
from biaslens.packed import Packed, packed
from biaslens.program.ir import Program
from biaslens.program.world import World, go_on
from biaslens.relevance import Relevance
from biaslens.render.judgement import layer_notice, notice_of, unreached_notice
from biaslens.render.notice import LayerNotice
from biaslens.render.sites import affine_sites, unfollowed
from biaslens.rounds import unrepaired
from biaslens.runtime import collect_now
from biaslens.syntax.files import Files, LookKind, Seen
from biaslens.text import Problem
from biaslens.unreached import unreached
from biaslens.verdicts import Use


@dataclass(frozen=True, slots=True)
class Order:
    """One file, and what is wanted of it.

    layers: whether its layers are to be told. is_alone: no other file is asked about, so none uses its layers.
    """

    path: str
    options: Options
    layers: bool = False
    is_alone: bool = False


@dataclass(frozen=True, slots=True)
class Traced:
    """A file that was followed, and judged by its own uses. It goes from one process of ours to another.

    study: for a judgement by the uses in other files; None where there will be none. elsewhere: the uses of layers of
    other files, by their paths. looks: all that was looked for, and what was found. following: how many of them it took
    before anything was judged; they decide about `elsewhere`.
    """

    result: Result
    study: Packed[Study] | None = None
    elsewhere: Mapping[str, Packed[list[Use]] | None] = field(default_factory=dict[str, Packed[list[Use]] | None])
    looks: tuple[Look, ...] = ()
    following: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """A file that was judged by its uses in all files. looks: all that this took."""

    result: Result
    looks: tuple[Look, ...] = ()


class Workbench:
    """Follows and judges files one by one, and keeps what several of them need.

    files: the snapshot that it reads.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._worlds: dict[Options, World] = {}  # what was followed with other options means something else
        self._relevance: dict[World, Relevance] = {}
        self._fingerprints: dict[tuple[LookKind, str], str] = {}

    def follow(self, order: Order) -> Traced:
        """Follows a file and judges it by its own uses."""
        files = self._files.apart()
        source = files.read(order.path)
        if isinstance(source, Problem):
            looks = self._looks(files)
            return Traced(Result(order.path, problems=(source,)), looks=looks, following=len(looks))
        world = self._world(order.options)
        if matters := self._relevance[world].matters(source, files):
            own, uses = without_equations(study(source, world.afresh(files)))
        else:
            own, uses = Study(source, Program(source.path, ()), Followed((), ()), ()), []
        following = dict.fromkeys(self._looks(files))
        result = self._told(report_of(own, order.options), files, order, matters)
        elsewhere: dict[str, list[Use]] = {}
        for use in uses:
            elsewhere.setdefault(use.layer.site.path, []).append(use)
        return Traced(
            result,
            None if order.is_alone else packed(own, go_on),
            {path: None if order.is_alone else packed(its, go_on) for path, its in elsewhere.items()},
            tuple(following | dict.fromkeys(self._looks(files))),
            len(following),
        )

    def judge(self, order: Order, own: Packed[Study], others: Sequence[Packed[list[Use]]]) -> Judged:
        """Judges a file that was followed by its uses in all files. others: those in other files."""
        files = self._files.apart()
        uses = [use for its in others for use in its.value(go_on)]
        result = self._told(report_of(own.value(go_on), order.options, uses), files, order)
        return Judged(result, self._looks(files))

    def _world(self, options: Options) -> World:
        following = options.following
        if sum(world.size for world in self._worlds.values()) > MOST_KEPT:
            self._worlds.clear()
            self._relevance.clear()
            collect_now()
        if following not in self._worlds:
            world = self._worlds[following] = World(self._files, following)
            self._relevance[world] = Relevance(world)
        return self._worlds[following]

    def _told(self, report: Report, files: Files, order: Order, matters: bool = True) -> Result:
        fixed = unrepaired(report, files)
        notices = zip(report.findings, fixed.fixes, strict=True)
        sites = affine_sites(report.flow)
        module = self._world(order.options).module(order.path) if matters else None
        lost = unreached(module, report.flow, report.problems) if module is not None else ()
        layers: list[LayerNotice] = []
        if order.layers:
            layers += [layer_notice(site, files.read) for site in sites]
            layers += [unreached_notice(layer, files.read) for layer in lost]
        return Result(
            report.source.path,
            tuple(notice_of(finding, fix, files.read) for finding, fix in notices),
            tuple(sorted(layers, key=lambda layer: layer.location)),
            report.problems,
            unfollowed=unfollowed(sites, lost),
        )

    def _looks(self, files: Files) -> tuple[Look, ...]:
        return tuple((kind, path, self._fingerprint(kind, path, found)) for kind, path, found in files.looks())

    def _fingerprint(self, kind: LookKind, path: str, found: Seen) -> str:
        if (kind, path) not in self._fingerprints:
            self._fingerprints[kind, path] = fingerprint(found)
        return self._fingerprints[kind, path]
