"""What is said about a bias, or a part of one, that has no effect."""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.explain import formulas
from biaslens.explain.document import Link, Paragraph, Picture
from biaslens.explain.formulas import called
from biaslens.explain.references import references
from biaslens.explain.steps import end_clause, trail
from biaslens.explain.verdicts import argument, costs, siblings, verdict
from biaslens.explain.view import View
from biaslens.flow import Ending, Fate, Site, Verdict
from biaslens.rules.redundant import CLAIMS, bias_argument, canceller, statement, subscripted
from biaslens.rules.registry import rule_of


def about_cancelled(site: Site, fate: Fate, view: View) -> Iterator[Paragraph]:
    """Why it has no effect, what to do, and what takes its place."""
    rule = rule_of(fate.cancelled_by)
    formula = formulas.cancelling(site, fate)
    yield (f"**{verdict(site)}**",)
    yield from _advice(site, fate, view)
    yield (Picture(site, fate),)
    yield from siblings(site)
    yield from trail(site, fate, view)
    yield (f"`{formula}` {formula.legend}",)
    if site.layer.bias is not False:
        yield from costs(site)
        yield from _stored_mean(site, fate)
    keys = fate.cancelled_by != "softmax" or formulas.is_dot_product(fate)
    yield references(fate.cancelled_by if keys else "", rule.code if rule else "")


def _advice(site: Site, fate: Fate, view: View) -> Iterator[Paragraph]:
    """What to do, and what takes the place of the bias."""
    place = _replacement(fate, view)
    if site.layer.bias is False:
        yield (place,)
    elif bias_argument(site.layer):
        yield (
            f"Whether it is there hangs on `{bias_argument(site.layer)}`: change that rather than this call. {place}",
        )
    elif site.layer.frozen:
        yield (f"It is not trained (`requires_grad = False`), so it does no harm. {place}",)
    else:
        yield (f"Leave it out (`{argument(site.layer)}=False`){_limits(site)}. {place}",)
    if site.verdict is Verdict.CONDITIONAL:
        yield from _otherwise(site, view)


def _limits(site: Site) -> str:
    match site.verdict:
        case Verdict.CONDITIONAL:
            return " where that holds, and only there"
        case Verdict.IN_EVERY_USE:
            return " as long as nothing else uses it"
        case _:
            return ""


def _otherwise(site: Site, view: View) -> Iterator[Paragraph]:
    """What becomes of the bias where the condition does not hold."""
    order = (Ending.READ, Ending.UNKNOWN, Ending.RETURNED)
    fates = [fate for ending in order for fate in site.fates if fate.ending is ending]
    if site.handed:
        yield (f"It is handed to `{site.handed}`, which could not be followed.",)
    if not fates:
        return
    fate = fates[0]
    if fate.ending is Ending.UNKNOWN and fate.end is not None:
        step = Link(f"`{called(fate.end)}`", fate.end.location)
        yield ("Otherwise we cannot tell: ", step, " could not be followed, so the bias may have an effect there.")
    else:
        yield (
            "Otherwise it has an effect: " if site.layer.bias is False else "Otherwise keep it: ",
            *end_clause(fate, site, view),
        )


def _replacement(fate: Fate, view: View) -> str:
    """What takes the place of the bias."""
    if fate.norm is None or fate.cancelled_by == "softmax":
        return "Nothing has to take its place: the result is the same for every value of it."
    norm = canceller(fate)
    match fate.norm.bias:
        case True:
            own = view.shift_of(fate.norm.site)
            if own is not None and own.verdict in CLAIMS:
                return f"Nothing has to take its place: even the shift that {norm} adds (β) is subtracted again later."
            return (
                f"{norm} adds a learned shift of its own (β, its `bias`) after the subtraction: that takes its place."
            )
        case False:
            own = f"{norm} has no learned shift (β) of its own"
            return f"The mean is subtracted all the same: {own}, and a bias before it does not bring one back."
        case None:
            return f"A learned shift (β) can only come after the subtraction: from {norm} itself, if it has one."


def _stored_mean(site: Site, fate: Fate) -> Iterator[Paragraph]:
    if fate.norm is None or not fate.norm.stores_mean:
        return
    layer, norm = fate.trail[0].label, fate.trail[-1].label
    if len(fate.trail) == 2 and not layer.isdigit() and not norm.isdigit():
        mean, bias = f"{subscripted(norm)}.running_mean", f"{subscripted(layer)}.bias"
        change = f"run `{mean} -= {bias}.detach()` once before you remove it."
    else:
        change = "subtract what the bias adds from its `running_mean` once before you remove it."
    yield (f"Trained already? For eval mode {canceller(fate)} stores a mean that contains the bias: {change}",)


def about_part(site: Site, view: View) -> Iterator[Paragraph]:
    """A part of the bias that has no effect, with its own way."""
    fate = site.first_cancelled
    if fate is None:
        return
    formula = formulas.cancelling(site, fate)
    yield (f"**{statement(site, fate)}**",)
    yield (Picture(site, fate),)
    yield from trail(site, fate, view)
    yield (f"`{formula}` {formula.legend}",)
    yield ("No argument of the layer leaves out only a part of its bias, so there is nothing to repair.",)
    yield references(fate.cancelled_by)
