"""The picture of a bias's way: harmless, legible on any background, and never saying more than is sure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biaslens.algebra.axes import axes
from biaslens.algebra.outcome import Shift, Term
from biaslens.explain.drawing import COLOURS
from biaslens.explain.lettering import shortened, width
from biaslens.explain.picture import MAX_WIDTH, SMALLEST, alternative, data_uri, image, picture
from biaslens.explain.variation import variations
from biaslens.flow import Ending, Fate, Site
from biaslens.lint import lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
SVG = "{http://www.w3.org/2000/svg}"
LIGHT, DARK = "#ffffff", "#1e1e1e"

NET = """\
import torch
import torch.nn.functional as F
from torch import nn
from elsewhere import thing


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cancelled = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.without = nn.Conv2d(8, 8, 3, bias=False)
        self.norm2 = nn.BatchNorm2d(8)
        self.read = nn.Conv2d(8, 8, 3)
        self.score = nn.Linear(8, 1)
        self.left_out = nn.Linear(8, 8, bias=False)
        self.absorbed = nn.Linear(8, 8)
        self.absorber = nn.Linear(8, 8)
        self.centred = nn.Linear(8, 8)
        self.returned = nn.Linear(8, 8)
        self.unknown = nn.Linear(8, 8)
        self.twice = nn.Linear(8, 8)
        self.twice.bias = thing

    def forward(self, x):
        x = torch.relu(self.norm(F.max_pool2d(self.cancelled(x), 2)))
        x = torch.relu(self.norm2(self.without(x)))
        x = torch.relu(self.read(x)).flatten(2).transpose(1, 2)
        weights = torch.softmax(self.score(x), dim=1)
        y = torch.relu(self.absorber(self.absorbed(x)))
        z = self.centred(y)
        z = z - z.mean(1, keepdim=True)
        y = torch.relu(self.left_out(y)) + torch.relu(z) + torch.relu(self.twice(y))
        return weights, self.returned(y), thing(self.unknown(y))
