"""What people write in configuration files, and what then holds for a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from biaslens.configuration.nearest import Configurations
from biaslens.configuration.reading import Layer, file_fields, key_of
from biaslens.configuration.resolver import Resolver
from biaslens.options import Options
from biaslens.syntax.files import Files


def options_for(texts: dict[str, str], path: str = "/project/pkg/model.py", **flags: object) -> Options:
    """What holds for a file, by the texts of configuration files."""
    return resolver(texts, **flags).options_for(path)


def resolver(texts: dict[str, str], **flags: object) -> Resolver:
    return Resolver(Configurations(Files(texts)), Layer("flags", flags), "/project")


def problems_in(text: str, path: str = "/project/biaslens.toml") -> list[tuple[str, str]]:
    """What is wrong in a configuration file: the code that is pointed at, and the sentence."""
    found = Configurations(Files({path: text})).read(path)
    assert found is not None
    return [(text[p.span.start : p.span.end] if p.span else "", p.message) for p in found.problems]


# --- which file holds ------------------------------------------------------------------------------------------------


def test_the_nearest_file_holds_and_files_are_not_merged() -> None:
    texts = {
        "/project/biaslens.toml": 'ignore = ["BL101"]\nmax-runs = 3',
        "/project/pkg/biaslens.toml": "max-steps = 7",
    }
    assert options_for(texts) == Options(max_steps=7)
    assert options_for(texts, "/project/model.py") == Options(ignore=("BL101",), max_runs=3)
    assert options_for(texts, "/elsewhere/model.py") == Options()


def test_in_one_folder_the_hidden_name_wins_and_pyproject_comes_last() -> None:
    texts = {
        "/project/pkg/.biaslens.toml": "max-runs = 1",
        "/project/pkg/biaslens.toml": "max-runs = 2",
        "/project/pkg/pyproject.toml": "[tool.biaslens]\nmax-runs = 3",
    }
    for number, name in enumerate(list(texts), 1):
        assert options_for(texts).max_runs == number
        del texts[name]


def test_a_pyproject_without_our_table_is_passed_over_whatever_is_wrong_with_it() -> None:
    outer = {"/project/pyproject.toml": "[tool.biaslens]\nmax-runs = 3"}
    for text in ("[tool.ruff]\nselect = 1", "this is = = not TOML", '[project]\nname = "biaslens"', "[tool]\nx = 1"):
        texts = {**outer, "/project/pkg/pyproject.toml": text}
        assert options_for(texts).max_runs == 3
        assert Configurations(Files(texts)).read("/project/pkg/pyproject.toml") is None


def test_flags_win_over_files_and_add_to_what_adds() -> None:
    text = """
    ignore = ["BL102"]
    extend-select = ["BL2"]
    exclude = ["a/"]
    extend-exclude = ["b/"]
    max-runs = 3
    like = { A = "torch.nn.Linear", B = "torch.nn.Linear" }
    severity = { BL1 = "hint" }
    """
    texts = {"/project/biaslens.toml": text}
    options = options_for(
        texts,
        ignore=("BL103",),
        exclude=("/x/**/c/",),
        extend_exclude=("/x/**/d/",),
        max_runs=4,
        like=(("B", "torch.nn.Conv2d"),),
    )
    assert options == Options(
        extend_select=("BL2",),
        ignore=("BL102", "BL103"),
        exclude=("/x/**/c/",),
        extend_exclude=("/project/**/b/", "/x/**/d/"),
        max_runs=4,
        like=(("A", "torch.nn.Linear"), ("B", "torch.nn.Conv2d")),
        severity=(("BL1", "hint"),),
    )


def test_rules_selected_by_a_flag_stand_for_themselves() -> None:
    texts = {"/project/biaslens.toml": 'ignore = ["BL101"]\nextend-select = ["BL2"]\nselect = ["BL3"]'}
    options = options_for(texts, select=("BL1",))
    assert options == Options(select=("BL1",))
    assert options.selects("BL101")


def test_a_given_file_holds_for_all_with_paths_relative_to_the_current_folder() -> None:
    texts = {"/shared/strict.toml": 'src = ["lib"]\nexclude = ["gen/"]', "/project/pkg/biaslens.toml": "max-runs = 3"}
    found = Resolver(Configurations(Files(texts)), Layer("flags"), "/project", given="/shared/strict.toml")
    assert found.options_for("/project/pkg/model.py") == Options(src=("/project/lib",), exclude=("/project/**/gen/",))
    assert found.excludes("/project/pkg/gen/a.py")
    assert not found.excludes("/elsewhere/gen/a.py")


def test_what_is_in_no_file_has_the_options_of_the_place_where_it_is_chosen() -> None:
    texts = {"/project/biaslens.toml": "max-runs = 3"}
    assert options_for(texts, "untitled:Untitled-1").max_runs == 3
    assert not resolver(texts).excludes("untitled:Untitled-1")


def test_a_path_of_very_many_folders_is_no_trouble() -> None:
    path = "/project" + "/a" * 1200 + "/model.py"
    assert options_for({"/project/biaslens.toml": "max-runs = 3"}, path).max_runs == 3
    assert not resolver({}).excludes(path)


# --- what is written in it -------------------------------------------------------------------------------------------

EVERYTHING = """\
select = ["bl1", "ALL"]
extend-select = ["BL203"]
ignore = ["BL105"]
per-file-ignores = { "pkg/*.py" = ["BL1"], "!/pkg/" = ["BL2"], "other.py" = ["ALL"] }
severity = { ALL = "hint", BL101 = "error" }
exclude = ["/gen", "*_pb2.py"]
extend-exclude = ["a/b/"]
force-exclude = true
python = "."
src = ["src", "/opt/models"]
like = { "mypkg.Conv" = "torch.nn.Conv2d" }
max-runs = 16
max-steps = 5000
"""


def test_every_key_is_read() -> None:
    assert {key_of(field.name) for field in file_fields()} == set(re.findall(r"^([\w-]+) =", EVERYTHING, re.MULTILINE))
    assert options_for({"/project/biaslens.toml": EVERYTHING}) == Options(
        select=("BL1", ""),
        extend_select=("BL203",),
        ignore=("BL105",),
        per_file_ignores=(("/project/pkg/*.py", ("BL1",)),),
        severity=(("", "hint"), ("BL101", "error")),
        exclude=("/project/gen", "/project/**/*_pb2.py"),
        extend_exclude=("/project/a/b/",),
        force_exclude=True,
        python="/project",
        src=("/project/src", "/opt/models"),
        like=(("mypkg.Conv", "torch.nn.Conv2d"),),
        max_runs=16,
        max_steps=5000,
    )
    inside = "".join(f"{line}\n" for line in ("[tool.biaslens]", *EVERYTHING.splitlines()))
    assert options_for({"/project/pyproject.toml": inside}) == options_for({"/project/biaslens.toml": EVERYTHING})


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ('selct = ["BL1"]', "selct", "There is no key named 'selct'. Did you mean 'select'?"),
        ("max_runs = 3", "max_runs", "There is no key named 'max_runs'. Did you mean 'max-runs'?"),
        (
            "inlay-hints = true",
            "inlay-hints",
            "'inlay-hints' is a setting of editors, and no key of a configuration file.",
        ),
        ("codeLens = true", "codeLens", "'codeLens' is a setting of editors, and no key of a configuration file."),
        ('select = "BL1"', '"BL1"', "The key 'select' must be a list of strings."),
        ("max-runs = true", "true", "The key 'max-runs' must be a positive number."),
        ('a.b = 1\nmax-runs = "3"', "a", "There is no key named 'a'."),
        ('ignore = [\n  "BL101",  # why\n  "XL9",\n]', '"XL9"', "No rule has the code or prefix 'XL9'."),
        ('ignore = ["BL1O5"]', '"BL1O5"', "No rule has the code or prefix 'BL1O5'. Did you mean 'BL105'?"),
        ('per-file-ignores."a.py" = ["BL1", "X"]', '"X"', "No rule has the code or prefix 'X'."),
        ('[per-file-ignores]\n"a[" = []', '"a["', "The pattern 'a[' can match nothing."),
        ('exclude = ["a", "[z-a]"]', '"[z-a]"', "The pattern '[z-a]' can match nothing."),
        ('exclude = [""]', '""', "The pattern '' can match nothing."),
        ('severity.BL101 = "fatal"', '"fatal"', "There is no severity 'fatal': choose one of error,"),
        ('[severity]\n"BL9X" = "hint"', '"BL9X"', "No rule has the code or prefix 'BL9X'."),
        ('like = { A = "torch.nn.Liner" }', '"torch.nn.Liner"', "BiasLens knows no 'torch.nn.Liner' of torch;"),
        ('like.A = { like = "torch.nn.Linear" }', '{ like = "torch.nn.Linear" }', "The key 'like' must be a table of"),
        ("select = [1", "", "This is not TOML: unclosed array"),
        ("select = ", "", "This is not TOML: invalid value"),
        ("max-runs = 1\r\nmax-runs = = 2\r\n", "= 2", "This is not TOML: invalid value"),
        ("\ufeffmax-runs = 0", "0", "The key 'max-runs' must be a positive number."),
        pytest.param("a = " + "[" * 100_000, "", "This TOML is not understood: it is nested too deeply", id="deep"),
        pytest.param("a = " + "1" * 10_000, "", "This TOML is not understood: Exceeds the limit", id="long"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(text: str, code: str, message: str) -> None:
    pointed_at, sentence = problems_in(text)[0]
    assert (pointed_at, sentence[: len(message)]) == (code, message)
    if not text.startswith("\ufeff"):
        inside = re.sub(r"^\[(?=per|sev)", "[tool.biaslens.", f"[tool.biaslens]\n{text}", flags=re.MULTILINE)
        assert problems_in(inside, "/project/pyproject.toml")[0] == (pointed_at, sentence)


def test_our_table_must_be_one() -> None:
    text = "[tool]\nbiaslens = 3"
    assert problems_in(text, "/project/pyproject.toml") == [("3", "`tool.biaslens` must be a table.")]


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "biaslens.toml").write_bytes(b"max-runs = 3 # Gr\xf6\xdfe")
    found = Configurations(Files()).nearest(str(tmp_path))
    assert found is not None
    (problem,) = found.problems
    assert (problem.kind, problem.message) == ("configuration", "It is not valid utf-8 text (byte 17).")


def test_an_environment_that_is_not_there_is_a_remark_only() -> None:
    path = "/project/biaslens.toml"
    found = Configurations(Files({path: 'python = ".venv"\nmax-runs = 3'})).read(path)
    assert found is not None
    (problem,) = found.problems
    assert (found.is_usable, found.values) == (True, {"python": "/project/.venv", "max_runs": 3})
    assert problem.message == "No installed packages are found in the Python environment '.venv'."


def test_a_file_that_cannot_be_used_any_more_stays_in_force() -> None:
    path = "/project/biaslens.toml"
    good = Configurations(Files({path: "max-runs = 3"}))
    assert good.read(path) is not None
    broken = good.renewed(Files({path: "max-runs = 4\nselct = 1"}))
    for _ in range(2):
        found = broken.nearest("/project")
        assert found is not None
        assert (found.values, len(found.problems)) == ({"max_runs": 3}, 1)
        broken = broken.renewed(Files({path: "max-runs = "}))
    mended = broken.renewed(Files({path: "max-runs = 5"})).nearest("/project")
    assert mended is not None
    assert (mended.values, mended.problems) == ({"max_runs": 5}, ())


def test_of_a_file_that_was_never_right_the_rest_counts() -> None:
    texts = {"/project/biaslens.toml": 'max-runs = 4\nignore = ["BL101", "XX"]\nselct = 1'}
    assert options_for(texts) == Options(max_runs=4, ignore=("BL101",))
