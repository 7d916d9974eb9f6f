"""How many parameters a bias has, in the names of the code, and what they take while training."""

from __future__ import annotations

import re

from biaslens.algebra.sizes import Monomial, Name, Quotient, Size
from biaslens.flow import Site
from biaslens.program.symbols import Kind, Symbol

_BYTES = 4
_NUMBERS = 4
"""With Adam there are four numbers for each parameter: itself, its gradient, and the two averages of the optimiser."""


def cost(site: Site) -> str:
    """What the bias of a site costs, in one sentence; "" where no size is known.

    A call that makes layers of several sizes is told by the smallest and the largest of them.
    """
    layers = site.layers or (site.layer,)
    sizes = [size for size in dict.fromkeys(layer.parameters for layer in layers) if size is not None]
    each = " in each layer made here" if len({layer.label for layer in layers}) > 1 else ""
    values = sorted(size.value for size in sizes if size.value is not None)
    texts = [size_text(size) for size in sizes if size.value is None]
    if len(texts) == 1 and texts[0]:
        known = f" ({values[0]:,})" if len(values) == 1 else ""
        return f"It costs `{texts[0]}`{known} parameters{each}, each with a gradient and Adam's two running averages."
    if len(values) == len(sizes) == 1:
        noun = "parameter" if values[0] == 1 else "parameters"
        memory = f"{_memory(values[0] * _NUMBERS * _BYTES)} in float32"
        rest = f"{'each ' if values[0] > 1 else ''}with a gradient and Adam's two running averages"
        return f"It costs {values[0]:,} {noun}{each}, {rest} ({memory})."
    if values and len(values) == len(sizes):
        return (
            f"It costs {values[0]:,} to {values[-1]:,} parameters{each}, each with a gradient and Adam's two averages."
        )
    if sizes:
        return f"It costs a parameter for each output channel or feature{each}, with gradient and optimiser state."
    return ""


def size_text(size: Size) -> str:
    """A size as a person would write it, `4 * width`; "" where it hangs on something without a name in the code."""
    terms = [_term(monomial, factor) for monomial, factor in size.terms]
    if not all(terms):
        return ""
    text = " + ".join(sorted(terms, reverse=True))
    return text[1:-1] if len(terms) == 1 and re.fullmatch(r"\([^()]*\)", text) else text


def _term(monomial: Monomial, factor: object) -> str:
    if not isinstance(factor, int) or any(power < 0 for _, power in monomial):
        return ""
    names = sorted(name for unknown, power in monomial for name in [_name(unknown)] * power)
    if not all(names):
        return ""
    return " * ".join(names if factor == 1 and names else [str(factor), *names])


def _name(unknown: Name) -> str:
    """The unknown as code: an argument, an attribute or an entry of one, or a quotient."""
    if isinstance(unknown, Quotient):
        above, below = size_text(unknown.dividend), size_text(unknown.divisor)
        return f"({above} // {below})" if above and below else ""
    match unknown:
        case Symbol(Kind.CONSTRUCTOR | Kind.DEFAULT, (str(), str(name))):
            return name
        case Symbol(Kind.ATTRIBUTE, (inner, str(name))):
            owner = _name(inner)
            return f"{owner}.{name}" if owner else ""
        case Symbol(Kind.ITEM, (inner, int() | str() as index)):
            owner = _name(inner)
            return f"{owner}[{index!r}]" if owner else ""
        case _:
            return ""


def _memory(size: int) -> str:
    """A number of bytes for people."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
