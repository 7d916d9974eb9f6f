"""The package as installing it leaves it: with the bytecode of its modules.

Where Python may not write any (`PYTHONDONTWRITEBYTECODE`), a checkout would be compiled anew with every start.
"""

from __future__ import annotations

import compileall
import os

import biaslens


def compile_package() -> None:
    """Effect: the bytecode of every module lies beside it."""
    compileall.compile_dir(os.path.dirname(biaslens.__file__), quiet=1)
