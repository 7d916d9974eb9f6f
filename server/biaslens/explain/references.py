"""What to read on: the paper behind each mechanism, torch's own guide, and the page of the rule."""

from __future__ import annotations

from collections.abc import Mapping

from biaslens.explain.document import Link, Page, Paragraph

_PAPERS: Mapping[str, Link] = {
    "batch norm": Link("Ioffe & Szegedy 2015, section 3.2", "https://arxiv.org/abs/1502.03167"),
    "instance norm": Link("Ulyanov et al. 2016", "https://arxiv.org/abs/1607.08022"),
    "group norm": Link("Wu & He 2018", "https://arxiv.org/abs/1803.08494"),
    "layer norm": Link("Ba et al. 2016", "https://arxiv.org/abs/1607.06450"),
    "centering": Link("Ioffe & Szegedy 2015, section 3.2", "https://arxiv.org/abs/1502.03167"),
    "softmax": Link("Namazifar et al. 2023", "https://arxiv.org/abs/2302.08626"),
    "rms norm": Link("Zhang & Sennrich 2019", "https://arxiv.org/abs/1910.07467"),
    "no shift": Link("Touvron et al. 2023", "https://arxiv.org/abs/2302.13971"),
}
_GUIDE = Link("PyTorch's tuning guide", "https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html")
_GUIDED = ("batch norm", "instance norm")
"""What the guide's advice about convolutions and norms speaks of."""


def references(mechanism: str, code: str = "") -> Paragraph:
    """One line of links. mechanism: in the words of `Fate.cancelled_by`. code: of the rule that speaks of it, or ""."""
    found: list[Link | Page] = []
    if mechanism in _PAPERS:
        found.append(_PAPERS[mechanism])
    if mechanism in _GUIDED:
        found.append(_GUIDE)
    if code:
        found.append(Page(code))
    line: list[str | Link | Page] = []
    for number, link in enumerate(found):
        line += [" · " if number else "More: ", link]
    return tuple(line)
