"""Random models with options, judged by torch, which builds and runs every combination of them.

What is judged is said in `option_verdicts.py`. `make test` takes a sample, `make soak` 20,000 models, in parts that can
be run by themselves: pytest --soak -k from_4000. Others: BIASLENS_RANDOM_SEED=100000.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from biaslens.flow import Site, Verdict
from biaslens.lint import Report
from biaslens.program.ir import negated
from option_runs import OptionModel, combinations, count, runs
from option_verdicts import Judged, judged_text, opinions, report_of, summary, wrong
from option_writer import MAX_COMBINATIONS
from random_options import random_option_model

FIRST_SEED = int(os.environ.get("BIASLENS_RANDOM_SEED", "0"))

SAMPLE, WHOLE = 200, 20_000
"""Models in all."""

PARTS, WHOLE_PARTS = 4, 40

FEW = 40
"""Models that are enough to see that the judge judges."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each range of seeds."""
    if "seeds" in metafunc.fixturenames:
        models, parts = (WHOLE, WHOLE_PARTS) if metafunc.config.getoption("--soak") else (SAMPLE, PARTS)
        each = models // parts
        starts = range(FIRST_SEED, FIRST_SEED + models, each)
        metafunc.parametrize("seeds", [range(at, at + each) for at in starts], ids=[f"from_{at}" for at in starts])


def test_torch_refutes_no_verdict(seeds: range, record_property: Callable[[str, object], None]) -> None:
    """Effect: the figures are shown at the end of the test run."""
    figures: Counter[str] = Counter()
    found: list[str] = []
    for seed in seeds:
        model = random_option_model(seed)
        judged = opinions(report_of(model.text), runs(model))
        figures.update({"models": 1, **summary(judged)})
        if any(opinion.is_wrong for opinion in judged):
            found += [f"seed {seed}: {judged_text(model, opinion)}" for opinion in wrong(model)]
    record_property("random models with options", dict(figures))
    assert found == []


def test_most_combinations_run_and_none_are_too_many() -> None:
    models = [random_option_model(seed) for seed in range(FEW)]
    assert max(count(entry) for model in models for entry in model.entries) <= 2 * MAX_COMBINATIONS
    found = [run for model in models for run in runs(model)]
    assert len(found) == sum(len([*combinations(entry)]) for model in models for entry in model.entries)
    assert sum(bool(run.error) for run in found) < len(found) / 20
    assert {option.place for model in models for entry in model.entries for option in entry.options} == {
        "argument",
        "config",
        "forward",
    }


def test_the_judge_refutes_that_everything_is_redundant() -> None:
    judged = _judged_as(lambda site: replace(site, verdict=Verdict.REDUNDANT, condition="", alternatives=()))
    assert judged[Judged.REFUTED] > FEW
    assert judged[Judged.TRUE] > FEW / 10
    assert set(judged) == {Judged.REFUTED, Judged.TRUE}


def test_the_judge_refutes_that_nothing_is_used() -> None:
    judged = _judged_as(lambda site: replace(site, verdict=Verdict.UNUSED))
    assert judged[Judged.WRONG_UNUSED] > FEW


def test_the_judge_refutes_the_opposite_of_conditions_and_conditions_that_say_nothing() -> None:
    def opposite(site: Site) -> Site:
        if site.verdict is Verdict.CONDITIONAL and len(site.alternatives) == 1 and len(site.alternatives[0]) == 1:
            return replace(site, alternatives=((negated(site.alternatives[0][0]),),))
        return replace(site, verdict=Verdict.UNKNOWN)

    judged = _judged_as(opposite)
    assert judged[Judged.FALSE] > FEW / 10
    assert judged[Judged.TRUE] == 0

    def idle(site: Site) -> Site:
        return replace(site, verdict=Verdict.CONDITIONAL, condition="len('ab') == 2", alternatives=())

    assert _judged_as(idle)[Judged.FALSE] > FEW


def _judged_as(change: Callable[[Site], Site]) -> Counter[Judged]:
    """What the judge says about a few models when the sites are changed."""
    found: Counter[Judged] = Counter()
    for seed in range(FEW):
        model = random_option_model(seed)
        found.update(opinion.judged for opinion in opinions(_changed(model, change), runs(model)))
    return found


def _changed(model: OptionModel, change: Callable[[Site], Site]) -> Report:
    report = report_of(model.text)
    sites: Sequence[Site] = [change(site) for site in report.flow.sites]
    return replace(report, flow=replace(report.flow, sites=tuple(sites)))
