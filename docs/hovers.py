"""What the hover says about every layer, norm and softmax of the examples, as pages to read without an editor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from biaslens.explain.document import Addresses
from biaslens.explain.hover import Hover, hovers_on
from biaslens.explain.picture import alternative, picture
from biaslens.flow import Fate, Site
from biaslens.lint import lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source, Span

_EXAMPLES = Path(__file__).parent.parent / "examples"


def hover_pages() -> Mapping[str, str]:
    """A page for each example, and the pictures in it, by their paths below `docs/`."""
    pages: dict[str, str] = {}
    for file in sorted(_EXAMPLES.glob("*.py")):
        pictures: dict[str, str] = {}
        pages[f"hovers/{file.stem}.md"] = _page(file, pictures)
        pages |= {f"hovers/{name}": svg for svg, name in pictures.items()}
    return pages


def _page(file: Path, pictures: dict[str, str]) -> str:
    """The page of an example. Effect: adds its pictures, each with the name of its file."""

    def drawn(site: Site, fate: Fate) -> str:
        svg = picture(site, fate) + "\n"
        name = pictures.setdefault(svg, f"{file.stem}-{len(pictures) + 1}.svg")
        return f"![{alternative(site, fate).translate(_PLAIN)}]({name})"

    source = Source(f"/{file.name}", file.read_text("utf-8"))
    report = lint(source, Files(), Options())
    addresses = Addresses(
        of_file=lambda path, line: f"../../examples{path}#L{line}",
        of_page=lambda code: f"../rules/{code}.md",
        picture=drawn,
    )
    hovers = hovers_on(report, Span(0, len(source.text)), None, addresses)
    title = f"# What the hover says: [{file.name}](../../examples/{file.name})"
    mark = f"<!-- Written by `make docs` from examples/{file.name}. -->"
    return "\n\n".join([mark, title, *("\n\n".join(_section(found, source)) for found in hovers)]) + "\n"


_PLAIN = str.maketrans({"[": "(", "]": ")"})


def _section(found: Hover, source: Source) -> Iterator[str]:
    line, column = source.line_and_column(found.span.start)
    code = " ".join(source.excerpt(found.span).split())
    yield f"## Line {line + 1}, column {column + 1}: `{code}`"
    yield from found.paragraphs
