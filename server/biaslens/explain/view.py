"""From where an explanation looks at a layer: from the call that makes it, or from one that applies it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from biaslens.flow import Fate, Flow, Site
from biaslens.program.ir import Program
from biaslens.text import Location


@dataclass(frozen=True, slots=True)
class View:
    """flow, program: of the file. call: the application under the cursor, None at a constructor."""

    flow: Flow
    program: Program
    call: Location | None = None

    def of(self, site: Site) -> Site:
        """The site as it is seen from here: at a call with the name and the ways that its layer has there."""
        names = self.names(site)
        if len(names) != 1:
            return site
        ((label, here),) = names.items()
        elsewhere = tuple(fate for fate in site.fates if fate not in here)
        layer = site.layer if label.isdigit() else replace(site.layer, label=label)
        return replace(site, layer=layer, fates=(*here, *elsewhere))

    def names(self, site: Site) -> Mapping[str, tuple[Fate, ...]]:
        """By the name of each layer of the site that the call under the cursor applies: its fates there."""
        found: dict[str, tuple[Fate, ...]] = {}
        for fate in site.fates if self.call is not None else ():
            if fate.trail and fate.trail[0].location == self.call:
                label = fate.trail[0].label
                found[label] = (*found.get(label, ()), fate)
        return found

    def shift_of(self, place: Location) -> Site | None:
        """The site of a norm's own shift β, by its constructor call."""
        return next((site for site in self.flow.sites if site.location == place), None)

    def is_written(self, place: Location) -> bool:
        """Whether somebody wrote a call there: what a function returns is applied nowhere in its text."""
        return all(run.location != place for run in self.program.runs)


def may_be_together(fate: Fate, other: Fate) -> bool:
    """Whether two fates can be those of one model: no question is answered in two ways."""
    answers = {answer.question.key: answer.choice for answer in other.answers}
    return all(answers.get(answer.question.key, answer.choice) == answer.choice for answer in fate.answers)


def others(site: Site) -> Iterator[str]:
    """The names of further layers that the same constructor call makes in the model that the site is told by."""
    nameless = ("", site.layer.label, site.layer.entry.label)
    for label in dict.fromkeys(layer.label for layer in site.layers):
        fates = [fate for fate in site.fates if fate.trail and fate.trail[0].label == label]
        if label not in nameless and not label.isdigit() and (not fates or any(_is_told(fate, site) for fate in fates)):
            yield label


def _is_told(fate: Fate, site: Site) -> bool:
    """Whether a fate can be in a model with one of those by which the site is told, as far as both are seen."""
    deciding = site.deciding
    told = [other for other in site.fates if deciding and other.ending is deciding.ending and other.root == fate.root]
    return not told or any(may_be_together(fate, other) for other in told)
