"""The part of the extension's `package.json` that derives from the options."""

from __future__ import annotations

import json
from pathlib import Path

from biaslens import __version__
from biaslens.configuration.editor import editor_settings

MANIFEST = Path(__file__).parent.parent / "package.json"


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


def write_manifest(file: Path = MANIFEST) -> list[str]:
    """Brings `package.json` up to date. Says so, in one line, where it changed."""
    old = file.read_text("utf-8")
    new = manifest(old)
    if new == old:
        return []
    file.write_text(new, "utf-8")
    return [f"wrote {file.name}"]
