"""What a command line chooses about files, in flags and by naming a configuration file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import IO, Any, cast

import click

from biaslens.configuration.kinds import Kind, kind_of
from biaslens.configuration.nearest import Configurations
from biaslens.configuration.reading import Layer, flag_of, read_table
from biaslens.configuration.resolver import Resolver
from biaslens.options import Options
from biaslens.render.place import problem_line
from biaslens.syntax.files import Files
from biaslens.text import Problem


@dataclass(frozen=True, slots=True)
class Choices:
    """The flags that were given, by the names of the fields of `Options`, as texts where the flag takes texts.

    config: a configuration file for all files instead of the nearest one of each. isolated: there is no such file.
    """

    flags: Mapping[str, Any] = field(default_factory=dict[str, Any])
    config: str | None = None
    isolated: bool = False


class UnusableError(click.ClickException):
    """A configuration that cannot be used: one line for each reason."""

    def __init__(self, problems: Iterable[Problem], files: Files) -> None:
        super().__init__("\n".join(problem_line(problem, os.getcwd(), files.read) for problem in problems))

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the lines alone, which begin with where the reason stands."""
        click.echo(self.message, file=file, err=True)


def resolver_of(choices: Choices, files: Files) -> tuple[Resolver, Configurations]:
    """What tells the options of files, and the configuration files that it reads.

    Raises a click.ClickException for what cannot be used.
    """
    folder = os.getcwd()
    kinds = {option.name: kind_of(option) for option in fields(Options)}
    table = {name: _as_in_a_file(value, kinds[name]) for name, value in choices.flags.items()}
    values, wrongs = read_table(table, "flags", folder, files)
    for wrong in wrongs:
        if not wrong.is_remark:
            raise click.UsageError(f"{flag_of(str(wrong.keys[0]))}: {wrong.message}")
    configurations = Configurations(files)
    given = ""
    if choices.config is not None:
        if choices.isolated:
            raise click.UsageError("--config and --isolated exclude each other.")
        given = os.path.abspath(choices.config)
        if configurations.read(given, folder) is None:
            raise UnusableError([Problem("configuration", "It has no table `[tool.biaslens]`.", given)], files)
    preference = "editorOnly" if choices.isolated else "editorFirst"
    return Resolver(configurations, Layer("command line", values), folder, preference, given), configurations


def remarks_on(configurations: Configurations) -> tuple[Problem, ...]:
    """What is to be said of the files that were read. Raises UnusableError if one of them cannot be used."""
    problems = dict.fromkeys(problem for found in configurations.all for problem in found.problems)
    unusable = [problem for problem in problems if problem.kind == "configuration"]
    if unusable:
        raise UnusableError(unusable, configurations.files)
    return tuple(problems)


def _as_in_a_file(value: object, kind: Kind) -> object:
    if kind.split is None or not isinstance(value, str | tuple):
        return value
    return kind.split((value,) if isinstance(value, str) else cast("tuple[str, ...]", value))
