"""What a name means: local variables, enclosing functions, the module's globals on demand, imports, builtins."""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Mapping
from types import MappingProxyType

from biaslens.catalogue.lookup import find
from biaslens.program import statements
from biaslens.program.run import ModuleState, Run
from biaslens.program.values import External, ModuleValue, Scope, Unknown, Value
from biaslens.syntax.locate import locate, locate_relative, submodule
from biaslens.syntax.parse import Module

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


CONSTANTS: Mapping[str, float] = MappingProxyType(
    {
        "torch.inf": math.inf,
        "math.inf": math.inf,
        "numpy.inf": math.inf,
        "torch.pi": math.pi,
        "math.pi": math.pi,
        "numpy.pi": math.pi,
        "math.e": math.e,
    }
)
"""Numbers that modules name."""


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
    while current is not None:
        if name in current.variables:
            return current.variables[name]
        current = current.parent
    value = global_name(run, scope.module, name)
    if value is not MISSING:
        return value
    if hasattr(builtins, name):
        return External(f"builtins.{name}")
    return Unknown(("name", scope.module.path, name), name)


def global_name(run: Run, module: Module, name: str) -> Value:
    """A module's global, after running the statements that affect it; MISSING where there is none."""
    state = run.globals.get(module.path)
    if state is None:
        state = run.globals[module.path] = ModuleState()
    if name in state.complete:
        return state.variables.get(name, MISSING)
    if name in module.rebound:
        return Unknown(("global", module.path, name), name)
    for index in module.affecting.get(name, ()):
        if index not in state.executed:
            state.executed.add(index)
            run.step(5)
            statements.execute(run, Scope(module, state.variables), module.statements[index])
    if name in state.variables:
        state.complete.add(name)
        return state.variables[name]
    if name == "__name__":
        return module.name
    if name == "__file__":
        return module.path
    return _from_star_imports(run, module, name)


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


def import_module(run: Run, module: Module, name: str, level: int = 0) -> Value:
    """The module that an import statement in `module` names."""
    files = run.world.files
    if level:
        found = locate_relative(name, level, module.path, files)
    else:
        found = locate(name, module.path, files, run.world.options.search_paths)
    if found:
        return ModuleValue(found)
    return external(f"{'.' * level}{name}")


def execute_import(run: Run, scope: Scope, node: ast.Import) -> None:
    """Effect: binds the names of `import a.b, c as d`."""
    for alias in node.names:
        if alias.asname:
            bind(scope, alias.asname, import_module(run, scope.module, alias.name))
        else:
            first = alias.name.split(".")[0]
            bind(scope, first, import_module(run, scope.module, first))


def execute_import_from(run: Run, scope: Scope, node: ast.ImportFrom) -> None:
    """Effect: binds the names of `from .a import b as c`; star imports are looked up on demand."""
    origin = import_module(run, scope.module, node.module or "", node.level)
    for alias in node.names:
        if alias.name != "*":
            bind(scope, alias.asname or alias.name, _imported(run, scope.module, node, origin, alias.name))


def bind(scope: Scope, name: str, value: Value) -> None:
    """Effect: assigns a variable, honouring `global` and `nonlocal`."""
    target = scope.outer_names.get(name, scope)
    (target or scope).variables[name] = value


def _imported(run: Run, module: Module, node: ast.ImportFrom, origin: Value, name: str) -> Value:
    if isinstance(origin, External):
        return external(f"{origin.name}.{name}")
    value = module_attribute(run, origin.path, name)
    if value is not MISSING:
        return value
    return Unknown(("import", origin.path, name), name)


def _from_star_imports(run: Run, module: Module, name: str) -> Value:
    if name.startswith("_"):
        return MISSING
    for node in module.star_imports:
        origin = import_module(run, module, node.module or "", node.level)
        if isinstance(origin, ModuleValue):
            if origin.path != module.path:
                value = _guarded_global(run, origin.path, name)
                if value is not MISSING:
                    return value
        elif find(f"{origin.name}.{name}") or f"{origin.name}.{name}" in _TORCH_CLASSES:
            return external(f"{origin.name}.{name}")
    return MISSING


_TORCH_CLASSES = frozenset(
    f"torch.nn.{name}" for name in ("Module", "Sequential", "ModuleList", "ModuleDict", "Parameter", "ParameterList")
)


def _guarded_global(run: Run, path: str, name: str) -> Value:
    """A star-imported name; modules that star-import each other in a circle have none."""
    if (path, name) in run.star_lookups:
        return MISSING
    run.star_lookups.add((path, name))
    try:
        return module_attribute(run, path, name)
    finally:
        run.star_lookups.discard((path, name))
