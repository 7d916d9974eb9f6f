"""What a name means: local variables, enclosing functions, the module's globals on demand, imports, builtins."""

from __future__ import annotations

import ast
import builtins
import math
import re
from collections.abc import Mapping
from functools import lru_cache, partial
from types import MappingProxyType

from biaslens.catalogue.lookup import find
from biaslens.program import declared, moments, shared
from biaslens.program.moments import Moment
from biaslens.program.origins import Origin
from biaslens.program.run import ModuleState, Run
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import External, Imported, ModuleValue, Scope, Unknown, Value
from biaslens.syntax.locate import has_no_file, locate, locate_relative, submodule
from biaslens.syntax.parse import Module
from biaslens.text import Problem

MISSING = object()
"""No such name."""

_CANONICAL: Mapping[str, str] = {
    "torch.nn.modules.container": "torch.nn",
    "torch.nn.modules.module": "torch.nn",
    "torch.nn.modules": "torch.nn",
    "torch.nn.parameter": "torch.nn",
    "torch.nn.utils.spectral_norm": "torch.nn.utils",
    "torch.nn.utils.weight_norm": "torch.nn.utils",
}


CONSTANTS: Mapping[str, float | bool] = MappingProxyType(
    {
        "typing.TYPE_CHECKING": False,
        "torch.inf": math.inf,
        "math.inf": math.inf,
        "numpy.inf": math.inf,
        "torch.pi": math.pi,
        "math.pi": math.pi,
        "numpy.pi": math.pi,
        "math.e": math.e,
    }
)
"""Values that modules name."""


@lru_cache(maxsize=4096)
def external(name: str) -> Value:
    """The value of a dotted name outside the sources that we read, under its public name."""
    if name in CONSTANTS:
        return CONSTANTS[name]
    entry = find(name)
    if entry is not None:
        return External(entry.name)
    prefix, _, last = name.rpartition(".")
    return External(f"{_CANONICAL[prefix]}.{last}") if prefix in _CANONICAL and last[:1].isupper() else External(name)


def lookup(run: Run, scope: Scope, name: str) -> Value:
    """The value of a name, an Unknown where nothing binds it."""
    current: Scope | None = scope
    if name in scope.outer_names:
        current = scope.outer_names[name]
    while current is not None and (current.parent is not None or name in scope.outer_names):
        if name in current.variables:
            if name in current.influences:
                run.influence.value |= current.influences[name]
            return _resolved(run, current.variables[name])
        current = current.parent
    value = global_name(run, scope.module, name)
    if value is not MISSING:
        return value
    if hasattr(builtins, name):
        return External(f"builtins.{name}")
    return Unknown(Symbol(Kind.NAME, scope.module.path, name), name)


def global_name(run: Run, module: Module, name: str) -> Value:
    """A module's global, after running the statements that affect it; MISSING where there is none. The user's word
    about it, if there is one, wins."""
    if name in run.world.declared:
        run.read(module.path, name)
        found = declared.in_module(run.world.declared, module, name)
        if found is not None:
            return found
    return _followed(run, module, name)


def definition(run: Run, external: External) -> Value:
    """What the source binds to a declared name, as far as a short look at it tells; MISSING where there is none."""
    if run.shared is not None:
        with run.shared.evaluated_for(run):
            return definition(run.shared, external)
    found: Value = external
    seen: set[str] = set()
    while isinstance(found, External) and found.own and found.own not in seen:  # one may be imported as another one
        seen.add(found.own)
        module = run.world.module(found.path) if found.path else None
        if module is None:
            return MISSING
        found = run.aside(partial(_followed, run, module, found.own_label), MISSING)
    return found


def _followed(run: Run, module: Module, name: str) -> Value:
    run.read(module.path, name)
    if name in module.rebound:  # some function assigns it, so it may be another value each time
        return Unknown(run.another(Kind.GLOBAL, module.path, name), name)
    if name not in module.changing:
        return _at(run, module, name, None)
    state = run.globals.setdefault(module.path, ModuleState())
    if name in state.variables:  # by the statement that runs
        return _resolved(run, state.variables[name])
    if state.moment is None and run.defined_at is not None and run.defined_at[0] == module.path:
        return _at_some_time(run, module, name, run.defined_at[1])
    return _at(run, module, name, state.moment)


