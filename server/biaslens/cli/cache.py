"""What was said of files in earlier runs, with all that it rests on: one SQLite file of texts and numbers.

A cache never fails: one that cannot be read or written is none.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sqlite3
import sys
import time
from array import array
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from biaslens import __version__
from biaslens.cli.seen import Look, fingerprint, stamp
from biaslens.options import Options
from biaslens.syntax.files import Files

FOLDER = ".biaslens_cache"

BUSY = 2.0
"""Seconds to wait for another run that writes."""

KEPT = 30 * 24 * 3600
"""Seconds for which a file is remembered that nobody asked about."""

OTHER_VERSIONS = 2
"""So many caches of other versions stay beside a new one."""

REFRESHED = 24 * 3600
"""Seconds after which it is noted anew that somebody asked."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS looks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, path TEXT, found TEXT, stamp TEXT, UNIQUE (path, kind, found)
);
CREATE TABLE IF NOT EXISTS files (
    path TEXT, key TEXT, looks BLOB, sign TEXT, uses TEXT, basis TEXT, result TEXT, asked INTEGER,
    PRIMARY KEY (path, key)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is remembered of a file.

    sign: tells what was followed from anything else. uses: the files whose layers it uses. basis: the signs of the
    files by whose uses it was judged. result: as `results.written` has it.
    """

    sign: str
    uses: tuple[str, ...]
    basis: str
    result: str


@dataclass(frozen=True, slots=True)
class New:
    """What is to be remembered of a file: an entry, and what it rests on."""

    path: str
    key: str
    entry: Entry
    looks: Sequence[Look]


def key_of(options: Options, layers: bool) -> str:
    """A text that tells what was asked about a file from anything else that may be asked."""
    return _hex(repr(options.analysis), str(layers))


def digest_of(parts: Iterable[str]) -> str:
    """A text that tells several texts from any others; "" for none."""
    found = list(parts)
    return _hex(*found) if found else ""


class Cache:
    """The cache in a folder.

    files: the snapshot of this run. started: when it began, in nanoseconds.
    """

    def __init__(self, folder: str, files: Files, started: int) -> None:
        self._folder = folder
        self._files = files
        self._started = started
        self._path = os.path.join(folder, f"results-{_program()}.sqlite")
        self._database = self._opened()
        self._ids: dict[Look, int] = {}

    def known(self, keys: Mapping[str, str]) -> dict[str, Entry]:
        """What is remembered of some files and holds today. keys: by their paths, what is asked about each."""
        with self._guarded() as database:
            if database is None:
                return {}
            rows = [row for row in database.execute("SELECT * FROM files") if keys.get(row[0]) == row[1]]
            wanted: set[int] = set()
            for row in rows:
                wanted.update(_ids(row[2]))
            holding = set(self._holding(database, wanted))
            if len(holding) < len(wanted):
                rows = [row for row in rows if holding.issuperset(_ids(row[2]))]
            now = int(time.time())
            old = [(now, row[0], row[1]) for row in rows if row[7] < now - REFRESHED]
            if old:
                database.executemany("UPDATE files SET asked = ? WHERE path = ? AND key = ?", old)
                database.commit()
            return {
                path: Entry(sign, tuple(uses.split("\n")) if uses else (), basis, result)
                for path, _, _, sign, uses, basis, result, _ in rows
            }
        return {}

    def remember(self, news: Sequence[New]) -> None:
        """Effect: writes what was found out."""
        with self._guarded() as database:
            if database is None or not news:
                return
            now = int(time.time())
            self._add(database, {look for new in news for look in new.looks if look not in self._ids})
            database.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        new.path,
                        new.key,
                        array("q", sorted({self._ids[look] for look in new.looks})).tobytes(),
                        new.entry.sign,
                        "\n".join(new.entry.uses),
                        new.entry.basis,
                        new.entry.result,
                        now,
                    )
                    for new in news
                ),
            )
            database.commit()

    def close(self, *, tidy: bool) -> None:
        """Effect: ends the work with it. tidy: forgets what nobody asked about for long, and what nothing rests on."""
        with self._guarded() as database:
            if database is not None and tidy:
                database.execute("DELETE FROM files WHERE asked < ?", (int(time.time()) - KEPT,))
                used: set[int] = set()
                for (looks,) in database.execute("SELECT looks FROM files"):
                    used.update(_ids(looks))
                idle = [row for row in database.execute("SELECT id FROM looks") if row[0] not in used]
                database.executemany("DELETE FROM looks WHERE id = ?", idle)
                database.commit()
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _holding(self, database: sqlite3.Connection, wanted: set[int]) -> Iterator[int]:
        """The looks that would find the same today."""
        stamps: list[tuple[str, int]] = []
        is_there, read = os.path.isfile, self._files.look
        for number, kind, path, found, stamped in database.execute("SELECT * FROM looks").fetchall():
            if number not in wanted:
                continue
            if kind == "file":
                holds = is_there(path) is (found == "yes")
            elif kind == "text" and stamped and stamp(path, self._started) == stamped:
                holds = True
            else:
                holds = fingerprint(read(kind, path)) == found
                if holds and kind == "text" and (fresh := stamp(path, self._started)):
                    stamps.append((fresh, number))
            if holds:
                self._ids[kind, path, found] = number
                yield number
        if stamps:
            database.executemany("UPDATE looks SET stamp = ? WHERE id = ?", stamps)
            database.commit()

    def _add(self, database: sqlite3.Connection, looks: set[Look]) -> None:
        rows = [
            (kind, path, found, stamp(path, self._started) if kind == "text" else "") for kind, path, found in looks
        ]
        database.executemany("INSERT OR IGNORE INTO looks (kind, path, found, stamp) VALUES (?, ?, ?, ?)", rows)
        find = "SELECT id FROM looks WHERE path = ? AND kind = ? AND found = ?"
        for kind, path, found in looks:
            (self._ids[kind, path, found],) = database.execute(find, (path, kind, found)).fetchone()

    @contextlib.contextmanager
    def _guarded(self) -> Generator[sqlite3.Connection | None]:
        """The database; after an error there is none any more. A damaged one is deleted."""
        try:
            yield self._database
        except (sqlite3.Error, TypeError, ValueError) as error:
            if self._database is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._database.close()
            self._database = None
            if not isinstance(error, (sqlite3.OperationalError, UnicodeError)):
                _delete(self._path)

    def _opened(self) -> sqlite3.Connection | None:
        for _ in range(2):
            try:
                _make(self._folder)
                if not os.path.exists(self._path):
                    _forget_other_versions(self._folder)
                database = sqlite3.connect(self._path, timeout=BUSY)
                database.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {_SCHEMA}")
                return database
            except sqlite3.OperationalError:  # such as a full or read-only disk
                return None
            except sqlite3.DatabaseError:
                _delete(self._path)
            except OSError:
                return None
        return None


def clean(folder: str) -> bool:
    """Effect: deletes the cache in a folder, and the folder if nothing else is in it. Gives whether there was one.

    Raises an OSError where that fails.
    """
    names = os.listdir(folder) if os.path.isdir(folder) else []
    own = [name for name in names if name in _OWN or (name.startswith("results-") and ".sqlite" in name)]
    for name in own:
        os.unlink(os.path.join(folder, name))
    with contextlib.suppress(OSError):
        os.rmdir(folder)
    return bool(own)


_OWN: Mapping[str, str] = {
    ".gitignore": "# Made by BiasLens.\n*\n",
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n",
}
"""Files beside it, by which other tools know that it is a cache."""


def _make(folder: str) -> None:
    if os.path.isdir(folder):
        return
    os.makedirs(folder, exist_ok=True)
    for name, text in _OWN.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


def _forget_other_versions(folder: str) -> None:
    """Effect: deletes the caches of all other versions of BiasLens but the last ones that were used."""
    names = [name for name in os.listdir(folder) if name.startswith("results-") and name.endswith(".sqlite")]
    paths = sorted((os.path.join(folder, name) for name in names), key=os.path.getmtime)
    for path in paths[: len(paths) - OTHER_VERSIONS]:
        _delete(path)


def _delete(path: str) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            os.unlink(path + suffix)


def _program() -> str:
    """Tells this version of BiasLens, under this version of Python, from all others, also while it is worked on.

    Whether there is a LibCST decides about fixes.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    library = importlib.util.find_spec("libcst")  # it is looked for, and not imported
    parts = [__version__, sys.version, str(library and library.origin)]
    for folder, folders, names in os.walk(package):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            found = os.stat(os.path.join(folder, name))
            parts.append(f"{folder} {name} {found.st_mtime_ns} {found.st_size}")
    return _hex(*parts)


def _ids(looks: bytes) -> array[int]:
    found = array("q")
    found.frombytes(looks)
    return found


def _hex(*parts: str) -> str:
    data = "\0".join(f"{len(part)} {part}" for part in parts)
    return blake2b(data.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
