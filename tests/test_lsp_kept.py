"""What outlives broken syntax: findings in classes that nobody touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from biaslens.lsp.kept import LastGood
from biaslens.rules.rule import Finding
from biaslens.syntax.parse import parse
from biaslens.text import Location, Source, Span

if TYPE_CHECKING:
    from biaslens.flow import Site

NORM = """\
class Norm(nn.Module):
    norm = nn.BatchNorm2d(8)
"""
FIRST = """\
@register
class First(nn.Module):
    conv = nn.Conv2d(1, 8, 3)
    norm = nn.BatchNorm2d(8)
"""
SECOND = """\
class Second(nn.Module):
    conv = nn.Conv2d(2, 8, 3)
    norm = Norm()
"""
USER = """\
class User(nn.Module):
    conv = nn.Conv2d(3, 8, 3)
    rest = Second()
"""
TEXT = f"import torch.nn as nn\n\n{NORM}\n{FIRST}\n{SECOND}\n{USER}"


def test_a_statement_swallowed_by_an_open_bracket_keeps_its_finding_at_its_new_place() -> None:
    stem = "\nstem = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8))\n"
    before = NORM + stem + SECOND + USER
    assert _kept(before.replace(stem, f"half = [{stem}"), before) == ["nn.Conv2d(1"]
    assert _kept(before.replace(stem, f"half = [\n    {stem.strip()}\n"), before) == [], "its lines have changed"
    assert _kept(before.replace(stem, f"half = [{stem.rstrip()}.eval()\n"), before) == [], "its lines have changed"


def test_a_class_that_needs_a_broken_one_keeps_its_finding_and_so_does_its_user() -> None:
    assert _kept(TEXT.replace("BatchNorm2d(8)", "BatchNorm2d(8", 1)) == ["nn.Conv2d(2", "nn.Conv2d(3"]


def test_the_broken_class_loses_its_findings() -> None:
    assert _kept(TEXT.replace("nn.Conv2d(2, 8, 3)", "nn.Conv2d(2, 8, ")) == ["nn.Conv2d(3"]


def test_a_class_that_was_edited_loses_its_findings_even_if_it_needs_a_broken_one() -> None:
    text = TEXT.replace("BatchNorm2d(8)", "BatchNorm2d(8", 1).replace("conv = nn.Conv2d(2", "stem = nn.Conv2d(2")
    assert _kept(text) == ["nn.Conv2d(3"]


def test_the_analysis_has_the_last_word_on_a_class_that_parses_and_needs_nothing_broken() -> None:
    assert _kept(TEXT + "\nclass Broken(\n") == []


def test_a_finding_that_is_found_again_is_not_kept_twice() -> None:
    text = TEXT.replace("BatchNorm2d(8)", "BatchNorm2d(8", 1)
    assert _kept(text, found=["nn.Conv2d(2"]) == ["nn.Conv2d(3"]


def test_a_class_that_stands_there_twice_is_no_longer_the_one_that_was_judged() -> None:
    assert _kept(TEXT.replace("BatchNorm2d(8)", "BatchNorm2d(8", 1) + "\n" + SECOND) == ["nn.Conv2d(3"]


def test_a_class_that_is_gone_loses_its_finding() -> None:
    assert _kept(TEXT.replace("BatchNorm2d(8)", "BatchNorm2d(8", 1).replace(USER, "")) == ["nn.Conv2d(2"]


def test_other_line_ends_are_no_obstacle() -> None:
    text = TEXT.replace("\n", "\r\n")
    assert _kept(text.replace("BatchNorm2d(8)", "BatchNorm2d(8", 1), text) == ["nn.Conv2d(2", "nn.Conv2d(3"]


def test_related_places_move_along_and_those_in_the_broken_class_go() -> None:
    old, new = Source("a.py", TEXT), Source("a.py", "# a line\n" + TEXT.replace("BatchNorm2d(8)", "BatchNorm2d(8", 1))
    elsewhere = Location("b.py", Span(3, 5))
    finding = Finding(
        "BL101",
        "",
        _at(old, "nn.Conv2d(2"),
        "",
        "warning",
        cast("Site", None),
        related=((_at(old, "nn.BatchNorm2d(8)\n\n@"), "broken"), (_at(old, "Norm()"), "moved"), (elsewhere, "stays")),
    )
    (kept,) = LastGood(parse(old), (finding,)).kept(parse(new), (), _skipped(new))
    assert kept.related == ((_at(new, "Norm()"), "moved"), (elsewhere, "stays"))


def test_a_text_that_parses_keeps_nothing() -> None:
    assert _kept(TEXT.replace(NORM, "")) == []


def _kept(text: str, before: str = TEXT, found: list[str] | None = None) -> list[str]:
    """The texts of the kept findings, of one finding for each convolution before."""
    old, new = Source("a.py", before), Source("a.py", text)
    good = LastGood(parse(old), tuple(_finding(old, f"nn.Conv2d({number}") for number in (1, 2, 3)))
    kept = good.kept(parse(new), [_finding(new, place) for place in found or ()], _skipped(new))
    return [new.excerpt(finding.location.span) for finding in kept]


def _finding(source: Source, place: str) -> Finding:
    return Finding("BL101", "bias-before-batch-norm", _at(source, place), "", "warning", cast("Site", None))


def _at(source: Source, place: str) -> Location:
    start = source.text.index(place)
    return Location("a.py", Span(start, start + len(place)))


def _skipped(source: Source) -> list[Span]:
    return [problem.span for problem in parse(source).problems if problem.span is not None]
