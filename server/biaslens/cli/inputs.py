"""What a command line asks to look at: files, folders, or the standard input."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace

from biaslens.cli.choices import Choices, remarks_on, resolver_of
from biaslens.cli.console import Console
from biaslens.configuration.resolver import Resolver
from biaslens.syntax.discover import discover
from biaslens.syntax.files import Files, decode
from biaslens.text import Problem

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The texts to check, the snapshot that they come from, and what tells the options of each.

    paths: absolute names, or the name given to the standard input. problems: what could not even be found.
    from_stdin: the bytes that were read from the standard input, where it is what to check. remarks: on the
    configuration. home: the folder of the configuration that holds in the current one, or that itself.
    """

    files: Files
    resolver: Resolver
    paths: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    from_stdin: bytes | None = None
    remarks: tuple[Problem, ...] = ()
    home: str = ""


def gather(paths: tuple[str, ...], stdin_filename: str | None, choices: Choices) -> Inputs:
    """The inputs that the arguments name; without any, the current folder.

    The standard input is read where `-` or a name for it is given. Raises a click.ClickException for a configuration
    that cannot be used.
    """
    if STANDARD_INPUT not in paths and stdin_filename is None:
        files = Files()
        resolver, configurations = resolver_of(choices, files)
        named = [os.path.abspath(path) for path in paths or (os.curdir,)]
        found = discover((path for path in named if not _is_forced_out(path, resolver)), resolver.leaves_out)
        inputs = Inputs(files, resolver, found.files, found.problems)
    else:
        name = os.path.abspath(stdin_filename) if stdin_filename else STANDARD_INPUT
        data = sys.stdin.buffer.read()
        decoded = decode(data, name)
        files = Files() if isinstance(decoded, Problem) else Files({name: decoded})
        resolver, configurations = resolver_of(choices, files)
        if isinstance(decoded, Problem):
            inputs = Inputs(files, resolver, (), (decoded,), data)
        else:
            inputs = Inputs(files, resolver, () if _is_forced_out(name, resolver) else (name,), (), data)
    for path in inputs.paths:
        resolver.resolved(path)
    return replace(inputs, remarks=remarks_on(configurations), home=home_of(resolver))


def home_of(resolver: Resolver) -> str:
    """The folder of the configuration that holds in the current one, or that itself."""
    here = os.getcwd()
    used = resolver.resolved(os.path.join(here, "")).configuration
    return os.path.dirname(used.path) if used is not None else here


def _is_forced_out(path: str, resolver: Resolver) -> bool:
    return resolver.options_for(path).force_exclude and resolver.excludes(path)


def note_if_empty(inputs: Inputs, console: Console) -> None:
    """Says so where the arguments name folders without Python files and notebooks."""
    if not inputs.paths and not inputs.problems and inputs.from_stdin is None:
        console.note("No Python files found under the given paths.")
