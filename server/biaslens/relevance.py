"""Whether anything can be found in a file, told by the words in it and in what it imports, before it is followed.

A finding needs a layer with a bias or a norm, and code that makes one has to name it: `Conv2d` in a text, `getattr` in
one that knows torch, or a name that the user declared. So a file matters only if such a word stands in its own text, or
in the statements of other files behind the names that it imports. Nothing is believed of code that says more than this.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from biaslens.catalogue.lookup import ROWS
from biaslens.program.world import World
from biaslens.syntax.files import Files
from biaslens.syntax.locate import locate, locate_relative, submodule
from biaslens.syntax.notebook import Notebook
from biaslens.syntax.parse import Module
from biaslens.text import Source

MOST = 24
"""A file whose imports lead to more places than this is followed."""

Place: TypeAlias = tuple[str, str]
"""A file, and a name of its module level; "" for all of it."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What stands in one place. names: of a layer, as torch calls it. declared: of one, as the user calls it.

    asks: attributes by names that are made. is_open: more than this may be reached from it. leads: to other places.
    """

    torch: bool = False
    names: bool = False
    declared: bool = False
    asks: bool = False
    is_open: bool = False
    leads: tuple[Place, ...] = ()


class Relevance:
    """Tells of many files whether they matter, and keeps what it learned of each.

    world: of the files and options; what is parsed for an answer is parsed in it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._declared = tuple({own.rpartition(".")[2] for own, _ in world.options.like})
        self._facts: dict[Place, tuple[_Facts, Files]] = {}
        self._reaches: dict[Place, tuple[Place, ...] | None] = {}

    def matters(self, source: Source, seen: Files) -> bool:
        """Whether anything may be found in a file, or in others by what it does.

        seen: the same snapshot; where nothing may be found, it records what that rests on.
        """
        root = (source.path, "")
        if isinstance(source, Notebook) or any(self._reached(lead) is None for lead in self._at(root)[0].leads):
            return True
        reached = self._reached(root)
        for place in reached or ():
            for kind, path, _ in self._at(place)[1].looks():
                seen.look(kind, path)
        return reached is None

    def _reached(self, root: Place) -> tuple[Place, ...] | None:
        """All places that one leads to, itself included; None where a layer may be made in them, or they are many."""
        if root not in self._reaches:
            self._reaches[root] = self._search(root)
        return self._reaches[root]

    def _search(self, root: Place) -> tuple[Place, ...] | None:
        torch = names = asks = False
        known = {root: None}
        waiting = [root]
        while waiting:
            facts, _ = self._at(waiting.pop())
            torch, names, asks = torch or facts.torch, names or facts.names, asks or facts.asks
            if facts.is_open or facts.declared or (torch and (names or asks)):
                return None
            new = [place for place in facts.leads if place not in known]
            waiting += new
            known.update(dict.fromkeys(new))
            if len(known) > MOST or any(self._reaches.get(place, ()) is None for place in new):
                return None
        return tuple(known)

    def _at(self, place: Place) -> tuple[_Facts, Files]:
        """What stands in a place, and a record of what it took to know that."""
        if place not in self._facts:
            world = self._world.afresh(self._world.files.apart())
            path, name = place
            source = world.files.read(path)
            if not isinstance(source, Source):
                facts = _Facts()
            else:
                facts = self._of_name(world, source, name) if name else self._of_file(world, source)
            self._facts[place] = facts, world.files
        return self._facts[place]

    def _of_file(self, world: World, source: Source) -> _Facts:
        """All that stands in a file, by its text alone."""
        text = source.text
        said = self._said(text, (text,))
        if said.declared or (said.torch and (said.names or said.asks)):
            return said  # so do most files that matter
        matches = list(_IMPORT.finditer(text))
        found = self._said(text, (match[0] for match in matches))
        if not text.isascii() and not unicodedata.is_normalized("NFKC", text):
            return _Facts(is_open=True)  # names may be spelled in several ways
        leads: list[Place] = []
        for match in matches:
            if match["modules"] is not None:
                if any(_is_file(world, source.path, name) for name in _words(match["modules"])):
                    return _Facts(is_open=True)
                continue
            origin = _origin(world, source.path, match["module"] or "", match["dots"].count("."))
            if origin is None:
                continue
            listed = match["listed"].strip()
            names = [part.split() for part in _COMMENT.sub("", listed).strip("()").replace("\\", " ").split(",")]
            leads += [(origin, "" if words[0] == "*" else words[0]) for words in names if words]
        return _Facts(found.torch, found.names, found.declared, found.asks, leads=tuple(dict.fromkeys(leads)))

    def _of_name(self, world: World, source: Source, name: str) -> _Facts:
        """What stands behind a name of module level."""
        module = world.module(source.path)
        if module is None:
            return _Facts()
        leads: list[Place] = []
        said: list[str] = [name]
        imported: list[str] = []
        if name in module.rebound:
            return _Facts(is_open=True)
        for statement in _binding(module, name):
            for node in ast.walk(statement):
                match node:
                    case ast.Name(id=word):
                        said.append(word)
                        if word != name:
                            leads.append((source.path, word))
                    case ast.Attribute(attr=word):
                        said.append(word)
                    case ast.Constant(value=str(text)):
                        said.append(text)
                    case ast.Import(names=aliases):
                        imported += [alias.name for alias in aliases]
                        if any(_is_file(world, source.path, alias.name) for alias in aliases):
                            return _Facts(is_open=True)
                    case ast.ImportFrom(module=origin, names=aliases, level=level):
                        said += [alias.name for alias in aliases]
                        imported += [origin or ""]
                        found = _origin(world, source.path, origin or "", level)
                        leads += [(found, "" if one.name == "*" else one.name) for one in aliases if found]
                    case _:
                        pass
        if not any(_surely_binds(module.statements[index], name) for index in module.affecting.get(name, ())):
            for node in module.star_imports:
                origin = _origin(world, source.path, node.module or "", node.level)
                leads += [(origin, name)] if origin is not None else []
                imported.append(node.module or "")
            if name in module.typed_imports:
                node, there = module.typed_imports[name]
                origin = _origin(world, source.path, node.module or "", node.level)
                said.append(there)
                imported.append(node.module or "")
                leads += [(origin, there)] if origin is not None else []
            inner = submodule(source.path, name, world.files)
            leads += [(inner, "")] if inner is not None else []
        known = (place for place in leads if place[0] != source.path or _may_bind(module, place[1], world.files))
        found = self._said("\n".join(said), imported)
        return _Facts(found.torch, found.names, found.declared, found.asks, leads=tuple(dict.fromkeys(known)))

    def _said(self, text: str, imported: Iterable[str]) -> _Facts:
        """What the words of a text and its imports say."""
        return _Facts(
            torch=any("torch" in name or "einops" in name for name in imported),
            names=any(part in text for part in _parts()) and _names().search(text) is not None,
            declared=any(name in text for name in self._declared),
            asks="getattr" in text,
        )


