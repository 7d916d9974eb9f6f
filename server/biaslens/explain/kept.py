"""What is said about a bias that has an effect, that a later one can replace, or that we could not follow."""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.catalogue.activations import ACTIVATIONS
from biaslens.explain import formulas
from biaslens.explain.cancelled import about_part
from biaslens.explain.document import Paragraph, Picture
from biaslens.explain.formulas import called, centring
from biaslens.explain.references import references
from biaslens.explain.steps import as_sentence, end_clause, trail
from biaslens.explain.variation import widening
from biaslens.explain.verdicts import argument, costs, siblings, verdict
from biaslens.explain.view import View
from biaslens.flow import Ending, Fate, Site, Verdict
from biaslens.program.ir import Equation
from biaslens.rules.redundant import canceller, named


def about_kept(site: Site, fate: Fate, view: View) -> Iterator[Paragraph]:
    """What needs it, and what would be lost without it; for a layer without one, what that means."""
    without = site.layer.bias is False
    yield (f"**{verdict(site)}** ", *as_sentence(end_clause(fate, site, view)))
    if site.verdict is Verdict.UNKNOWN:
        yield (Picture(site, fate),)
        yield from trail(site, fate, view)
        yield from _about_unknown(site, fate)
        return
    yield from (_choice(site, fate) if without else _loss(site, fate))
    yield (Picture(site, fate),)
    yield from siblings(site)
    yield from trail(site, fate, view)
    mechanism = ""
    if fate.ending is Ending.READ and fate.end is not None and len(fate.trail) > 1:
        formula = formulas.reading(site, fate)
        yield (f"`{formula}` {formula.legend}",)
        mechanism = _mechanism(fate)
    if site.first_cancelled is not None:
        other = canceller(site.first_cancelled)
        yield (f"On another way {other} cancels it; one use that needs the bias is enough to keep it.",)
    if not without:
        for part in site.parts:
            yield from about_part(part, view)
    yield from ((references(mechanism),) if mechanism else ())


def _about_unknown(site: Site, fate: Fate) -> Iterator[Paragraph]:
    """What to do where we do not know, and how to tell us."""
    if site.layer.bias is not False:
        yield ("Leave it as it is unless you know what becomes of it: nothing is reported on a guess.",)
    if fate.end is not None and fate.end.callee:
        own = fate.end.callee
        yield (f"Does `{own}` what something of torch does? Say so: `--like {own}=torch.nn.…`, or the setting `like`.",)


def _loss(site: Site, fate: Fate) -> Iterator[Paragraph]:
    """What would be lost without the bias."""
    end = fate.end
    if fate.ending is Ending.RETURNED or end is None:
        yield ("It sets the level around which the output varies: no norm or activation comes after it.",)
    elif _is_activation(end):
        yield (f"It shifts the input of `{called(end)}`, each channel or feature by its own amount, for good.",)
    elif end.operation.lower().startswith(("dropout", "featuredropout", "alphadropout")):
        yield ("So no norm behind it can subtract all of the bias again; what is left would be lost without it.",)
    else:
        yield from _partial(site, fate, end)


def _partial(site: Site, fate: Fate, end: Equation) -> Iterator[Paragraph]:
    """What is often believed of the norm that reads the bias, put right."""
    by = centring(end)
    match by.by if by else "":
        case "layer norm":
            average = "A layer norm takes away only the average of the bias over the axes that it normalises"
            yield (f"{average}; the differences inside the bias stay, and would be lost without it.",)
        case "group norm":
            average = "A group norm takes away only the average of the bias in each group"
            yield (f"{average}; the differences inside a group stay, and would be lost without it.",)
        case "batch norm" | "instance norm":
            yield (f"This norm takes away one number for each channel. {_why_uneven(site, fate)}",)
        case "softmax" if formulas.is_dot_product(fate):
            yield ("What it adds to the scores of a query differs from key to key, and a softmax keeps differences.",)
        case "softmax":
            yield ("A softmax forgets only what is the same for all its entries; what the bias adds here differs.",)
        case _ if "rms" in end.operation.lower():
            yield ("An RMS norm only divides: it subtracts no mean, and so no bias.",)
        case _:
            return


def _why_uneven(site: Site, fate: Fate) -> str:
    """Why a bias is not the same in all of a channel where a norm meets it."""
    step = widening(site.layer, fate)
    if step is None:
        linear = "Linear" in fate.trail[0].operation and len(fate.trail) == 2
        if linear and fate.trail[-1].operation.endswith("1d"):
            return (
                "The features of a `Linear` are on the last axis, and with three axes the mean is taken over that one."
            )
        return "Here the bias has come to vary within a channel."
    operation = step.operation.lower()
    if "transpose" in operation:
        return f"`{called(step)}` spreads the bias unevenly over the positions."
    if "conv" in operation or "pad" in operation or "pool" in operation:
        return f"`{called(step)}` pads with zeros, so less of the bias arrives at the border."
    if operation in _RESHAPES:
        return f"`{called(step)}` puts several entries of the bias into one channel."
    if operation in ("mul", "div", "einsum", "matmul", "bmm"):
        return f"`{called(step)}` weighs the bias with numbers that differ within a channel."
    return f"`{called(step)}` makes the bias differ within a channel."


_RESHAPES = ("view", "reshape", "unflatten", "flatten", "rearrange", "pixel_shuffle", "pixelshuffle", "unfold", "fold")


def _choice(site: Site, fate: Fate) -> Iterator[Paragraph]:
    """For a layer that could do with a bias and has none: what that means, and when one wants it."""
    if site.unshifted and fate.end is not None:
        yield (
            f"Nothing adds a constant between it and `{called(fate.end)}`: zeros into {named(site.layer)} are zeros "
            "there, whatever the weights. Zero in, zero out.",
        )
    yield (
        "So it is a choice here, not a necessity. People make it to save parameters in wide, normalised models (many "
        "language models have no bias at all), or where zero has to stay zero. In doubt, use the default, "
        f"`{argument(site.layer)}=True`.",
    )


def _mechanism(fate: Fate) -> str:
    """The norm that a reader may want to read about."""
    assert fate.end is not None
    by = centring(fate.end)
    if by is None:
        return "rms norm" if "rms" in fate.end.operation.lower() else ""
    return by.by if by.by != "softmax" or formulas.is_dot_product(fate) else ""


def _is_activation(end: Equation) -> bool:
    return end.operation.lower().replace("_", "") in ACTIVATIONS


def about_absorbed(site: Site, fate: Fate, view: View) -> Iterator[Paragraph]:
    """A bias without which the same functions can be learned."""
    yield (f"**{verdict(site)}**",)
    if site.layer.bias is not False:
        yield ("Keep it or leave it out: it has an effect, but the model can learn the same functions either way.",)
    yield (Picture(site, fate),)
    yield from trail(site, fate, view)
    formula = formulas.absorbing(site, fate)
    if formula is not None:
        yield (f"`{formula}` {formula.legend}",)
    if site.layer.bias is not False:
        yield from costs(site)
        yield ("Trained already? What the bias adds there moves into the later one once when it goes.",)
    yield references("", "BL201")
