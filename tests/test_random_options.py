"""Random models with options, judged by torch, which builds and runs every combination of them.

What is judged is said in `option_verdicts.py`. `make test` takes a sample, `make soak` 20,000 models, in parts that can
be run by themselves: pytest --soak -k from_4000. Others: BIASLENS_RANDOM_SEED=100000.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from biaslens.flow import Site, Verdict
from biaslens.lint import Report
from biaslens.program.ir import negated
from option_runs import OptionModel, Run, combinations, count, runs
from option_verdicts import Judged, judged_text, opinions, report_of, summary, wrong
from option_writer import MAX_COMBINATIONS
from random_options import random_option_model

FIRST_SEED = int(os.environ.get("BIASLENS_RANDOM_SEED", "0"))

SAMPLE, WHOLE = 120, 20_000
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


@dataclass(frozen=True, slots=True)
class Known:
    """A model, what is said about it, and what torch says."""

    model: OptionModel
    report: Report
    runs: tuple[Run, ...]


@pytest.fixture(scope="module")
def few() -> list[Known]:
    """A few models, run once for all tests about the judge."""
    models = [random_option_model(seed) for seed in range(FEW)]
    return [Known(model, report_of(model.text), tuple(runs(model))) for model in models]


def test_most_combinations_run_and_none_are_too_many(few: list[Known]) -> None:
    entries = [entry for known in few for entry in known.model.entries]
    assert max(count(entry) for entry in entries) <= 2 * MAX_COMBINATIONS
    found = [run for known in few for run in known.runs]
    assert len(found) == sum(len([*combinations(entry)]) for entry in entries) > 20 * FEW
    assert sum(bool(run.error) for run in found) < len(found) / 20
    assert {option.place for entry in entries for option in entry.options} == {"argument", "config", "forward"}


def test_the_judge_refutes_that_everything_is_redundant(few: list[Known]) -> None:
    plain = _judged_as(few, lambda site: replace(site, verdict=Verdict.REDUNDANT, condition="", alternatives=()))
    assert plain[Judged.REFUTED] > FEW
    assert plain[Judged.TRUE] > FEW / 10
    assert set(plain) == {Judged.REFUTED, Judged.TRUE, Judged.NO_CLAIM}


def test_the_judge_refutes_that_nothing_is_used(few: list[Known]) -> None:
    assert _judged_as(few, lambda site: replace(site, verdict=Verdict.UNUSED))[Judged.WRONG_UNUSED] > FEW


def test_the_judge_refutes_a_condition_that_always_holds(few: list[Known]) -> None:
    def idle(site: Site) -> Site:
        return replace(site, verdict=Verdict.CONDITIONAL, condition="len('ab') == 2", alternatives=())

    assert _judged_as(few, idle)[Judged.FALSE] > FEW


def test_the_judge_refutes_the_opposites_of_conditions(few: list[Known]) -> None:
    def opposite(site: Site) -> Site:
        match site.alternatives:
            case ((test,),):
                return replace(site, condition="", alternatives=((negated(test),),))
            case _:
                return replace(site, verdict=Verdict.UNKNOWN)

    judged = _judged_as(few, opposite)
    assert judged[Judged.FALSE] + judged[Judged.VACUOUS] > FEW / 10
    assert judged[Judged.TRUE] == 0


def _judged_as(few: list[Known], change: Callable[[Site], Site]) -> Counter[Judged]:
    """What the judge says when the sites are changed."""
    found: Counter[Judged] = Counter()
    for known in few:
        sites = tuple(map(change, known.report.flow.sites))
        changed = replace(known.report, flow=replace(known.report.flow, sites=sites))
        found.update(opinion.judged for opinion in opinions(changed, known.runs))
    return found
