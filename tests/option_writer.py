"""A class with options in the making: its options, the tests that can be made of them, and its lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from random import Random

from option_runs import Entry, Option

MAX_COMBINATIONS = 200
MAX_OPTIONS = 6


@dataclass(frozen=True, slots=True)
class Domain:
    """Layers that go together. norms: of which the first cancels what the affine layer adds."""

    affine: str
    cancels: str
    reads: tuple[str, ...]
    inputs: str


DOMAINS = (
    Domain("nn.Linear(4, 4)", "nn.BatchNorm1d", ("nn.LayerNorm", "nn.Identity"), "torch.randn(6, 4)"),
    Domain("nn.Linear(4, 4)", "nn.BatchNorm1d", ("nn.Identity",), "torch.randn(6, 4)"),
    Domain("nn.Conv2d(4, 4, 1)", "nn.BatchNorm2d", ("nn.Identity",), "torch.randn(3, 4, 2, 2)"),
    Domain("nn.Conv1d(4, 4, 1)", "nn.InstanceNorm1d", ("nn.Identity",), "torch.randn(2, 4, 3)"),
)

LENGTHS = ("0", "1", "2", "3", "5", "6", "8")

VALUES = {
    "bool": ("False", "True"),
    "norm": ('"bn"', '"in"', '"none"', "None"),
    "module": ("None", "nn.ReLU", "nn.Identity"),
    "number": ("0", "1", "2"),
    "depth": LENGTHS,
    "tensor": ("None", "TENSOR"),
    "list": ("()", "(1, 2)", "(1, 1, 1, 1, 3)", "[2, 1, 3]"),
    "layer": ("None", "CANCELS", "nn.Identity"),
    "scale": ("0.0", "1.0", "0.5"),
}
OTHERS = {
    "layer": ("(lambda channels: nn.Tanh())",),
    "bool": ("1", "None"),
    "number": ("3", "-1", "1.5"),
    "depth": ("4", "7", "9"),
    "scale": ("-1.0",),
    "norm": ('"xn"',),
}
"""More values that tests may tell apart; no model is made with them."""

NAMES = {
    "bool": ("act_first", "plain", "pre", "residual", "use_norm", "hard", "raw"),
    "norm": ("norm", "kind", "mode"),
    "module": ("act", "activation"),
    "number": ("stride", "order", "level"),
    "depth": ("depth", "repeats"),
    "tensor": ("skip", "mask"),
    "scale": ("drop", "gamma"),
    "list": ("strides",),
    "layer": ("norm_layer",),
}
TESTS = {
    "bool": ("{0}", "not {0}", "{0}", "{0} is True"),
    "norm": (
        '{0} == "bn"',
        '{0} != "none"',
        '{0} in ("bn", "in")',
        '{0} == "in"',
        "{0} is not None",
        "{0}",
        '{0} == "none"',
    ),
    "module": ("{0} is not None", "{0} is None", "{0}", "not {0}"),
    "number": ("{0} > 1", "{0} == 1", "{0}", "{0} != 0", "{0} % 2 == 1", "0 < {0} < 2", "{0} >= 1"),
    "depth": ("{0} > 2", "{0} % 2 == 1", "{0} == 5", "{0} > 5", "{0}"),
    "tensor": ("{0} is not None", "{0} is None"),
    "list": ("{0}", "len({0}) > 2", "not {0}"),
    "layer": ("{0} is None", "{0} is not None", "{0}"),
    "scale": ("{0} > 0", "{0} > 0.5", "{0}", "{0} == 1.0"),
}
"""Ways to test a value of each kind."""


@dataclass(slots=True)
class Writer:
    """module: texts that stand before the class. entries: what helpers offer by themselves."""

    random: Random
    domain: Domain
    name: str
    module: list[str]
    entries: list[Entry]
    options: list[Option] = field(default_factory=list[Option])
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    defaults: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    styles: dict[str, str] = field(default_factory=dict[str, str])
    stored: set[str] = field(default_factory=set[str])
    class_lines: list[str] = field(default_factory=list[str])
    init: list[str] = field(default_factory=list[str])
    forward: list[str] = field(default_factory=list[str])
    methods: list[list[str]] = field(default_factory=list[list[str]])
    public: list[tuple[str, Option]] = field(default_factory=list[tuple[str, Option]])
    overrides: list[str] = field(default_factory=list[str])
    config_style: str = ""
    numbers: int = 0
    most: int = MAX_COMBINATIONS
    simple: bool = False

    def __post_init__(self) -> None:
        self.config_style = self.random.choice(("class", "dataclass", "dict"))

    # --- options

    def option(self, kind: str, forward: bool = False) -> str:
        """The name of an option of a kind, an old or a new one; "" where there can be no more."""
        here = [o.name for o in self.options if self.kinds[o.name] == kind and (o.place == "forward") <= forward]
        if here and self.random.random() < 0.6:
            return self.random.choice(here)
        names = [name for name in NAMES[kind] if name not in self.kinds]
        made = self._new(self.random.choice(names), kind, forward) if names else None
        return made or (self.random.choice(here) if here else "")

    def _new(self, name: str, kind: str, forward: bool) -> str | None:
        left = self.most // prod(len(option.values) for option in self.options)
        if left < 2 or len(self.options) >= MAX_OPTIONS:
            return None
        values: list[str | None] = list(VALUES[kind])
        if kind == "depth":
            values = [*self.random.sample(LENGTHS[:4], 2), *self.random.sample(LENGTHS[4:], 2)]
        elif kind in ("norm", "module", "number", "scale") and self.random.random() < 0.6:
            values.remove(self.random.choice(values[1:]))
        values = values[: max(2, min(left, len(values)))]
        place = "forward" if forward and (kind == "tensor" or self.random.random() < 0.5) else "argument"
        style = "plain"
        if kind == "tensor":
            place = "forward"
        if place == "argument" and not self.simple:
            style = self.random.choice(("plain", "plain", "plain", "kwargs", "config"))
            place = "config" if style == "config" else place
        default: str | None = None
        if style != "plain" or place == "forward" or self.random.random() < 0.75:
            default = self.random.choice([value for value in values if value is not None])
            if style == "config" and self.config_style == "dict":
                pass  # every key is given
            elif style == "kwargs" or self.random.random() < 0.8:
                values = [None, *(value for value in values if value != default)]
        if style == "kwargs":
            default = None
        names = {"TENSOR": self.domain.inputs, "CANCELS": self.domain.cancels}
        given = tuple(names.get(value, value) if value is not None else None for value in values)
        default = names.get(default, default) if default is not None else None
        if kind == "tensor":
            default = "None"
            given = (None, self.domain.inputs)
        others = tuple(names.get(value, value) for value in (*VALUES[kind], *OTHERS.get(kind, ())))
        others = tuple(value for value in others if value not in (default, *given))
        self.kinds[name], self.defaults[name], self.styles[name] = kind, default, style
        self.options.append(Option(name, place, given, others))
        return name

    def place_of(self, name: str) -> str:
        """Where an option is given."""
        return next(option.place for option in self.options if option.name == name)

    def value(self, name: str, forward: bool = False) -> str:
        """An expression that is an option, in the constructor or in `forward`."""
        if self.place_of(name) == "forward":
            return name
        style = self.styles[name]
        holder = "self." if forward else ""
        if style == "config":
            if forward:
                self.stored.add("cfg")
            if self.config_style == "dict":
                return self.random.choice((f'{holder}cfg["{name}"]', f'{holder}cfg.get("{name}")'))
            if self.random.random() < 0.1:
                return f'getattr({holder}cfg, "{name}", {self.random.choice(("None", "True"))})'
            return f"{holder}cfg.{name}"
        if style == "kwargs":
            if forward:
                self.stored.add("kwargs")
            return f'{holder}kwargs.get("{name}")'
        if forward:
            self.stored.add(name)
        return f"{holder}{name}"

    # --- tests

    def test(self, forward: bool = False, deep: float = 0.35) -> str:
        """A condition about options."""
        random = self.random
        if random.random() < deep:
            parts = [self.test(forward, deep / 2) for _ in range(random.choice((2, 2, 2, 3)))]
            form = random.choice(("and", "or", "and", "and", "not", "any", "all", "if"))
            match form:
                case "and" | "or":
                    return f" {form} ".join(f"({part})" if " or " in part or " if " in part else part for part in parts)
                case "not":
                    return f"not ({parts[0]})"
                case "if":
                    return f"({parts[0]} if {self.test(forward, 0)} else {parts[1]})"
                case _:
                    return f"{form}(({', '.join(parts)}))"
        return self._atom(forward)

    def _atom(self, forward: bool) -> str:
        random = self.random
        kinds = ["bool", "bool", "bool", "norm", "norm", "module", "number"]
        if forward:
            kinds += ["tensor", "scale", "bool"]
        for _ in range(4):
            kind = random.choice(kinds)
            name = self.option(kind, forward)
            if name:
                return self.atom(name, forward)
        return self.atom(random.choice(self.options).name, forward) if self._reachable(forward) else "True"

    def _reachable(self, forward: bool) -> bool:
        return bool(self.options) and (forward or all(option.place != "forward" for option in self.options))

    def atom(self, name: str, forward: bool) -> str:
        """A test of one option."""
        kind = self.kinds[name]
        holder = "self." if forward else ""
        if self.styles[name] == "kwargs":
            about = self.random.choice(("get", "get", "in", "len", "truth", "not in", "default"))
            if forward:
                self.stored.add("kwargs")
            match about:
                case "in" | "not in":
                    return f'"{name}" {about} {holder}kwargs'
                case "len":
                    return self.random.choice((f"len({holder}kwargs) == 0", f"len({holder}kwargs) > 1"))
                case "truth":
                    return self.random.choice((f"{holder}kwargs", f"not {holder}kwargs", f"bool({holder}kwargs)"))
                case "default":
                    default = self.random.choice([value for value in VALUES[kind] if not value.isupper()])
                    form = self.random.choice(TESTS[kind])
                    return form.format(f'{holder}kwargs.get("{name}", {default})')
                case _:
                    if kind in ("number", "depth", "scale"):
                        return self.random.choice(TESTS[kind]).format(f'{holder}kwargs.get("{name}", 0)')
        return self.random.choice(TESTS[kind]).format(self.value(name, forward))

    # --- lines

    def fresh(self, stem: str) -> str:
        """An attribute that is not there yet."""
        self.numbers += 1
        return f"{stem}{self.numbers}"

    def signature(self) -> list[str]:
        """The constructor's parameters."""
        plain = [o.name for o in self.options if o.place == "argument" and self.styles[o.name] == "plain"]
        without = [name for name in plain if self.defaults[name] is None]
        config = ["cfg"] if any(option.place == "config" for option in self.options) else []
        parameters = ["self", *config, *without]
        parameters += [f"{name}={self.defaults[name]}" for name in plain if self.defaults[name] is not None]
        return [*parameters, *(["**kwargs"] if "kwargs" in self.styles.values() else [])]

    def stores(self) -> list[str]:
        """What the constructor keeps of its arguments."""
        return [f"self.{name} = {name}" for name in sorted(self.stored)]

    def forward_parameters(self) -> list[str]:
        """Those of `forward` behind `x`."""
        return [f"{o.name}={self.defaults[o.name]}" for o in self.options if o.place == "forward"]

    def config_call(self) -> tuple[str, str]:
        """The argument that takes the config, and what makes one."""
        if not any(option.place == "config" for option in self.options):
            return "", ""
        return "cfg", "dict" if self.config_style == "dict" else "Config"

    def guarded(self, body: Sequence[str], calm: Sequence[str] = (), forward: bool = True) -> list[str]:
        """Lines that run some lines under a condition, and perhaps others else."""

        def test() -> str:
            return self.test(forward)

        random = self.random
        no = list(calm) or ["pass"]
        match random.randrange(15):
            case 0:
                return _if(test(), body)
            case 1 | 2:
                return _if(test(), _if(test(), body))
            case 3:
                return [*_if(test(), no), f"elif {test()}:", *indented(body)]
            case 4:
                return [*_if(test(), no), "else:", *indented(body)]
            case 5:
                return [*_if(test(), [*_if(test(), no), "else:", *indented(body)])]
            case 6:
                return [f"use = {test()}", *_if(f"use and ({test()})", body)]
            case 7:
                return _if(test(), _if(test(), _if(test(), body)))
            case 8:
                name = self.option("norm", forward)
                if not name:
                    return _if(test(), body)
                case = random.choice(('"in"', '"none"', '"in" | "none"', "None", '"bn"'))
                lines = [f"match {self.value(name, forward)}:", f"    case {case}:", *indented(indented(body))]
                return [*lines, "    case _:", *indented(indented(no))]
            case 9:
                return [f"for flag in ({test()}, {test()}):", *indented(_if("flag", body))]
            case 10:
                name = self.option("number", forward)
                if not name or self.styles[name] == "kwargs":
                    return _if(test(), body)
                return [
                    f"n = {self.value(name, forward)}",
                    f"while n > {random.choice('01')}:",
                    *indented([*body, "n -= 1"]),
                ]
            case 11:
                name = self.option("depth", forward) or self.option("number", forward)
                if not name or self.styles[name] == "kwargs":
                    return _if(test(), body)
                when = random.choice(
                    ("i > 3", "i == 1", "i % 4 == 3", "i > 0", f"i == {self.value(name, forward)} - 1")
                )
                return [f"for i in range({self.value(name, forward)}):", *indented(_if(when, body))]
            case 12:
                error = random.choice(("ValueError", "TypeError"))
                inner = _if(test(), [f"raise {error}"])
                return ["try:", *indented([*inner, *no]), f"except {error}:", *indented(body)]
            case 13:
                return [*_if(test(), no), f"elif {test()}:", *indented(body), "else:", *indented(no)]
            case _:
                return [*_if(test(), [*_if(test(), body), "else:", *indented(no)])]


def _if(test: str, body: Sequence[str]) -> list[str]:
    return [f"if {test}:", *indented(body)]


def indented(lines: Sequence[str]) -> list[str]:
    """One level deeper."""
    return [f"    {line}" if line else "" for line in lines]
