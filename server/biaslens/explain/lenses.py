"""A line above each class that says how many findings it has, and how many parameters have no effect."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from biaslens.flow import Site
from biaslens.program.ir import Layer, Program
from biaslens.rules.redundant import is_certain
from biaslens.rules.rule import Finding
from biaslens.syntax.parse import Module, parse
from biaslens.text import Location, Source, Span


@dataclass(frozen=True, slots=True)
class Lens:
    """span: the whole class or function. place: its first line, from `class` or `def` on. findings: those in it."""

    name: str
    span: Span
    place: Span
    title: str
    findings: tuple[Finding, ...]


class Judged(Protocol):
    """What lenses are made from; a report has it."""

    @property
    def source(self) -> Source:
        """The file."""
        ...

    @property
    def program(self) -> Program:
        """What was followed in it."""
        ...

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found in it."""
        ...


def lenses(report: Judged) -> tuple[Lens, ...]:
    """One for each class or function of the module's own level that has findings in its text.

    A class inside of another one belongs to that.
    """
    if not report.findings:
        return ()
    module = parse(report.source)
    found = (_lens(node, module, report) for node in _definitions(module.statements))
    return tuple(lens for lens in found if lens is not None)


_Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _definitions(statements: Iterable[ast.stmt]) -> Iterator[_Definition]:
    """Those at the top, also under `if` or `try`."""
    for statement in statements:
        if isinstance(statement, _Definition):
            yield statement
        elif isinstance(statement, ast.If | ast.Try | ast.With):
            yield from _definitions(node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.stmt))
            for handler in getattr(statement, "handlers", ()):
                yield from _definitions(handler.body)


def _lens(node: _Definition, module: Module, report: Judged) -> Lens | None:
    span = module.span(node)
    findings = tuple(finding for finding in report.findings if span.covers(finding.location.span))
    if not findings:
        return None
    line = module.source.line_and_column(span.start)[0]
    place = Span(span.start, module.source.line_starts[line] + len(module.source.line(line)))
    return Lens(node.name, span, place, _title(findings, _built(span, report)), findings)


def _built(span: Span, report: Judged) -> Sequence[Layer]:
    """The layers of one model that the class makes by default, or the function; none where it was not followed."""
    place = Location(report.source.path, span)
    return next((run.paths[0].layers for run in report.program.runs if run.location == place and run.paths), ())


def _title(findings: Sequence[Finding], built: Sequence[Layer]) -> str:
    sites = list({f.location: f.site for f in findings if f.site is not None and f.unnecessary}.values())
    others = sum(finding.site is None or not finding.unnecessary for finding in findings)
    if not sites:
        return _counted(others, "finding")
    conditional = sum(not is_certain(site) for site in sites)
    remark = f" ({conditional} under a condition)" if conditional < len(sites) else " (under a condition)"
    parts = [_counted(len(sites), "redundant bias", "es") + (remark if conditional else ""), _cost(sites, built)]
    if others:
        parts.append(_counted(others, "other finding"))
    return " · ".join(part for part in parts if part)


def _cost(sites: Sequence[Site], built: Sequence[Layer]) -> str:
    """How many parameters the biases have in one model as it is by default, with a + for what is not known of them.

    A bias that is redundant under a condition counts once: of what the call makes besides, some may be needed. So does
    a layer that the default model has not. Without any known size it is "".
    """
    total, known, more = 0, False, False
    for site in sites:
        made = [layer for layer in built if layer.site == site.location and layer.bias is not False]
        more |= len(made) > 1 and not is_certain(site)
        for layer in made if made and is_certain(site) else [site.layer]:
            size = layer.parameters.value if layer.parameters is not None else None
            total += size or 0
            known |= size is not None
            more |= size is None
    if not known:
        return ""
    return f"{total:,}{'+' if more else ''} parameter{'' if total == 1 and not more else 's'}"


def _counted(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
