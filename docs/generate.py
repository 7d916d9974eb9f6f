"""Writes the generated pages of this folder, with `make docs`; a test compares the committed ones with `pages`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from docs.hovers import hover_pages

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
    inner = {**_rules(), **hover_pages()}
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


def _home(rule: Rule) -> str:
    return f"the docstring of server/{rule.check.__module__.replace('.', '/')}.py"


def _index(others: Collection[str]) -> str:
    folders = {path.partition("/")[0] for path in others}
    lines = [
        "# Documentation",
        "",
        "- [Choosing bias for a new architecture](choosing-bias.md): which layers need a bias, which do not, and why.",
        "  Begin here if you wonder about a `bias=False`.",
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
    print("\n".join(write(FOLDER)) or "All generated pages are up to date.")
