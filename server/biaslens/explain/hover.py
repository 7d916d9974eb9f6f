"""The hover: what becomes of a bias, in the names of the code under the cursor, for somebody who asks why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from biaslens.explain.comments import about_comment, at_comment
from biaslens.explain.document import Addresses, Link, Paragraph, Writer
from biaslens.explain.layers import about_compound, about_site, verdict
from biaslens.explain.norms import about_norm
from biaslens.flow import Flow, NormUse, Site
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
    around = [(span, subject) for span, subject in _places(report) if span.contains(offset)]
    if not around:
        return None
    innermost = min((span for span, _ in around), key=lambda span: (span.end - span.start, span))
    return _written(innermost, _about([s for span, s in around if span == innermost], report.flow), writer)


def hovers_on(
    report: Explained, span: Span, files: Files | None = None, addresses: Addresses | None = None
) -> Iterator[Hover]:
    """The explanations of all calls that begin inside a span, in their order."""
    for place in sorted({place for place, _ in _places(report) if span.start <= place.start <= span.end}):
        found = hover(report, place.start, files, addresses)
        if found is not None and found.span == place:
            yield found


def _written(span: Span, paragraphs: Iterator[Paragraph], writer: Writer) -> Hover:
    written = [paragraph for paragraph in paragraphs if paragraph]
    return Hover(writer.markdown(written), writer.plain(written), span)


def _places(report: Explained) -> Iterator[tuple[Span, _Subject]]:
    """Everything in the file that can be explained: constructor calls, and where layers and norms are applied."""
    flow, path = report.flow, report.source.path
    definitions = {run.location for run in report.program.runs}
    for site in flow.affine_sites:
        calls = (fate.trail[0].location for fate in site.fates if fate.trail)
        yield from ((place.span, site) for place in _here((site.location, *calls), path, definitions))
    for layer in flow.compounds:
        yield layer.site.span, layer
    for norm in flow.norms:
        yield from ((place.span, norm) for place in _here((norm.location, *norm.calls), path, definitions))


def _here(places: Sequence[Location], path: str, definitions: set[Location]) -> Iterator[Location]:
    """The places in the file, each once. What a function returns is applied nowhere in its text."""
    return (place for place in dict.fromkeys(places) if place.path == path and place not in definitions)


def _about(subjects: Sequence[_Subject], flow: Flow) -> Iterator[Paragraph]:
    """What is said about all that one call makes or applies: layers before norms."""
    sites = [subject for subject in subjects if isinstance(subject, Site)]
    if len(sites) > 1:
        yield from (_entry(site) for site in sites[:_LISTED])
        if len(sites) > _LISTED:
            yield (f"… and {len(sites) - _LISTED} more layers.",)
        return
    match (*sites, *subjects)[0]:
        case Site() as site:
            yield from about_site(site)
        case NormUse() as norm:
            yield from about_norm(norm, flow)
        case Layer() as layer:
            yield from about_compound(layer)


def _entry(site: Site) -> Paragraph:
    """One of several layers: the verdict, and where the layer is made."""
    return ("- ", Link(f"`{site.layer.entry.label}`", site.location), f": {verdict(site)}")
