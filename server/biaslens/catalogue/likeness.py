"""Whether what a person declares to be like torch names something that the catalogue knows."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from biaslens.catalogue.lookup import ROWS, find

EXAMPLE = "mypkg.layers.MyConv2d=torch.nn.Conv2d"


def likenesses(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The pairs (own name, name of torch) that can be used, and a sentence about each of the others."""
    usable: dict[str, str] = {}
    problems: list[str] = []
    for own, like in pairs:
        problem = _problem(own, like)
        if problem:
            problems.append(problem)
        else:
            usable[own] = like
    return tuple(usable.items()), tuple(problems)


def _problem(own: str, like: str) -> str:
    if not like:
        return f"{own!r} does not say what it is like; write it as in {EXAMPLE}."
    if not all(part.isidentifier() for part in own.split(".")):
        return f"{own!r} is no dotted name of a class or function; write it as in {EXAMPLE}."
    if find(like) is None:
        nearest = _nearest(like)
        return f"BiasLens knows no {like!r} of torch{f'; did you mean {nearest!r}?' if nearest else '.'}"
    return ""


def _nearest(wanted: str) -> str:
    """The known name that is most like a wrong one, "" where none is."""
    names = [name for row in ROWS for name in (row.name, *row.spellings) if not name.startswith("torch.Tensor.")]
    last = wanted.rpartition(".")[2].lower()
    same = [name for name in names if name.rpartition(".")[2].lower() == last]
    return next(iter(get_close_matches(wanted, same or names, 1, 0.0 if same else 0.6)), "")
