"""What is said about a layer: whether to keep its bias, why, what takes its place, and what the code does with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from biaslens.catalogue.activations import ACTIVATIONS
from biaslens.catalogue.entry import ADDED_TWICE, KEY_CANCELLED
from biaslens.explain import formulas
from biaslens.explain.document import Link, Paragraph, Picture
from biaslens.explain.formulas import called, centring
from biaslens.explain.references import references
from biaslens.explain.sizes import cost
from biaslens.explain.variation import widening
from biaslens.explain.view import View, others
from biaslens.flow import Ending, Fate, Site, Verdict
from biaslens.program.ir import Equation, Layer
from biaslens.rules.absorbed import absorbing
from biaslens.rules.absorbed import statement as absorbed_statement
from biaslens.rules.redundant import bias_argument, canceller, named, reason, statement, subscripted, when
from biaslens.rules.registry import rule_of
from biaslens.text import Location

CLAIMS = (Verdict.REDUNDANT, Verdict.CONDITIONAL, Verdict.IN_EVERY_USE)
"""The verdicts that say that a bias has no effect."""

_LONGEST_TRAIL = 8


def about_site(site: Site, view: View) -> Iterator[Paragraph]:
    """The paragraphs about the bias of a constructor call, the verdict first."""
    site = view.of(site)
    if site.verdict in CLAIMS and site.first_cancelled is not None:
        yield from _about_cancelled(site, site.first_cancelled, view)
    elif site.verdict is Verdict.ABSORBED and site.first_absorbed is not None:
        yield from _about_absorbed(site, site.first_absorbed, view)
    elif site.verdict is Verdict.UNUSED or site.first_reading is None:
        yield (f"**{verdict(site)}**",)
        yield ("So there is nothing to say about its bias.",)
    else:
        yield from _about_kept(site, site.first_reading, view)


def verdict(site: Site) -> str:
    """One sentence, for layers with and without a bias."""
    name, fate, without = named(site.layer), site.first_cancelled, site.layer.bias is False
    match site.verdict:
        case Verdict.REDUNDANT | Verdict.CONDITIONAL | Verdict.IN_EVERY_USE if fate is not None:
            if not without:
                return statement(site, fate)
            condition = f" {when(site.condition)}" if site.verdict is Verdict.CONDITIONAL else ""
            written = f"{_argument(site.layer)}={site.layer.bias_text or 'False'}"
            return f"`{written}` is right for {name}{condition}: {reason(fate, 'a bias')}."
        case Verdict.ABSORBED if without:
            return f"{name} has no bias: {absorbing(site)} can add all that one here could."
        case Verdict.ABSORBED:
            return absorbed_statement(site)
        case Verdict.UNUSED:
            return f"No path that we followed uses {name}."
        case Verdict.UNKNOWN if without:
            return f"{name} has no bias, and we cannot tell whether one would have an effect."
        case Verdict.UNKNOWN:
            return f"We cannot tell whether the bias of {name} has an effect."
        case _ if without:
            return f"{name} has no bias, and nothing cancels one here: it would have an effect."
        case _:
            return f"Keep the bias of {name}: it has an effect."


def sentence(site: Site) -> str:
    """The verdict with its reason, as prose in Markdown, where there is no room for more."""
    cancelled, reading = site.first_cancelled, site.first_reading
    if site.part is not None and cancelled is not None:
        return statement(site, cancelled)
    if site.verdict not in (Verdict.NEEDED, Verdict.UNKNOWN) or reading is None:
        return verdict(site)
    clause = (piece.text if isinstance(piece, Link) else str(piece) for piece in _sentence(_end(reading, site)))
    return f"{verdict(site)} {''.join(clause)}"


def brief(site: Site, label: str, fates: Sequence[Fate]) -> Paragraph:
    """An entry in a list of several layers: what to do about the bias of one of them, and why.

    label: the layer's name at the call. fates: those of its bias from there on.
    """
    layer = replace(site.layer, label="" if label.isdigit() else label)
    name = Link(named(layer), site.location)
    endings = {fate.ending for fate in fates}
    if endings == {Ending.CANCELLED}:
        what = "rightly without a bias" if layer.bias is False else "leave the bias out"
        condition = f", {when(site.condition)}" if site.verdict is Verdict.CONDITIONAL else ""
        return ("- ", name, f": {what}; {canceller(fates[0])} cancels it{condition}.")
    told = next(fate for ending in (Ending.READ, *Ending) for fate in fates if fate.ending is ending)
    if told.ending is Ending.ABSORBED and told.norm is not None:
        return ("- ", name, f": either way; the bias of {named(told.norm)} can take its place.")
    what = "without a bias by choice" if layer.bias is False else "keep the bias"
    what = "we cannot tell" if told.ending is Ending.UNKNOWN else what
    return ("- ", name, f": {what}; ", *_end(told, replace(site, layer=layer)))


def about_compound(layer: Layer) -> Iterator[Paragraph]:
    """What is known of the biases inside of a layer whose steps are not followed."""
    name = named(layer)
    if layer.inner == KEY_CANCELLED:
        yield (f"**A third of `in_proj_bias` of {name} (`in_proj_bias.chunk(3)[1]`, for the keys) has no effect.**",)
        yield ("`softmax(q·(k + b)) = softmax(q·k + q·b) = softmax(q·k)`: no value of it changes the weights.",)
        yield ("No argument of the layer leaves out only that part, so there is nothing to repair.",)
        yield references("softmax", "BL105")
        return
    where = "" if layer.inner == ADDED_TWICE else " in two of three gates"
    yield (f"**The two biases of {name} are added to each other{where}.**",)
    yield ("`(b_ih + d) + (b_hh − d) = b_ih + b_hh`: one would do there.",)
    yield ("Keep them: `bias=False` leaves out both, and together they have an effect.",)
    yield references("", "BL202")


# --- cancelled -------------------------------------------------------------------------------------------------------


def _about_cancelled(site: Site, fate: Fate, view: View) -> Iterator[Paragraph]:
    rule = rule_of(fate.cancelled_by)
    formula = formulas.cancelling(site, fate)
    yield (f"**{verdict(site)}**",)
    yield (Picture(site, fate),)
    yield from _advice(site, fate, view)
    yield from _siblings(site)
    yield from _trail(site, fate, view)
    yield (f"`{formula}` {formula.legend}",)
    if site.layer.bias is not False:
        yield from _costs(site)
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
        yield (f"Leave it out (`{_argument(site.layer)}=False`){_limits(site)}. {place}",)
    if site.verdict is Verdict.CONDITIONAL:
        yield from _otherwise(site)


def _limits(site: Site) -> str:
    match site.verdict:
        case Verdict.CONDITIONAL:
            return " where that holds"
        case Verdict.IN_EVERY_USE:
            return " as long as nothing else uses it"
        case _:
            return ""


def _otherwise(site: Site) -> Iterator[Paragraph]:
    """What becomes of the bias where the condition does not hold."""
    order = (Ending.READ, Ending.UNKNOWN, Ending.RETURNED)
    fates = [fate for ending in order for fate in site.fates if fate.ending is ending]
    if not fates:
        return
    fate = fates[0]
    if fate.ending is Ending.UNKNOWN and fate.end is not None:
        step = Link(f"`{called(fate.end)}`", fate.end.location)
        yield ("Otherwise we cannot tell: ", step, " could not be followed, and may not subtract this mean.")
    else:
        yield ("Otherwise it has an effect: " if site.layer.bias is False else "Otherwise keep it: ", *_end(fate, site))


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


def _siblings(site: Site) -> Iterator[Paragraph]:
    """The other layers that the same constructor call makes, in a loop or a helper function."""
    names = [f"`{subscripted(label)}`" for label in others(site)]
    if not names:
        return
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    if site.verdict in (Verdict.REDUNDANT, Verdict.IN_EVERY_USE):
        yield (f"The same holds for the others that the same constructor call makes: {shown}.",)
    else:
        yield (f"The same constructor call makes {shown}; this is about all of them together.",)


_NAMED = 4


def _stored_mean(site: Site, fate: Fate) -> Iterator[Paragraph]:
    if fate.norm is None or not fate.norm.stores_mean:
        return
    layer, norm = fate.trail[0].label, fate.trail[-1].label
    if len(fate.trail) == 2 and not layer.isdigit() and not norm.isdigit():
        mean, bias = f"{subscripted(norm)}.running_mean", f"{subscripted(layer)}.bias"
        change = f"run `{mean} -= {bias}` once when the bias goes."
    else:
        change = "subtract what the bias adds from its `running_mean` once when the bias goes."
    yield (f"Trained already? For eval mode {canceller(fate)} stores a mean that contains the bias: {change}",)


def _costs(site: Site) -> Iterator[Paragraph]:
    text = cost(site)
    if text:
        yield (text,)


# --- absorbed --------------------------------------------------------------------------------------------------------


def _about_absorbed(site: Site, fate: Fate, view: View) -> Iterator[Paragraph]:
    """A bias without which the same functions can be learned."""
    yield (f"**{verdict(site)}**",)
    yield (Picture(site, fate),)
    if site.layer.bias is not False:
        yield ("Keep it or leave it out: it has an effect, but the model can learn the same functions either way.",)
    yield from _trail(site, fate, view)
    formula = formulas.absorbing(site, fate)
    if formula is not None:
        yield (f"`{formula}` {formula.legend}",)
    if site.layer.bias is not False:
        yield from _costs(site)
        yield ("Trained already? What the bias adds there moves into the later one once when it goes.",)
    yield references("", "BL201")


# --- kept, or unknown ------------------------------------------------------------------------------------------------


def _about_kept(site: Site, fate: Fate, view: View) -> Iterator[Paragraph]:
    without = site.layer.bias is False
    yield (f"**{verdict(site)}** ", *_sentence(_end(fate, site)))
    yield (Picture(site, fate),)
    if site.verdict is Verdict.UNKNOWN:
        yield from _trail(site, fate, view)
        yield from _about_unknown(site, fate)
        return
    yield from (_choice(site, fate) if without else _loss(site, fate))
    yield from _siblings(site)
    yield from _trail(site, fate, view)
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
            yield from _about_part(part, view)
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
        yield ("It sets the level around which the output varies, and nothing that we followed comes after it.",)
    elif _is_activation(end):
        yield (f"It shifts what goes into `{called(end)}`, for each feature by another amount; weights alone cannot.",)
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
        f"`{_argument(site.layer)}=True`.",
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


def _about_part(site: Site, view: View) -> Iterator[Paragraph]:
    """A part of the bias that has no effect, with its own way."""
    fate = site.first_cancelled
    if fate is None:
        return
    formula = formulas.cancelling(site, fate)
    yield (f"**{statement(site, fate)}**",)
    yield (Picture(site, fate),)
    yield from _trail(site, fate, view)
    yield (f"`{formula}` {formula.legend}",)
    yield ("No argument of the layer leaves out only a part of its bias, so there is nothing to repair.",)
    yield references(fate.cancelled_by)


# --- pieces ----------------------------------------------------------------------------------------------------------


def _end(fate: Fate, site: Site) -> Paragraph:
    """What reads the bias, hides it from us or hands it out, as a clause that ends a sentence.

    It names the layer where the fate is that of another one than the site speaks of.
    """
    end = fate.end
    if fate.ending is Ending.UNKNOWN:
        if end is None:
            return (f"{fate.reason}.",)
        why = f" ({fate.reason})" if fate.reason and "is code that could not be followed" not in fate.reason else ""
        return ("we cannot follow it at ", Link(_step(end), end.location), f"{why}.")
    if fate.ending is Ending.RETURNED or end is None:
        return (f"it reaches the output of `{fate.root}`.",)
    label = fate.trail[0].label
    bias = "it" if label == site.layer.label or label.isdigit() else f"that of `{subscripted(label)}`"
    if fate.reason.startswith("it varies"):
        return (Link(_step(end), end.location), f" does not cancel {bias}, since {fate.reason} there.")
    return (Link(_step(end), end.location), f" depends on {bias}{f': {fate.reason}' if fate.reason else ''}.")


def _sentence(clause: Paragraph) -> Paragraph:
    first, *rest = clause
    return (first[:1].upper() + first[1:] if isinstance(first, str) else first, *rest)


def _trail(site: Site, fate: Fate, view: View) -> Iterator[Paragraph]:
    """Each step as a link to its line."""
    if len(fate.trail) < 2:
        return
    steps = list(range(len(fate.trail)))
    shown = [*steps[: _LONGEST_TRAIL - 3], None, *steps[-2:]] if len(steps) > _LONGEST_TRAIL else steps
    line: list[str | Link] = ["Path: "]
    for index in shown:
        line.append(" → " if index else "")
        if index is None:
            line.append(" → …")
            continue
        step = fate.trail[index]
        place = _place(step, index, site, fate, view)
        line.append(Link(_step(step), place) if place is not None else _step(step))
    yield tuple(line)


def _place(step: Equation, index: int, site: Site, fate: Fate, view: View) -> Location | None:
    """Where a step is applied; a layer that the code holds by a position is found better where it is made."""
    made = site.location if index == 0 else fate.norm.site if fate.norm and index == len(fate.trail) - 1 else None
    if made is not None and (called(step).endswith("]") or not view.is_written(step.location)):
        return made
    return step.location if view.is_written(step.location) else None


def _step(step: Equation) -> str:
    return f"`{called(step)}`{_class_of(step)}"


def _class_of(step: Equation) -> str:
    """The class of a step that the code calls by a position."""
    return f" ({step.operation})" if called(step).endswith("]") else ""


def _argument(layer: Layer) -> str:
    """The argument that says whether there is a bias."""
    return layer.argument or (layer.entry.shift.argument if layer.entry.shift else "bias")