def _at(run: Run, module: Module, name: str, moment: Moment) -> Value:
    """What a name means at a moment."""
    key = module.path, name, moment
    if key in run.taken_over:
        value, influence = run.taken_over[key]
        run.influence.value |= influence
        return value
    if run.shared is not None:
        value, influence = run.shared.global_name(run, module, name, moment)
        run.influence.value |= influence
        if value is not shared.LOCAL:
            run.taken_over[key] = value, influence
            return value
    state = run.globals.setdefault(module.path, ModuleState())
    affecting = module.affecting.get(name, ())
    before = [index for index in affecting if moment is None or index < moment]
    for index in before or affecting:
        if index not in state.executed:
            state.executed.add(index)
            run.step(5)
            run.execute(module, index)
        else:
            run.reuse(module, index)
    if name in state.history:
        return _resolved(run, moments.latest(state.history[name], moment))
    if name in state.variables:
        run.influence.value |= state.influences.get(name, 0)
        return _resolved(run, state.variables[name])
    if name == "__name__":
        return module.name
    if name == "__file__":
        return module.path
    value = _from_star_imports(run, module, name)
    return _from_typed_imports(run, module, name) if value is MISSING else value


MAX_BINDINGS = 4
"""Of a name that is bound to more different things nothing is known."""


def _at_some_time(run: Run, module: Module, name: str, definition: int) -> Value:
    """What a name means to an entry, which is used any time after its definition: a decision if that matters."""
    found = [(moment, _at(run, module, name, moment)) for moment in moments.bindings(module, name, definition)]
    values = _distinct([value for _, value in found])
    if len(values) > 1:
        run.read(module.path, "")  # what runs in between counts as well
        in_use = [value for moment, value in found if moments.may_be_used(module, definition, name, moment)]
        values = _distinct(in_use) or values[-1:]
    if len(values) == 1:
        return values[0]
    if len(values) > MAX_BINDINGS:
        return Unknown(run.another(Kind.GLOBAL, module.path, name), name)
    words = [(str(number), f"`{name}` is the {number}. of {len(values)}") for number in range(len(values), 0, -1)]
    place = module.location(module.statements[module.affecting[name][-1]])
    chosen = run.decide(Symbol(Kind.BINDING, module.path, name), name, Origin.DATA, place, words)
    return values[int(chosen) - 1]


def _distinct(values: list[Value]) -> list[Value]:
    found: list[Value] = []
    for value in values:
        if not any(_is_same(value, other) for other in found):
            found.append(value)
    return found


def _is_same(left: Value, right: Value) -> bool:
    if left is right:
        return True
    plain = (bool, int, float, str, bytes, External, ModuleValue, Unknown)
    return type(left) is type(right) and isinstance(left, plain) and left == right


def module_attribute(run: Run, path: str, name: str) -> Value:
    """`module.name` for a module that we read: a global or a submodule; MISSING where there is neither."""
    module = run.world.module(path)
    if module is None:
        return MISSING
    value = global_name(run, module, name)
    if value is MISSING:
        found = submodule(path, name, run.world.files)
        return ModuleValue(found) if found else MISSING
    return value


def import_module(run: Run, module: Module, name: str, level: int = 0) -> ModuleValue | External:
    """The module that an import statement in `module` names."""
    files = run.world.files
    if level:
        found = locate_relative(name, level, module.path, files)
    else:
        found = locate(name, module.path, files, run.world.search_paths)
    if found:
        return ModuleValue(found)
    return external(_absolute(module, name, level))


def execute_import(run: Run, scope: Scope, node: ast.Import) -> None:
    """Effect: binds the names of `import a.b, c as d`."""
    for alias in node.names:
        if alias.asname:
            bind(run, scope, alias.asname, import_module(run, scope.module, alias.name))
        else:
            first = alias.name.split(".")[0]
            bind(run, scope, first, import_module(run, scope.module, first))


def execute_import_from(run: Run, scope: Scope, node: ast.ImportFrom) -> None:
    """Effect: binds the names of `from .a import b as c`; star imports are looked up on demand."""
    origin = import_module(run, scope.module, node.module or "", node.level)
    for alias in node.names:
        if alias.name != "*":
            value = _imported(run, scope.module, node, origin, alias.name)
            bind(run, scope, alias.asname or alias.name, value)


def _imported(run: Run, module: Module, node: ast.ImportFrom, origin: ModuleValue | External, name: str) -> Value:
    """What `from m import name` brings; origin: the module that the statement names."""
    path = origin.path if isinstance(origin, ModuleValue) else ""
    if name in run.world.declared:
        dotted = f"{_absolute(module, node.module or '', node.level)}.{name}"
        found = declared.named(run.world.declared, dotted.lstrip("."), path)
        if found is not None:
            return found
    return Imported(path, name) if isinstance(origin, ModuleValue) else external(f"{origin.name}.{name}")


def _absolute(module: Module, name: str, level: int) -> str:
    """The full name of the module that an import statement names. It keeps its dots where the package cannot be told,
    or is called like one that is never read."""
    parents = module.package.split(".") if module.package else []
    kept = len(parents) + 1 - level
    if not level:
        return name
    if kept < 1 or has_no_file(parents[0]):
        return f"{'.' * level}{name}"
    return ".".join([*parents[:kept], *([name] if name else [])])


