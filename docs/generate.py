"""Writes the generated pages of this folder and the generated parts of the extension's two files, with `make docs`.

Tests compare the committed ones with what is generated.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from docs.extension import write_manifest, write_readme
from docs.hovers import hover_pages

from biaslens.configuration import reference
from biaslens.rules.page import page
from biaslens.rules.registry import RULES
from biaslens.rules.rule import Rule

FOLDER = Path(__file__).parent

_ABOUT: Mapping[str, str] = {
    "rules": "what each rule finds and why, with an example, what to write instead, and the proof",
    "hovers": "what the hover says about every layer of the examples",
}


def pages() -> Mapping[str, str]:
    """Every generated file, by its path relative to this folder.

    A further folder is one more function here and a line about it in `_ABOUT`.
    """
    inner = {**_rules(), **hover_pages(), **_configuration()}
    return {"README.md": _index(inner), **inner}


def leftovers(folder: Path, generated: Collection[str]) -> list[Path]:
    """The files in the generated folders below `folder` that are not generated any more."""
    folders = {path.partition("/")[0] for path in generated if "/" in path}
    files = (file for name in folders for file in (folder / name).rglob("*") if file.is_file())
    return sorted(file for file in files if file.relative_to(folder).as_posix() not in generated)


def write(folder: Path) -> list[str]:
    """Brings the generated files in `folder` up to date. Says what it did, a line for each file that changed."""
    generated, done = pages(), list[str]()
    for path, text in generated.items():
        file = folder / path
        if not file.exists() or file.read_bytes() != text.encode():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode())
            done.append(f"wrote {path}")
    for file in leftovers(folder, generated):
        file.unlink()
        done.append(f"removed {file.relative_to(folder).as_posix()}")
    return done


def _rules() -> dict[str, str]:
    return {f"rules/{rule.code}.md": _mark(_home(rule)) + page(rule) for rule in RULES}


def _configuration() -> dict[str, str]:
    page = _CONFIGURATION.replace("TABLE", reference.table()).replace("SECTIONS", reference.sections())
    return {
        "configuration.md": _mark("server/biaslens/options.py and docs/generate.py") + page,
        "biaslens.schema.json": reference.schema_text(),
    }


_CONFIGURATION = """\
# Configuration

Nothing has to be configured. What you choose stands in a file, on the command line, or in the settings of your editor;
`biaslens config` lists what there is, and the table below has all of it.

## Files

In `pyproject.toml`:

```toml
[tool.biaslens]
extend-select = ["BL203"]
per-file-ignores = { "legacy/" = ["ALL"] }
```

or, without the table's name, in `biaslens.toml` or `.biaslens.toml`:

```toml
extend-select = ["BL203"]
per-file-ignores = { "legacy/" = ["ALL"] }
```

For each Python file one configuration file holds: the nearest one in its folder or a folder above. In one folder
`.biaslens.toml` wins over `biaslens.toml`, and that over `pyproject.toml`, which counts only if it has the table. Files
are not merged. Paths and patterns are relative to the folder of the file that they are written in; patterns are those
of `.gitignore`: `gen/` is any folder of that name, `/gen/` the one beside the configuration file, `*_pb2.py` any such
file.

`biaslens check --config FILE` uses that file for all (its paths are relative to the current folder), and
`--isolated` uses none. `biaslens check --show-settings model.py` prints what holds for a file and where it was chosen:

```console
$ biaslens check --show-settings legacy/model.py
# legacy/model.py: pyproject.toml
select = ["BL1"]  # default
extend-select = ["BL203"]  # pyproject.toml
…
```

A file that cannot be used, or has a key that does not exist, ends a command with exit code 2 and says where:

```console
$ biaslens check --config wrong.toml
wrong.toml:1:1: There is no key named 'selct'. Did you mean 'select'?
```

`biaslens config --schema` prints a JSON schema ([biaslens.schema.json](biaslens.schema.json)) with which editors
complete and check these files.

## Which choice wins

Flags win over files, and files over the defaults. A choice replaces the weaker one, except that `ignore`, those that
begin with `extend-`, and the entries of `like` and `severity` are added to it. `select` on the command line stands for
itself: `ignore` and `extend-select` in files do not count then.

In an editor, `biaslens.configurationPreference` decides: with `editorFirst` its settings win over files, with
`filesystemFirst` files win, and with `editorOnly` there are only the settings. Paths in settings are relative to the
workspace folder, and each workspace folder can have its own. Changes take effect at once, also in configuration files
that are open and not saved. What is wrong in such a file is shown there, and what it said before stays in force.

Files that `exclude` leaves out are passed over when a folder is checked, and are not diagnosed in editors. A file that
the command line names is checked all the same, unless `--force-exclude` is given.

## All options

TABLE

## The keys of a configuration file

SECTIONS
"""


def _home(rule: Rule) -> str:
    return f"the docstring of server/{rule.check.__module__.replace('.', '/')}.py"


def _index(others: Collection[str]) -> str:
    folders = {path.partition("/")[0] for path in others}
    lines = [
        "# Documentation",
        "",
        "- [Choosing bias for a new architecture](choosing-bias.md): which layers need a bias, which do not, and why.",
        "  Begin here if you wonder about a `bias=False`.",
        "- [Configuration](configuration.md): files, flags and settings, and what each of them chooses.",
        "- [BiasLens in your editor](editors.md): Neovim, Emacs, Helix and others, with what works in each.",
        *(f"- [{name}]({name}/): {about}." for name, about in _ABOUT.items() if name in folders),
        "",
        "## Rules",
        "",
        "`biaslens explain BL101` prints the same pages.",
        "",
        "| code | name | about | on by default | severity | fix |",
        "|---|---|---|---|---|---|",
        *map(_row, RULES),
    ]
    return _mark("docs/generate.py") + "\n".join(lines) + "\n"


def _row(rule: Rule) -> str:
    switch = "yes" if rule.default else "no"
    link = f"[{rule.code}](rules/{rule.code}.md)"
    return f"| {link} | {rule.name} | {rule.title} | {switch} | {rule.severity} | {rule.fix or 'none'} |"


def _mark(home: str) -> str:
    return f"<!-- Written by `make docs` from {home}: change it there. -->\n\n"


if __name__ == "__main__":
    print("\n".join([*write(FOLDER), *write_manifest(), *write_readme()]) or "All generated pages are up to date.")
