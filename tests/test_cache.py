"""What is remembered between runs: it changes no output, and what goes wrong with it is nobody's problem."""

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from command import Outcome, run

HELPER = """\
from torch import nn


class Block(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)

    def forward(self, x):
        return self.conv(x)
"""

USER = """\
from torch import nn

from helper import Block


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.block(x))
"""

READER = USER.replace("self.norm(self.block(x))", "self.norm(self.block(x).relu())")
PLAIN = "from torch import nn\n\nnet = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in which one file uses the layers of another one; the cache is where it usually is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BIASLENS_CACHE_DIR")
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "plain.py").write_text(PLAIN)
    (tmp_path / "broken.py").write_text("import torch.nn\ndef (\nx = torch.nn.Linear\n")
    return tmp_path


@contextmanager
def nothing_followed() -> Generator[None]:
    with patch("biaslens.cli.work.study", side_effect=AssertionError("a file was followed")):
        yield


def follows(command: Callable[[], Outcome]) -> list[str]:
    """The names of the files that a command follows."""
    from biaslens.cli.work import study

    with patch("biaslens.cli.work.study", side_effect=study) as followed:
        command()
    return sorted(os.path.basename(call.args[0].path) for call in followed.call_args_list)


@pytest.mark.parametrize(
    "command",
    [
        ("check",),
        ("check", "--output-format", "concise"),
        ("check", "--output-format", "json"),
        ("check", "--select", "ALL"),
        ("sites",),
        ("sites", "--output-format", "json"),
    ],
    ids=" ".join,
)
def test_a_second_run_says_the_same_and_follows_nothing(folder: Path, command: tuple[str, ...]) -> None:
    fresh = run(*command, "--no-cache")
    assert not (folder / ".biaslens_cache").exists()
    assert run(*command) == fresh
    with nothing_followed():
        assert run(*command) == fresh
    assert "Block" in fresh.out or "helper.py" in fresh.out
    assert "broken.py:2:1" in fresh.err


def test_a_second_run_imports_no_analysis(folder: Path) -> None:
    script = (
        "import sys\nfrom biaslens.cli.main import main\nassert main(['check']) == 1\n"
        "print()\nprint(*(name for name in sys.modules if name.startswith('biaslens.')))\n"
    )
    command = [sys.executable, "-c", script]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "biaslens.cli.cache" in loaded
    heavy = ("lint", "flow", "program", "catalogue", "rules.registry", "fixes", "rounds", "algebra", "explain")
    assert loaded.isdisjoint({f"biaslens.{name}" for name in heavy})


def test_repairs_are_those_of_a_run_without_a_cache(folder: Path) -> None:
    run("check")
    assert run("check", "--diff") == run("check", "--diff", "--no-cache")
    assert "1 fixed" in run("check", "--fix", "plain.py").out
    assert "bias=False" in (folder / "plain.py").read_text()
    assert run("check", "plain.py").code == 0


def test_an_edit_of_the_same_size_and_time_is_seen(folder: Path) -> None:
    model = folder / "plain.py"
    assert run("check", "plain.py").code == 1
    before = model.stat()
    model.write_text(PLAIN.replace("BatchNorm2d", "Identity # "))
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert model.stat().st_size == before.st_size
    assert run("check", "plain.py").code == 0


def test_only_what_an_edit_concerns_is_followed_again(folder: Path) -> None:
    (folder / "plain.py").unlink()
    (folder / "apart").mkdir()
    clean = folder / "apart" / "clean.py"
    clean.write_text(PLAIN.replace("BatchNorm2d", "RMSNorm"))
    run("check")
    clean.write_text("# Another comment.\n" + clean.read_text())
    assert follows(lambda: run("check")) == ["clean.py"]
    (folder / "user.py").write_text(READER)
    assert follows(lambda: run("check")) == ["helper.py", "user.py"]
    os.utime(folder / "helper.py")
    assert follows(lambda: run("check")) == [], "a text that is the same"


def test_a_file_is_judged_by_its_uses_of_today(folder: Path) -> None:
    def codes() -> int:
        outcome = run("check", "--output-format", "json")
        assert outcome == run("check", "--output-format", "json", "--no-cache")
        return sum(one["filename"].endswith("helper.py") for one in outcome.json)

    assert codes() == 1
    (folder / "user.py").write_text(READER)
    assert codes() == 0
    (folder / "user.py").write_text(USER)
    assert codes() == 1
    (folder / "second.py").write_text(READER)
    assert codes() == 0
    (folder / "second.py").unlink()
    assert codes() == 1
    (folder / "user.py").unlink()
    assert codes() == 0


def test_what_is_known_from_one_file_alone_does_not_hide_its_uses(folder: Path) -> None:
    assert run("check", "user.py").code == 0
    assert run("check", "helper.py").code == 0
    assert run("check", "helper.py", "user.py").code == 1
    assert run("check", "helper.py").code == 0


