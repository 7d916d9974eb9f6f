"""Rule selectors as people write them: codes, prefixes, commas, `ALL`."""

from __future__ import annotations

from collections.abc import Iterable

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
