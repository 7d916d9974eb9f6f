"""Every formula that a hover shows is evaluated with torch, on the tensors that arrive where the trail ends."""

# Torch's own annotations are partial:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from biaslens.explain.formulas import Formula, absorbing, cancelling, centring, reading
from biaslens.flow import Ending, Fate, Site
from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source
from markdown_cases import Case, all_cases, read_cases
from proof import recorded_pairs
from recorder import Recorded
from test_examples import NAMES as EXAMPLE_NAMES
from test_examples import example

PATH = "/project/model.py"
SAME = 1e-9
MOVED = 1e-6
MASKED = -1e3
"""Scores below this stand for minus infinity."""

SOFTMAXES = ("softmax", "log_softmax", "softmin", "gumbel_softmax", "scaled_dot_product_attention")
AFFINE = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
NORMS = ("batch_norm", "instance_norm", "group_norm", "layer_norm")


def complaints(case: Case) -> list[str]:
    """Where torch does not agree with a formula of a hover, in sentences."""
    report = lint(Source(PATH, case.text), Files({PATH: case.text}), Options())
    return [text for site, fate, formula in formulas(report) for text in _complaints(case, report, site, fate, formula)]


def formulas(report: Report) -> Iterator[tuple[Site, Fate, Formula]]:
    """What the hovers of a file show."""
    for whole in report.flow.affine_sites:
        for site in (whole, *whole.parts):
            fate = site.deciding
            if fate is None or fate.end is None or site.location.path != PATH or (site.part and not site.part.code):
                continue
            if fate.ending is Ending.CANCELLED:
                yield site, fate, cancelling(site, fate)
            elif fate.ending is Ending.READ and len(fate.trail) > 1:
                yield site, fate, reading(site, fate)
            elif fate.ending is Ending.ABSORBED and (formula := absorbing(site, fate)) is not None:
                yield site, fate, formula


def _complaints(case: Case, report: Report, site: Site, fate: Fate, formula: Formula) -> Iterator[str]:
    source = report.source
    assert fate.end is not None
    line = source.line_and_column(site.location.span.start)[0] + 1
    where = f"line {line}: {formula}"
    builds = [build for build in case.builds if build.kind == "build" or fate.ending is Ending.READ]
    part = site.part.code if site.part is not None else "bias"
    pairs = [
        pair
        for build in builds
        for without, given in recorded_pairs(case.text, build, line, part)
        for pair in _at_the_end(without, given, fate, formula, source)
    ]
    if not pairs:
        yield f"{where}: torch never comes there with the bias"
    if not formula.equation:
        if pairs and all(_distance(without.result, given.result) <= MOVED for without, given in pairs):
            yield f"{where}: the result does not depend on the bias"
        return
    check = _absorbed if fate.ending is Ending.ABSORBED else _evaluated
    yield from (f"{where}: {wrong}" for without, given in pairs for wrong in check(without, given, fate, formula))


def _at_the_end(
    without: Sequence[Recorded], given: Sequence[Recorded], fate: Fate, formula: Formula, source: Source
) -> list[tuple[Recorded, Recorded]]:
    """The first call of what ends the trail at which the bias makes a difference, without and with the bias.

    It is looked for on the lines of the trail's end; what torch calls by itself stands on no line of the file.
    """
    assert fate.end is not None
    span = fate.end.location.span
    first, last = (source.line_and_column(offset)[0] + 1 for offset in (span.start, span.end))
    wanted = {_plain(name) for name in (AFFINE if fate.ending is Ending.ABSORBED else _names(fate))}
    moved = [pair for pair in zip(without, given, strict=True) if _is_moved(*pair)]
    named = [pair for pair in moved if _plain(pair[0].name) in wanted]
    known = named if named or formula.equation else moved
    there = [pair for pair in known if any(first <= line <= last for line in pair[0].lines)]
    return (there or named)[:1]