def test_a_module_that_appears_in_front_of_another_one_is_seen(folder: Path) -> None:
    (folder / "models").mkdir()
    (folder / "models" / "net.py").write_text(USER)
    assert run("check", "models", "helper.py").code == 1
    (folder / "models" / "helper.py").write_text(HELPER.replace("self.conv(x)", "self.conv(x).relu()"))
    assert run("check", "models", "helper.py") == run("check", "models", "helper.py", "--no-cache")
    assert run("check", "models", "helper.py").code == 0


def test_other_options_give_other_results(folder: Path) -> None:
    assert run("check", "plain.py").code == 1
    assert run("check", "plain.py", "--ignore", "BL101").code == 0
    (folder / "biaslens.toml").write_text('ignore = ["BL101"]\n')
    assert run("check", "plain.py").code == 0
    (folder / "biaslens.toml").write_text('like = { "Identity" = "torch.nn.Identity" }\n')
    assert run("check", "plain.py").code == 1


def test_random_edits_give_what_a_fresh_run_gives(folder: Path) -> None:
    chance = random.Random(4)
    layers = HELPER.replace("Block", "Stem").replace("nn.Conv2d(3, width, 3)", "nn.Conv2d(3, width, 3, bias=False)")
    texts = {
        "helper.py": (
            HELPER,
            HELPER + layers[layers.index("class") :],
            HELPER.replace("self.conv(x)", "-self.conv(x)"),
        ),
        "user.py": (USER, READER, USER.replace("helper", "other"), "# Empty.\n"),
        "second.py": (USER, READER, USER.replace("Block", "Stem")),
        "other.py": ("from helper import *\n", "from helper import Block\n", HELPER),
    }
    for _ in range(25):
        name = chance.choice(sorted(texts))
        text = chance.choice((*texts[name], None))
        if text is None:
            (folder / name).unlink(missing_ok=True)
        else:
            (folder / name).write_text("# Line.\n" * chance.randrange(2) + text)
        command = ("check", "--select", "ALL", "--output-format", "json", *chance.choice(((), ("helper.py",))))
        assert run(*command) == run(*command, "--no-cache")


def database(folder: Path) -> Path:
    (found,) = (folder / ".biaslens_cache").glob("results-*.sqlite")
    return found


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 500)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def other_values(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE files SET result = '[1, {', looks = 'x'")


def other_results(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("""UPDATE files SET result = '[[{"code": 1}], [], []]'""")


@pytest.mark.parametrize("damage", [garbage, truncated, other_values, other_results])
def test_a_damaged_cache_is_nobodys_problem(folder: Path, damage: Callable[[Path], None]) -> None:
    fresh = run("check")
    with sqlite3.connect(database(folder)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(database(folder))
    assert run("check") == fresh
    assert run("check") == fresh
    with nothing_followed():
        assert run("check") == fresh, "it is in order again"


def test_a_cache_that_cannot_be_written_is_none(folder: Path) -> None:
    fresh = run("check", "--no-cache")
    (folder / ".biaslens_cache").write_text("a file")
    assert run("check") == fresh
    assert run("check", "--cache-dir", "/dev/null/cache") == fresh
    with patch("sqlite3.connect", side_effect=sqlite3.OperationalError("database or disk is full")):
        assert run("check", "--cache-dir", str(folder / "full")) == fresh


def test_another_version_has_a_cache_of_its_own(folder: Path) -> None:
    run("check")
    with patch("biaslens.cli.cache.__version__", "99"):
        assert follows(lambda: run("check")) != []


def test_several_runs_at_once_say_the_same(folder: Path) -> None:
    command = (sys.executable, "-m", "biaslens", "check", "--output-format", "json")
    fresh = run("check", "--output-format", "json", "--no-cache")
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    outputs = [process.communicate(timeout=300) for process in runs]
    assert outputs == [(fresh.bytes_out, fresh.err.encode())] * 4
    with nothing_followed():
        assert run("check", "--output-format", "json") == fresh


def test_git_and_backups_leave_it_out_and_clean_deletes_it(folder: Path) -> None:
    run("check")
    cache = folder / ".biaslens_cache"
    assert (cache / ".gitignore").read_text().endswith("*\n")
    assert (cache / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    (cache / "notes.txt").write_text("somebody's own")
    assert run("clean").err == "Deleted the cache in .biaslens_cache.\n"
    assert [path.name for path in cache.iterdir()] == ["notes.txt"]
    assert run("clean").err == "There is no cache in .biaslens_cache.\n"


def test_it_lies_beside_the_configuration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "biaslens.toml").write_text("")
    (folder / "inside").mkdir()
    monkeypatch.chdir(folder / "inside")
    run("check", "../plain.py")
    assert (folder / ".biaslens_cache").is_dir()
    assert os.listdir(folder / "inside") == []


def test_what_nobody_asks_about_is_forgotten(folder: Path) -> None:
    run("check")

    def kept(table: str) -> int:
        with sqlite3.connect(database(folder)) as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {table} WHERE path LIKE '%plain.py'").fetchone()
        return count

    assert (kept("files"), kept("looks")) == (1, 1)
    with sqlite3.connect(database(folder)) as connection:
        connection.execute("UPDATE files SET asked = 1 WHERE path LIKE '%plain.py'")
    (folder / "plain.py").unlink()
    run("check")
    assert (kept("files"), kept("looks")) == (0, 0)
