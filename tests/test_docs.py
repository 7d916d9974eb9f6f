"""The pages in docs/: the generated ones are current, links lead somewhere, and examples follow their own advice."""

# Torch's own annotations are partial:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from docs.generate import FOLDER, leftovers, pages, write

from biaslens.lint import lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source
from markdown_cases import Case, read_cases

ROOT = FOLDER.parent
GUIDE = FOLDER / "choosing-bias.md"
EXAMPLES = tuple(read_cases(GUIDE.read_text("utf-8"), GUIDE.stem, prelude=""))
PAGES = pages()
WRITTEN = [ROOT / "README.md", *sorted(FOLDER.rglob("*.md"))]


@pytest.mark.parametrize("path", PAGES)
def test_a_generated_page_is_current(path: str) -> None:
    file = FOLDER / path
    assert file.exists(), f"docs/{path} is missing: run `make docs`"
    assert file.read_text("utf-8") == PAGES[path], f"docs/{path} is out of date: run `make docs`"


def test_no_page_is_left_over() -> None:
    assert leftovers(FOLDER, PAGES) == [], "these are not generated any more: run `make docs`"


def test_generating_writes_what_is_missing_and_removes_what_is_left_over(tmp_path: Path) -> None:
    for path in ("rules/BL999.md", "by-hand.md", "by-hand/page.md"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("# Something\n")
    assert write(tmp_path) == [*(f"wrote {path}" for path in PAGES), "removed rules/BL999.md"]
    assert write(tmp_path) == []
    assert leftovers(tmp_path, PAGES) == []
    found = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()}
    assert found == {*PAGES, "by-hand.md", "by-hand/page.md"}


def test_every_rule_and_every_folder_is_in_the_index() -> None:
    links = re.findall(r"\]\((rules/BL\d+\.md)\)", PAGES["README.md"])
    assert links == [path for path in PAGES if path.startswith("rules/")]
    folders = {f"{path.partition('/')[0]}/" for path in PAGES if "/" in path}
    assert folders == set(re.findall(r"\]\((\w+/)\)", PAGES["README.md"]))


# --- links -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(file: Path) -> None:
    assert list(broken_links(file)) == []


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A title\n\n## RMS norm, `bias=False`: keep it\n")
    (tmp_path / "page.md").write_text(
        "# Page\n[a](other.md) [b](other.md#rms-norm-biasfalse-keep-it) [c](#page) [d](https://arxiv.org/abs/1502.03167)\n"
        "[e](missing.md) [f](other.md#missing)\n[g](#missing)\n```python\nnets[0](x)\n```\n"
    )
    assert list(broken_links(tmp_path / "page.md")) == ["missing.md", "other.md#missing", "#missing"]


def broken_links(file: Path) -> Iterator[str]:
    """The relative links of a Markdown file that lead to no file or no heading."""
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "code", prose(file))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = file.parent / path if path else file
        if not target.exists() or (heading and heading not in anchors(target)):
            yield link


def anchors(file: Path) -> set[str]:
    """The names by which a page's headings are linked, or the lines of other files."""
    if file.suffix != ".md":
        return {f"L{number}" for number, _ in enumerate(file.read_text("utf-8").splitlines(), 1)}
    headings = re.findall(r"^#+ (.*)$", prose(file), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def prose(file: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", file.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


# --- the guide. Its examples are among `all_cases`, which torch and the analysis agree about -------------------------


def test_every_block_of_the_guide_is_an_example() -> None:
    assert len(EXAMPLES) == GUIDE.read_text("utf-8").count("```python\n") > 10


def test_the_answer_comes_first() -> None:
    lines = GUIDE.read_text("utf-8").splitlines()
    assert sum(line.startswith("| ") for line in lines[:10]) >= 5


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_follows_the_advice(example: Case) -> None:
    report = lint(Source("/project/model.py", example.text), Files(), Options())
    assert (report.findings, report.problems) == ((), ())
    lines = example.text.split("\n")
    left_out = {e.word for line, e in example.expectations.items() if "bias=False" in lines[line - 1]}
    kept = {e.word for line, e in example.expectations.items() if "bias=False" not in lines[line - 1]}
    assert kept <= {"needed", "returned"}
    assert left_out <= {"redundant", "absorbed"} or example.name.endswith("Models without any bias")


def test_the_conversion_of_old_checkpoints_keeps_what_the_model_computes() -> None:
    (example,) = (example for example in EXAMPLES if "without_bias" in example.text)
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    exec(example.text.replace(", bias=False", ""), old)
    exec(example.text, new)
    torch.manual_seed(0)
    before, after = old["Net"]().double(), new["Net"]().double()
    before.conv.bias.data += 3
    x = torch.randn(4, 3, 9, 9, dtype=torch.float64)
    for _ in range(5):
        before(x)
    kept = before.state_dict()
    del kept["conv.bias"]
    after.load_state_dict(kept)
    assert not torch.allclose(before.eval()(x), after.eval()(x), atol=0.1)
    after.load_state_dict(new["without_bias"](before.state_dict()))
    assert torch.allclose(before(x), after(x), atol=1e-12)