"""


# --- reading a picture -----------------------------------------------------------------------------------------------


@cache
def sites(text: str) -> tuple[Site, ...]:
    report = lint(Source("/project/model.py", text), Files(), Options())
    assert report.problems == ()
    return report.flow.sites


def way(name: str, text: str = NET) -> tuple[Site, Fate]:
    site = next(site for site in sites(text) if site.layer.label == name)
    assert site.deciding is not None
    return site, site.deciding


def model(*steps: str, **layers: str) -> str:
    """A model whose forward does some steps, with `conv` or `fc` as the layer to look at."""
    made = "".join(f"        self.{name} = nn.{call}\n" for name, call in layers.items())
    done = "".join(f"        {step}\n" for step in steps)
    return (
        "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n\n\nclass Net(nn.Module):\n"
        f"    def __init__(self):\n        super().__init__()\n{made}\n    def forward(self, x):\n{done}"
        "        return torch.relu(x)\n"
    )


@dataclass(frozen=True)
class Frame:
    """A rectangle with the texts on it: x, y, width, height."""

    kind: str
    sides: tuple[float, float, float, float]
    fill: str
    texts: tuple[ET.Element, ...]

    @property
    def left(self) -> float:
        return self.sides[0]

    @property
    def right(self) -> float:
        return self.sides[0] + self.sides[2]

    def overlaps(self, other: Frame) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not apart and self.sides[1] < other.sides[1] + other.sides[3] and other.sides[1] < self.bottom

    @property
    def bottom(self) -> float:
        return self.sides[1] + self.sides[3]


def parsed(svg: str) -> ET.Element:
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    return root


def groups(root: ET.Element) -> list[ET.Element]:
    return root.findall(f"{SVG}g")


def frames(root: ET.Element) -> Iterator[Frame]:
    for group in groups(root):
        rectangle = group.find(f"{SVG}rect")
        if rectangle is not None:
            x, y, wide, tall = (float(rectangle.attrib[side]) for side in ("x", "y", "width", "height"))
            texts = tuple(group.findall(f"{SVG}text"))
            yield Frame(group.attrib["class"], (x, y, wide, tall), rectangle.attrib["fill"], texts)


def captions(svg: str) -> list[str]:
    """What stands beside the boxes, from left to right."""
    found = [frame for frame in frames(parsed(svg)) if frame.kind == "caption"]
    return [" ".join(text.text or "" for text in frame.texts) for frame in sorted(found, key=lambda frame: frame.left)]


def boxes(svg: str) -> list[list[str]]:
    kinds = ("layer", "operation", "unknown", "skipped", "output")
    return [
        [text.text or "" for text in group.findall(f"{SVG}text")]
        for group in groups(parsed(svg))
        if group.attrib["class"] in kinds
    ]


def looks(name: str, text: str) -> list[str]:
    """What the bias looks like after each step, in words; the number of axes where there are none."""
    site, fate = way(name, text)
    return [look.words or str(look.axes) for look in variations(site.layer, fate)]


def every_picture() -> list[tuple[Site, Fate]]:
    found = list(sites(NET))
    for example in EXAMPLES:
        found += sites(example.read_text(encoding="utf-8"))
    return [(site, fate) for whole in found for site in (whole, *whole.parts) for fate in site.fates]


def check_layout(svg: str) -> None:
    """No text is wider than what it stands on, nothing stands on something else or leaves the picture."""
    root = parsed(svg)
    left, top, wide, tall = (float(number) for number in root.attrib["viewBox"].split())
    assert (float(root.attrib["width"]), float(root.attrib["height"])) == (wide, tall)
    found = [*frames(root)]
    for frame in found:
        assert left <= frame.left < frame.right <= left + wide
        assert top <= frame.sides[1] < frame.bottom <= top + tall
        for text in frame.texts:
            assert width(text.text or "", float(text.attrib["font-size"])) <= frame.sides[2]
            assert frame.sides[1] < float(text.attrib["y"]) < frame.bottom
    alone = [frame for frame in found if frame.kind not in ("mark", "badge", "crossed out")]
    assert not [(one, two) for one, two in combinations(alone, 2) if one.overlaps(two)]


# --- what is in it ---------------------------------------------------------------------------------------------------


def test_a_picture_shows_the_steps_and_what_the_bias_is_between_them() -> None:
    svg = picture(*way("cancelled"))
    assert boxes(svg) == [["cancelled", "Conv2d"], ["max_pool2d"], ["norm", "BatchNorm2d"]]
    assert captions(svg) == ["per channel", "− mean: b is gone"]
    kinds = [group.attrib["class"] for group in groups(parsed(svg))]
    assert kinds.count("mark") == 3
    assert kinds.count("arrow") == 3


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_way_in_the_examples_can_be_drawn(path: Path) -> None:
    found = [(site, fate) for site in sites(path.read_text(encoding="utf-8")) for fate in site.fates]
    assert found
    for site, fate in found:
        check_layout(picture(site, fate))


def test_a_picture_is_self_contained_and_says_in_words_what_it_shows() -> None:
    for site, fate in every_picture():
        svg = picture(site, fate)
        root = parsed(svg)
        assert root.attrib["role"] == "img"
        assert root.findtext(f"{SVG}title") == alternative(site, fate)
        assert not re.search(r"href|url\(|<script|<style|<image|@import", svg)


ENDINGS = ("cancelled", "score", "centred", "read", "returned", "absorbed", "unknown")


def test_endings_differ_in_words() -> None:
    said = {name: captions(picture(*way(name)))[-1] for name in ENDINGS}
    assert said == {
        "cancelled": "− mean: b is gone",
        "score": "same weights with any b",
        "centred": "subtracted: b is gone",
        "read": "changes the result",
        "returned": "b is part of it",
        "absorbed": "c can add the same",
        "unknown": "not followed from here on",
    }


def test_endings_differ_in_shape() -> None:
    """Without words and colours: what is drawn, in which order, and what of it is dashed."""
    names = ("cancelled", "read", "returned", "absorbed", "unknown")
    shapes: set[tuple[tuple[str, bool, int], ...]] = set()
    for name in names:
        site, fate = way(name)
        short = replace(fate, trail=(fate.trail[0], fate.trail[-1]) if len(fate.trail) > 1 else fate.trail)
        drawn = groups(parsed(picture(site, short)))
        drawn = [group for group in drawn if group.attrib["class"] not in ("caption", "layer", "operation")]
        shapes.add(tuple((g.attrib["class"], "stroke-dasharray" in g[0].attrib, len(g)) for g in drawn))
    assert len(shapes) == len(names)


def test_a_bias_that_is_not_there_is_hollow_and_would_do_something() -> None:
    def accents(name: str) -> list[bool]:
        root = parsed(picture(*way(name)))
        return [
            "stroke-dasharray" in element.attrib
            for element in root.iter(f"{SVG}rect")
            if element.attrib.get("stroke") == COLOURS["accent"]
        ]

    assert accents("cancelled")
    assert not any(accents("cancelled"))
    assert accents("without")
    assert all(accents("without"))
    assert captions(picture(*way("without"))) == ["has no bias", "per channel", "− mean: b would go"]
    assert captions(picture(*way("left_out")))[-1] == "would change the result"


def test_layers_with_only_a_number_are_shown_by_their_class() -> None:
    made = "from torch import nn\n\n\ndef block():\n    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))\n"
    (conv, _) = sites(made)
    assert conv.deciding is not None
    assert boxes(picture(conv, conv.deciding)) == [["Conv2d"], ["BatchNorm2d"]]
    held = model("x = self.main(x)", main="Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))")
    site = sites(held)[0]
    assert site.deciding is not None
    assert boxes(picture(site, site.deciding)) == [["main[0]", "Conv2d"], ["main[1]", "BatchNorm2d"]]
    assert image(site, site.deciding).startswith("![main.0 → main.1: the bias is subtracted at main.1](")


def test_long_ways_are_cut_in_the_middle() -> None:
    steps = ["x = self.conv(x)", *(f"x = x + {number}" for number in range(9)), "x = self.norm(x)"]
    site, fate = way("conv", model(*steps, conv="Conv2d(3, 8, 3)", norm="BatchNorm2d(8)"))
    assert len(fate.trail) == 11
    svg = picture(site, fate)
    assert boxes(svg) == [["conv", "Conv2d"], ["add"], ["add"], ["…"], ["add"], ["norm", "BatchNorm2d"]]
    assert alternative(site, fate).startswith("conv → add → add → … → add → norm: ")
    six = replace(fate, trail=(*fate.trail[:5], fate.trail[-1]), varies=fate.varies[:5])
    assert len(boxes(picture(site, six))) == 6
    assert ["…"] not in boxes(picture(site, six))


def test_with_long_names_fewer_steps_are_shown_so_that_they_can_be_read() -> None:
    def shown(steps: int) -> list[str]:
        site, fate = way("conv", model(*steps_of(steps), conv="Conv2d(3, 8, 3)", norm="BatchNorm2d(8)"))
        long = [replace(step, label=f"{number}_{'long' * 9}") for number, step in enumerate(fate.trail)]
        fate = replace(fate, trail=tuple(long))
        svg = picture(site, fate)
        check_layout(svg)
        size = re.search(r"width=(\d+),", image(site, fate))
        assert size is not None
        assert int(size[1]) >= SMALLEST * float(parsed(svg).attrib["width"]) - 1
        return [names[0][:1] for names in boxes(svg)]

    def steps_of(number: int) -> list[str]:
        return ["x = self.conv(x)", *["x = x + 1"] * (number - 2), "x = self.norm(x)"]

    assert shown(4) == ["0", "1", "2", "3"]
    assert shown(5) == ["0", "1", "2", "3", "4"]
    assert shown(6) == ["0", "1", "…", "4", "5"]


def test_a_bias_that_is_taken_over_stands_beside_the_one_that_takes_it() -> None:
    found = [frame for frame in frames(parsed(picture(*way("absorbed")))) if frame.kind in ("mark", "badge")]
    assert [frame.kind for frame in found] == ["mark", "badge", "mark", "badge"]
    assert not [(one, two) for one, two in combinations(found, 2) if one.overlaps(two)]


def test_a_bias_that_code_replaces_has_a_picture_without_steps() -> None:
    site, fate = way("twice")
    assert fate.trail == ()
    svg = picture(site, fate)
    check_layout(svg)
    assert boxes(svg) == [["twice", "Linear"]]
    assert alternative(site, fate) == "twice: what becomes of the bias is not known"


def test_the_keys_of_a_joint_layer_are_a_part_of_its_bias() -> None:
    text = model(
        "q, k, v = self.fc(x).chunk(3, dim=-1)",
        "x = F.softmax(q @ k.transpose(-2, -1), dim=-1) @ v",
        fc="Linear(8, 24)",
    )
    (whole,) = sites(text)
    (part,) = whole.parts
    assert part.first_cancelled is not None
    assert "a third of b" in captions(picture(part, part.first_cancelled))
    assert "this part of the bias does not change the weights of softmax" in alternative(part, part.first_cancelled)


# --- along which axes it varies --------------------------------------------------------------------------------------

CONV, NORM = "Conv2d(3, 8, 3)", "BatchNorm2d(8)"


def test_a_padded_convolution_makes_it_vary_by_pixel_and_a_pooling_does_not() -> None:
    steps = ("x = F.max_pool2d(self.conv(x), 2)", "x = self.norm(self.second(x))")
    padded = model(*steps, conv=CONV, second="Conv2d(8, 8, 3, padding=1)", norm=NORM)
    assert looks("conv", padded) == ["per channel", "per channel", "per channel and pixel"]
    assert captions(picture(*way("conv", padded))) == ["per channel", "per channel and pixel", "changes the result"]
    plain = model(*steps, conv=CONV, second="Conv2d(8, 8, 3)", norm=NORM)
    assert looks("conv", plain) == ["per channel", "per channel", "per channel"]
    assert captions(picture(*way("conv", plain))) == ["per channel", "− mean: b is gone"]


@pytest.mark.parametrize(
    ("padding", "words"),
    [("(0, 1)", "per channel and column"), ("(1, 0)", "per channel and row"), ("1", "per channel and pixel")],
)
def test_a_border_on_some_sides_only(padding: str, words: str) -> None:
    text = model("x = self.second(self.conv(x))", conv=CONV, second=f"Conv2d(8, 8, 3, padding={padding})")
    assert looks("conv", text)[-1] == words


@pytest.mark.parametrize(("dimensions", "place"), [(1, "position"), (2, "pixel"), (3, "voxel")])
def test_convolutions_of_all_dimensions(dimensions: int, place: str) -> None:
    text = model(
        "x = self.second(self.conv(x))",
        conv=f"Conv{dimensions}d(3, 8, 3)",
        second=f"Conv{dimensions}d(8, 8, 3, padding=1)",
    )
    assert looks("conv", text) == ["per channel", f"per channel and {place}"]


def test_features_of_linear_layers_and_single_numbers() -> None:
    assert looks("fc", model("x = self.fc(x)", fc="Linear(4, 4)")) == ["per feature"]
    assert looks("fc", model("x = self.fc(x)", fc="Linear(4, 1)")) == ["one number"]
    assert looks("fc", model("x = self.fc(x)", fc="LayerNorm(4)")) == ["per feature"]


def test_a_name_goes_with_its_axis_and_is_lost_where_axes_are_mixed() -> None:
    def after(*steps: str) -> str:
        text = model(
            "x = self.conv(x)", *steps, conv=CONV, second="Conv2d(8, 8, 3, padding=1)", fc="Linear(8, 8, bias=False)"
        )
        return looks("conv", text)[-1]

    assert after("x = x.mean((-2, -1))") == "per channel"
    assert after("x = x.permute(0, 2, 3, 1)") == "per channel"
    assert after("x = self.second(x)", "x = x.transpose(-1, -2)") == "per channel and pixel"
    assert after("x = self.second(x)", "x = x.flatten(-2)") == "2"
    assert after("x = x.mean((-2, -1))", "x = self.fc(x)") == "per feature"


def test_where_the_meaning_is_not_known_only_the_change_is_told() -> None:
    text = model(
        "x = self.fc(x)",
        "x = x.view(2, 3, 4, 2)",
        "x = x + 1",
        "x = x.sum(-1)",
        fc="Linear(8, 8)",
    )
    svg = picture(*way("fc", text))
    assert captions(svg) == ["per feature", "now along more axes", "now along fewer axes", "changes the result"]


def test_what_is_not_sure_is_not_told() -> None:
    text = (
        "from torch import nn\nimport torch\n\n\nclass Net(nn.Module):\n"
        "    def __init__(self, border):\n        super().__init__()\n        self.conv = nn.Conv2d(3, 8, 3)\n"
        "        self.second = nn.Conv2d(8, 8, 3, padding=border)\n\n"
        "    def forward(self, x):\n        return torch.relu(self.second(self.conv(x)))\n"
    )
    site, fate = way("conv", text)
    assert fate.varies == (axes(-3), None)
    assert captions(picture(site, fate)) == ["per channel", "changes the result"]
    last = [group for group in groups(parsed(picture(site, fate))) if group.attrib["class"] == "mark"][-1]
    assert len(last) == 1, "a disc without cells"


def test_a_shift_says_where_it_varies_only_if_that_is_sure() -> None:
    assert Shift.start("b", axes(-3)).varies == axes(-3)
    assert Shift((Term("a", 1, axes(-3)), Term("b", 1, axes(-1)))).varies == axes(-3, -1)
    assert Shift((Term("a", 1, axes(-3), possible=axes(-1)),)).varies is None
    assert Shift.start("b", axes(1)).varies is None, "which axis that is depends on the rank"


def test_where_a_shift_varies_makes_no_other_fate() -> None:
    _, fate = way("cancelled")
    other = replace(fate, varies=())
    assert fate.varies == (axes(-3), axes(-3))
    assert fate == other
    assert hash(fate) == hash(other)


def test_an_absorbed_bias_has_its_axes_too() -> None:
    _, fate = way("absorbed")
    assert fate.ending is Ending.ABSORBED
    assert fate.varies == (axes(-1),)


# --- harmless, legible, small ----------------------------------------------------------------------------------------

HOSTILE = (
    "<script>alert('1')</script>",
    "a&b\"c'd",
    "]](http://x)![",
    "\u202egnirts\u202c",
    "\x00\x1b[31m\x7f\ufffe",
    "\ud800x\udfff",
    "מָה" * 9,
    "漢字" * 30,
    "a.very.long.name." * 40,
    "e\u0301" * 50,
    "",
    " \n\t",
)


def renamed(label: str, made_by: str) -> tuple[Site, Fate]:
    """A way whose first and last steps have other names."""
    site, fate = way("cancelled")
    first, *between, last = fate.trail
    trail = (
        replace(first, label=label, operation=made_by),
        *(replace(step, label=label) for step in between),
        replace(last, label=made_by, operation=label),
    )
    return replace(site, layer=replace(site.layer, label=label)), replace(fate, trail=trail)


def check_harmless(label: str, made_by: str) -> None:
    site, fate = renamed(label, made_by)
    svg = picture(site, fate)
    check_layout(svg)
    shown = [text.text or "" for text in parsed(svg).iter(f"{SVG}text")]
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", "".join(shown))
    markdown = image(site, fate)
    assert re.fullmatch(
        r"!\[[^\[\]\\`<>*&\n]*\]\(data:image/svg\+xml;base64,[\w+/=]+\|width=\d+,height=\d+\)", markdown
    )
    assert len(markdown) < 20_000


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_do_no_harm(name: str) -> None:
    check_harmless(name, "Conv2d")
    check_harmless(name, name)


@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=60))
@settings(max_examples=80, deadline=None)
def test_no_name_does_harm(label: str, made_by: str) -> None:
    check_harmless(label, made_by)


def test_names_are_escaped_not_lost() -> None:
    site, fate = renamed("a<b>&'c\"", "Conv2d")
    assert boxes(picture(site, fate))[0] == ["a<b>&'c\"", "Conv2d"]


@given(st.text(min_size=1), st.floats(20, 200))
def test_a_shortened_text_fits(text: str, limit: float) -> None:
    short = shortened(text, 12, limit)
    assert width(short, 12) <= limit
    assert short == text or ("…" in short and len(short) <= len(text))


def test_of_a_long_dotted_name_the_end_is_kept() -> None:
    assert shortened("encoder.layers[3].attn.qkv", 10, 100) == "…attn.qkv"
    assert shortened("a_name_without_any_dot", 10, 100) == "a_name_…_any_dot"


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """As the Web Content Accessibility Guidelines define it."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_what_the_guidelines_say() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_all_text_can_be_read_on_light_and_dark_backgrounds() -> None:
    pairs: set[tuple[str, str]] = set()
    bare: set[str] = set()
    for site, fate in every_picture():
        for group in groups(parsed(picture(site, fate))):
            rectangle = group.find(f"{SVG}rect")
            for text in group.findall(f"{SVG}text"):
                if rectangle is None:
                    bare.add(text.attrib["fill"])
                else:
                    pairs.add((text.attrib["fill"], rectangle.attrib["fill"]))
    assert len(pairs) >= 4
    assert {pair: contrast(*pair) for pair in pairs if contrast(*pair) < 4.5} == {}
    assert bare == {COLOURS["line"]}, "the dots of a way that was cut"


