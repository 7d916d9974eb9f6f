"""Compares the findings with measured truth: `python -m benchmarks.accuracy TRUTH.json=ROOT …`.

A truth file lists constructor calls of one library, with what torch measured for the biases made there: cancelled
always, sometimes or never. ROOT is the folder that its file names are relative to. The files that the truth names are
followed by one process a core, and judged by all uses found in any of them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.table import Table

from biaslens.lint import Study, report_of, study, without_equations
from biaslens.options import Options
from biaslens.program.world import World
from biaslens.render.place import begins_at
from biaslens.render.sites import affine_sites, reason
from biaslens.rules.redundant import condition_of
from biaslens.syntax.files import Files
from biaslens.text import Problem
from biaslens.verdicts import Use


@dataclass(frozen=True)
class Truth:
    """One measured constructor call. verdict: always, sometimes or never cancelled."""

    file: str
    line: int
    end_line: int
    column: int
    kind: str
    verdict: str


@dataclass(frozen=True)
class Said:
    """What the tool says about one constructor call; rows are 1-based, columns 0-based."""

    line: int
    end_line: int
    column: int
    finding: bool
    condition: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Looked:
    """One file after the tool looked at it. seconds: what that took."""

    file: str
    said: tuple[Said, ...]
    problems: tuple[str, ...]
    seconds: float


@dataclass
class Score:
    """The counts of one library; the lists name places."""

    library: str
    counts: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])
    unconfirmed: list[str] = field(default_factory=list[str])
    missed: list[str] = field(default_factory=list[str])
    conditional: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])
    seconds: float = 0.0


def follow(root: str, file: str) -> tuple[Study | None, list[Use], float]:
    """Follows one file: the study of its own layers, the uses of those of other files, and the seconds it took."""
    start = time.perf_counter()
    world = _world(root)
    source = world.files.read(os.path.join(root, file))
    if isinstance(source, Problem):
        return None, [], 0.0
    own, elsewhere = without_equations(study(source, world))
    return own, elsewhere, time.perf_counter() - start


def look(root: str, file: str, own: Study, others: Sequence[Use], seconds: float) -> Looked:
    """What the tool says about a file, given all uses of its layers; as in the truth, without parts of biases."""
    report = report_of(own, Options(), others)
    source, files = own.source, _world(root).files
    about_wholes = (f for f in report.findings if f.site is None or f.site.part is None)
    found = {finding.location: finding for finding in about_wholes}
    said: list[Said] = []
    for site in affine_sites(report.flow):
        start = begins_at(site.location, files.read)
        last = start.row + source.excerpt(site.location.span).count("\n")
        finding = found.get(site.location)
        condition = condition_of(finding.site) if finding and finding.site else ""
        said.append(
            Said(start.row, last, start.column - 1, finding is not None, condition, site.verdict.value, reason(site))
        )
    return Looked(file, tuple(said), tuple(problem.message for problem in report.problems), seconds)


@cache
def _world(root: str) -> World:
    """What all files of one library share, in each worker process."""
    return World(Files(), Options())


def score(library: str, truth: Sequence[Truth], looked: Iterable[Looked]) -> Score:
    """Matches findings with measured calls by their lines; of several on a line the nearest column counts."""
    result = Score(library)
    by_file = {item.file: item for item in looked}
    for item in by_file.values():
        result.seconds += item.seconds
        result.problems += [f"{item.file}: {problem}" for problem in item.problems]
        result.counts["findings"] += sum(said.finding for said in item.said)
    on_line: dict[tuple[str, int], list[Truth]] = defaultdict(list)
    for site in truth:
        on_line[site.file, site.line].append(site)
    for site in truth:
        rivals = [other.column for other in on_line[site.file, site.line] if other is not site]
        at_place = [
            said
            for said in by_file[site.file].said
            if said.line <= site.end_line
            and said.end_line >= site.line
            and not any(abs(said.column - column) < abs(said.column - site.column) for column in rivals)
        ]
        _count(result, site, at_place)
    return result


def _count(result: Score, site: Truth, said: Sequence[Said]) -> None:
    place = f"{site.file}:{site.line} {site.kind}"
    found = [item for item in said if item.finding]
    result.counts[site.verdict] += 1
    if not found:
        if site.verdict == "always":
            why = "; ".join(f"{item.verdict}: {item.reason}" for item in said) or "the layer was not seen"
            result.missed.append(f"{place}: {why}")
    elif site.verdict == "always":
        result.counts["true"] += 1
        if any(not item.condition for item in found):
            result.counts["plain"] += 1
        else:
            result.conditional.append(f"{place}: {found[0].condition}")
    elif any(not item.condition for item in found):
        result.wrong.append(f"{place}: measured {site.verdict}")
    elif site.verdict == "sometimes":
        result.counts["true"] += 1
    else:
        result.unconfirmed.append(f"{place}: {found[0].condition}")


def read_truth(path: Path) -> tuple[str, list[Truth]]:
    """The library's name and its measured calls; norms and parts of fused projections are left out."""
    data = json.loads(path.read_text())
    sites = [
        Truth(s["file"], s["line"], s["end_line"], s["col"], s["kind"], s["verdict"])
        for s in data["sites"]
        if not s.get("part") and s["kind"] != "norm"
    ]
    return f"{data['library']} {data['version'][:10]}", sites