def bind(run: Run, scope: Scope, name: str, value: Value) -> None:
    """Effect: assigns a variable, honouring `global` and `nonlocal`."""
    target = scope.outer_names.get(name)
    if target is not None:
        run.touch(target.variables)
    binding = target or scope
    binding.variables[name] = value
    influence = run.influence.here
    if influence:
        binding.influences[name] = influence
    elif binding.influences:
        binding.influences.pop(name, None)


def _resolved(run: Run, value: Value) -> Value:
    """The value of a variable; an imported name is looked up in its module when it is used."""
    if type(value) is not Imported:  # asked about every value of a variable: isinstance takes longer
        return value
    if value in run.resolving:  # modules that bring the name to each other in a circle have none
        return MISSING
    run.resolving.add(value)
    try:
        found = module_attribute(run, value.path, value.name)
    finally:
        run.resolving.discard(value)
    if found is not MISSING:
        return found
    module = run.world.module(value.path)
    dotted = f"{module.name}.{value.name}" if module is not None else ""
    return Unknown(Symbol(Kind.IMPORT, value.path, value.name), value.name, dotted=dotted)


def _from_star_imports(run: Run, module: Module, name: str) -> Value:
    if name.startswith("_"):
        return MISSING
    run.read(module.path, "*")
    provider, texts = _star_provider(run, module, name, set())
    for path in texts:
        run.read(path, "")
    match provider:
        case ModuleValue(path=path):
            return module_attribute(run, path, name)
        case External():
            found = declared.named(run.world.declared, f"{provider.name}.{name}")
            return found or external(f"{provider.name}.{name}")
        case _:
            return MISSING


def _from_typed_imports(run: Run, module: Module, name: str) -> Value:
    if name not in module.typed_imports:
        return MISSING
    node, there = module.typed_imports[name]
    origin = import_module(run, module, node.module or "", node.level)
    return _resolved(run, _imported(run, module, node, origin, there))


def _star_provider(run: Run, module: Module, name: str, asked: set[str]) -> tuple[Value, frozenset[str]]:
    """The module from which a star import brings a name, found by reading alone, None where there is none; and the
    files that were read for that."""
    known = run.world.star_providers
    key = (module.path, name)
    if key not in known and module.path not in asked:
        asked.add(module.path)
        texts: set[str] = set()
        found = (_star_source(run, module, node, name, asked, texts) for node in module.star_imports)
        provider = next((source for source in found if source is not None), None)
        known[key] = provider, frozenset(texts)
    return known.get(key, (None, frozenset()))


def _star_source(run: Run, module: Module, node: ast.ImportFrom, name: str, asked: set[str], texts: set[str]) -> Value:
    origin = import_module(run, module, node.module or "", node.level)
    if isinstance(origin, External):
        full = f"{origin.name}.{name}"
        said = declared.named(run.world.declared, full)
        return origin if said or find(full) or full in _TORCH_CLASSES else None
    if origin.path == module.path:
        return None
    texts.add(origin.path)
    if not _may_have(run, origin.path, name):
        return None
    other = run.world.module(origin.path)
    if other is None:
        return None
    if declared.in_module(run.world.declared, other, name) is not None:
        return origin
    if name in other.affecting or submodule(origin.path, name, run.world.files):
        return origin
    provider, others = _star_provider(run, other, name, asked)
    texts |= others
    return provider


def _may_have(run: Run, path: str, name: str) -> bool:
    """Whether a file can bring a name, before it is parsed: packages bind few names and pass on those of many files."""
    source = run.world.files.read(path)
    if isinstance(source, Problem) or (name not in source.text and "import *" not in source.text):
        return False
    exported = _exported(source.text)
    if exported is not None:
        return re.search(rf"""["']{name}["']""", exported) is not None
    if "import *" in source.text:
        return True
    bound = rf"^[\w \t,(]*\b{name}\b[ \t]*(?:[=:,)\\]|$)|\b(?:def|class|as|for|import)[ \t][^\n]*\b{name}\b"
    return re.search(bound, source.text, re.MULTILINE) is not None


def _exported(text: str) -> str | None:
    """The text of `__all__` where it is one list of a file's own making; None where it is none, or more than that."""
    if text.count("__all__") != 1:
        return None
    found = re.search(r"^__all__[ \t]*=[ \t]*[\[(]([^\])]*)[\])][ \t]*(?:#.*)?$", text, re.MULTILINE)
    return found.group(1) if found else None


_TORCH_CLASSES = frozenset(
    f"torch.nn.{name}" for name in ("Module", "Sequential", "ModuleList", "ModuleDict", "Parameter", "ParameterList")
)
