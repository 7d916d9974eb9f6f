"""What people write behind flags: selectors of rules (codes, prefixes, commas, `ALL`), and what is like torch's."""

from __future__ import annotations

from collections.abc import Iterable

from biaslens.catalogue.likeness import likenesses
from biaslens.rules.registry import RULES


def selectors(values: Iterable[str]) -> tuple[str, ...]:
    """The prefixes of rule codes that the arguments name; `ALL` is the prefix of all.

    Raises ValueError with a sentence for a selector that no rule has.
    """
    chosen = [part.strip().upper() for value in values for part in value.split(",") if part.strip()]
    for selector in chosen:
        if selector != "ALL" and not any(rule.code.startswith(selector) for rule in RULES):
            raise ValueError(f"No rule has the code or prefix {selector!r}; `biaslens rules` lists them.")
    return tuple("" if selector == "ALL" else selector for selector in chosen)


def declared(values: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The pairs (own name, name of torch) of `OWN=TORCH`. Raises ValueError with a sentence for one that is wrong."""
    parts = [part.partition("=") for value in values for part in value.split(",") if part.strip()]
    pairs, problems = likenesses((own.strip(), like.strip()) for own, _, like in parts)
    if problems:
        raise ValueError(problems[0])
    return pairs
