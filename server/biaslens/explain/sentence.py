"""The verdict on a layer in one sentence, where there is no room for more."""

from __future__ import annotations

from biaslens.flow import Ending, Fate, Site, Verdict
from biaslens.rules.absorbed import absorbing
from biaslens.rules.absorbed import statement as absorbed_statement
from biaslens.rules.redundant import named, reason, statement, when

CLAIMS = (Verdict.REDUNDANT, Verdict.CONDITIONAL, Verdict.IN_EVERY_USE)
"""The verdicts that say that a bias has no effect."""


def sentence(site: Site) -> str:
    """What becomes of the bias and why, or for a layer without one: what would become of it."""
    name, fate, without = named(site.layer), site.first_cancelled, site.layer.bias is False
    match site.verdict:
        case _ if site.part is not None and fate is not None:
            return statement(site, fate)
        case Verdict.REDUNDANT | Verdict.CONDITIONAL | Verdict.IN_EVERY_USE if fate is not None:
            return _rightly_without(site, fate) if without else statement(site, fate)
        case Verdict.ABSORBED:
            return (
                f"{name} has no bias: {absorbing(site)} can add all that one here could."
                if without
                else absorbed_statement(site)
            )
        case Verdict.UNUSED:
            return f"No path that we followed uses {name}."
        case Verdict.UNKNOWN:
            bias = "a bias" if without else "the bias"
            return f"We cannot tell whether {bias} of {name} has an effect{_because(site.first_reading)}."
        case _ if without:
            return f"{name} has no bias, and nothing cancels one here: it would have an effect."
        case _:
            return f"The bias of {name} is needed{_because(site.first_reading)}."


def _rightly_without(site: Site, fate: Fate) -> str:
    condition = f" {when(site.condition)}" if site.verdict is Verdict.CONDITIONAL else ""
    argument = site.layer.entry.shift.argument if site.layer.entry.shift else "bias"
    text = f"`{argument}={site.layer.bias_text or 'False'}`"
    return f"{text} is right for {named(site.layer)}{condition}: {reason(fate, 'a bias')}."


def _because(fate: Fate | None) -> str:
    """What reads the bias, hides it from us or hands it out, as the end of a sentence."""
    if fate is None:
        return ""
    if fate.ending is Ending.RETURNED or fate.end is None:
        return f": it reaches the output of `{fate.root}`" if fate.ending is not Ending.UNKNOWN else ""
    clause = f"we cannot follow it at `{fate.end.label}`"
    if fate.ending is Ending.READ:
        clause = f"`{fate.end.label}` reads it"
    told = not fate.reason or fate.end.label in fate.reason
    return f": {clause}" if told else f": {clause} ({fate.reason})"
