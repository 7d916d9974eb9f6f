"""What ARCHITECTURE.md promises about the code, as tests: who imports whom, and what is absent."""

import ast
import json
import statistics
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from biaslens import __version__

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "server" / "biaslens"

LEVELS = (
    ("__init__", "text", "options", "algebra"),
    ("catalogue", "syntax"),
    ("program",),
    ("flow", "follow", "grounds", "parts", "verdicts", "absorption", "asides", "unreached", "unshifted"),
    ("fixes", "rules"),
    ("explain",),
    (
        *("configuration", "import_path", "incremental", "lint", "packed", "relevance", "relocation", "repair"),
        *("rounds", "runtime"),
    ),
    ("cli", "lsp", "render", "__main__"),
)
"""Which part stands on which level; a part is a module or a folder right below the package."""

DRAWERS = ("utils", "util", "helpers", "helper", "common", "base", "manager", "types", "misc")

READS_DISK = ("syntax/files.py", "syntax/discover.py")
MADE_ONCE = "program/symbols.py"  # for all threads, so under a lock
"""The only modules below the façade that may touch the disk."""

PURE_PARTS_OF_OS = ("join", "dirname", "basename", "normpath", "splitext", "isabs", "sep", "path", "split")
IMPURE_MODULES = ("logging", "time", "datetime", "random", "subprocess", "socket", "shutil", "tempfile", "threading")
IMPURE_PARTS_OF_SYS = ("argv", "stdin", "stdout", "stderr", "exit", "modules", "setrecursionlimit")
IMPURE_FUNCTIONS = ("open", "print", "input", "exec", "eval", "__import__")


@dataclass(frozen=True, slots=True)
class Module:
    """One source file of the package."""

    path: Path
    tree: ast.Module

    @property
    def name(self) -> str:
        """The file's name inside the package, with slashes."""
        return self.path.relative_to(PACKAGE).as_posix()

    @property
    def part(self) -> str:
        return self.name.partition("/")[0].removesuffix(".py")

    @property
    def level(self) -> int:
        return level_of(self.part)

    @property
    def lines(self) -> int:
        return len(self.path.read_text(encoding="utf-8").splitlines())


def level_of(part: str) -> int:
    found = [level for level, parts in enumerate(LEVELS) if part in parts]
    assert found, f"{part} has no level yet: give it one here and in ARCHITECTURE.md"
    return found[0]


MODULES = tuple(Module(path, ast.parse(path.read_bytes())) for path in sorted(PACKAGE.rglob("*.py")))


