"""The mathematics of one trail as an equation in the names of the code. The tests evaluate each with torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from biaslens.algebra.outcome import Cancels
from biaslens.flow import Fate, Site
from biaslens.program.ir import Equation
from biaslens.rules.redundant import subscripted

_LONGEST_CHAIN = 4


@dataclass(frozen=True, slots=True)
class Formula:
    """applied: what the code computes, `bn1(conv1(x))`. equation: its sides joined by " = ", or "" where there is none.

    In it, `b` is what the bias adds where the trail ends, and `Wx`, `W∗x` (a convolution), `y`, `s` or `k` what arrives
    there without it. legend: what the letters mean.
    """

    applied: str
    equation: str
    legend: str

    def __str__(self) -> str:
        return f"{self.applied}: {self.equation}" if self.applied and self.equation else self.applied or self.equation


def cancelling(site: Site, fate: Fate) -> Formula:
    """Why a cancelled bias has no effect."""
    arriving = chain(fate.trail[:-1])
    if fate.cancelled_by == "softmax" and is_dot_product(fate):
        key = f"{called(fate.trail[0])}(x)"
        return Formula(
            "",
            "softmax(q·(k + b)) = softmax(q·k + q·b) = softmax(q·k)",
            f"with `k = {key}` without the bias: `q·b` is the same for all entries that the softmax compares.",
        )
    if fate.cancelled_by == "softmax":
        return Formula(
            "",
            "softmax(s + b) = exp(s + b) / Σ exp(s + b) = exp(s) / Σ exp(s) = softmax(s)",
            f"with `s = {arriving}` without the bias: `b` is the same for all entries that the softmax compares.",
        )
    y, legend = _arriving(site, fate)
    applied = "" if fate.cancelled_by == "centering" else chain(fate.trail)
    same = f"`mean(b) = b`, since `b` is the same {_EQUAL.get(fate.cancelled_by, 'along the axes of the mean')}."
    return Formula(applied, f"({y} + b) − mean({y} + b) = {y} − mean({y})", legend + same)


_EQUAL: Mapping[str, str] = {
    "batch norm": "in all samples and at all positions",
    "instance norm": "at all positions",
    "group norm": "at all positions",
}


def reading(site: Site, fate: Fate) -> Formula:
    """What depends on a bias that is read; where only its mean is subtracted, what is left of it."""
    assert fate.end is not None
    by = centring(fate.end)
    if by is None or by.by == "softmax":
        if len(fate.trail) > 2:
            return Formula(chain(fate.trail), "", "depends on the bias.")
        others = ", …" if len(fate.end.operands) > 1 else ""
        return Formula(f"{called(fate.end)}({_product(site)} + b{others})", "", "depends on `b`.")
    y, legend = _arriving(site, fate)
    return Formula(
        chain(fate.trail),
        f"({y} + b) − mean({y} + b) = {y} − mean({y}) + (b − mean(b))",
        f"{legend}`b − mean(b)` stays.",
    )


def absorbing(site: Site, fate: Fate) -> Formula | None:
    """How a later bias takes one over, where the later layer comes right behind."""
    if len(fate.trail) != 2 or fate.norm is None or fate.norm.entry.role != "affine":
        return None
    w, dot = _product(site), "∗" if "Conv" in fate.norm.entry.label else ""
    return Formula(
        chain(fate.trail),
        f"V{dot}({w} + b) + c = V{dot}{w} + (V{dot}b + c)",
        "where `c`, the later bias, can be all of the constant.",
    )


def centring(equation: Equation) -> Cancels | None:
    """The effect of an equation that subtracts a mean of what comes in."""
    effects = (effect for row in equation.effects for effect in row)
    return next((effect for effect in effects if isinstance(effect, Cancels)), None)


def is_dot_product(fate: Fate) -> bool:
    """Whether the bias reaches the softmax through `q·k`, in the open or inside an attention function."""
    return any(step.product for step in fate.trail) or "attention" in fate.trail[-1].label


def chain(trail: tuple[Equation, ...]) -> str:
    """`bn1(pool(conv1(x)))`, with dots where the way is long."""
    text = f"{called(trail[0])}(x)"
    later = trail[1:] if len(trail) <= _LONGEST_CHAIN else trail[-2:]
    for number, step in enumerate(later):
        skipped = "… " if len(trail) > _LONGEST_CHAIN and number == 0 else ""
        text = f"{called(step)}({skipped}{text}{', …' if len(step.operands) > 1 else ''})"
    return text


def called(equation: Equation) -> str:
    """What an equation applies, as Python would write it: `layers[0]`, `relu`; a bare position by its class."""
    return equation.operation if equation.label.isdigit() else subscripted(equation.label)


def _arriving(site: Site, fate: Fate) -> tuple[str, str]:
    """The name of what arrives without the bias, with the meaning of the letters."""
    if len(fate.trail) == 2:
        return _product(site), f"with `{_product(site)}` the output without the bias `b`: "
    return "y", f"with `y = {chain(fate.trail[:-1])}` without the bias, and `b` what the bias adds to it: "


def _product(site: Site) -> str:
    return "W∗x" if "Conv" in site.layer.entry.label else "Wx"
