"""JSON that is ready to be sent: what was said before need not be put into words again."""

from __future__ import annotations

import json
from typing import cast


class Encoded(str):
    """A value as JSON."""

    __slots__ = ()


def encoded(value: object) -> Encoded:
    """Dictionaries, lists and plain values as JSON; a part that is encoded already stays as it is."""
    match value:
        case Encoded():
            return value
        case dict():
            items = cast("dict[str, object]", value).items()
            return Encoded(f"{{{', '.join(f'{json.dumps(name)}: {encoded(part)}' for name, part in items)}}}")
        case list():
            return Encoded(f"[{', '.join(map(encoded, cast('list[object]', value)))}]")
        case _:
            return Encoded(json.dumps(value))
