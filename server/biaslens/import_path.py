"""From where this process imports: never from the folder that it looks at, which may have a `warnings.py` of its own.

Imports nothing that Python has not imported before the first line of ours runs, not even `__future__`.
"""

import os
import sys

_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder in which BiasLens lies: an environment's packages, a checkout, or those that an extension brings along."""

_PACKAGES = ("site-packages", "dist-packages")


def import_only_what_is_installed() -> None:
    """Effect: what is imported from now on comes from Python's library or from an installation."""
    sys.path[:] = installed_path()


def installed_path() -> list[str]:
    """The entries of `sys.path` from which it is safe to import, and the folder of BiasLens itself.

    The current folder is none of them, whoever put it there: `python -m`, an empty entry of PYTHONPATH, or an editable
    installation of what it holds. Nor are folders in it, folders that it is in, and folders that PYTHONPATH names,
    unless packages are installed there.
    """
    here = _current_folder()
    named = _named_by_the_environment(here)
    homes = [_real(folder) for folder in _homes()]
    kept = [entry for entry in sys.path if os.path.isabs(entry) and _is_safe(_real(entry), here, named, homes)]
    return kept if _real(_OWN) in map(_real, kept) else [*kept, _OWN]


def _is_safe(entry: str, here: str | None, named: list[str], homes: list[str]) -> bool:
    if entry == here:
        return entry in homes
    if any(_is_in(entry, home) for home in homes) or _holds_packages(entry):
        return True
    return entry not in named and not (here and (_is_in(entry, here) or _is_in(here, entry)))


def _homes() -> list[str]:
    """The folders of Python's library, of its environment, and of BiasLens."""
    library = os.path.dirname(os.path.abspath(os.__file__))
    found = [_OWN, library, os.path.join(sys.base_exec_prefix, "DLLs")]
    site = sys.modules.get("site")
    if site is not None:
        found += [*site.getsitepackages(), site.getusersitepackages()]
    return found


def _holds_packages(folder: str) -> bool:
    """Whether an installer put packages there: into an environment, or into a folder that it was told."""
    if any(name in _PACKAGES for name in folder.split(os.sep)):
        return True
    try:
        return any(name.endswith(".dist-info") for name in os.listdir(folder))
    except OSError:
        return False


def _named_by_the_environment(here: str | None) -> list[str]:
    given = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    return [_real(entry) for entry in given.split(os.pathsep) if os.path.isabs(entry) or here]


def _current_folder() -> str | None:
    """None where it was deleted."""
    try:
        return _real(os.getcwd())
    except OSError:
        return None


def _real(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
