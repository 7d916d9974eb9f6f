"""Random small models from tables: a family has a template, and each slot of it takes random lines.

A line may use any attribute of the family; those that a model uses are made in its constructor, one to a line. Some
models are nonsense that torch refuses to run, which costs a little time and no more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from markdown_cases import PRELUDE, Build

_SLOT = re.compile(r"^( *)<(\w+)>\n", re.MULTILINE)
_ATTRIBUTE = re.compile(r"\bself\.(\w+)")


@dataclass(frozen=True, slots=True)
class RandomModel:
    """A model file, and all the ways to run it."""

    text: str
    builds: tuple[Build, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one kind. slots: how many lines each slot takes at least and at most, and the lines to choose from.

    attributes: the statement's right side by attribute. builds: expressions and inputs.
    """

    template: str
    slots: Mapping[str, tuple[int, int, str]]
    attributes: Mapping[str, str]
    builds: tuple[tuple[str, str], ...]


def random_model(family: Family, seed: int) -> RandomModel:
    """The family's model of that seed, the same one on every call."""
    random = Random(seed)

    def filled(slot: re.Match[str]) -> str:
        at_least, at_most, lines = family.slots[slot[2]]
        chosen = random.choices(lines.strip("\n").split("\n"), k=random.randint(at_least, at_most))
        return "".join(f"{slot[1]}{line}\n" for line in chosen)

    body = _SLOT.sub(filled, family.template)
    used = set(_ATTRIBUTE.findall(body))
    made = "".join(f"        self.{name} = {call}\n" for name, call in family.attributes.items() if name in used)
    text = PRELUDE + body.replace("        # attributes\n", made).lstrip("\n")
    return RandomModel(text, tuple(Build("build", model, inputs) for model, inputs in family.builds))
