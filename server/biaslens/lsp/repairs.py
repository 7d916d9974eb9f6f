"""All safe fixes of several files, as edits. For the worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from biaslens.lsp.studies import Buffers, Foreign, Pause, report_on
from biaslens.options import Options
from biaslens.packed import Packed
from biaslens.syntax.files import Files
from biaslens.text import Edit, Source, edits_between

if TYPE_CHECKING:
    from biaslens.lint import Study
    from biaslens.rounds import Fixed


@dataclass(frozen=True, slots=True)
class Repairs:
    """The files that change, as they are, with their edits; and how many findings are gone then."""

    edits: tuple[tuple[Source, tuple[Edit, ...]], ...]
    count: int


def repairs(
    studies: Sequence[tuple[Packed[Study], Foreign]],
    options: Mapping[str, Options],
    buffers: Buffers,
    pause: Pause,
) -> Repairs | None:
    """The edits that apply every safe fix of what was followed; None where it is not what stands in the files now.

    options: of all files of the workspace.
    """
    from biaslens.rounds import repaired, unrepaired

    files = Files(buffers)
    before: list[Fixed] = []
    usual = Options()
    for own, foreign in studies:
        report = report_on(own, options, pause, foreign)
        if not _is_still(report.source, files):
            return None
        before.append(unrepaired(report, files))
    after = repaired(before, files, lambda path: options.get(path, usual), pause=pause)
    changed = [(old.source, new.source) for old, new in zip(before, after, strict=True) if new.count]
    now = Files(buffers)
    if not all(_is_still(old, now) for old, _ in changed):
        return None
    edits = tuple((old, edits_between(old.text, new.text)) for old, new in changed)
    return Repairs(edits, sum(file.count for file in after))


def _is_still(source: Source, files: Files) -> bool:
    found = files.read(source.path)
    return isinstance(found, Source) and found.text == source.text