def _origin(world: World, importer: str, name: str, level: int = 0) -> str | None:
    """The file that `from NAME import` reads."""
    if level:
        return locate_relative(name, level, importer, world.files)
    return locate(name, importer, world.files, world.search_paths)


def _is_file(world: World, importer: str, name: str) -> bool:
    """Whether `import a.b` reads a file; then all of that package may be reached."""
    return any(_origin(world, importer, one) for one in (name.partition(".")[0], name))


def _may_bind(module: Module, name: str, files: Files) -> bool:
    """Whether a name that stands in a file means something of module level there; most are variables of functions."""
    known = name in module.affecting or name in module.typed_imports or module.star_imports
    return bool(known or submodule(module.path, name, files))


_SPACE = r"(?:[ \t\f]|\\\r?\n)"
_IMPORT = re.compile(
    rf"\bfrom{_SPACE}*(?P<dots>[. \t]*)(?P<module>[\w.]*){_SPACE}*\bimport\b{_SPACE}*"
    r"(?P<listed>\((?:[^()#]|#[^\r\n]*)*\)|(?:[^\r\n\\;#(]|\\\r?\n)*)"
    rf"|\bimport{_SPACE}+(?P<modules>(?:[^\r\n\\;#]|\\\r?\n)*)"
)
_COMMENT = re.compile(r"#[^\r\n]*")


def _words(listed: str) -> Iterator[str]:
    """The modules of `import a.b as c, d`."""
    for part in listed.replace("\\", " ").split(","):
        yield from part.split()[:1]


def _binding(module: Module, name: str) -> Iterator[ast.AST]:
    """The statements that bind or change a name, without other imports of a block that they stand in."""
    for index in module.affecting.get(name, ()):
        yield from _parts_about(module.statements[index], name)


def _parts_about(statement: ast.stmt, name: str) -> Iterator[ast.AST]:
    match statement:
        case ast.If() | ast.Try() | ast.With():
            for child in ast.iter_child_nodes(statement):
                if isinstance(child, ast.ExceptHandler):
                    for inner in child.body:
                        yield from _parts_about(inner, name)
                elif isinstance(child, ast.stmt):
                    yield from _parts_about(child, name)
                else:
                    yield child
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            if any(alias.name == "*" or (alias.asname or alias.name.partition(".")[0]) == name for alias in names):
                yield statement
        case _:
            yield statement


def _surely_binds(statement: ast.stmt, name: str) -> bool:
    """Whether a name has a value after a statement, whatever is true then."""
    match statement:
        case ast.ClassDef(name=bound) | ast.FunctionDef(name=bound) | ast.AsyncFunctionDef(name=bound):
            return bound == name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return any((alias.asname or alias.name.partition(".")[0]) == name for alias in names)
        case ast.Assign(targets=targets):
            return any(isinstance(target, ast.Name) and target.id == name for target in targets)
        case _:
            return False


@cache
def _names() -> re.Pattern[str]:
    """A name of a layer that has a bias, or of a norm."""
    return re.compile("|".join(sorted(map(re.escape, _layer_names()), key=len, reverse=True)))


@cache
def _parts() -> tuple[str, ...]:
    """Few short texts of which every such name has one: looking for these is fast."""
    parts = ("Conv", "Norm", "inear", "RNN", "LSTM", "GRU", "Attention")
    return (*parts, *sorted(name for name in _layer_names() if not any(part in name for part in parts)))


@cache
def _layer_names() -> frozenset[str]:
    rows = [row for row in ROWS if row.shift is not None or row.inner is not None or row.role in ("affine", "norm")]
    return frozenset(name.rpartition(".")[2] for row in rows for name in (row.name, *row.spellings))
