"""What a rule is: a judgement over sites, with its documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from biaslens.text import Edit, Location

if TYPE_CHECKING:
    from biaslens.flow import Flow, Site


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits to one baseline, with a stated safety.

    title: a verb phrase. applicability: "safe", "unsafe" or "display-only". edits never overlap.
    reason: why it is not safe, or "".
    """

    title: str
    edits: tuple[Edit, ...]
    applicability: str = "safe"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a rule found, inert and complete.

    severity: "warning" (plain redundant), "information" (conditional, or in every use found) or "hint".
    message: one sentence. site: the layer it is about, None for a comment. related: places with a word each (the norm
    that cancels it). fix: where it is known without the program; `lint.fix_of` gives the others. unnecessary: what
    it is about does nothing at all, so that an editor may fade it.
    """

    code: str
    name: str
    location: Location
    message: str
    severity: str
    site: Site | None = None
    related: tuple[tuple[Location, str], ...] = ()
    url: str = ""
    unnecessary: bool = True
    fix: Fix | None = None

    @property
    def order(self) -> tuple[Location, str]:
        """What findings are sorted by: their place, then their code."""
        return self.location, self.code


@dataclass(frozen=True)
class Rule:
    """One rule; `documentation`, the docstring of its module, is its page, once `rules.page` has put the facts on top.

    code: "BL101". name: "bias-before-batch-norm". url: a page that exists today: the paper it rests on, or "".
    mechanism: what cancels the bias, in the words of `Fate.cancelled_by`; "" for rules about something else.
    severity: of what holds as the code stands; a warning that hangs on a condition becomes information.
    fix: the applicability of its fixes where nothing in the code speaks against them, "" for a rule without any.
    """

    code: str
    name: str
    check: Callable[[Flow], Iterable[Finding]]
    documentation: str
    url: str
    default: bool = True
    mechanism: str = ""
    severity: str = "warning"
    fix: str = "safe"

    @cached_property
    def title(self) -> str:
        """The first line of the documentation."""
        return self.documentation.strip().splitlines()[0].strip().lstrip("# ")