@pytest.mark.parametrize("background", [LIGHT, DARK])
def test_lines_and_marks_can_be_seen_on_light_and_dark_backgrounds(background: str) -> None:
    assert contrast(COLOURS["line"], background) >= 4
    assert contrast(COLOURS["accent"], background) >= 3
    assert contrast(COLOURS["ink"], COLOURS["paper"]) >= 4.5, "the cross has a plate of its own"


def test_every_colour_is_one_of_the_tested_ones() -> None:
    used = {colour for site, fate in every_picture() for colour in re.findall(r"#\w{6}", picture(site, fate))}
    assert used == {*COLOURS.values()}


def test_pictures_are_small() -> None:
    sizes = sorted(len(data_uri(picture(site, fate))) for site, fate in every_picture())
    assert sizes[len(sizes) // 2] < 6_000
    assert sizes[-1] < 12_000


def test_an_address_holds_the_picture() -> None:
    svg = picture(*way("cancelled"))
    kind, _, data = data_uri(svg).partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(data).decode() == svg


def test_an_image_has_its_size_where_the_editor_reads_it() -> None:
    widths: list[int] = []
    for site, fate in every_picture():
        markdown = image(site, fate)
        found = re.search(r"\((data:[^|]*)\|width=(\d+),height=(\d+)\)$", markdown)
        assert found is not None
        assert found.group(1) == data_uri(picture(site, fate))
        shown, own = (int(found.group(2)), int(found.group(3))), parsed(picture(site, fate)).attrib
        assert shown[0] / shown[1] == pytest.approx(float(own["width"]) / float(own["height"]), rel=0.03)
        widths.append(shown[0])
    assert max(widths) <= MAX_WIDTH


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cancelled", "cancelled → max_pool2d → norm: the bias is subtracted at norm"),
        ("without", "without → norm2: a bias would be subtracted at norm2"),
        ("norm", "norm → relu: the shift β changes the result of relu"),
        ("left_out", "left_out → relu: a bias would change the result of relu"),
        ("score", "score → softmax: the bias does not change the weights of softmax"),
        ("centred", "centred → sub: the bias is subtracted again at sub"),
        ("absorbed", "absorbed → absorber: the bias of absorber can add the same as the bias"),
        ("returned", "returned → output: the bias is part of the output"),
        ("unknown", "unknown → elsewhere.thing: what becomes of the bias is not known from elsewhere.thing on"),
    ],
)
def test_the_picture_in_words(name: str, text: str) -> None:
    assert alternative(*way(name)) == text
    assert image(*way(name)).startswith(f"![{text}](data:")
