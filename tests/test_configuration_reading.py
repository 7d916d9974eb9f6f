"""What configuration is read from: places in TOML, patterns of files, and folders of installed packages."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biaslens.configuration.toml import parse, places
from biaslens.syntax.environments import site_packages
from biaslens.syntax.files import Files
from biaslens.syntax.patterns import Patterns, anchored
from biaslens.text import Problem, Source
from test_configuration import problems_in, resolver

# --- places in TOML --------------------------------------------------------------------------------------------------

_NAMES = st.text("ab-é.\" '", min_size=1, max_size=4)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.booleans()
    | st.integers(-5, 5)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=5)
    | st.just(1.5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)


_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_PATIENT
@given(st.dictionaries(_NAMES, _VALUES, max_size=4), st.dictionaries(_NAMES, _VALUES, max_size=3))
def test_every_key_and_item_has_its_place(top: dict[str, Any], inner: dict[str, Any]) -> None:
    lines = [f"{_toml(name)} = {_toml(value)}  # {{[" for name, value in top.items()]
    lines += [f"[[t.'x y']]\n{_toml(name)}.z = {_toml(value)}" for name, value in inner.items() if "t" not in top]
    text = "\r\n".join(lines)
    parsed = parse(Source("/a.toml", text))
    assert not isinstance(parsed, Problem)
    found = places(text)
    for keys, value in _walk(parsed):
        if keys in (("t",), ("t", "x y")) and keys not in found:
            continue
        place = found[keys]
        if not isinstance(value, dict | list) or keys[0] != "t":
            written = parse(Source("", f"x = {text[place.value.start : place.value.end]}"))
            assert written == {"x": value}, keys
        if isinstance(keys[-1], str) and keys != ("t", "x y"):
            assert parse(Source("", f"{text[place.key.start : place.key.end]} = 1")) == {keys[-1]: 1}


@given(st.text("ab=[]{}\"',.#\n\r\\ 1-é", max_size=40))
def test_any_text_is_read_without_an_accident(text: str) -> None:
    places(text)
    found = problems_in(text)
    assert all(message for _, message in found)


def _walk(value: object, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], object]]:
    if keys:
        yield keys, value
    match value:
        case dict():
            for name, item in cast("dict[str, object]", value).items():
                yield from _walk(item, (*keys, name))
        case list():
            for number, item in enumerate(cast("list[object]", value)):
                yield from _walk(item, (*keys, number))
        case _:
            pass


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return (
                "{" + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in cast("dict[str, object]", value).items()) + "}"
            )
        case list():
            return "[\n" + ",\n".join(map(_toml, cast("list[object]", value))) + "]"
        case str() if "'" not in value and "\\" not in value and value.isprintable():
            return f"'{value}'"
        case _:
            return json.dumps(value, ensure_ascii=False)


# --- patterns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "matched", "passed_over"),
    [
        ("gen", ["gen", "a/gen", "gen.py/gen"], ["gen.py", "agen"]),
        ("gen/", ["gen/", "a/b/gen/"], ["gen"]),
        ("/gen", ["gen"], ["a/gen"]),
        ("./gen", ["gen"], ["a/gen"]),
        ("a/gen", ["a/gen"], ["b/a/gen"]),
        ("*_pb2.py", ["x_pb2.py", "a/b/x_pb2.py"], ["pb2.py"]),
        ("a/**/b", ["a/b", "a/x/y/b"], ["x/a/b"]),
        ("[ab].py", ["a.py", "c/b.py"], ["c.py", "[ab].py"]),
    ],
)
@pytest.mark.parametrize("folder", ["/project", "/a [b]*?/c", "/"])
def test_patterns_are_those_of_gitignore_below_their_folder(
    pattern: str, matched: list[str], passed_over: list[str], folder: str
) -> None:
    patterns = Patterns([anchored(pattern, folder)])

    def matches(name: str) -> bool:
        return patterns.match(os.path.join(folder, name.rstrip("/")), folder=name.endswith("/"))

    assert [name for name in matched if not matches(name)] == []
    assert [name for name in passed_over if matches(name)] == []
    if folder != "/":
        assert not patterns.match(os.path.join("/elsewhere", matched[0].rstrip("/")), folder=True)


def test_a_later_pattern_takes_back_an_earlier_one() -> None:
    texts = {"/project/biaslens.toml": 'exclude = ["*.py", "!keep.py", "/old/"]'}
    found = resolver(texts)
    assert [found.excludes(f"/project/{name}") for name in ("a.py", "b/keep.py", "old/keep.py")] == [True, False, True]


def test_files_are_excluded_by_what_holds_in_each_folder_on_their_way() -> None:
    texts = {
        "/project/biaslens.toml": 'extend-exclude = ["legacy/", "vendored"]',
        "/project/pkg/biaslens.toml": 'exclude = ["*_gen.py"]',
        "/project/legacy/biaslens.toml": "max-runs = 3",
    }
    found = resolver(texts)
    excluded = ("legacy/model.py", "pkg/a_gen.py", "pkg/x/a_gen.py", "build/model.py", "a/vendored/b/model.py")
    checked = ("model.py", "a_gen.py", "pkg/build/model.py", "pkg/vendored/model.py")
    assert [name for name in excluded if not found.excludes(f"/project/{name}")] == []
    assert [name for name in checked if found.excludes(f"/project/{name}")] == []
    assert not found.excludes("/elsewhere/build/model.py"), "nobody chose anything there"


# --- environments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "python", "found"),
    [
        (["lib/python3.11/site-packages"], ".", ["lib/python3.11/site-packages"]),
        (["lib/python3.11/site-packages", "bin/python"], "bin/python", ["lib/python3.11/site-packages"]),
        (["Lib/site-packages", "Scripts/python.exe"], "Scripts/python.exe", ["Lib/site-packages"]),
        (["Lib/site-packages", "python.exe"], "python.exe", ["Lib/site-packages"]),
        (
            ["lib/python3.9/site-packages", "lib/python3.12/site-packages", "bin/python3.9"],
            "bin/python3.9",
            ["lib/python3.9/site-packages", "lib/python3.12/site-packages"],
        ),
        (
            ["lib/python3/dist-packages", "local/lib/python3.11/dist-packages", "lib/pythonic/site-packages"],
            ".",
            ["local/lib/python3.11/dist-packages", "lib/python3/dist-packages"],
        ),
        (["lib/python3.11"], ".", []),
        ([], "missing/python", []),
    ],
)
def test_installed_packages_are_found_by_the_layout(
    tmp_path: Path, layout: list[str], python: str, found: list[str]
) -> None:
    for name in layout:
        (tmp_path / name).mkdir(parents=True)
    given_one = os.path.normpath(tmp_path / python)
    if layout and "python" in os.path.basename(layout[-1]) and layout[-1] == python:
        (tmp_path / python).rmdir()
        (tmp_path / python).write_text("")
    assert site_packages(given_one, Files()) == tuple(str(tmp_path / name) for name in found)
