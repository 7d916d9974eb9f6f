"""What the analysis says about a case, in the words of the specification."""

from __future__ import annotations

from biaslens.flow import Ending, Site, Verdict
from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.rounds import Fixed, repaired, unrepaired
from biaslens.syntax.files import Files
from biaslens.text import Source
from markdown_cases import FOLDER, Case, Expectation

VERDICTS = {
    "redundant": Verdict.REDUNDANT,
    "redundant if": Verdict.CONDITIONAL,
    "redundant in every use": Verdict.IN_EVERY_USE,
    "absorbed": Verdict.ABSORBED,
    "needed": Verdict.NEEDED,
    "returned": Verdict.NEEDED,
    "unused": Verdict.UNUSED,
    "unknown": Verdict.UNKNOWN,
}


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


def after_safe_fixes(case: Case) -> Fixed:
    """The file as `check --fix` leaves it."""
    report = _report(case)
    (after,) = repaired([unrepaired(report)], Files(), Options())
    return after


def _report(case: Case) -> Report:
    path = str(FOLDER / "model.py")
    return lint(Source(path, case.text), Files({path: case.text}), Options())


def _sites_by_line(case: Case) -> dict[int, list[Site]]:
    report = _report(case)
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
