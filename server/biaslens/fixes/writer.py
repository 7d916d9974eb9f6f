"""Whether fixes can be written here: LibCST parses in a compiled module, which there is not for every Python."""

from __future__ import annotations

import platform
from functools import cache
from importlib import import_module


@cache
def why_off() -> str:
    """Why no fix can be written, in a sentence or two; "" where one can. Imports LibCST."""
    try:
        import_module("libcst.native")
    except Exception as error:  # a Python that is newer than it fails in ways of its own
        python = f"{platform.python_implementation()} {platform.python_version()}"
        return (
            f"Fixes are off: LibCST, which writes them, cannot be loaded with this {python} ({error}). "
            "Findings are shown all the same."
        )
    return ""
