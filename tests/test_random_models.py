"""Random models, judged by torch: no bias that is called redundant may change what a model computes.

`make test` takes a sample. To look further: BIASLENS_RANDOM_MODELS=2000 BIASLENS_RANDOM_SEED=7 pytest on this file.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from biaslens.flow import Ending, Site, Verdict
from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source
from conditions import holds, one_holds
from markdown_cases import Build
from proof import Measured, Reading, Refused, TooLittle, left_by_absorbers, measure
from random_classes import PYTHON
from random_images import ALIASES, IMAGES
from random_models import RandomModel, random_model
from random_sequences import ATTENTION, TOKENS

FAMILIES = {"images": IMAGES, "aliases": ALIASES, "tokens": TOKENS, "attention": ATTENTION, "python": PYTHON}

SAMPLE = {"images": 70, "aliases": 70, "tokens": 70, "attention": 50, "python": 51}
FIRST_SEED = int(os.environ.get("BIASLENS_RANDOM_SEED", "0"))

CLAIMED = {"images": 25, "aliases": 10, "tokens": 25, "attention": 20, "python": 2}
"""How many biases of a sample are called redundant without a condition, and cancelled by torch, at least."""

PLAIN = {Verdict.REDUNDANT, Verdict.IN_EVERY_USE}
PATH = "/project/model.py"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a model, for the affine layers or the norms made there."""

    line: int
    is_norm: bool


@dataclass(frozen=True, slots=True)
class Executed:
    """A condition that was evaluated wherever torch made the layer that it is about.

    answers: whether it holds, None where that could not be evaluated, with what torch says.
    """

    condition: str
    answers: frozenset[tuple[bool | None, Reading]]
    model: RandomModel

    @property
    def is_on_both_sides(self) -> bool:
        """Whether it was seen to hold where the bias is cancelled, and not to hold where the bias is read."""
        return {(True, Reading.CANCELLED), (False, Reading.READ)} <= self.answers

    @property
    def is_false(self) -> bool:
        """Whether it holds where the bias is read; or cannot be evaluated, and torch cancels the bias nowhere."""
        readings = {reading for _, reading in self.answers}
        unseen = (None, Reading.READ) in self.answers and Reading.CANCELLED not in readings
        return unseen or (True, Reading.READ) in self.answers


@pytest.mark.parametrize("family", FAMILIES)
def test_torch_contradicts_no_plain_verdict(family: str) -> None:
    models = list(_sample(family))
    assert [text for model in models for text in _contradictions(model, _verdicts(model))] == []
    claimed = [seen for model in models for seen in _readings_of_claims(model)]
    assert sum(Reading.CANCELLED in seen for seen in claimed) >= CLAIMED[family]


def test_no_condition_holds_where_torch_reads_the_bias() -> None:
    executed = [found for model in _sample("python") for found in _executed(model)]
    assert sum(found.is_on_both_sides for found in executed) >= 8
    false = [found for found in executed if found.is_false]
    assert [f"{found.condition}, but there torch says read:\n{found.model.text}" for found in false] == []


def test_later_biases_take_over_what_is_called_absorbed() -> None:
    absorbed = [(model, *found) for family in FAMILIES for model in _sample(family) for found in _absorbed(model)]
    distances = [(found, distance) for found in absorbed for distance in _distances(*found)]
    assert len({id(model) for (model, _, _), _ in distances}) >= 3
    assert [
        f"line {line} is absorbed by {names}, but moves the output by {distance:.1e}:\n{model.text}"
        for (model, line, names), distance in distances
        if distance > 1e-8
    ] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_torch_contradicts_the_claim_that_every_bias_is_redundant(family: str) -> None:
    models = [random_model(FAMILIES[family], seed) for seed in range(4)]
    claims = [(model, {place: {Verdict.REDUNDANT} for place in _verdicts(model)}) for model in models]
    assert [text for model, claim in claims for text in _contradictions(model, claim)] != []


@pytest.mark.parametrize(("family", "at_least"), [("attention", 10), ("aliases", 1)])
def test_torch_contradicts_no_part(family: str, at_least: int) -> None:
    found = [(model, *part) for model in _sample(family) for part in _parts(model)]
    readings = [(one, reading) for one in found for reading in _readings_of_part(*one)]
    assert sum(reading is Reading.CANCELLED for _, reading in readings) >= at_least
    assert [
        f"line {line} has no effect in {code}, but torch says read:\n{model.text}"
        for (model, line, code), reading in readings
        if reading is Reading.READ
    ] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_the_sample_has_biases_of_both_kinds(family: str) -> None:
    found = {verdict for model in _sample(family) for verdicts in _verdicts(model).values() for verdict in verdicts}
    claimed = {Verdict.CONDITIONAL} if family == "python" else {Verdict.REDUNDANT}
    assert {Verdict.NEEDED, Verdict.UNKNOWN} | claimed <= found


@pytest.mark.parametrize("family", FAMILIES)
def test_torch_accepts_most_models(family: str) -> None:
    models = [random_model(FAMILIES[family], seed) for seed in range(6)]
    assert sum(any(_measured(model, build) for build in model.builds) for model in models) >= 5


