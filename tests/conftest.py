"""Fixtures of several test files."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from editor import Editor


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--soak` runs all of what is otherwise a sample."""
    parser.addoption("--soak", action="store_true", help="run the soak tests in full length")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """A test that hangs fails, and says where; those in full length take what they take."""
    if config.getoption("--soak"):
        config.option.timeout = 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Figures that tests recorded are added up and shown."""
    figures: dict[str, Counter[str]] = {}
    for report in [report for reports in terminalreporter.stats.values() for report in reports]:
        for name, value in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "call" else ():
            figures.setdefault(name, Counter()).update(value)
    for name, found in figures.items():
        terminalreporter.write_sep("-", name)
        for what, number in found.items():
            terminalreporter.write_line(f"{number:8,} {what}")


@pytest.fixture(autouse=True)
def _cache_of_this_test(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands keep their results where nobody else looks for files."""
    monkeypatch.setenv("BIASLENS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


PROFILES = (
    "vscode_139",
    "vscode_139 without pull",
    "nvim_0.11",
    "nvim_0.7",
    "eglot",
    "eglot_1.17",
    "lsp_mode",
    "ale",
    "kate",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PROFILES)
async def editor(request: pytest.FixtureRequest) -> AsyncIterator[Editor]:
    """Each recorded editor with a server of its own, which it may keep for the tests of a file."""
    editor = await Editor.start(request.param)
    yield editor
    assert editor.client.messages == [], "nobody wants a popup"
    assert [entry.message for entry in editor.client.log_messages] == []
    await editor.stop()


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """The address of a file that need not exist."""
    return (tmp_path / "my model.py").as_uri()
