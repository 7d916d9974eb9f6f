"""Random models, judged by torch: no bias that is called redundant may change what a model computes.

`make test` takes a sample. To look further: BIASLENS_RANDOM_MODELS=2000 BIASLENS_RANDOM_SEED=7 pytest on this file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from biaslens.flow import Ending, Verdict
from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source
from markdown_cases import FOLDER, Build
from proof import Reading, left_by_absorbers, measure
from random_classes import PYTHON
from random_images import ALIASES, IMAGES
from random_models import RandomModel, random_model
from random_sequences import ATTENTION, TOKENS

FAMILIES = {"images": IMAGES, "aliases": ALIASES, "tokens": TOKENS, "attention": ATTENTION, "python": PYTHON}

SAMPLE = {"images": 70, "aliases": 70, "tokens": 70, "attention": 50, "python": 16}
FIRST_SEED = int(os.environ.get("BIASLENS_RANDOM_SEED", "0"))

CLAIMS = (Verdict.REDUNDANT, Verdict.IN_EVERY_USE, Verdict.CONDITIONAL)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a model, for the affine layers or the norms made there."""

    line: int
    is_norm: bool


@pytest.mark.parametrize("family", FAMILIES)
def test_torch_contradicts_no_verdict(family: str) -> None:
    assert [text for model in _sample(family) for text in _contradictions(model, _verdicts(model))] == []


def test_later_biases_take_over_what_is_called_absorbed() -> None:
    absorbed = [(model, *found) for family in FAMILIES for model in _sample(family) for found in _absorbed(model)]
    assert len(absorbed) >= 3
    assert [text for found in absorbed for text in _not_taken_over(*found)] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_torch_contradicts_the_claim_that_every_bias_is_redundant(family: str) -> None:
    models = [random_model(FAMILIES[family], seed) for seed in range(4)]
    claims = [(model, {place: {Verdict.REDUNDANT} for place in _verdicts(model)}) for model in models]
    assert [text for model, claim in claims for text in _contradictions(model, claim)] != []


@pytest.mark.parametrize("family", FAMILIES)
def test_torch_contradicts_no_part(family: str) -> None:
    found = [(model, line, codes) for model in _sample(family) for line, codes in _parts(model).items()]
    assert [
        f"line {line} has no effect in {code}, but torch says {reading.value}:\n{model.text}"
        for model, line, codes in found
        for code in codes
        for reading in _readings_of_part(model, line, code)
        if reading is Reading.READ
    ] == []


def _parts(model: RandomModel) -> dict[int, set[str]]:
    """The parts that are said to have no effect, by line; those without a condition."""
    path = str(FOLDER / "model.py")
    report = lint(Source(path, model.text), Files({path: model.text}), Options())
    found: dict[int, set[str]] = {}
    for site in report.flow.sites:
        line = report.source.line_and_column(site.location.span.start)[0] + 1
        for about in site.parts:
            if about.part is not None and about.part.code and not about.condition:
                found.setdefault(line, set()).add(about.part.code)
    return found


def _readings_of_part(model: RandomModel, line: int, code: str) -> set[Reading]:
    found: set[Reading] = set()
    for build in model.builds:
        try:
            layers = measure(model.text, build, {line: code})
        except Exception:  # as in `_readings`
            continue
        found |= {layer.part for layer in layers if layer.part is not None}
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_the_sample_has_biases_of_both_kinds(family: str) -> None:
    found = {verdict for model in _sample(family) for verdicts in _verdicts(model).values() for verdict in verdicts}
    claimed = {Verdict.CONDITIONAL} if family == "python" else {Verdict.REDUNDANT}
    assert {Verdict.NEEDED, Verdict.UNKNOWN} | claimed <= found


@pytest.mark.parametrize("family", FAMILIES)
def test_torch_accepts_most_models(family: str) -> None:
    models = [random_model(FAMILIES[family], seed) for seed in range(6)]
    assert sum(any(_readings(model, build) for build in model.builds) for model in models) > len(models) / 2


def _sample(family: str) -> Iterator[RandomModel]:
    count = int(os.environ.get("BIASLENS_RANDOM_MODELS", SAMPLE[family]))
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        yield random_model(FAMILIES[family], seed)


def _absorbed(model: RandomModel) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The lines of absorbed biases, with the names of the layers that take them over."""
    report = _report(model)
    for site in report.flow.sites:
        if site.verdict is Verdict.ABSORBED:
            ends = (fate.end for fate in site.fates if fate.ending is Ending.ABSORBED)
            names = tuple(dict.fromkeys(end.label for end in ends if end is not None))
            yield report.source.line_and_column(site.location.span.start)[0] + 1, names


def _not_taken_over(model: RandomModel, line: int, names: tuple[str, ...]) -> Iterator[str]:
    for build in model.builds:
        try:
            distance = left_by_absorbers(model.text, build, line, names, seed=1)
        except Exception:  # torch refuses the model, or an absorber is not applied in it
            continue
        if distance > 1e-8:
            yield f"line {line} is absorbed by {names}, but moves {build.model} by {distance:.1e}:\n{model.text}"


def _report(model: RandomModel) -> Report:
    path = str(FOLDER / "model.py")
    return lint(Source(path, model.text), Files({path: model.text}), Options())


def _verdicts(model: RandomModel) -> dict[Place, set[Verdict]]:
    report = _report(model)
    found: dict[Place, set[Verdict]] = {}
    for site in report.flow.sites:
        line = report.source.line_and_column(site.location.span.start)[0] + 1
        found.setdefault(Place(line, site.layer.entry.role != "affine"), set()).add(site.verdict)
    return found


def _contradictions(model: RandomModel, verdicts: Mapping[Place, set[Verdict]]) -> Iterator[str]:
    """Every line whose verdicts torch refutes, with the model."""
    claimed = {place: found for place, found in verdicts.items() if found <= set(CLAIMS)}
    if not claimed:
        return
    readings = {build.model: _readings(model, build) for build in model.builds}
    for place, found in claimed.items():
        # A helper class that leaves the norm to its user is claimed for its uses only, which are in `Net`.
        models = [name for name in readings if name.startswith("Net(") or Verdict.IN_EVERY_USE not in found]
        seen = [readings[name].get(place, set()) for name in models]
        read = [name for name, reading in zip(models, seen, strict=True) if Reading.READ in reading]
        somewhere = Verdict.CONDITIONAL in found and {Reading.CANCELLED} in seen
        if read and not somewhere:
            words = " and ".join(sorted(verdict.value for verdict in found))
            yield f"line {place.line} is {words}, but torch says read in {', '.join(read)}:\n{model.text}"


def _readings(model: RandomModel, build: Build) -> dict[Place, set[Reading]]:
    """What torch says, by line; nothing where it cannot run the model or the numbers do not tell."""
    found: dict[Place, set[Reading]] = {}
    try:
        layers = measure(model.text, build)
    except Exception:  # whatever torch raises at a model that makes no sense
        return {}
    for layer in layers:
        found.setdefault(Place(layer.line, layer.is_norm), set()).add(layer.reading)
    return found
