"""What is said about a layer: whether to keep its bias, why, what takes its place, and what the code does with it."""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.catalogue.activations import ACTIVATIONS
from biaslens.catalogue.entry import ADDED_TWICE, KEY_CANCELLED
from biaslens.explain import formulas
from biaslens.explain.document import Link, Paragraph
from biaslens.explain.formulas import called, centring
from biaslens.explain.references import references
from biaslens.explain.sizes import cost
from biaslens.flow import Ending, Fate, Site, Verdict
from biaslens.program.ir import Equation, Layer
from biaslens.rules.absorbed import absorbing
from biaslens.rules.absorbed import statement as absorbed_statement
from biaslens.rules.redundant import bias_argument, canceller, named, reason, statement, when
from biaslens.rules.registry import rule_of

CLAIMS = (Verdict.REDUNDANT, Verdict.CONDITIONAL, Verdict.IN_EVERY_USE)
"""The verdicts that say that a bias has no effect."""

_LONGEST_TRAIL = 8


def about_site(site: Site) -> Iterator[Paragraph]:
    """The paragraphs about the bias of a constructor call, the verdict first."""
    if site.verdict in CLAIMS and site.first_cancelled is not None:
        yield from _about_cancelled(site, site.first_cancelled)
    elif site.verdict is Verdict.ABSORBED and site.first_absorbed is not None:
        yield from _about_absorbed(site, site.first_absorbed)
    elif site.verdict is Verdict.UNUSED or site.first_reading is None:
        yield (f"**{verdict(site)}**",)
        yield ("So there is nothing to say about its bias.",)
    else:
        yield from _about_kept(site, site.first_reading)


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
    clause = (piece.text if isinstance(piece, Link) else str(piece) for piece in _sentence(_end(reading)))
    return f"{verdict(site)} {''.join(clause)}"


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


def _about_cancelled(site: Site, fate: Fate) -> Iterator[Paragraph]:
    rule = rule_of(fate.cancelled_by)
    formula = formulas.cancelling(site, fate)
    yield (f"**{verdict(site)}**",)
    yield from _advice(site, fate)
    yield from _trail(fate)
    yield (f"`{formula}` {formula.legend}",)
    if site.layer.bias is not False:
        yield from _costs(site)
        yield from _stored_mean(fate)
    yield references(fate.cancelled_by, rule.code if rule else "")


def _advice(site: Site, fate: Fate) -> Iterator[Paragraph]:
    """What to do, and what takes the place of the bias."""
    place = _replacement(fate)
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
    otherwise = site.first_reading if site.verdict is Verdict.CONDITIONAL else None
    if otherwise is not None:
        yield ("Otherwise it has an effect: " if site.layer.bias is False else "Otherwise keep it: ", *_end(otherwise))


def _limits(site: Site) -> str:
    match site.verdict:
        case Verdict.CONDITIONAL:
            return " where that holds"
        case Verdict.IN_EVERY_USE:
            return " as long as nothing else uses it"
        case _:
            return ""


def _replacement(fate: Fate) -> str:
    """What takes the place of the bias."""
    if fate.cancelled_by == "softmax":
        return "Nothing has to take its place: the weights are the same for every value of it."
    if fate.norm is None:
        return "Nothing has to take its place: the result is the same for every value of it."
    norm = canceller(fate)
    match fate.norm.bias:
        case True:
            return (
                f"{norm} adds a learned shift of its own (β, its `bias`) after the subtraction: that takes its place."
            )
        case False:
            own = f"{norm} has no learned shift (β) of its own"
            return f"The mean is subtracted all the same: {own}, and a bias before it does not bring one back."
        case None:
            return f"A learned shift (β) can only come after the subtraction: from {norm} itself, if it has one."


def _stored_mean(fate: Fate) -> Iterator[Paragraph]:
    if fate.norm is not None and fate.norm.stores_mean:
        yield (
            f"A model that is trained already: {canceller(fate)} keeps a `running_mean` for eval mode, and the bias is "
            "part of it. Subtract it there once when the bias goes.",
        )


def _costs(site: Site) -> Iterator[Paragraph]:
    text = cost(site)
    if text:
        yield (text,)


# --- absorbed --------------------------------------------------------------------------------------------------------


def _about_absorbed(site: Site, fate: Fate) -> Iterator[Paragraph]:
    """A bias without which the same functions can be learned."""
    yield (f"**{verdict(site)}**",)
    if site.layer.bias is not False:
        yield ("Keep it or leave it out: it has an effect, but the model can learn the same functions either way.",)
    yield from _trail(fate)
    formula = formulas.absorbing(site, fate)
    if formula is not None:
        yield (f"`{formula}` {formula.legend}",)
    if site.layer.bias is not False:
        yield from _costs(site)
        yield ("A model that is trained already: what the bias adds there moves into the later bias once.",)
    yield references("", "BL201")


# --- kept, or unknown ------------------------------------------------------------------------------------------------


