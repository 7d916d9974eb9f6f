"""Files that import a file and load weights: checkpoints that they load may hold a bias that a fix takes away."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from biaslens.syntax.files import Files
from biaslens.text import Source

LOADS = re.compile(r"\b(?:load_state_dict(?:_from_url)?|from_pretrained|model_zoo|torch\.(?:hub|load))\b")
"""The names by which code loads weights."""


@dataclass(frozen=True, slots=True)
class Loader:
    """file: the name of a file that loads weights. by: what it calls for that."""

    file: str
    by: str


def loader_near(path: str, files: Files) -> Loader | None:
    """A file in the same folder or in the one above that imports this one and loads weights.

    Importing the package that the file belongs to counts, since most packages hand their modules' names on.
    """
    folder, filename = os.path.split(path)
    if not filename.endswith(".py"):
        return None
    package = os.path.basename(folder)
    stem = filename.removesuffix(".py")
    for near, names in ((folder, {package, stem}), (os.path.dirname(folder), {package})):
        for other in files.beside(os.path.join(near, filename)):
            source = files.read(other) if other != path else None
            if not isinstance(source, Source) or not any(name in source.text for name in names):
                continue
            loads = LOADS.search(source.text)
            if loads is not None and not names.isdisjoint(_imported(source.text)):
                return Loader(os.path.basename(other), loads.group())
    return None


_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<module>[\w.]+)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n(]*)"
    r"|import[ \t]+(?P<modules>[^\n]*))",
    re.MULTILINE,
)


def _imported(text: str) -> Iterator[str]:
    """The last parts of the modules that a text imports, and the names that it imports from packages."""
    for statement in _IMPORT.finditer(text):
        module, names, modules = statement.group("module", "names", "modules")
        yield from (name.rpartition(".")[2] for name in re.findall(r"[\w.]+", modules or module))
        if module is not None:
            yield from re.findall(r"\w+", names)