def _sample(family: str) -> Iterator[RandomModel]:
    count = int(os.environ.get("BIASLENS_RANDOM_MODELS", SAMPLE[family]))
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        yield random_model(FAMILIES[family], seed)


# --- what the analysis says ------------------------------------------------------------------------------------------


@cache
def _report(text: str) -> Report:
    return lint(Source(PATH, text), Files({PATH: text}), Options())


def _sites(model: RandomModel) -> Iterator[tuple[Place, Site]]:
    report = _report(model.text)
    for site in report.flow.sites:
        line = report.source.line_and_column(site.location.span.start)[0] + 1
        yield Place(line, site.layer.entry.role != "affine"), site


def _verdicts(model: RandomModel) -> dict[Place, set[Verdict]]:
    found: dict[Place, set[Verdict]] = {}
    for place, site in _sites(model):
        found.setdefault(place, set()).add(site.verdict)
    return found


def _parts(model: RandomModel) -> set[tuple[int, str]]:
    """The parts that are said to have no effect, with their lines; those without a condition."""
    return {
        (place.line, about.part.code)
        for place, site in _sites(model)
        for about in site.parts
        if about.part is not None and about.part.code and not about.condition
    }


def _absorbed(model: RandomModel) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The lines of absorbed biases, with the names of the layers that take them over."""
    for place, site in _sites(model):
        if site.verdict is Verdict.ABSORBED:
            ends = (fate.end for fate in site.fates if fate.ending is Ending.ABSORBED)
            yield place.line, tuple(dict.fromkeys(end.label for end in ends if end is not None))


# --- what torch says -------------------------------------------------------------------------------------------------


@cache
def _measured(model: RandomModel, build: Build) -> Sequence[Measured]:
    """What torch says; nothing where it refuses the model or the numbers do not tell."""
    is_conditional = any(site.verdict is Verdict.CONDITIONAL for _, site in _sites(model))
    try:
        return measure(model.text, build, with_calls=is_conditional)
    except (Refused, TooLittle):
        return ()


def _readings_of_part(model: RandomModel, line: int, code: str) -> set[Reading]:
    found: set[Reading] = set()
    for build in model.builds:
        try:
            layers = measure(model.text, build, {line: code})
        except (Refused, TooLittle):
            continue
        found |= {layer.part for layer in layers if layer.part is not None}
    return found


def _distances(model: RandomModel, line: int, names: tuple[str, ...]) -> Iterator[float]:
    """How far each build moves with an absorbed bias; none where torch refuses the model."""
    for build in model.builds:
        try:
            yield left_by_absorbers(model.text, build, line, names, seed=1)
        except Refused:
            continue


# --- both together ---------------------------------------------------------------------------------------------------


def _contradictions(model: RandomModel, verdicts: Mapping[Place, Collection[Verdict]]) -> Iterator[str]:
    """Every line that is called redundant without a condition, but torch reads its bias, with the model."""
    for place, found in verdicts.items():
        if PLAIN.issuperset(found):
            read = [name for name, seen in _seen(model, place, found).items() if Reading.READ in seen]
            words = " and ".join(sorted(verdict.value for verdict in found))
            if read:
                yield f"line {place.line} is {words}, but torch says read in {', '.join(read)}:\n{model.text}"


def _readings_of_claims(model: RandomModel) -> Iterator[set[Reading]]:
    """What torch says of each line that is called redundant without a condition."""
    for place, found in _verdicts(model).items():
        if PLAIN.issuperset(found):
            yield {reading for seen in _seen(model, place, found).values() for reading in seen}


def _seen(model: RandomModel, place: Place, found: Collection[Verdict]) -> dict[str, set[Reading]]:
    """What torch says of a line, by the way to build the model."""
    # A helper class that leaves the norm to its user is claimed for its uses only, which are in `Net`.
    builds = [build for build in model.builds if build.model.startswith("Net(") or Verdict.IN_EVERY_USE not in found]
    return {
        build.model: {layer.reading for layer in _measured(model, build) if _is_at(layer, place)} for build in builds
    }


def _executed(model: RandomModel) -> Iterator[Executed]:
    """Every condition of a model, evaluated."""
    for place, site in _sites(model):
        if site.verdict is Verdict.CONDITIONAL:
            layers = [layer for build in model.builds for layer in _measured(model, build)]
            answers = ((_holds(site, layer, model.text), layer.reading) for layer in layers if _is_at(layer, place))
            yield Executed(f"line {place.line}: {site.condition}", frozenset(answers), model)


def _holds(site: Site, layer: Measured, text: str) -> bool | None:
    """Whether the condition holds, by its words, or by its tests where the words cannot be evaluated."""
    by_words = holds(site.condition, layer.calls)
    return one_holds(site.alternatives, layer.calls, text) if by_words is None else by_words


def _is_at(layer: Measured, place: Place) -> bool:
    return (layer.line, layer.is_norm) == (place.line, place.is_norm)
