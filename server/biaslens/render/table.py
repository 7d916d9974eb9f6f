"""The layers of files with their verdicts, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from biaslens.render.notice import LayerNotice
from biaslens.render.place import Read, begins_at, displayed, printable

Row = tuple[str, ...]

HEADINGS: Row = ("location", "layer", "bias", "verdict", "reason")


def layer_row(notice: LayerNotice, read: Read, folder: str) -> Row:
    """One line of the table, cell by cell, under `HEADINGS`."""
    place = f"{displayed(notice.location.path, folder)}:{begins_at(notice.location, read)}"
    return tuple(printable(cell) for cell in (place, *notice.cells))


def table(rows: Sequence[Row]) -> str:
    """The rows in aligned columns under their headings; "" without rows."""
    if not rows:
        return ""
    widths = [max(len(row[place]) for row in (HEADINGS, *rows)) for place in range(len(HEADINGS) - 1)]
    lines = [
        [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]] for row in (HEADINGS, *rows)
    ]
    return "\n".join("  ".join(line).rstrip() for line in lines)
