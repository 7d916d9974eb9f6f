"""What the analysis says about a case, in the words of the specification. The last case is kept: it is asked often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from biaslens.flow import Ending, Site, Verdict
from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.rounds import Fixed, is_safe, repaired, unrepaired
from biaslens.rules.rule import Finding, Fix
from biaslens.syntax.files import Files
from biaslens.text import Source
from conditions import one_holds
from markdown_cases import Build, Case, Expectation
from proof import Measured, Reading, Runs

VERDICTS = {
    "redundant": Verdict.REDUNDANT,
    "redundant if": Verdict.CONDITIONAL,
    "redundant in every use": Verdict.IN_EVERY_USE,
    "absorbed": Verdict.ABSORBED,
    "needed": Verdict.NEEDED,
    "returned": Verdict.NEEDED,
    "unused": Verdict.UNUSED,
    "unknown": Verdict.UNKNOWN,
    "missed": Verdict.UNKNOWN,
}


_PATH = "/project/model.py"
_DECISIVE = {Verdict.REDUNDANT: Ending.CANCELLED, Verdict.ABSORBED: Ending.ABSORBED}


def found_verdicts(case: Case) -> dict[str, set[str]]:
    """The verdicts of the affine layers, and of the norms where one is expected, by source line."""
    return {_quoted(case, line): {site.verdict.value for site in sites} for line, sites in _sites_by_line(case).items()}


def expected_verdicts(case: Case) -> dict[str, set[str]]:
    """What `found_verdicts` has to be."""
    return {_quoted(case, line): {VERDICTS[e.word].value} for line, e in case.expectations.items()}


def found_parts(case: Case) -> dict[str, set[str]]:
    """The parts of biases that have no effect, as code, by source line; only lines with one."""
    found = {
        line: {
            _described(about.part.code, about.condition)
            for site in sites
            for about in site.parts
            if about.part is not None
        }
        for line, sites in _sites_by_line(case).items()
    }
    return {_quoted(case, line): parts for line, parts in found.items() if parts}


def expected_parts(case: Case) -> dict[str, set[str]]:
    """What `found_parts` has to be."""
    return {
        _quoted(case, line): {_described(e.part, e.part_condition)} for line, e in case.expectations.items() if e.part
    }


def _described(code: str, condition: str) -> str:
    return f"{code} if {condition}" if condition else code


def wrong_reasons(case: Case) -> list[str]:
    """Where the analysis names another norm, reader or condition than the case, in sentences."""
    sites = _sites_by_line(case)
    return [
        f"line {line}: `{expectation.text}` is expected, not {' and '.join(_reasons(site))}"
        for line, expectation in case.expectations.items()
        for site in sites.get(line, [])
        if expectation.text and not _names(site, expectation)
    ]


def wrong_conditions(case: Case, runs: Runs) -> tuple[list[str], int]:
    """Where a condition as code, of which fixes are made, does not say what torch says; and how many conditions did.

    runs: what was measured of the case, with calls.
    """
    sites = [(line, one) for line, here in _sites_by_line(case).items() for site in here for one in (site, *site.parts)]
    conditional = [(line, site) for line, site in sites if site.condition and site.alternatives]
    wrong = [
        f"{case}: line {line}: {site.alternatives} {complaint} in `{build.model}`"
        for line, site in conditional
        for build, layers in runs
        for layer in layers
        if layer.line == line
        for complaint in _complaints(site, build, layer, one_holds(site.alternatives, layer.calls, case.text))
    ]
    return wrong, len(conditional)


def _complaints(site: Site, build: Build, layer: Measured, found: bool | None) -> Iterator[str]:
    reading = layer.reading if site.part is None else layer.part
    if found is None:
        yield "cannot be executed"
    elif build.kind == "build" and not found:
        yield "does not hold"
    elif found and reading is Reading.READ:
        yield "holds, and torch says read"


def found_fixes(case: Case) -> set[str]:
    """How safe the fixes of a file are that do something."""
    fixes = (fix for fix in _unrepaired(case.text).fixes if fix is not None and fix.edits)
    return {fix.applicability for fix in fixes} - {"display-only"}


def after_safe_fixes(case: Case) -> Fixed:
    """The file as `check --fix` leaves it."""
    return _fixed(case, wanted=is_safe)


def after_all_fixes(case: Case) -> Fixed:
    """The file as `check --fix --unsafe-fixes` leaves it."""
    return _fixed(case, wanted=lambda finding, fix: True)


def _fixed(case: Case, wanted: Callable[[Finding, Fix], bool]) -> Fixed:
    (after,) = repaired([_unrepaired(case.text)], Files({_PATH: case.text}), Options(), wanted)
    return after


@lru_cache(maxsize=1)
def _unrepaired(text: str) -> Fixed:
    return unrepaired(_report(text), Files({_PATH: text}))


@lru_cache(maxsize=1)
def _report(text: str) -> Report:
    return lint(Source(_PATH, text), Files({_PATH: text}), Options())


def _sites_by_line(case: Case) -> dict[int, list[Site]]:
    report = _report(case.text)
    affine: dict[int, list[Site]] = {}
    norms: dict[int, list[Site]] = {}
    for site in report.flow.sites:
        if site.location.path == report.source.path:
            line = report.source.line_and_column(site.location.span.start)[0] + 1
            (affine if site.layer.entry.role == "affine" else norms).setdefault(line, []).append(site)
    expected = {line: sites for line, sites in norms.items() if line in case.expectations and line not in affine}
    return dict(sorted((affine | expected).items()))


def _quoted(case: Case, line: int) -> str:
    return f"{line}: {case.text.splitlines()[line - 1].strip()}"


def _names(site: Site, expectation: Expectation) -> bool:
    """Whether the site names what is expected; a layer also by the end of its name in the model."""
    return any(reason == expectation.text or reason.endswith("." + expectation.text) for reason in _reasons(site))


def _reasons(site: Site) -> list[str]:
    """Everything that cancels or reads the bias, whichever decides the verdict; or the condition."""
    if site.verdict is Verdict.CONDITIONAL:
        return [site.condition]
    ending = _DECISIVE.get(site.verdict, Ending.READ)
    fates = [fate for fate in site.fates if fate.ending is ending]
    layers = [fate.norm.label for fate in fates if fate.norm is not None]
    steps = [fate.end.label for fate in fates if fate.end is not None]
    return list(dict.fromkeys([*layers, *steps, *(fate.cancelled_by for fate in fates if fate.cancelled_by)]))
