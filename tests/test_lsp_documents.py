"""Addresses: the same file has one name however it is written, and the client gets its own spelling back."""

from __future__ import annotations

import pytest

from biaslens.lsp.documents import opened, path_of, uri_of


@pytest.mark.parametrize(
    "uri",
    [
        "file:///my%20dir/a%23b.py",
        "file:///my%20dir/a%23b%2Epy",
        "file://localhost/my%20dir/a%23b.py",
        "file:///my%20dir/x/../a%23b.py",
    ],
)
def test_every_spelling_of_an_address_is_the_same_file(uri: str) -> None:
    assert path_of(uri, windows=False) == "/my dir/a#b.py"


@pytest.mark.parametrize("uri", ["file:///C:/x/a.py", "file:///c%3A/x/a.py", "file:///c:/x/a.py"])
def test_the_case_of_a_drive_letter_does_not_matter(uri: str) -> None:
    assert path_of(uri, windows=True) == r"c:\x\a.py"


def test_a_network_share_is_a_file_on_windows() -> None:
    assert path_of("file://server/share/a.py", windows=True) == r"\\server\share\a.py"
    assert uri_of(r"\\server\share\a.py", windows=True) == "file://server/share/a.py"


def test_a_semicolon_is_part_of_the_name() -> None:
    assert path_of("file:///x/a;b.py", windows=False) == "/x/a;b.py"


@pytest.mark.parametrize("path", ["/a b/ü.py", "/a%20b/c.py", "/a#b?.py"])
def test_an_address_that_we_make_leads_back_to_its_file(path: str) -> None:
    assert path_of(uri_of(path, windows=False), windows=False) == path


@pytest.mark.parametrize("uri", ["untitled:Untitled-1", "untitled:/home/me/new.py", "file://"])
def test_a_buffer_that_is_no_file_yet_is_known_by_its_address(uri: str) -> None:
    document = opened(uri, "python", 1, "")
    assert document is not None
    assert document.path == uri
    assert not document.is_file


@pytest.mark.parametrize(
    "uri", ["git:/a.py", "vscode-vfs://github/a.py", "output:a", "http://example.org/a.py", "git://[a.py", "", "a.py"]
)
def test_other_schemes_are_not_ours(uri: str) -> None:
    assert opened(uri, "python", 1, "") is None


@pytest.mark.parametrize(
    ("uri", "language", "ours"),
    [
        ("file:///a.py", "python", True),
        ("file:///a.py", "django", True),
        ("file:///SConstruct", "python", True),
        ("file:///a.toml", "toml", False),
    ],
)
def test_only_python_is_ours(uri: str, language: str, ours: bool) -> None:
    assert (opened(uri, language, 1, "") is not None) is ours