def _about_kept(site: Site, fate: Fate) -> Iterator[Paragraph]:
    without = site.layer.bias is False
    yield (f"**{verdict(site)}** ", *_sentence(_end(fate)))
    if site.verdict is Verdict.UNKNOWN:
        yield from _trail(fate)
        yield from _about_unknown(site, fate)
        return
    yield from (_choice(site, fate) if without else _loss(fate))
    yield from _trail(fate)
    mechanism = ""
    if fate.ending is Ending.READ and fate.end is not None and len(fate.trail) > 1:
        formula = formulas.reading(site, fate)
        yield (f"`{formula}` {formula.legend}",)
        mechanism = _mechanism(fate.end)
    if site.first_cancelled is not None:
        others = canceller(site.first_cancelled)
        yield (f"On another way {others} cancels it; one use that needs the bias is enough to keep it.",)
    if not without:
        for part in site.parts:
            yield from _about_part(part)
    yield from ((references(mechanism),) if mechanism else ())


def _about_unknown(site: Site, fate: Fate) -> Iterator[Paragraph]:
    if site.layer.bias is not False:
        yield ("Leave it as it is unless you know what becomes of it: nothing is reported on a guess.",)


def _loss(fate: Fate) -> Iterator[Paragraph]:
    """What would be lost without the bias."""
    end = fate.end
    if fate.ending is Ending.RETURNED or end is None:
        yield ("It sets the level around which the output varies, and nothing after it is known to do that.",)
    elif _is_activation(end):
        yield (f"For each feature it moves the point at which `{called(end)}` bends; the weights alone cannot.",)
    elif end.operation.lower().startswith(("dropout", "featuredropout", "alphadropout")):
        yield ("So no norm behind it can subtract all of the bias again.",)
    else:
        yield from _partial(end)


def _partial(end: Equation) -> Iterator[Paragraph]:
    """What is often believed of the norm that reads the bias, put right."""
    by = centring(end)
    match by.by if by else "":
        case "layer norm":
            yield ("A layer norm takes away only the bias's average over the normalised axes; its differences stay.",)
        case "group norm":
            yield ("A group norm takes away only the bias's average in each group; the differences inside it stay.",)
        case "batch norm" | "instance norm":
            yield (
                "This norm takes away one number for each channel; here the bias has come to vary within a channel.",
            )
        case "softmax":
            yield ("A softmax forgets only what is the same for all its entries; what the bias adds here differs.",)
        case _ if "rms" in end.operation.lower():
            yield ("An RMS norm only divides: it subtracts no mean, and so no bias.",)
        case _:
            return


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


def _mechanism(end: Equation) -> str:
    by = centring(end)
    return by.by if by else "rms norm" if "rms" in end.operation.lower() else ""


def _is_activation(end: Equation) -> bool:
    return end.operation.lower().replace("_", "") in ACTIVATIONS


def _about_part(site: Site) -> Iterator[Paragraph]:
    """A part of the bias that has no effect, with its own way."""
    fate = site.first_cancelled
    if fate is None:
        return
    formula = formulas.cancelling(site, fate)
    yield (f"**{statement(site, fate)}**",)
    yield from _trail(fate)
    yield (f"`{formula}` {formula.legend}",)
    yield ("No argument of the layer leaves out only a part of its bias, so there is nothing to repair.",)
    yield references(fate.cancelled_by)


# --- pieces ----------------------------------------------------------------------------------------------------------


def _end(fate: Fate) -> Paragraph:
    """What reads the bias, hides it from us or hands it out, as a clause that ends a sentence."""
    end = fate.end
    if fate.ending is Ending.UNKNOWN:
        if end is None:
            return (f"{fate.reason}.",)
        why = f" ({fate.reason})" if fate.reason and "is code that could not be followed" not in fate.reason else ""
        return ("we cannot follow it at ", Link(f"`{called(end)}`", end.location), f"{why}.")
    if fate.ending is Ending.RETURNED or end is None:
        return (f"it reaches the output of `{fate.root}`.",)
    return (Link(f"`{called(end)}`", end.location), f" depends on it{f': {fate.reason}' if fate.reason else ''}.")


def _sentence(clause: Paragraph) -> Paragraph:
    first, *rest = clause
    return (first[:1].upper() + first[1:] if isinstance(first, str) else first, *rest)


def _trail(fate: Fate) -> Iterator[Paragraph]:
    """Each step as a link to its line."""
    if len(fate.trail) < 2:
        return
    long = len(fate.trail) > _LONGEST_TRAIL
    shown = [*fate.trail[: _LONGEST_TRAIL - 3], None, *fate.trail[-2:]] if long else [*fate.trail]
    line: list[str | Link] = ["Its way: "]
    for number, step in enumerate(shown):
        line.append(" → " if number else "")
        line.append("…" if step is None else Link(f"`{called(step)}`{_class_of(step)}", step.location))
    yield tuple(line)


def _class_of(step: Equation) -> str:
    """The class of a step that the code calls by a position."""
    return f" ({step.operation})" if called(step).endswith("]") else ""


def _argument(layer: Layer) -> str:
    """The argument that says whether there is a bias."""
    return layer.argument or (layer.entry.shift.argument if layer.entry.shift else "bias")