def table(scores: Sequence[Score]) -> Table:
    """One row a library, and one for all together."""
    result = Table("library", "findings", "true", "false", "unconfirmed", "always", "recall", "plain", "seconds")
    total = Counter[str]()
    for item in scores:
        row = item.counts + Counter(false=len(item.wrong), missed=len(item.missed), unconfirmed=len(item.unconfirmed))
        total += row
        result.add_row(item.library, *_cells(row), f"{item.seconds:.1f}")
    result.add_row("together", *_cells(total), f"{sum(item.seconds for item in scores):.1f}", style="bold")
    return result


def _cells(counts: Counter[str]) -> list[str]:
    always = counts["always"]
    recall = (
        [f"{(always - counts['missed']) / always:.3f}", f"{counts['plain'] / always:.3f}"] if always else ["–", "–"]
    )
    names = ("findings", "true", "false", "unconfirmed", "always")
    return [*(str(counts[name]) for name in names), *recall]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table, and the places that differ; 1 where a finding contradicts the truth."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("pairs", nargs="+", metavar="TRUTH.json=ROOT", help="a truth file and its library's folder")
    parser.add_argument("--details", action="store_true", help="name misses, conditions and problems")
    parser.add_argument("--slowest", type=int, default=0, metavar="N", help="name the N slowest files")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False)
    scores: list[Score] = []
    times: list[tuple[float, str]] = []
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for pair in options.pairs:
            path, _, root = pair.partition("=")
            library, truth = read_truth(Path(path))
            looked = _looked(pool, root, sorted({site.file for site in truth}))
            scores.append(score(library, truth, looked))
            times += [(item.seconds, f"{library} {item.file}") for item in looked]
            _print_details(console, scores[-1], options.details)
    console.print(table(scores))
    for seconds, name in sorted(times, reverse=True)[: options.slowest]:
        console.print(f"{seconds:7.1f} s  {name}")
    return 1 if any(item.wrong for item in scores) else 0


def _looked(pool: ProcessPoolExecutor, root: str, names: Sequence[str]) -> list[Looked]:
    """Every readable file, after all of them were followed."""
    studies: dict[str, tuple[Study, float]] = {}
    others: dict[str, list[Use]] = defaultdict(list)
    for name, (own, elsewhere, seconds) in zip(names, pool.map(follow, [root] * len(names), names), strict=True):
        print(f"{seconds:6.1f} s  {name}", file=sys.stderr, flush=True)
        if own is not None:
            studies[name] = own, seconds
        for use in elsewhere:
            others[use.layer.site.path].append(use)
    return [look(root, name, own, others[own.source.path], seconds) for name, (own, seconds) in studies.items()]


def _print_details(console: Console, result: Score, details: bool) -> None:
    groups = [("FALSE", result.wrong)]
    if details:
        groups += [("missed", result.missed), ("conditional", result.conditional)]
        groups += [("unconfirmed", result.unconfirmed), ("problem", result.problems)]
    for name, places in groups:
        for place in places:
            console.print(f"{name} {place}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
