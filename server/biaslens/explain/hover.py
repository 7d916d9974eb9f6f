"""The hover: what becomes of a bias, in the names of the code under the cursor, for somebody who asks why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from biaslens.explain.comments import about_comment, at_comment
from biaslens.explain.document import Addresses, Paragraph, Writer
from biaslens.explain.layers import about_compound, about_site, brief
from biaslens.explain.norms import about_norm
from biaslens.explain.view import View, may_be_together
from biaslens.flow import Ending, Fate, Flow, NormUse, Site
from biaslens.program.ir import Layer, Program
from biaslens.rules.page import page
from biaslens.syntax.files import Files
from biaslens.syntax.suppressions import Suppressions
from biaslens.text import Location, Source, Span

_LISTED = 8


@dataclass(frozen=True, slots=True)
class Hover:
    """paragraphs: as Markdown, with links. lines: the same without markup, for terminals. span: what it is about."""

    paragraphs: tuple[str, ...]
    lines: tuple[str, ...]
    span: Span

    @property
    def markdown(self) -> str:
        """The whole as one Markdown text."""
        return "\n\n".join(self.paragraphs)

    @property
    def plain(self) -> str:
        """The whole as one plain text, a line for each paragraph."""
        return "\n".join(self.lines)


class Explained(Protocol):
    """What an explanation is made from; a report has it."""

    @property
    def source(self) -> Source:
        """The file under the cursor."""
        ...

    @property
    def program(self) -> Program:
        """What was followed in it."""
        ...

    @property
    def flow(self) -> Flow:
        """Its layers and norms."""
        ...


_Subject: TypeAlias = Site | NormUse | Layer


def hover(
    report: Explained, offset: int, files: Files | None = None, addresses: Addresses | None = None
) -> Hover | None:
    """Explains the layer, norm, softmax or ignore comment at `offset`; None elsewhere.

    files: where to look up the lines of other files that a trail passes through; without it they are linked as a whole.
    addresses: where links lead; by default to files only.
    """
    writer = Writer(report.source, files, addresses or Addresses())
    suppressions = Suppressions(report.source)
    comment = at_comment(suppressions, offset)
    if comment is not None:
        span, suppression, rule = comment
        if rule is not None:
            text = page(rule).strip()
            return Hover((text,), (text,), span)
        return _written(span, about_comment(suppression, suppressions, report.flow), writer)
    view = View(report.flow, report.program)
    around = [(place, subject) for place, subject in _places(report, view) if place.span.contains(offset)]
    if not around:
        return None
    innermost = min((place for place, _ in around), key=lambda place: (place.span.end - place.span.start, place))
    subjects = [subject for place, subject in around if place == innermost]
    return _written(innermost.span, _about(subjects, replace(view, call=innermost)), writer)


def hovers_on(
    report: Explained, span: Span, files: Files | None = None, addresses: Addresses | None = None
) -> Iterator[Hover]:
    """The explanations of all calls that begin inside a span, in their order."""
    view = View(report.flow, report.program)
    begun = {place.span for place, _ in _places(report, view) if span.start <= place.span.start <= span.end}
    for place in sorted(begun):
        found = hover(report, place.start, files, addresses)
        if found is not None and found.span == place:
            yield found


def _written(span: Span, paragraphs: Iterator[Paragraph], writer: Writer) -> Hover:
    written = [paragraph for paragraph in paragraphs if paragraph]
    markdown, plain = writer.markdown(written), writer.plain(written)
    return Hover(tuple(filter(None, markdown)), tuple(filter(None, plain)), span)


def _places(report: Explained, view: View) -> Iterator[tuple[Location, _Subject]]:
    """Everything in the file that can be explained: constructor calls, and where layers and norms are applied."""
    found: list[tuple[Location, _Subject]] = []
    for site in view.flow.affine_sites:
        calls = (fate.trail[0].location for fate in site.fates if fate.trail)
        found += [(place, site) for place in dict.fromkeys((site.location, *calls))]
    found += [(layer.site, layer) for layer in view.flow.compounds]
    for norm in view.flow.norms:
        found += [(place, norm) for place in dict.fromkeys((norm.location, *norm.calls))]
    return ((place, s) for place, s in found if place.path == report.source.path and view.is_written(place))


def _about(subjects: Sequence[_Subject], view: View) -> Iterator[Paragraph]:
    """What is said about all that one call makes or applies: layers before norms."""
    sites = [subject for subject in subjects if isinstance(subject, Site)]
    applied = _in_one_model([(site, label, fates) for site in sites for label, fates in view.names(site).items()])
    if len(applied) > 1:
        applied.sort(key=lambda entry: _natural(entry[1]))
        yield from (brief(site, label, fates, view) for site, label, fates in applied[:_LISTED])
        if len(applied) > _LISTED:
            yield (f"… and {len(applied) - _LISTED} more layers.",)
        return
    match (*sites, *subjects)[0]:
        case Site() as site:
            yield from about_site(site, view)
        case NormUse() as norm:
            yield from about_norm(norm, view)
        case Layer() as layer:
            yield from about_compound(layer)


_Applied: TypeAlias = tuple[Site, str, tuple[Fate, ...]]


def _in_one_model(applied: list[_Applied]) -> list[_Applied]:
    """What one call applies in one model: the one in which the first bias that is cancelled is."""
    fates = [fate for _, _, fates in applied for fate in fates]
    told = next((fate for fate in fates if fate.ending is Ending.CANCELLED), fates[0] if fates else None)
    if told is None:
        return applied
    kept = [(site, label, tuple(f for f in fates if may_be_together(f, told))) for site, label, fates in applied]
    return [entry for entry in kept if entry[2]]


def _natural(label: str) -> list[tuple[int, str]]:
    """Orders names as people do: `main.2` before `main.10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in label.split(".")]