def imports(module: Module) -> Iterator[str]:
    """The dotted name of everything that a module imports, anywhere in it: `from a.b import c` gives a.b.c."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name}:{node.lineno} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parts_imported(module: Module) -> set[str]:
    own = {name.removeprefix("biaslens.") for name in imports(module) if name.startswith("biaslens.")}
    return {"__init__" if name == "__version__" else name.partition(".")[0] for name in own}


def importers_of(package: str) -> set[str]:
    return {m.name for m in MODULES if any(name.partition(".")[0] == package for name in imports(m))}


def loaded_by(code: int, *arguments: str) -> set[str]:
    """The top-level modules in a fresh process after one command line that has to end with `code`."""
    script = (
        "import sys\n"
        "from biaslens.cli.main import main\n"
        f"assert main({list(arguments)!r}) == {code}\n"
        "print()\nprint(*{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split())


def test_every_part_imports_only_its_own_level_and_lower_ones() -> None:
    upwards = [
        f"{module.name} (level {module.level}) imports {part} (level {level_of(part)})"
        for module in MODULES
        for part in parts_imported(module)
        if level_of(part) > module.level
    ]
    assert not upwards


def test_parts_of_one_level_do_not_import_each_other_in_a_circle() -> None:
    edges = {(m.part, part) for m in MODULES for part in parts_imported(m) if part != m.part}
    assert edges, "the parts of the package import each other"
    assert not [edge for edge in edges if edge[::-1] in edges]


def test_torch_is_never_imported() -> None:
    assert importers_of("biaslens"), "imports are seen"
    assert importers_of("torch") == set()


@pytest.mark.parametrize(("library", "home"), [("libcst", "fixes/"), ("pygls", "lsp/"), ("lsprotocol", "lsp/")])
def test_a_library_is_imported_in_one_folder_only(library: str, home: str) -> None:
    importers = importers_of(library)
    assert importers
    assert [name for name in importers if not name.startswith(home)] == []


def test_only_one_module_knows_utf_16() -> None:
    """A docstring may name the encoding; code that counts in it stands in one place."""
    assert {module.name for module in MODULES if any(map(_names_utf_16, ast.walk(module.tree)))} == {"lsp/convert.py"}


def _names_utf_16(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=str(text)) | ast.Attribute(attr=text):
            return text.lower().replace("-", "").replace("_", "") in ("utf16", "utf16le", "utf16be")
        case _:
            return False


def test_version_starts_without_the_heavy_libraries() -> None:
    assert loaded_by(0, "--version").isdisjoint(
        ("torch", "libcst", "pygls", "lsprotocol", "rich", "pathspec", "asyncio")
    )


def test_a_check_loads_neither_torch_nor_the_language_server(tmp_path: Path) -> None:
    model = "from torch import nn\nnet = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))\n"
    (tmp_path / "model.py").write_text(model)
    loaded = loaded_by(1, "check", str(tmp_path))
    assert "libcst" in loaded, "the finding has a fix, which LibCST writes"
    assert loaded.isdisjoint(("torch", "pygls", "lsprotocol", "rich", "asyncio"))


def test_no_file_is_over_600_lines() -> None:
    tests = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "tests").rglob("*.py")}
    lengths = {module.name: module.lines for module in MODULES} | tests
    assert {name: length for name, length in lengths.items() if length > 600} == {}


def test_half_of_the_files_are_under_200_lines() -> None:
    assert statistics.median(module.lines for module in MODULES if not module.name.endswith("__init__.py")) < 200


def test_no_module_is_a_drawer() -> None:
    names = {part.removesuffix(".py").strip("_") for module in MODULES for part in module.name.split("/")}
    assert names.isdisjoint(DRAWERS)


def test_no_module_keeps_mutable_state() -> None:
    """A table is wrapped, or annotated with a read-only type, which the type checker then enforces."""
    classes = _mutable_classes(*(module.tree for module in MODULES))
    found = [
        f"{module.name}:{statement.lineno}"
        for module in MODULES
        for statement in _mutable_statements(module.tree, classes)
    ]
    found += [
        f"{module.name}:{node.lineno} (global)"
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Global)
    ]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "X = []",
        "X = Y = {}",
        "X: dict[str, int] = {}",
        "X: Final = [1] + [2]",
        "X = defaultdict(list)",
        "X = (1, [])",
        "class Reducers(dict[str, int]):\n    pass\nX = Reducers()",
        "class Memory:\n    def __init__(self):\n        self.seen = 0\nX = Memory()",
        "class A:\n    kept = {}",
        "class Memory(Base):\n    def keep(self, one):\n        self.seen += one\nX: Final = (Memory(), 1)",
    ],
)
def test_state_of_a_module_is_found(text: str) -> None:
    tree = ast.parse(text)
    assert len(list(_mutable_statements(tree, _mutable_classes(tree)))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "X = (1, 2)",
        "X: Mapping[str, int] = {}",
        "X = MappingProxyType({})",
        "X = frozenset([1])",
        "class Leaves:\n    pass\nX = Leaves()",
        "class A:\n    kept: Mapping[str, int] = {}",
        "def f():\n    x = []",
        "@dataclass(frozen=True)\nclass Place:\n    x: int\nX = Place(1)",
    ],
)
def test_what_does_not_change_is_no_state(text: str) -> None:
    tree = ast.parse(text)
    assert list(_mutable_statements(tree, _mutable_classes(tree))) == []


NEVER_CHANGED = ("NO_USES",)
"""Objects that change, but not this one: without uses there is nothing to load."""

_CONTAINERS = ("dict", "list", "set", "defaultdict", "deque", "Counter", "OrderedDict", "bytearray")


def _mutable_classes(*trees: ast.Module) -> set[str]:
    """The names of classes that derive from containers, or whose methods set attributes of the object."""
    classes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return {
        node.name
        for node in classes
        if any(ast.unparse(base).partition("[")[0] in _CONTAINERS for base in node.bases)
        or any(_sets_own_attribute(inner) for inner in ast.walk(node))
    }


def _sets_own_attribute(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="self"), ctx=ast.Store()):
            return True
        case _:
            return False


def _mutable_statements(tree: ast.Module, classes: Collection[str]) -> Iterator[ast.stmt]:
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    for statement in (statement for body in bodies for statement in body):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) if name in NEVER_CHANGED:
                pass
            case ast.Assign(value=value) | ast.AugAssign(value=value) if _is_mutable(value, classes):
                yield statement
            case ast.AnnAssign(annotation=annotation, value=ast.expr() as value) if _is_mutable(value, classes):
                if ast.unparse(annotation).partition("[")[0] not in ("Mapping", "Sequence", "Set"):
                    yield statement
            case _:
                pass


def _is_mutable(value: ast.expr, classes: Collection[str]) -> bool:
    match value:
        case ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp() | ast.SetComp():
            return True
        case ast.Tuple(elts=items):
            return any(_is_mutable(item, classes) for item in items)
        case ast.BinOp(left=left, right=right):
            return _is_mutable(left, classes) or _is_mutable(right, classes)
        case ast.Call(func=function):
            name = ast.unparse(function).rpartition(".")[2]
            return name in _CONTAINERS or name in classes
        case _:
            return False


def test_no_name_of_an_unknown_is_a_tuple_or_taken_apart_as_text() -> None:
    found = [
        f"{module.name}:{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"
        for module in MODULES
        if module.part == "program" or module.level == level_of("flow")
        for node in ast.walk(module.tree)
        if _names_without_a_symbol(node)
    ]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "Unknown(('constructor', function, name), name)",
        "run.decide(('rank', var), text, origin, place, choices)",
        "run.known['truth', key] = True",
        "repr(question.key)",
        "str(answer.question.key)",
        "PARAMETER.findall(question.key)",
        "question.key.startswith('x')",
    ],
)
def test_a_name_without_a_symbol_is_found(text: str) -> None:
    assert any(map(_names_without_a_symbol, ast.walk(ast.parse(text))))


def _names_without_a_symbol(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="Unknown") | ast.Attribute(attr="decide" | "given"), args=[ast.Tuple(), *_]):
            return True
        case ast.Subscript(value=ast.Attribute(attr="known" | "presumed"), slice=ast.Tuple()):
            return True
        case ast.Call(
            func=ast.Name(id="repr" | "str") | ast.Attribute(attr="findall" | "match" | "search"),
            args=[ast.Attribute(attr="key"), *_],
        ):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="key"), attr="startswith" | "endswith")):
            return True
        case _:
            return False


def test_what_crosses_an_arrow_is_frozen() -> None:
    parts = ("text", "options", "algebra", "flow", "rules", "lint", "render")
    places = ("catalogue/entry.py", "program/ir.py")
    classes = [
        (module.name, node)
        for module in MODULES
        if module.part in parts or module.name in places
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    ]
    dataclasses = [(name, node) for name, node in classes if any("dataclass" in text for text in _decorators(node))]
    assert len(dataclasses) > 20
    assert [
        f"{name}: {node.name}"
        for name, node in dataclasses
        if not any("frozen=True" in text for text in _decorators(node))
    ] == []


def _decorators(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(decorator) for decorator in node.decorator_list]


def test_below_the_facade_nothing_asks_the_world() -> None:
    found = [
        f"{module.name}:{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"
        for module in MODULES
        if module.level <= level_of("explain") and module.name not in (*READS_DISK, MADE_ONCE)
        for node in ast.walk(module.tree)
        if _asks_the_world(node)
    ]
    assert not found


def _asks_the_world(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return any(name.name.partition(".")[0] in IMPURE_MODULES for name in names)
        case ast.ImportFrom(module=str(module), names=names):
            if module in ("os", "os.path"):
                return any(name.name not in PURE_PARTS_OF_OS for name in names)
            if module == "pathlib":
                return any(not name.name.startswith("Pure") for name in names)
            return module.partition(".")[0] in IMPURE_MODULES
        case (
            ast.Attribute(value=ast.Name(id="os"), attr=name)
            | ast.Attribute(value=ast.Attribute(value=ast.Name(id="os"), attr="path"), attr=name)
        ):
            return name not in PURE_PARTS_OF_OS
        case ast.Attribute(value=ast.Name(id="sys"), attr=name):
            return name in IMPURE_PARTS_OF_SYS
        case ast.Call(func=ast.Name(id=name)):
            return name in IMPURE_FUNCTIONS
        case _:
            return False


def test_the_extension_has_the_version_of_the_package() -> None:
    manifest = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    assert (manifest["name"], manifest["version"]) == ("biaslens", __version__)
    assert manifest["engines"]["vscode"]


def test_the_map_for_newcomers_is_short_and_names_every_part() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 150
    assert {module.part for module in MODULES if f"{module.part}" not in text and "__" not in module.part} == set()
