"""What all runs of one trace share: files, options, what was parsed and what was found out about it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from biaslens.algebra.outcome import Effect
from biaslens.options import Options
from biaslens.program.arms import Arm, arm_of
from biaslens.program.counters import Loop, counters_of
from biaslens.program.declared import declarations
from biaslens.program.symbols import Symbol
from biaslens.program.values import Value
from biaslens.syntax.environments import site_packages
from biaslens.syntax.files import Files
from biaslens.syntax.locate import place_of
from biaslens.syntax.parse import Module, parse
from biaslens.text import Source

if TYPE_CHECKING:
    from biaslens.program.shared import ModuleRun

Effects: TypeAlias = "tuple[tuple[Effect | None, ...], ...]"


class Stopped(Exception):
    """Nobody wants the result any more."""


def go_on() -> None:
    """The pause that is none."""


class World:
    """What all runs of one trace share: files, options, parsed modules and their globals.

    pause: called every now and then. It may take its time, or raise Stopped; then this world is of no use any more.
    declared: what the user says of code of their own. search_paths: folders in which imports are looked up besides the
    importing file's own package.
    star_providers: the modules from which star imports bring names, by (file, name), and the files that this rests on.
    module_runs: in which globals are evaluated, by the answers to questions that code of module level asks.
    parse: from a source, its module's name and its package to its module.
    """

    def __init__(
        self,
        files: Files,
        options: Options,
        pause: Callable[[], None] = go_on,
        parse: Callable[[Source, str, str], Module] = parse,
    ) -> None:
        self.files = files
        self._parse = parse
        self.options = options
        self.pause = pause
        self.declared = declarations(options.like)
        self.search_paths = (*options.src, *site_packages(options.python, files))
        self._modules: dict[str, Module | None] = {}
        self._looked_at: set[str] = set()
        self._generators: dict[ast.AST, bool] = {}
        self._texts: dict[ast.AST, str] = {}
        self._arms: dict[ast.AST, Arm] = {}
        self._counters: dict[ast.AST, Mapping[str, int | None]] = {}
        self._effects: dict[Effects, Effects] = {}
        self.star_providers: dict[tuple[str, str], tuple[Value, frozenset[str]]] = {}
        self.module_runs: dict[frozenset[tuple[Symbol, str]], ModuleRun] = {}

    def afresh(self, files: Files | None = None) -> World:
        """A world that shares what was parsed, with nothing evaluated: globals hang on what was asked before them.

        files: the same ones, for a record of what is read for it.
        """
        world = World(files or self.files, self.options, self.pause, self._parse)
        world._modules, world._generators = self._modules, self._generators
        world._texts, world._effects = self._texts, self._effects
        world._arms, world._counters = self._arms, self._counters
        return world

    @property
    def size(self) -> int:
        """How many characters of source it holds parsed."""
        return sum(len(module.source.text) for module in self._modules.values() if module is not None)

    def text(self, node: ast.AST) -> str:
        """The source of a node on one line, as people read conditions; kept, since every run asks again."""
        if node not in self._texts:
            self._texts[node] = ast.unparse(node)
        return self._texts[node]

    def arm(self, nodes: Sequence[ast.AST]) -> Arm:
        """What some statements, or an expression, may do; kept by the first of them."""
        if nodes[0] not in self._arms:
            self._arms[nodes[0]] = arm_of(nodes)
        return self._arms[nodes[0]]

    def once(self, effects: Effects) -> Effects:
        """The same effects as an object that is held once: of a hundred thousand equations a few hundred differ."""
        return self._effects.setdefault(effects, effects)

    def counters(self, loop: Loop) -> Mapping[str, int | None]:
        """What a loop counts, as `counters_of` has it."""
        if loop not in self._counters:
            self._counters[loop] = counters_of(loop)
        return self._counters[loop]

    def is_generator(self, module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Whether a function of a module yields."""
        if not module.yields:
            return False
        if node not in self._generators:
            self._generators[node] = any(_yields(statement) for statement in node.body)
        return self._generators[node]

    def module(self, path: str) -> Module | None:
        """The parsed module of a file, or None where it cannot be read."""
        if path not in self._modules:
            source = self.files.read(path)
            self._modules[path] = self.add(source) if isinstance(source, Source) else None
        elif path not in self._looked_at:  # what another world parsed, this one rests on as well
            self.files.read(path)
            place_of(path, self.files)
        self._looked_at.add(path)
        return self._modules[path]

    def add(self, source: Source) -> Module:
        """Parses a source under its own name."""
        place = place_of(source.path, self.files)
        module = self._parse(source, place.name, place.package)
        self._modules[source.path] = module
        return module


def _yields(node: ast.AST) -> bool:
    if isinstance(node, (ast.Yield, ast.YieldFrom)):
        return True
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
        return False
    return any(_yields(child) for child in ast.iter_child_nodes(node))
