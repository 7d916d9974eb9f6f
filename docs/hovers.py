"""What the hover says about every layer, norm and softmax of the examples, as pages to read without an editor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from biaslens.explain.document import Addresses
from biaslens.explain.hover import Hover, hovers_on
from biaslens.lint import lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source, Span

_EXAMPLES = Path(__file__).parent.parent / "examples"


def hover_pages() -> Mapping[str, str]:
    """A page for each example, by its path below `docs/`."""
    return {f"hovers/{file.stem}.md": _page(file) for file in sorted(_EXAMPLES.glob("*.py"))}


def _page(file: Path) -> str:
    source = Source(f"/{file.name}", file.read_text("utf-8"))
    report = lint(source, Files(), Options())
    addresses = Addresses(
        of_file=lambda path, line: f"../../examples{path}#L{line}", of_page=lambda code: f"../rules/{code}.md"
    )
    sections = [
        "\n\n".join(_section(found, source)) for found in hovers_on(report, Span(0, len(source.text)), None, addresses)
    ]
    return "\n\n".join([f"# What the hover says: [{file.name}](../../examples/{file.name})", *sections]) + "\n"


def _section(found: Hover, source: Source) -> Iterator[str]:
    line, column = source.line_and_column(found.span.start)
    code = " ".join(source.excerpt(found.span).split())
    yield f"## Line {line + 1}, column {column + 1}: `{code}`"
    yield from found.paragraphs
