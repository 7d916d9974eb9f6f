"""Random models with options, and all that can be chosen of each.

A model is a few units in a row: an affine layer, something that may read its bias, something that may cancel it. What
happens in a unit depends on tests of options: arguments of the constructor with and without defaults, `**kwargs`, a
config object, arguments of `forward`. Tests are nested and combined in the ways in which people write them, also by
loops, early returns, exceptions, tables and helpers. The units are in `option_units.py`, those that need loops in
`option_loops.py`, those with helpers in `option_helpers.py`.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from option_helpers import (
    class_attribute,
    helper_class,
    helper_function,
    helper_of_tensors,
    own_method,
    public_method,
)
from option_loops import comprehended, counted, grown, listed, long, loop_in_constructor, loop_of_lists
from option_runs import Entry, Option, OptionModel
from option_units import (
    attempt,
    chosen_norm,
    early_return,
    given_norm,
    keywords,
    optional_layer,
    plain_forward,
    sequential,
    steady,
    used_twice,
)
from option_writer import DOMAINS, Writer, indented

PRELUDE = "from dataclasses import dataclass\n\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn\n"

UNITS = (
    *[plain_forward] * 3,
    *[chosen_norm] * 2,
    *[sequential] * 2,
    *[helper_class] * 2,
    attempt,
    class_attribute,
    comprehended,
    counted,
    early_return,
    given_norm,
    grown,
    helper_function,
    helper_of_tensors,
    keywords,
    listed,
    long,
    loop_in_constructor,
    loop_of_lists,
    optional_layer,
    own_method,
    public_method,
    steady,
    used_twice,
)


def random_option_model(seed: int) -> OptionModel:
    """The model of that seed, the same one on every call."""
    random = Random(f"options {seed}")
    domain = random.choice(DOMAINS)
    module: list[str] = []  # what stands before the class
    helpers: list[Entry] = []
    writer = Writer(random, domain, "Net", module, helpers)
    for _ in range(random.choice((1, 1, 2, 2, 3))):
        unit = random.choice(UNITS)
        unit(writer)
    derived = _derived(writer) if writer.overrides or (writer.methods and random.random() < 0.7) else None
    text = PRELUDE + "".join(f"\n\n{part}\n" for part in (*writer.module, *_config(writer), class_text(writer)))
    entries = [entry(writer), *_public(writer), *helpers]
    if derived is not None:
        text += f"\n\n{derived[0]}\n"
        entries.append(derived[1])
    return OptionModel(text, tuple(entries))


def class_text(writer: Writer) -> str:
    """The class as it stands in the file."""
    lines = [f"class {writer.name}(nn.Module):", *indented(writer.class_lines)]
    lines += [f"    def __init__({', '.join(writer.signature())}):", "        super().__init__()"]
    lines += indented(indented([*writer.stores(), *writer.init]))
    for method in writer.methods:
        lines += ["", *indented(method)]
    lines += ["", f"    def forward({', '.join(['self', 'x', *writer.forward_parameters()])}):"]
    lines += indented(indented([*writer.forward, "return x"]))
    return "\n".join(lines)


def entry(writer: Writer, is_root: bool = True) -> Entry:
    """The class with all that can be chosen."""
    more = [Option("more", "argument", (None,), ("1",))] if "kwargs" in writer.styles.values() else []
    return Entry(writer.name, writer.domain.inputs, (*writer.options, *more), writer.config_call(), is_root=is_root)


def _public(writer: Writer) -> list[Entry]:
    """The methods that everybody may call."""
    built = [option for option in writer.options if option.place != "forward"]
    return [
        Entry(writer.name, writer.domain.inputs, (*built, own), writer.config_call(), method)
        for method, own in writer.public
    ]


def _config(writer: Writer) -> list[str]:
    config = [option for option in writer.options if option.place == "config"]
    if not config or writer.config_style == "dict":
        return []
    fields = [(option.name, str(writer.defaults[option.name])) for option in config]
    if writer.config_style == "dataclass":
        lines = ["@dataclass", "class Config:"]
        frozen = ((name, f"tuple({default})" if default.startswith("[") else default) for name, default in fields)
        return ["\n".join([*lines, *(f"    {name}: object = {default}" for name, default in frozen)])]
    parameters = ", ".join(f"{name}={default}" for name, default in fields)
    lines = ["class Config:", f"    def __init__(self, {parameters}):"]
    return ["\n".join([*lines, *(f"        self.{name} = {name}" for name, _ in fields)])]


def _derived(writer: Writer) -> tuple[str, Entry]:
    """A class that overrides a method; what can be chosen: an option of its own, and some that it hands on."""
    required = [option for option in writer.options if option.place != "forward" and None not in option.values]
    handed = [option for option in writer.options if option.place != "forward"][:2]
    kept = [*dict.fromkeys([*required, *handed])]
    own = Option("extra", "argument", (None, "True"))
    body = writer.random.choice(
        (
            ["if self.extra:", "    x = x.relu()", "return x"],
            ["return x.relu() if self.extra else x"],
            ["if self.extra:", "    return super().{name}(x)", "return x"],
            ["x = super().{name}(x)", "return x * x if not self.extra else x"],
        )
    )
    lines = [f"class Wide({writer.name}):", "    def __init__(self, extra=False, **options):"]
    lines += ["        super().__init__(**options)", "        self.extra = extra"]
    lines[1:1] = indented(writer.overrides)
    plain = [method[0].removeprefix("def ").partition("(")[0] for method in writer.methods if "(self, x)" in method[0]]
    for name in plain[:1]:
        lines += ["", f"    def {name}(self, x):", *indented(indented([line.format(name=name) for line in body]))]
    forward = [
        option
        if None not in option.values
        else replace(option, values=(None,), others=tuple(filter(None, option.values)))
        for option in writer.options
        if option.place == "forward"
    ]
    return "\n".join(lines), Entry(
        "Wide", writer.domain.inputs, (own, *kept, *forward), writer.config_call() if kept else ("", "")
    )
