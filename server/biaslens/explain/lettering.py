"""Names from source code as text in a picture: harmless, and never wider than their box."""

from __future__ import annotations

import unicodedata

NARROW = 0.62
"""The width of a character in a monospaced font, in units of the font's size; no usual font is wider."""

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_READ = 64
"""So many characters at each end of a name are looked at."""


def cleaned(text: str) -> str:
    """The text without what XML forbids and what turns or hides text: control characters, surrogates, marks of
    direction."""
    ends = text if len(text) <= 2 * _READ else f"{text[:_READ]}…{text[-_READ:]}"
    return "".join(map(_harmless, unicodedata.normalize("NFC", ends)))


def width(text: str, size: float) -> float:
    """An upper estimate of how wide a text is in a monospaced font, in the unit of the font's size."""
    return size * sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else NARROW for letter in text)


def shortened(text: str, size: float, limit: float) -> str:
    """The text, or the last names of a dotted one, or two ends with "…" between them, at most so wide."""
    if width(text, size) <= limit:
        return text
    names = text.split(".")
    for first in range(1, len(names)):
        short = "…" + ".".join(names[first:])
        if width(short, size) <= limit:
            return short
    for kept in range(len(text) - 1, 0, -1):
        short = f"{text[: kept // 2]}…{text[len(text) - kept + kept // 2 :]}"
        if width(short, size) <= limit:
            return short
    return "…"


def _harmless(letter: str) -> str:
    category = unicodedata.category(letter)
    return _REPLACEMENT if category[0] == "C" else " " if category[0] == "Z" else letter
