"""What is said about a layer: whether to keep its bias, why, what takes its place, and what the code does with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from biaslens.catalogue.entry import ADDED_TWICE, KEY_CANCELLED
from biaslens.explain.cancelled import about_cancelled
from biaslens.explain.document import Link, Paragraph
from biaslens.explain.kept import about_absorbed, about_kept
from biaslens.explain.references import references
from biaslens.explain.steps import end_clause
from biaslens.explain.verdicts import verdict
from biaslens.explain.view import View
from biaslens.flow import Ending, Fate, Site, Verdict
from biaslens.program.ir import Layer
from biaslens.rules.redundant import CLAIMS, canceller, named, when


def about_site(site: Site, view: View) -> Iterator[Paragraph]:
    """The paragraphs about the bias of a constructor call, the verdict first."""
    site = view.of(site)
    if site.verdict in CLAIMS and site.first_cancelled is not None:
        yield from about_cancelled(site, site.first_cancelled, view)
    elif site.verdict is Verdict.ABSORBED and site.first_absorbed is not None:
        yield from about_absorbed(site, site.first_absorbed, view)
    elif site.verdict is Verdict.UNUSED or site.first_reading is None:
        yield (f"**{verdict(site)}**",)
        yield ("So there is nothing to say about its bias.",)
    else:
        yield from about_kept(site, site.first_reading, view)


def brief(site: Site, label: str, fates: Sequence[Fate], view: View) -> Paragraph:
    """An entry in a list of several layers: what to do about the bias of one of them, and why.

    label: the layer's name at the call. fates: those of its bias from there on.
    """
    layer = replace(site.layer, label="" if label.isdigit() else label)
    name = Link(named(layer), site.location)
    cancelled = [fate for fate in fates if fate.ending is Ending.CANCELLED]
    if cancelled and (len(cancelled) == len(fates) or site.verdict in CLAIMS):
        what = "rightly without a bias" if layer.bias is False else "leave the bias out"
        condition = f", {when(site.condition)}" if site.verdict is Verdict.CONDITIONAL else ""
        return ("- ", name, f": {what}; {canceller(cancelled[0])} cancels it{condition}.")
    told = next(fate for ending in (Ending.READ, *Ending) for fate in fates if fate.ending is ending)
    if told.ending is Ending.ABSORBED and told.norm is not None:
        return ("- ", name, f": either way; the bias of {named(told.norm)} can take its place.")
    what = "without a bias by choice" if layer.bias is False else "keep the bias"
    what = "we cannot tell" if told.ending is Ending.UNKNOWN else what
    return ("- ", name, f": {what}; ", *end_clause(told, replace(site, layer=layer), view))


def about_compound(layer: Layer) -> Iterator[Paragraph]:
    """What is known of the biases inside of a layer whose steps are not followed."""
    name = named(layer)
    if layer.inner == KEY_CANCELLED:
        yield (f"**A third of `in_proj_bias` of {name} (`in_proj_bias.chunk(3)[1]`, for the keys) has no effect.**",)
        yield (
            "`softmax(q·(k + b)) = softmax(q·k + q·b) = softmax(q·k)`: the result is the same for every value of it.",
        )
        yield ("No argument of the layer leaves out only that part, so there is nothing to repair.",)
        yield references("softmax", "BL105")
        return
    where = "" if layer.inner == ADDED_TWICE else " in two of three gates"
    yield (f"**The two biases of {name} are added to each other{where}.**",)
    yield ("`(b_ih + d) + (b_hh − d) = b_ih + b_hh`: one would do there.",)
    yield ("Keep them: `bias=False` leaves out both, and together they have an effect.",)
    yield references("", "BL202")
