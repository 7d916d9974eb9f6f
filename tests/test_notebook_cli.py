"""Notebook files on the command line: read whatever their form, shown by cells, and repaired in their JSON alone."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from biaslens.cli.writing import write
from biaslens.syntax import ipynb
from biaslens.syntax.notebook import Cell, Notebook, notebook
from biaslens.text import Problem
from command import run

IMPORT = "%matplotlib inline\nimport torch.nn as nn"
BLOCK = """\
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3)
        self.bn = nn.BatchNorm2d(64)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x):
        return self.bn(self.conv(x))
"""
FIXED = BLOCK.replace("64, 3)", "64, 3, bias=False)").replace("        nn.init.zeros_(self.conv.bias)\n", "")
PYTHON = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def code(text: str, *, as_lines: bool = True, **fields: Any) -> dict[str, Any]:
    source = text.splitlines(keepends=True) if as_lines else text
    output = {"output_type": "stream", "name": "stdout", "text": ["self.conv = nn.Conv2d(3, 64, 3)\n", "é\u2028\n"]}
    return {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [output], "source": source, **fields}


def document(*cells: dict[str, Any], **fields: Any) -> dict[str, Any]:
    title: dict[str, Any] = {"cell_type": "markdown", "metadata": {}, "source": ["# Ein Titel\n", "mit Umlaut: ü"]}
    return {"cells": [title, *cells], "metadata": PYTHON, "nbformat": 4, "nbformat_minor": 5, **fields}


def dumped(content: dict[str, Any], **style: Any) -> str:
    chosen: dict[str, Any] = {"indent": 1, "ensure_ascii": False, **style}
    return json.dumps(content, **chosen) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_notebooks_are_found_and_places_name_their_cells(folder: Path) -> None:
    (folder / "train.ipynb").write_text(dumped(document(code(IMPORT), code(BLOCK))), encoding="utf-8")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "train-checkpoint.ipynb").write_text("broken", encoding="utf-8")
    for paths in ((), ("train.ipynb",)):
        outcome = run("check", "--output-format", "concise", *paths)
        assert outcome.code == 1
        assert outcome.out.startswith("train.ipynb:cell 3:4:21: BL101 [*] The bias of `conv` has no effect")
        assert outcome.err == ""


def test_the_full_format_shows_each_cell_with_its_own_line_numbers(folder: Path) -> None:
    cells = (
        code(IMPORT),
        code("\n\nconv = nn.Conv2d(3, 8, 3)"),
        code("norm = nn.BatchNorm2d(8)"),
        code("%time y = norm(conv(x))"),
    )
    (folder / "train.ipynb").write_text(dumped(document(*cells)), encoding="utf-8")
    lines = run("check").out.splitlines()
    assert lines[1:8] == [
        "  |",
        "3 | conv = nn.Conv2d(3, 8, 3)",
        "  |        ^^^^^^^^^^^^^^^^^^",
        " ::: train.ipynb:cell 4:1:8",
        "  |",
        "1 | norm = nn.BatchNorm2d(8)",
        "  |        ----------------- `norm` cancels it here",
    ]


def test_json_has_the_cell_and_rows_in_it(folder: Path) -> None:
    (folder / "train.ipynb").write_text(dumped(document(code(IMPORT), code(BLOCK))), encoding="utf-8")
    (folder / "model.py").write_text(f"import torch.nn as nn\n{BLOCK}", encoding="utf-8")
    plain, found = run("check", "--output-format", "json").json
    assert plain["cell"] is None
    assert "cell" not in plain["fix"]["edits"][0]
    assert found["filename"] == str(folder / "train.ipynb")
    assert (found["cell"], found["location"]) == (3, {"row": 4, "column": 21})
    assert found["cancelled_by"]["location"] | {"filename": ""} == {"filename": "", "cell": 3, "row": 5, "column": 19}
    assert [(edit["cell"], edit["location"]["row"]) for edit in found["fix"]["edits"]] == [(3, 4), (3, 6)]
    (site,) = run("sites", "--output-format", "json", "train.ipynb").json
    assert site["cell"] == 3
    assert "train.ipynb:cell 3:4:21" in run("sites", "train.ipynb").out
    assert "conv at train.ipynb:cell 3:4:21: redundant" in run("program", "train.ipynb").out


def test_a_line_of_a_cell_can_be_explained(folder: Path) -> None:
    (folder / "train.ipynb").write_text(dumped(document(code(IMPORT), code(BLOCK))), encoding="utf-8")
    outcome = run("explain", "train.ipynb:cell 3:4")
    assert outcome.code == 0
    assert outcome.out.startswith("train.ipynb:cell 3:4:21: nn.Conv2d(3, 64, 3)\n")
    assert "`bn` (cell 3, line 9)" in outcome.out
    assert run("explain", "train.ipynb:cell 3:4:25").out == outcome.out
    for place, words in (
        ("4", "Which place in train.ipynb? Name one of its Python cells, as in `train.ipynb:cell 2:1`."),
        ("cell 1:1", "Which place in train.ipynb?"),
        ("cell 3:99", "Cell 3 of train.ipynb has 10 lines, and no 99."),
        ("cell 3:1", "nothing"),
        (
            "cell 2:1",
            "There is no layer, norm or softmax to explain at train.ipynb:cell 2:1, nor anywhere else in the cell.",
        ),
    ):
        outcome = run("explain", f"train.ipynb:{place}")
        if words == "nothing":
            assert "The nearest are at 4, 5, 9." in outcome.err
        else:
            assert outcome.err.startswith(words)
        assert outcome.code == 2


STYLES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("jupyter", {}),
    ("vscode", {"indent": 4}),
    ("tabs", {"indent": "\t"}),
    ("one line", {"indent": None}),
    ("no spaces", {"indent": None, "separators": (",", ":")}),
    ("escapes", {"ensure_ascii": True}),
    ("sorted", {"sort_keys": True}),
)


@pytest.mark.parametrize("as_lines", [True, False], ids=["lines", "one string"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""], ids=["lf", "crlf", "no final line end"])
@pytest.mark.parametrize("style", [style for _, style in STYLES], ids=[name for name, _ in STYLES])
def test_a_fix_changes_only_the_lines_of_the_source(
    folder: Path, style: dict[str, Any], end: str, mark: str, *, as_lines: bool
) -> None:
    def written(block: str) -> bytes:
        cells = (
            code(IMPORT, as_lines=as_lines),
            code(f"# ü\u2028\n{block}", as_lines=False) if not as_lines else lines(block),
        )
        text = dumped(document(*cells, zusatz={"source": BLOCK}), **style).rstrip("\n") + end[-1:]
        return (mark + text.replace("\n", end or "\n")).encode("utf-8")

    def lines(block: str) -> dict[str, Any]:
        return code("") | {"source": ["# ü\u2028\n", *block.splitlines(keepends=True)]}

    path = folder / "train.ipynb"
    path.write_bytes(written(BLOCK))
    outcome = run("check", "--fix", "train.ipynb")
    assert (outcome.code, outcome.err) == (0, "")
    assert path.read_bytes() == written(FIXED)


def test_what_a_fix_leaves_alone_keeps_every_byte(folder: Path) -> None:
    """Escapes that nobody needs, keys given twice, cells with one id, unusual lists and numbers."""
    block = (
        json.dumps(BLOCK)[1:-1].replace("class", "\\u0063lass").replace("/", "\\/").replace("forward", "f\\u006Frward")
    )
    text = (
        '{ "nbformat":4.0e0,"metadata":{},"cells" : [\n'
        '{"id":"a","cell_type":"code","source":"ignored = 1",\n'
        '"source":["import tor","ch.nn as nn\\n","x = \'\\ud83d\\ude00🙂\\u00e9\'"] },\n'
        '{"id":"a","cell_type":"code","outputs":[{"source":["' + block + '"]}, -0.0, [], {}, ""],\n'
        '   "source":[ "' + block + '" ,\n"y = \\"\\ud83d\\ude00\\"" ] , "metadata":{ }}\n'
        "]\t}  "
    )
    path = folder / "train.ipynb"
    path.write_text(text, encoding="utf-8")
    assert run("check", "--fix").code == 0
    before, after = text.rsplit(block, 1)
    new = path.read_text(encoding="utf-8")
    assert new.startswith(before)
    assert new.endswith(after)
    assert json.loads(new)["cells"][1]["source"] == [*FIXED.splitlines(keepends=True), 'y = "😀"']


def test_the_line_ends_of_a_cell_are_kept(folder: Path) -> None:
    cells = (code(IMPORT), code("") | {"source": BLOCK.replace("\n", "\r\n")})
    (folder / "train.ipynb").write_text(dumped(document(*cells)), encoding="utf-8")
    assert run("check", "--fix").code == 0
    assert json.loads((folder / "train.ipynb").read_text())["cells"][2]["source"] == FIXED.replace("\n", "\r\n")


def test_a_diff_shows_each_cell(folder: Path) -> None:
    text = dumped(document(code(IMPORT), code(BLOCK), code("net = Block()\nnn.init.zeros_(net.conv.bias)")))
    (folder / "train.ipynb").write_text(text, encoding="utf-8")
    outcome = run("check", "--diff")
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert lines[:3] == ["--- train.ipynb:cell 3", "+++ train.ipynb:cell 3", "@@ -1,9 +1,8 @@"]
    assert lines[lines.index("--- train.ipynb:cell 4") :] == [
        "--- train.ipynb:cell 4",
        "+++ train.ipynb:cell 4",
        "@@ -1,2 +1,3 @@",
        " net = Block()",
        "-nn.init.zeros_(net.conv.bias)",
        "\\ No newline at end of file",
        "+if net.conv.bias is not None:",
        "+    nn.init.zeros_(net.conv.bias)",
        "\\ No newline at end of file",
    ]
    assert (folder / "train.ipynb").read_text(encoding="utf-8") == text


def test_the_standard_input_may_be_a_notebook(folder: Path) -> None:
    data = dumped(document(code(IMPORT), code(BLOCK))).encode("utf-8")
    outcome = run("check", "-", "--stdin-filename", "train.ipynb", "--output-format", "concise", stdin=data)
    assert outcome.out.startswith("train.ipynb:cell 3:4:21: BL101 [*]")
    fixed = run("check", "-", "--stdin-filename", "train.ipynb", "--fix", stdin=data)
    assert (fixed.code, fixed.err) == (0, "")
    assert fixed.bytes_out == dumped(document(code(IMPORT), code(FIXED))).encode("utf-8")
    broken = run("check", "-", "--stdin-filename", "train.ipynb", "--fix", stdin=b"{")
    assert (broken.code, broken.bytes_out) == (2, b"{")


def test_comments_can_be_added_to_all_findings(folder: Path) -> None:
    (folder / "train.ipynb").write_text(dumped(document(code(IMPORT), code(BLOCK))), encoding="utf-8")
    assert run("check", "--add-ignore").out == "Added ignore comments to 1 line in 1 file.\n"
    silent = BLOCK.replace("64, 3)", "64, 3)  # biaslens: ignore[BL101]")
    assert (folder / "train.ipynb").read_text(encoding="utf-8") == dumped(document(code(IMPORT), code(silent)))
    assert run("check").code == 0


def test_older_notebooks_have_worksheets(folder: Path) -> None:
    def worksheets(block: str) -> dict[str, Any]:
        cells: list[dict[str, Any]] = [
            {"cell_type": "heading", "level": 1, "source": "Titel"},
            {"cell_type": "code", "language": "python", "input": IMPORT, "collapsed": False, "outputs": []},
            {"cell_type": "code", "language": "julia", "input": BLOCK.replace("Block", "Not"), "outputs": []},
        ]
        last = {"cell_type": "code", "language": "python", "input": block.splitlines(keepends=True), "outputs": []}
        sheets: list[dict[str, Any]] = [{"cells": cells, "metadata": {}}, {}, {"cells": [last]}]
        return {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": sheets}

    path = folder / "old.ipynb"
    path.write_text(dumped(worksheets(BLOCK)), encoding="utf-8")
    assert run("check", "--output-format", "concise").out.startswith("old.ipynb:cell 4:4:21: BL101")
    assert run("check", "--fix").code == 0
    assert path.read_text(encoding="utf-8") == dumped(worksheets(FIXED))


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"language": "R"}},
        {"language_info": {"name": "julia"}},
        {"kernelspec": {"name": "ir", "language": "R"}, "language_info": {"name": "R"}},
        {"kernelspec": {"language": "sos"}, "language_info": {"name": "python"}},
    ],
)
def test_notebooks_in_other_languages_are_passed_over_in_silence(folder: Path, metadata: dict[str, Any]) -> None:
    content = document(code(IMPORT), code(BLOCK), metadata=metadata)
    (folder / "other.ipynb").write_text(dumped(content), encoding="utf-8")
    outcome = run("check")
    assert (outcome.code, outcome.out, outcome.err) == (0, "No redundant bias found.\n", "")


@pytest.mark.parametrize(
    "metadata",
    [None, {}, [], {"kernelspec": None}, {"kernelspec": {"name": "x"}}, {"language_info": {"name": "ipython"}}, PYTHON],
)
def test_a_notebook_that_does_not_tell_its_language_is_in_python(folder: Path, metadata: object) -> None:
    content = document(code(IMPORT), code(BLOCK), metadata=metadata)
    (folder / "train.ipynb").write_text(dumped(content), encoding="utf-8")
    assert run("check").code == 1


def test_cells_in_other_languages_are_left_out(folder: Path) -> None:
    cells = (
        code(IMPORT),
        code(BLOCK, metadata={"vscode": {"languageId": "sql"}}),
        code(BLOCK) | {"cell_type": "raw"},
        code(BLOCK) | {"source": None},
        code(BLOCK) | {"source": ["x = 1\n", 2]},
        code(f"%%writefile model.py\n{BLOCK}"),
        {"cell_type": "code"},
    )
    content = document(*cells)
    content["cells"] += [None, 3, "text", []]
    (folder / "train.ipynb").write_text(dumped(content), encoding="utf-8")
    outcome = run("check")
    assert (outcome.code, outcome.err) == (0, "")
    content["cells"].append(code(BLOCK))
    (folder / "train.ipynb").write_text(dumped(content), encoding="utf-8")
    assert run("check", "--output-format", "concise").out.startswith("train.ipynb:cell 13:4:21")
    assert run("check", "--fix").code == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{", "It is not a notebook, because it is not JSON: Expecting property name enclosed in double quotes"),
        (b'{"cells": [\n<<<<<<< HEAD\n]}', "because it is not JSON: Expecting value (line 2, column 1)."),
        (b'{"cells": []} x', "because it is not JSON: Extra data (line 1, column 15)."),
        (b"[]", "It is not a notebook: it has no list of cells."),
        (b'{"cells": {}}', "It is not a notebook: it has no list of cells."),
        (b'{"metadata": {}}', "It is not a notebook: it has no list of cells."),
        (b"[" * 100_000, "It is not a notebook that can be read"),
        (b'{"cells": ["\xff"]}', "It is not valid utf-8 text (byte 12)."),
        ('{"cells": []}'.encode("utf-16"), "It is not valid utf-8 text (byte 0)."),
        (b"\x00", "It is not a notebook, because it is not JSON: Expecting value (line 1, column 1)."),
        (b'{"cells": [], "n": 1' + b"0" * 5000 + b"}", ""),
    ],
)
def test_a_file_that_is_no_notebook_is_one_line(folder: Path, data: bytes, words: str) -> None:
    (folder / "broken.ipynb").write_bytes(data)
    outcome = run("check", "--fix", "broken.ipynb")
    if not words:
        assert outcome.code in (0, 2)
        return
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("broken.ipynb:1:1: ")
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    (folder / "model.py").write_text("x = 1\n", encoding="utf-8")
    assert run("check").code == 0
    assert (folder / "broken.ipynb").read_bytes() == data


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf", b'{"cells": []}', b'{"worksheets": []}'])
def test_an_empty_notebook_is_clean(folder: Path, data: bytes) -> None:
    (folder / "new.ipynb").write_bytes(data)
    outcome = run("check")
    assert (outcome.code, outcome.err) == (0, "")


def test_large_outputs_are_no_matter(folder: Path) -> None:
    picture = {"output_type": "display_data", "data": {"image/png": 'iVBOR"\\' * 700_000}, "metadata": {}}
    text = {"output_type": "stream", "name": "stdout", "text": ['\x1b[0m"{[ ünd\n'] * 60_000}
    cells = (code(IMPORT), code("x = 1", outputs=[picture, text]), code(BLOCK))
    before = dumped(document(*cells))
    (folder / "train.ipynb").write_text(before, encoding="utf-8")
    assert run("check", "--fix").code == 0
    after = (folder / "train.ipynb").read_text(encoding="utf-8")
    assert after == dumped(document(*cells[:2], code(FIXED)))


def test_a_notebook_whose_cells_changed_meanwhile_is_left_as_it_is(folder: Path) -> None:
    path = folder / "train.ipynb"

    def saved(*cells: dict[str, Any]) -> bytes:
        path.write_bytes(dumped(document(*cells)).encode("utf-8"))
        return path.read_bytes()

    before = ipynb.read(saved(code(IMPORT), code(BLOCK)), str(path))
    assert isinstance(before, Notebook)
    fixed = notebook(before.path, [Cell(IMPORT, 2), Cell(FIXED, 3)])
    data = saved(code(IMPORT), code("x = 1"), code(BLOCK))
    problem = write(before, fixed)
    assert problem is not None
    assert problem.message == "It changed on disk meanwhile, so it was left as it is."
    assert path.read_bytes() == data
    assert ipynb.rewritten(data, fixed) is None
    saved(code(IMPORT, outputs=[]), code(BLOCK, outputs=[]))
    assert write(before, fixed) is None, "it was only run meanwhile"
    assert path.read_bytes() == dumped(document(code(IMPORT, outputs=[]), code(FIXED, outputs=[]))).encode("utf-8")


ITEMS = ("x = 1\n", "y = 'ü'\n", "\n", "z = '\ud83d'\n", 'tab\t\\n"\n', "🙂\r\n", "no end", "", "two\nlines\n")


def test_any_text_can_be_written_into_any_cell() -> None:
    chance = random.Random(3)
    for _ in range(1500):
        sources = [
            chance.choices(ITEMS, k=chance.randint(0, 4)) if chance.random() < 0.7 else chance.choice(ITEMS)
            for _ in range(chance.randint(1, 4))
        ]
        style: dict[str, Any] = chance.choice(STYLES)[1] | {"ensure_ascii": True}
        content = document(*(code("") | {"source": source} for source in sources))
        data = dumped(content, **style).encode("utf-8")
        before = ipynb.read(data, "/project/train.ipynb")
        assert not isinstance(before, Problem)
        texts = ["".join(source) for source in sources]
        assert [cell.text for cell in before.cells] == texts
        assert ipynb.rewritten(data, before) == data
        number = chance.randrange(len(texts))
        lines = texts[number].splitlines(keepends=True)
        lines[chance.randint(0, len(lines)) : chance.randint(0, len(lines))] = chance.choices(
            ITEMS, k=chance.randint(0, 2)
        )
        texts[number] = "".join(lines)
        after = notebook(before.path, [Cell(text, place) for place, text in enumerate(texts, start=2)])
        new = ipynb.rewritten(data, after)
        assert new is not None
        found = ipynb.read(new, before.path)
        assert not isinstance(found, Problem)
        assert [cell.text for cell in found.cells] == texts
        changed = json.loads(new)
        for cell, old in zip(changed["cells"][1:], content["cells"][1:], strict=True):
            old["source"] = cell["source"]
        assert changed == content
