"""How the time to check grows with what there is to check: `python -m benchmarks.scaling [--times N]`.

Models that grow in one direction at a time: layers in a class, classes inside each other, classes in a file, arguments
that decide something, and files of a package. Each row doubles the size of the one before; a factor of two is linear.
Of a file that is open in an editor, the time for one edit, which should hardly grow at all. CPU time of one process.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from biaslens.incremental import Memory
from biaslens.lint import lint_all
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source

Texts = Mapping[str, str]
START = "from torch import nn\n\n\n"
PATH = "/project/model.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--times", type=int, default=4, help="how often each size is doubled")
    doublings = parser.parse_args(arguments).times
    table = Table("what grows", "size", "ms", "factor", title="CPU time")
    for name, (first, checked) in MEASURES.items():
        before = 0.0
        for size in (first << step for step in range(doublings + 1)):
            taken = checked(size)
            table.add_row(name, str(size), f"{taken:.1f}", f"{taken / before:.1f}" if before else "")
            before = taken
        table.add_section()
    Console().print(table)
    return 0


def checking(texts: Callable[[int], Texts]) -> Callable[[int], float]:
    """Milliseconds to check all files of a size."""

    def checked(size: int) -> float:
        made = texts(size)
        begun = time.process_time()
        for _ in lint_all([*made], Files(made), Options()):
            pass
        return 1000 * (time.process_time() - begun)

    return checked


def editing(size: int) -> float:
    """Milliseconds for the check after one edit in the middle of a file of so many classes, the least of several."""
    text, memory = classes(size)[PATH], Memory()
    place = text.index("nn.Conv2d", len(text) // 2)
    best = float("inf")
    for number in range(8):
        now = text if number % 2 else text[:place] + text[place:].replace("3, 8, 3", "3, 8, 5", 1)
        files = memory.files({PATH: now})
        begun = time.process_time()
        memory.lint(Source(PATH, now), files, Options())
        best = min(best, time.process_time() - begun)
    return 1000 * best


def layers(count: int) -> Texts:
    """A class with so many pairs of a layer and its norm."""
    pairs = ", ".join("nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU()" for _ in range(count))
    return {PATH: f"{START}net = nn.Sequential({pairs})\n"}


def depth(count: int) -> Texts:
    """So many classes, each of which holds the one before."""
    inner = block("Net0", "nn.Identity()")
    return {PATH: START + inner + "".join(block(f"Net{n}", f"Net{n - 1}()") for n in range(1, count))}


def classes(count: int) -> Texts:
    """So many classes beside each other."""
    return {PATH: START + "".join(block(f"Net{number}", "nn.Identity()") for number in range(count))}


def options(count: int) -> Texts:
    """A class with so many arguments, each of which decides whether there is a norm."""
    names = [f"use{number}" for number in range(count)]
    made = "".join(
        f"        self.conv{n} = nn.Conv2d(8, 8, 1)\n        self.norm{n} = nn.BatchNorm2d(8) if {n} else nn.ReLU()\n"
        for n in names
    )
    calls = "".join(f"        x = self.norm{n}(self.conv{n}(x))\n" for n in names)
    text = f"class Net(nn.Module):\n    def __init__(self, {', '.join(names)}):\n        super().__init__()\n{made}"
    return {PATH: f"{START}{text}\n    def forward(self, x):\n{calls}        return x\n"}


def files(count: int) -> Texts:
    """So many files, each of which uses a class of the one before."""
    first = START + block("Net0", "nn.Identity()")
    texts = {"/project/model0.py": first}
    for n in range(1, count):
        imported = f"from model{n - 1} import Net{n - 1}\n"
        texts[f"/project/model{n}.py"] = imported + START + block(f"Net{n}", "nn.Identity()")
    return texts


def block(name: str, inner: str) -> str:
    """A class with a layer, its norm, and another module."""
    return f"""class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.inner = {inner}

    def forward(self, x):
        return self.inner(self.norm(self.conv(x)).relu())


"""


MEASURES: Mapping[str, tuple[int, Callable[[int], float]]] = {
    "layers in a module": (8, checking(layers)),
    "classes inside each other": (2, checking(depth)),
    "classes in a file": (16, checking(classes)),
    "deciding arguments": (2, checking(options)),
    "files of a package": (8, checking(files)),
    "classes in a file, for one edit": (16, editing),
}


if __name__ == "__main__":
    sys.exit(main())
