"""What derives from the options in the extension's `package.json`, and from that in the extension's README."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biaslens import __version__
from biaslens.configuration.editor import editor_settings

MANIFEST = Path(__file__).parent.parent / "package.json"
README = MANIFEST.parent / "client" / "README.md"


def manifest(text: str) -> str:
    """The text of `package.json` with the version and the settings of the options as they are now.

    The extension's own settings, before all others, stay as they are written.
    """
    package = json.loads(text)
    properties = package["contributes"]["configuration"]["properties"]
    own = {name: schema for name, schema in properties.items() if "default" in schema and schema["default"] is not None}
    package["version"] = __version__
    package["contributes"]["configuration"]["properties"] = {**own, **editor_settings()}
    return json.dumps(package, indent=2, ensure_ascii=False) + "\n"


def readme(text: str, package: Mapping[str, Any]) -> str:
    """The text of the extension's README with tables of the commands and settings of `package.json`."""
    contributes = package["contributes"]
    commands = [(f"{one['category']}: {one['title']}", f"`{one['command']}`") for one in contributes["commands"]]
    settings = [
        (f"`{name}`", re.sub(r"`?#(.+?)#`?", r"`\1`", schema["markdownDescription"]))
        for name, schema in contributes["configuration"]["properties"].items()
    ]
    filled = _filled(text, "commands", _table(("command", "its name in key bindings"), commands))
    return _filled(filled, "settings", _table(("setting", "what it chooses"), settings))


def write_manifest(file: Path = MANIFEST) -> list[str]:
    """Brings `package.json` up to date. Says so, in one line, where it changed."""
    return _write(file, manifest(file.read_text("utf-8")))


def write_readme(file: Path = README) -> list[str]:
    """Brings the extension's README up to date with `package.json`. Says so, in one line, where it changed."""
    return _write(file, readme(file.read_text("utf-8"), json.loads(MANIFEST.read_text("utf-8"))))


def _filled(text: str, part: str, content: str) -> str:
    pattern = re.compile(rf"(<!-- {part}: .*?-->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}\n{content}\n{found[2]}", text)


def _table(header: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    escaped = [(first, second.replace("|", "\\|")) for first, second in rows]
    return "".join(f"| {first} | {second} |\n" for first, second in [header, ("---", "---"), *escaped])


def _write(file: Path, new: str) -> list[str]:
    if file.read_text("utf-8") == new:
        return []
    file.write_text(new, "utf-8")
    return [f"wrote {file.name}"]
