"""`biaslens config` and `biaslens check --show-settings`: what can be chosen, and what was."""

from __future__ import annotations

import os
from collections.abc import Iterator

from biaslens.cli.choices import Choices, remarks_on, resolver_of
from biaslens.cli.console import Console
from biaslens.cli.inputs import STANDARD_INPUT
from biaslens.configuration.reading import file_fields, key_of
from biaslens.configuration.reference import details, listing, literal, schema_text, suggestion
from biaslens.configuration.resolver import Resolver
from biaslens.render.place import displayed
from biaslens.syntax.files import Files


def list_keys(console: Console) -> int:
    """Prints every key of a configuration file with its default and meaning."""
    console.say(listing())
    return 0


def explain_key(key: str, console: Console) -> int:
    """Prints all about a key; 2 where there is no such key."""
    text = details(key)
    if text is None:
        console.note(f"There is no key {key!r}.{suggestion(key) or ' `biaslens config` lists them.'}")
        return 2
    console.say(text)
    return 0


def print_schema(console: Console) -> int:
    """Prints the JSON schema of a configuration file."""
    console.out.write(schema_text())
    return 0


def show_settings(paths: tuple[str, ...], stdin_filename: str | None, choices: Choices, console: Console) -> int:
    """Prints what holds for each named file or folder, as TOML, and where it was chosen.

    Raises a click.ClickException for a configuration that cannot be used.
    """
    files = Files()
    resolver, configurations = resolver_of(choices, files)
    names = [name for name in (stdin_filename, *paths) if name not in (None, STANDARD_INPUT)] or [os.curdir]
    shown = ["\n".join(_settings(os.path.abspath(str(name)), resolver, console)) for name in names]
    for remark in remarks_on(configurations):
        console.complain(remark, files.read)
    console.say("\n\n".join(shown))
    return 0


def _settings(path: str, resolver: Resolver, console: Console) -> Iterator[str]:
    is_folder = os.path.isdir(path)
    resolved = resolver.resolved(os.path.join(path, "") if is_folder else path)
    used = resolved.configuration
    yield f"# {displayed(path, console.folder)}: {_place(used.path, console) if used else 'no configuration file'}"
    if resolver.excludes(path):
        yield "# It is excluded: it is checked only where the command line names it."
    for field in file_fields():
        origins = resolved.origins.get(field.name, ("default",))
        places = ", ".join(_place(origin, console) for origin in origins)
        yield f"{key_of(field.name)} = {literal(getattr(resolved.options, field.name), field)}  # {places}"


def _place(origin: str, console: Console) -> str:
    return displayed(origin, console.folder)
