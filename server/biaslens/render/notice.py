"""What is said of a finding, and of a layer, as plain data: without what it rests on, and ready to be printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from biaslens.rules.rule import Fix
from biaslens.text import Location

JsonObject: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """A finding with its repair.

    related: as `Finding` has it. steps: the names of the steps from the layer to where its bias ends. where: the
    condition, where the message does not say it. judgement: what the JSON output says of the layer, empty where it is
    about a comment.
    """

    code: str
    name: str
    severity: str
    location: Location
    message: str
    url: str = ""
    related: tuple[tuple[Location, str], ...] = ()
    fix: Fix | None = None
    steps: tuple[str, ...] = ()
    where: str = ""
    judgement: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class LayerNotice:
    """A layer that has or could have a bias, with its verdict.

    cells: those of the table, without the place. judgement: all that the JSON output says.
    """

    location: Location
    cells: tuple[str, ...]
    judgement: Mapping[str, Any]
