"""Files that import a file: what they load may hold a bias that a fix takes away; what they initialise may be it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from biaslens.fixes.accesses import unguarded_accesses
from biaslens.program.ir import Layer
from biaslens.syntax.files import Files
from biaslens.syntax.parse import parse
from biaslens.text import Source

LOADS = re.compile(r"\b(?:load_state_dict(?:_from_url)?|from_pretrained|model_zoo|torch\.(?:hub|load))\b")
"""The names by which code loads weights."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """file: the name of a file that imports another one, or `may` do so. by: what in it a fix has to fear."""

    file: str
    by: str
    may: bool = False

    @property
    def imports(self) -> str:
        """What it does, as a clause."""
        return f"`{self.file}` {'may import' if self.may else 'imports'} this file"


def loader_near(path: str, files: Files) -> Neighbour | None:
    """A file in the same folder or in the one above that imports this one and loads weights."""
    for source, may in _importers(path, files):
        loads = LOADS.search(source.text)
        if loads is not None:
            return Neighbour(os.path.basename(source.path), loads.group(), may)
    return None


def initialiser_near(path: str, layer: Layer, labels: frozenset[str], files: Files) -> Neighbour | None:
    """A file in the same folder or in the one above that imports this one, and would fail where layers of this kind
    have no bias, as `weights_init(m)` of a training script does.

    labels: as `unguarded_accesses` has them.
    """
    attribute = layer.entry.shift.attribute if layer.entry.shift else "bias"
    for source, may in _importers(path, files):
        if f".{attribute}" not in source.text:
            continue
        module = parse(source)
        for access in unguarded_accesses(module, attribute, layer, labels):
            if access.crashes:
                return Neighbour(os.path.basename(source.path), module.excerpt(access.node), may)
    return None


def _importers(path: str, files: Files) -> Iterator[tuple[Source, bool]]:
    """The files in the same folder and in the one above that import a file; True for those that may, by a name that is
    known when they run: they name the package as a string, mostly to find its modules.

    Importing the package that the file belongs to counts, since most packages hand their modules' names on.
    """
    folder, filename = os.path.split(path)
    if not filename.endswith(".py"):
        return
    package = os.path.basename(folder)
    stem = filename.removesuffix(".py")
    for near, names in ((folder, {package, stem}), (os.path.dirname(folder), {package})):
        for other in files.beside(os.path.join(near, filename)):
            source = files.read(other) if other != path else None
            if not isinstance(source, Source):
                continue
            if any(name in source.text for name in names) and not names.isdisjoint(_imported(source.text)):
                yield source, False
            elif _IMPORT_BY_NAME.search(source.text) and not names.isdisjoint(_QUOTED.findall(source.text)):
                yield source, True


_IMPORT_BY_NAME = re.compile(r"\b(?:import_module|__import__)\(\s*(?![rb]?['\"])")
_QUOTED = re.compile(r"['\"](\w+)['\"]")
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<module>[\w.]+)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n(]*)"
    r"|import[ \t]+(?P<modules>[^\n]*))",
    re.MULTILINE,
)


def _imported(text: str) -> Iterator[str]:
    """The parts of the names of the modules that a text imports, and the names that it imports from them."""
    for statement in _IMPORT.finditer(text):
        module, names, modules = statement.group("module", "names", "modules")
        yield from re.findall(r"\w+", modules or module)
        if module is not None:
            yield from re.findall(r"\w+", names)