def _names(fate: Fate) -> Sequence[str]:
    assert fate.end is not None
    by = centring(fate.end)
    if by is None or by.by == "centering":
        return (fate.end.operation, f"{fate.end.operation}_", f"__{fate.end.operation}__", f"__r{fate.end.operation}__")
    return SOFTMAXES if by.by == "softmax" else NORMS


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _is_moved(without: Recorded, given: Recorded) -> bool:
    """Whether the bias is in what goes in; that it is an argument of its own layer does not count."""
    pairs = [*zip(without.tensors, given.tensors, strict=True)]
    return any(_distance(a, b) > MOVED for a, b in (pairs[:1] if without.name in AFFINE else pairs))


def _distance(left: Tensor, right: Tensor) -> float:
    left, right = left.double(), right.double()
    finite = left.isfinite() & right.isfinite()
    return (left - right)[finite].abs().max().item() if finite.any() else 0.0


def _absorbed(without: Recorded, given: Recorded, fate: Fate, formula: Formula) -> Iterator[str]:
    """Whether the later layer `V` with its bias `c` makes of both together what the formula says."""
    x, weight, bias, *settings = without.arguments
    later = partial(_affine, without, weight, settings)
    c = bias.reshape(-1, *[1] * (x.dim() - 2)) if "conv" in without.name else bias
    names = {"V": later, "y": x, "b": given.tensors[0] - x, "c": c}
    values = [
        eval(
            re.sub(r"V∗?(W∗x|Wx)", "V(y)", re.sub(r"V∗?b", "V(b)", side))
            .replace("V∗", "V")
            .replace("W∗x", "y")
            .replace("Wx", "y"),
            {"__builtins__": {}},
            names,
        )
        for side in formula.equation.split(" = ")
    ]
    if any(_distance(given.result, value) > SAME for value in values):
        yield "its sides are not what the later layer gives"


def _affine(call: Recorded, weight: Tensor, settings: Sequence[object], x: Tensor) -> Tensor:
    return call.function(x, weight, None, *settings)


def _evaluated(without: Recorded, given: Recorded, fate: Fate, formula: Formula) -> Iterator[str]:
    """Whether all sides of the equation are equal, and the bias is the constant that the formula takes it for."""
    if fate.ending is Ending.CANCELLED and _distance(without.result.nan_to_num(), given.result.nan_to_num()) > SAME:
        yield "the result depends on the bias"
    if fate.cancelled_by == "centering":  # the mean is made elsewhere; that it all adds up has just been seen
        return
    y, shift = _arriving(without), _arriving(given) - _arriving(without)
    shift = shift.nan_to_num()  # of scores that are masked by -inf
    if "softmax" in formula.equation:
        dim = _dim(without)
        mean, softmax = partial(torch.mean, dim=dim, keepdim=True), partial(torch.softmax, dim=dim)
        total = partial(torch.sum, dim=dim, keepdim=True)
        masked = y < MASKED
        shift = torch.where(masked, 0.0, shift)
        shift = torch.where(masked, (total(shift) / total(~masked)).nan_to_num(), shift)
    else:
        mean, softmax, total = _mean_of(without), partial(torch.softmax, dim=-1), torch.sum
    if fate.ending is Ending.CANCELLED and _distance(mean(shift).expand_as(shift), shift) > SAME:
        yield "what the bias adds is not constant where it should be"
    values = [_value(side, y, shift, mean, softmax, total) for side in formula.equation.split(" = ")]
    if any(_distance(values[0], value) > SAME for value in values[1:]):
        yield "its sides are not equal"


def _arriving(call: Recorded) -> Tensor:
    if call.name == "scaled_dot_product_attention":
        query, key = call.tensors[:2]
        return query @ key.transpose(-2, -1)
    return call.tensors[0]


def _dim(call: Recorded) -> int:
    if call.name == "scaled_dot_product_attention":
        return -1
    dim = call.keywords.get("dim", call.arguments[1] if len(call.arguments) > 1 else -1)
    assert isinstance(dim, int)
    return dim


