"""Runs the BiasLens that the extension brings along: what it imports comes from bundled/ or from Python itself."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bundled"))
runpy.run_module("biaslens", run_name="__main__", alter_sys=True)
