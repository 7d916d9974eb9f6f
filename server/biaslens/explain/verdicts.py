"""What becomes of a bias in one sentence, and what is said of any layer whatever its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from biaslens.explain.document import Link, Paragraph
from biaslens.explain.sizes import cost
from biaslens.explain.steps import as_sentence, end_clause
from biaslens.explain.view import View, others
from biaslens.flow import Ending, Site, Verdict
from biaslens.program.ir import Layer
from biaslens.rules.absorbed import absorbing
from biaslens.rules.absorbed import statement as absorbed_statement
from biaslens.rules.redundant import named, reason, statement, subscripted, when


def verdict(site: Site) -> str:
    """One sentence, for layers with and without a bias."""
    name, fate, without = named(site.layer), site.first_cancelled, site.layer.bias is False
    match site.verdict:
        case Verdict.REDUNDANT | Verdict.CONDITIONAL | Verdict.IN_EVERY_USE if fate is not None:
            if not without:
                return statement(site, fate)
            condition = f" {when(site.condition)}" if site.verdict is Verdict.CONDITIONAL else ""
            written = f"{argument(site.layer)}={site.layer.bias_text or 'False'}"
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


def sentence(site: Site, view: View) -> str:
    """The verdict with its reason, as prose in Markdown, where there is no room for more."""
    cancelled, reading = site.first_cancelled, site.first_reading
    if site.part is not None and cancelled is not None:
        return statement(site, cancelled)
    if site.verdict not in (Verdict.NEEDED, Verdict.UNKNOWN) or reading is None:
        return verdict(site)
    clause = as_sentence(end_clause(reading, site, view))
    return f"{verdict(site)} {''.join(piece.text if isinstance(piece, Link) else str(piece) for piece in clause)}"


def siblings(site: Site) -> Iterator[Paragraph]:
    """The other layers that the same constructor call makes, in a loop or a helper function."""
    names = list(others(site))
    if not names:
        return
    if site.verdict in (Verdict.REDUNDANT, Verdict.IN_EVERY_USE):
        yield (f"The same holds for the others that the same constructor call makes: {_listed(names)}.",)
        return
    needing = [name for name in names if _always_ends_so(site, name, (Ending.READ, Ending.RETURNED))]
    same = [name for name in names if name not in needing]
    clauses = [
        *([f"{_listed(same)}, {'to which the same applies'}"] if same else []),
        *([f"{_listed(needing)}, which need{'s' if len(needing) == 1 else ''} a bias"] if needing else []),
    ]
    yield (f"The same constructor call also makes {', and '.join(clauses)}.",)


def _always_ends_so(site: Site, label: str, endings: Sequence[Ending]) -> bool:
    """Whether the bias of the layer with that name ends in one of some ways wherever it was followed."""
    fates = [fate for fate in site.fates if fate.trail and fate.trail[0].label == label]
    return bool(fates) and all(fate.ending in endings for fate in fates)


def _listed(labels: Sequence[str]) -> str:
    names = [f"`{subscripted(label)}`" for label in labels]
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def costs(site: Site) -> Iterator[Paragraph]:
    """What the bias costs, where its size is known."""
    text = cost(site)
    if text:
        yield (text,)


def argument(layer: Layer) -> str:
    """The argument that says whether there is a bias."""
    return layer.argument or (layer.entry.shift.argument if layer.entry.shift else "bias")


_NAMED = 4