def _mean_of(call: Recorded) -> Callable[[Tensor], Tensor]:
    """The mean that a norm subtracts."""
    rank = call.tensors[0].dim()
    match call.name:
        case "batch_norm":
            return partial(torch.mean, dim=tuple(axis for axis in range(rank) if axis != 1), keepdim=True)
        case "instance_norm":
            return partial(torch.mean, dim=tuple(range(2, rank)), keepdim=True)
        case "layer_norm":
            shape = call.keywords.get("normalized_shape", call.arguments[1] if len(call.arguments) > 1 else None)
            assert shape is not None
            return partial(torch.mean, dim=tuple(range(-len(shape), 0)), keepdim=True)
        case _:
            groups = call.keywords.get("num_groups", call.arguments[1] if len(call.arguments) > 1 else None)
            assert isinstance(groups, int)
            return partial(_mean_of_groups, groups=groups)


def _mean_of_groups(x: Tensor, groups: int) -> Tensor:
    mean = x.reshape(x.shape[0], groups, -1).mean(-1, keepdim=True)
    channels = mean.repeat_interleave(x.shape[1] // groups, dim=1)
    return channels.reshape(x.shape[0], x.shape[1], *[1] * (x.dim() - 2))


def _value(
    side: str,
    y: Tensor,
    b: Tensor,
    mean: Callable[[Tensor], Tensor],
    softmax: Callable[[Tensor], Tensor],
    total: Callable[[Tensor], Tensor],
) -> Tensor:
    """One side of an equation, with the signs that mathematics has for Python's and one letter for each tensor."""
    code = side.replace("q·(k + b)", "(y + b)").replace("q·k", "y").replace("q·b", "b")
    code = re.sub(r"W∗x|Wx|\bs\b", "y", code).replace("−", "-")
    code = re.sub(r"Σ (exp\([^)]*\))", r"total(\1)", code)
    names = {"y": y, "b": b, "mean": mean, "softmax": softmax, "exp": torch.exp, "total": total}
    return eval(code, {"__builtins__": {}}, names)


EXAMPLES = tuple(example(name) for name in EXAMPLE_NAMES)
WITHOUT = {"returned", "unused", "unknown", "missed"}
"""Where a bias ends in one of these ways, there is no formula."""
CASES = [
    case for case in (*all_cases(), *EXAMPLES) if not WITHOUT.issuperset(e.word for e in case.expectations.values())
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_torch_agrees_with_the_formulas_of_a_case(case: Case) -> None:
    assert complaints(case) == []


def test_most_cases_have_a_formula() -> None:
    assert len(CASES) >= 316


WRONG = {
    "norm": "(y + b) − mean(y + b) = y − mean(y) + b",
    "layer_norm": "(y + b) − mean(y + b) = y − mean(y)",
    "softmax": "softmax(s + b) = softmax(s) + b",
}

SAMPLE = """
## Four ends
Why.
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 4)  # redundant: norm
        self.norm = nn.BatchNorm1d(4)
        self.fc2 = nn.Linear(4, 4)  # needed: layer_norm
        self.layer_norm = nn.LayerNorm(4)
        self.fc3 = nn.Linear(4, 1)  # redundant: softmax
        self.fc4 = nn.Linear(1, 4)  # needed: relu

    def forward(self, x):
        x = self.layer_norm(self.fc2(self.norm(self.fc1(x))))
        return F.relu(self.fc4(F.softmax(self.fc3(x), dim=0)))
```
- build `Net()` on `(5, 4)`
"""


@pytest.mark.parametrize("end", WRONG)
def test_a_wrong_formula_is_refused(end: str) -> None:
    (case,) = read_cases(SAMPLE, "sample")
    report = lint(Source(PATH, case.text), Files({PATH: case.text}), Options())
    found = {fate.end.label: (site, fate, formula) for site, fate, formula in formulas(report) if fate.end}
    site, fate, formula = found[end]
    assert list(_complaints(case, report, site, fate, formula)) == []
    assert list(_complaints(case, report, site, fate, replace(formula, equation=WRONG[end]))) != []
