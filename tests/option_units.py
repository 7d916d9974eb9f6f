"""Units of random models with options: an affine layer, what happens to it, and a norm that cancels its bias or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from option_runs import Entry
from option_writer import Writer, indented

Unit: TypeAlias = Callable[[Writer], None]

READS = ("x = x.relu()", "x = F.gelu(x)", "x = x * x", "x = x.tanh()", "x = torch.sigmoid(x)")
CALM = ("x = x * 2", "x = x + 1", "pass", "x = 0.5 * x", "x = x - 3")


def _affine(w: Writer) -> str:
    affine = w.domain.affine
    if w.random.random() < 0.1:
        name = w.option("bool")
        if name:
            return f"{affine[:-1]}, bias={w.value(name)})"
    return affine


def _canceller(w: Writer) -> str:
    return f"{w.domain.cancels}(4)"


def _reader(w: Writer) -> str:
    return f"{w.random.choice(w.domain.reads)}(4)"


def _norm(w: Writer) -> tuple[str, list[str]]:
    """Makes a norm, or something in its place; what applies it."""
    name, random = w.fresh("norm"), w.random
    good, bad = _canceller(w), _reader(w)
    apply = [f"x = self.{name}(x)"]
    match random.randrange(14):
        case 0 | 1 | 2 | 3:
            w.init.append(f"self.{name} = {good}")
        case 4:
            w.init.append(f"self.{name} = {bad} if {w.test()} else {good}")
        case 5:
            w.init += [f"self.{name} = {good}", *w.guarded([f"self.{name} = {bad}"], forward=False)]
        case 6:
            w.init += [f"self.{name} = None", f"if {w.test()}:", f"    self.{name} = {good}"]
            apply = [f"if self.{name} is not None:", f"    x = self.{name}(x)"]
        case 7:
            w.init += [f"if {w.test()}:", f"    self.{name} = {good}"]
            apply = [f'if hasattr(self, "{name}"):', f"    x = self.{name}(x)"]
        case 8:
            kind = w.option("norm")
            if not kind:
                w.init.append(f"self.{name} = {good}")
            else:
                _add(w, f'NORMS = {{"bn": {w.domain.cancels}, "in": {w.domain.reads[0]}}}')
                w.init.append(f"self.{name} = NORMS.get({w.value(kind)}, {w.domain.reads[-1]})(4)")
        case 9 | 10:
            kind = w.option("norm")
            if not kind:
                w.init.append(f"self.{name} = {good}")
            else:
                _add(w, _make_norm(w))
                extra = random.choice(("", "", f", {w.test(deep=0)}"))
                w.init.append(f"self.{name} = make_norm({w.value(kind)}{extra})")
        case 11:
            kind = w.option("norm")
            if not kind:
                w.init.append(f"self.{name} = {good}")
            else:
                w.init += [f'if {w.value(kind)} == "bn":', f"    self.{name} = {good}"]
                w.init += [f'elif {w.value(kind)} == "in":', f"    self.{name} = {bad}"]
                w.init += ["else:", f"    self.{name} = {random.choice((good, bad))}"]
        case 12:
            w.init += [f"self.{name} = {good}", f"if {w.test()}:"]
            w.init += [f"    if {w.test()}:", f"        self.{name} = {bad}"]
        case _:
            w.init.append(f"self.{name} = ({w.domain.reads[-1]} if {w.test()} else {w.domain.cancels})(4)")
    return name, apply


def _add(w: Writer, text: str) -> None:
    """Something that stands before the class, once."""
    first = text.split("\n", maxsplit=1)[0].partition("(")[0].partition(" =")[0]
    if not any(part.startswith(first) for part in w.module):
        w.module.append(text)


def _make_norm(w: Writer) -> str:
    good, bad = _canceller(w), _reader(w)
    bodies = (
        ["if plain:", f"    return {bad}", f'return {good} if kind == "bn" else {bad}'],
        ['if kind == "bn":', "    if not plain:", f"        return {good}", f"return {bad}"],
        [
            'if kind is None or kind == "none":',
            "    return nn.Identity()",
            'if kind == "in" and plain:',
            f"    return {bad}",
            f"return {good}",
        ],
        [
            "match kind:",
            '    case "bn":',
            f"        return {good}",
            '    case "in" if not plain:',
            f"        return {good}",
            "    case _:",
            f"        return {bad}",
        ],
        [
            f'table = {{"bn": lambda: {good}, "in": lambda: {bad}}}',
            "try:",
            "    return table[kind]()",
            "except KeyError:",
            f"    return {bad} if plain else {good}",
        ],
    )
    return "\n".join(["def make_norm(kind, plain=False):", *indented(w.random.choice(bodies))])


def _end(w: Writer) -> list[str]:
    return w.random.choice((["x = x.relu()"], ["x = x.relu()"], ["x = x.tanh()"], []))


def _between(w: Writer, forward: bool = True) -> list[str]:
    random = w.random
    if random.random() < 0.12:
        return [random.choice(CALM)]
    reads = [random.choice(READS)]
    tensor = w.option("tensor", True) if random.random() < 0.15 else ""
    if tensor:
        reads = random.choice(
            (
                [f"x = x * {tensor}"],
                [f"x = x + {tensor}", "x = x.relu()"],
                [f"if {tensor} is not None:", f"    x = x * {tensor}"],
            )
        )
        if reads[0].startswith("x ="):
            reads = [f"if {tensor} is not None:", *indented(reads)]
    match random.randrange(6):
        case 0:
            return (
                [f"x = {reads[-1].strip().removeprefix('x = ')} if {w.test(True)} else x"]
                if not tensor
                else w.guarded(reads)
            )
        case 1:
            return w.guarded(reads, [random.choice(CALM)])
        case 2:
            return [*w.guarded(reads), *w.guarded([random.choice(READS)])]
        case _:
            return w.guarded(reads)


def plain_forward(w: Writer) -> None:
    """Tests in `forward`, between a layer and its norm."""
    conv = w.fresh("conv")
    w.init.append(f"self.{conv} = {_affine(w)}")
    _, apply = _norm(w)
    w.forward += [f"x = self.{conv}(x)", *_between(w), *apply, *_end(w)]


def chosen_norm(w: Writer) -> None:
    """Tests in the constructor only."""
    conv = w.fresh("conv")
    w.init.append(f"self.{conv} = {_affine(w)}")
    _, apply = _norm(w)
    w.forward += [f"x = self.{conv}(x)", *apply, *_end(w)]


def early_return(w: Writer) -> None:
    """A way out before the norm."""
    conv = w.fresh("conv")
    w.init.append(f"self.{conv} = {_affine(w)}")
    _, apply = _norm(w)
    out = w.random.choice(("return x", "return x.relu()", "return x * x"))
    w.forward += [f"x = self.{conv}(x)", *w.guarded([out]), *apply, *_end(w)]


def optional_layer(w: Writer) -> None:
    """A module that may be there, before the norm."""
    conv, act, random = w.fresh("conv"), w.fresh("act"), w.random
    w.init.append(f"self.{conv} = {_affine(w)}")
    made = w.option("module")
    if made and random.random() < 0.7:
        w.init.append(f"self.{act} = {w.value(made)}() if {w.value(made)} is not None else None")
    else:
        w.init.append(f"self.{act} = nn.ReLU() if {w.test()} else None")
    _, apply = _norm(w)
    use = [f"x = self.{act}(x)"]
    match random.randrange(4):
        case 0:
            lines = [f"if self.{act} is not None and {w.test(True, 0.2)}:", *indented(use)]
        case 1:
            lines = [f"if self.{act} is not None:", *indented(w.guarded(use))]
        case 2:
            lines = w.guarded([f"if self.{act}:", *indented(use)])
        case _:
            lines = [f"if self.{act} is not None:", *indented(use)]
    w.forward += [f"x = self.{conv}(x)", *lines, *apply, *_end(w)]


def sequential(w: Writer) -> None:
    """A list of layers that grows under conditions."""
    net, random = w.fresh("net"), w.random
    w.init.append(f"layers = [{_affine(w)}]")
    w.init += w.guarded(
        [f"layers.append({random.choice(('nn.ReLU()', 'nn.GELU()', 'nn.Tanh()'))})"],
        ["layers.append(nn.Identity())"],
        forward=False,
    )
    match random.randrange(4):
        case 0:
            w.init += w.guarded([f"layers.append({_canceller(w)})"], forward=False)
        case 1:
            w.init += [f"layers += [{_canceller(w)}] if {w.test()} else []"]
        case _:
            w.init.append(f"layers.append({_canceller(w)})")
    if random.random() < 0.3:
        w.init += [f"if {w.test()}:", "    layers.insert(1, nn.ReLU())"]
    if random.random() < 0.3:
        w.init += [f"if {w.test()}:", "    layers.pop()"]
    w.init.append(f"self.{net} = nn.Sequential(*layers)")
    w.forward += [f"x = self.{net}(x)", *_end(w)]


WHEN = (
    "i > 4",
    "i % 4 == 3",
    "i == 5",
    "i == {n} - 1",
    "i > 0",
    "i < {n} - 1",
    "i % 2 == 1",
    "i == 0",
    "i >= 2",
    "i in (3, 6)",
    "i + 1 == {n}",
    "(i + 1) % 3 == 0",
)


def _depth(w: Writer) -> str:
    return w.option("depth")


def loop_of_lists(w: Writer) -> None:
    """Two ModuleLists, gone through together."""
    depth, random = _depth(w), w.random
    if not depth or w.styles[depth] == "kwargs":
        return plain_forward(w)
    convs, norms = w.fresh("convs"), w.fresh("norms")
    n = w.value(depth)
    made = f"{_affine(w)} for _ in range({n})"
    w.init.append(f"self.{convs} = nn.ModuleList({random.choice((made, f'[{made}]'))})")
    norm = _canceller(w)
    w.init.append(f"self.{norms} = nn.ModuleList([{norm} for _ in range({n})])")
    if random.random() < 0.25:
        w.init += [f"if {w.test()}:", f"    self.{norms}[-1] = nn.Identity()"]
    when = random.choice(WHEN).format(n=w.value(depth, True))
    if random.random() < 0.4:
        when = f"{when} {random.choice(('and', 'or'))} {w.test(True, 0)}"
    body = [f"if {when}:", f"    {random.choice(READS)}"]
    if random.random() < 0.25:
        body = [f"if {w.test(True, 0)}:", *indented(body)]
    if random.random() < 0.15:
        body = [f"if {when}:", f"    {random.choice(('continue', 'break', 'return x.relu()'))}"]
    match random.randrange(3):
        case 0:
            w.forward += [f"for i, (conv, norm) in enumerate(zip(self.{convs}, self.{norms})):"]
            w.forward += indented(["x = conv(x)", *body, "x = norm(x)", "x = x.relu()"])
        case 1:
            w.forward += [f"for i in range({w.value(depth, True)}):"]
            w.forward += indented([f"x = self.{convs}[i](x)", *body, f"x = self.{norms}[i](x)", "x = x.relu()"])
        case _:
            w.forward += ["i = 0", f"while i < len(self.{convs}):"]
            body = [line for line in body if "continue" not in line] if "continue" not in body[-1] else []
            w.forward += indented(
                [f"x = self.{convs}[i](x)", *body, f"x = self.{norms}[i](x)", "x = x.relu()", "i += 1"]
            )
    return None


def loop_in_constructor(w: Writer) -> None:
    """A Sequential that grows in a loop."""
    depth, random = _depth(w), w.random
    if not depth or w.styles[depth] == "kwargs":
        return sequential(w)
    net, n = w.fresh("net"), w.value(depth)
    when = random.choice(WHEN).format(n=n)
    if random.random() < 0.4:
        when = f"{when} {random.choice(('and', 'or'))} {w.test(deep=0)}"
    body = [f"layers.append({_affine(w)})"]
    match random.randrange(3):
        case 0:
            body += [f"if {when}:", "    layers.append(nn.GELU())", f"layers.append({_canceller(w)})"]
        case 1:
            body += [f"if {when}:", f"    layers.append({_reader(w)})", "else:", f"    layers.append({_canceller(w)})"]
        case _:
            body += [f"if not ({when}):", f"    layers.append({_canceller(w)})"]
    body.append("layers.append(nn.ReLU())")
    if random.random() < 0.2:
        body = ["i += 1", *body]
        lines = ["layers = []", "i = -1", f"while i < {n} - 1:", *indented(body)]
    else:
        lines = ["layers = []", f"for i in range({n}):", *indented(body)]
    w.init += [*lines, f"self.{net} = nn.Sequential(*layers)"]
    w.forward += [f"x = self.{net}(x)", *_end(w)]
    return None


def counted(w: Writer) -> None:
    """A norm that depends on a counter, or a layer that is used again and again."""
    depth, random = _depth(w), w.random
    if not depth or w.styles[depth] == "kwargs":
        return chosen_norm(w)
    conv, norm = w.fresh("conv"), w.fresh("norm")
    w.init.append(f"self.{conv} = {_affine(w)}")
    if random.random() < 0.5:
        w.init += ["i = 0", f"while i < {w.value(depth)}:", "    i += 1"]
        w.init.append(f"self.{norm} = {_reader(w)} if i > {random.choice('2457')} else {_canceller(w)}")
        w.forward += [f"x = self.{conv}(x)", f"x = self.{norm}(x)", *_end(w)]
    else:
        w.init.append(f"self.{norm} = {_canceller(w)}")
        when = random.choice(WHEN).format(n=w.value(depth, True))
        body = [
            f"x = self.{conv}(x)",
            f"if {when}:",
            f"    {random.choice(READS)}",
            f"x = self.{norm}(x)",
            "x = x.relu()",
        ]
        w.forward += [f"for i in range({w.value(depth, True)}):", *indented(body)]
    return None


def attempt(w: Writer) -> None:
    """An exception decides."""
    conv, random = w.fresh("conv"), w.random
    w.init.append(f"self.{conv} = {_affine(w)}")
    _, apply = _norm(w)
    tensor, norm = w.option("tensor", True), w.option("norm")
    read = random.choice(READS)
    choices: list[list[str]] = []
    if tensor:
        choices += [["try:", f"    x = x + {tensor}", "except TypeError:", f"    {read}"]]
        choices += [["try:", f"    x = x + {tensor}.mean()", "except AttributeError:", f"    {read}"]]
        choices += [["try:", f"    x = x + {tensor}", "except TypeError:", "    pass", "else:", f"    {read}"]]
    if norm:
        choices += [
            ["try:", f'    x = x * {{"bn": 1, "in": 2}}[{w.value(norm, True)}]', "except KeyError:", f"    {read}"]
        ]
        choices += [
            ["try:", f'    x = x * ["bn", "in"].index({w.value(norm, True)}) + x', "except ValueError:", f"    {read}"]
        ]
    test = w.test(True)
    choices += [
        [
            "try:",
            f"    if {test}:",
            "        raise ValueError",
            "except ValueError:",
            f"    {read}",
            "finally:",
            "    x = x * 2",
        ]
    ]
    choices += [["try:", f"    assert {test}", "except AssertionError:", f"    {read}"]]
    w.forward += [f"x = self.{conv}(x)", *random.choice(choices), *apply, *_end(w)]


def keywords(w: Writer) -> None:
    """`**kwargs` gone through."""
    conv, random = w.fresh("conv"), w.random
    w.init.append(f"self.{conv} = {_affine(w)}")
    for _ in range(4):
        name = w.option("bool")
        if name and w.styles[name] == "kwargs":
            break
    else:
        _, apply = _norm(w)
        w.forward += [f"x = self.{conv}(x)", *_between(w), *apply, *_end(w)]
        return
    norm, good, bad = w.fresh("norm"), _canceller(w), _reader(w)
    lines = random.choice(
        (
            [
                f"self.{norm} = {good}",
                "for key, value in kwargs.items():",
                f'    if key == "{name}" and value:',
                f"        self.{norm} = {bad}",
            ],
            [
                f"self.{norm} = {good}",
                "for key in kwargs:",
                f'    if key.startswith("{name[0]}"):',
                f"        self.{norm} = {bad}",
            ],
            [f'self.{norm} = {bad} if kwargs.pop("{name}", False) else {good}'],
            [f"self.{norm} = {bad} if any(kwargs.values()) else {good}"],
            [f'self.{norm} = {bad} if "{name}" in kwargs and kwargs["{name}"] else {good}'],
            [
                f"options = dict({name}=False)",
                "options.update(kwargs)",
                f'self.{norm} = {bad} if options["{name}"] else {good}',
            ],
            [f"options = {{'{name}': False, **kwargs}}", f"self.{norm} = {bad} if options['{name}'] else {good}"],
            [f"self.{norm} = {good} if len(kwargs) == 0 else {bad}"],
            [f"self.{norm} = {bad} if kwargs else {good}"],
            ["names = sorted(kwargs)", f'self.{norm} = {bad} if names == ["{name}"] else {good}'],
        )
    )
    w.init += lines
    w.forward += [f"x = self.{conv}(x)", f"x = self.{norm}(x)", *_end(w)]


def own_method(w: Writer) -> None:
    """A method between layer and norm, which a derived class may override."""
    conv = w.fresh("conv")
    w.init.append(f"self.{conv} = {_affine(w)}")
    _, apply = _norm(w)
    name = w.fresh("post")
    # Its tests are about what the constructor stored.
    before = [option for option in w.options if option.place == "forward"]
    lines = _own(w) if not before else ["pass"]
    w.methods.append([f"def {name}(self, x):", *indented([*lines, "return x"])])
    w.forward += [f"x = self.{conv}(x)", f"x = self.{name}(x)", *apply, *_end(w)]


def _own(w: Writer) -> list[str]:
    """Reads, where something that the constructor was given says so."""
    name = w.option("bool") or w.option("norm")
    if not name or w.styles[name] == "kwargs":
        return ["pass"]
    second = w.option("norm") or name
    tests = w.random.choice((1, 2))
    lines = [w.random.choice(READS)]
    for which in (name, second)[:tests]:
        lines = [f"if {w.atom(which, True)}:", *indented(lines)]
    return lines


def helper_class(w: Writer) -> None:
    """A class with options of its own, used once or twice."""
    random = w.random
    name = f"Block{len(w.entries) + 1}"
    inner = Writer(random, w.domain, name, w.module, w.entries, most=24, simple=True)
    if random.random() < 0.25:  # it leaves the norm to whoever uses it
        conv = inner.fresh("conv")
        inner.init.append(f"self.{conv} = {_affine(inner)}")
        inner.forward += [f"x = self.{conv}(x)", *(_between(inner) if random.random() < 0.5 else [])]
        alone = True
    else:
        random.choice(
            (plain_forward, chosen_norm, early_return, sequential, optional_layer, loop_in_constructor, loop_of_lists)
        )(inner)
        alone = False
    w.module.append(_text_of(inner))
    w.entries.append(_entry_of(inner))
    for _ in range(random.choice((1, 2, 2))):
        block, arguments = w.fresh("block"), list[str]()
        for option in inner.options:
            if option.place != "forward" and (None not in option.values or random.random() < 0.6):
                arguments.append(f"{option.name}={_argument(w, inner, option.name)}")
        w.init.append(f"self.{block} = {name}({', '.join(arguments)})")
        given = ["x"]
        for option in inner.options:
            if option.place == "forward" and (None not in option.values or random.random() < 0.4):
                given.append(f"{option.name}={_argument(w, inner, option.name, True)}")
        call = [f"x = self.{block}({', '.join(given)})"]
        if random.random() < 0.2:
            call = w.guarded(call)
        w.forward += call
        if alone or random.random() < 0.2:
            if random.random() < 0.3:
                w.forward += _between(w)
            _, apply = _norm(w)
            w.forward += apply
        w.forward += _end(w)


def _argument(w: Writer, inner: Writer, name: str, forward: bool = False) -> str:
    """What an option of a helper is given: a constant, an option of the model, or a test."""
    kind, random = inner.kinds[name], w.random
    values = [value for o in inner.options if o.name == name for value in o.values if value is not None]
    if random.random() < 0.5 or kind == "tensor":
        return random.choice(values)
    own = w.option(kind, forward)
    if kind == "bool" and random.random() < 0.3:
        return w.test(forward, 0.2)
    return w.value(own, forward) if own and w.styles[own] != "kwargs" else random.choice(values)


def helper_function(w: Writer) -> None:
    """A function that makes the layers, used once or twice."""
    random = w.random
    name = f"make_block{len(w.entries) + 1}"
    inner = Writer(random, w.domain, name, w.module, w.entries, most=24, simple=True)
    match random.randrange(3):
        case 0:
            sequential(inner)
        case 1:
            loop_in_constructor(inner)
        case _:
            inner.init += [f"if {inner.test()}:", f"    return nn.Sequential({_affine(inner)}, nn.ReLU())"]
            sequential(inner)
    lines = [line.replace("self.net1 = ", "return ") for line in inner.init]
    if not lines[-1].startswith("return ") or any("self." in line for line in lines):
        return chosen_norm(w)
    parameters = inner.signature()[1:]
    w.module.append("\n".join([f"def {name}({', '.join(parameters)}):", *indented(lines)]))
    w.entries.append(Entry(name, w.domain.inputs, tuple(inner.options), is_root=False))
    for _ in range(random.choice((1, 2))):
        block = w.fresh("block")
        arguments = [
            f"{option.name}={_argument(w, inner, option.name)}"
            for option in inner.options
            if None not in option.values or random.random() < 0.6
        ]
        w.init.append(f"self.{block} = {name}({', '.join(arguments)})")
        w.forward += [f"x = self.{block}(x)", *_end(w)]
    return None


def helper_of_tensors(w: Writer) -> None:
    """A function of tensors with options of its own, between a layer and its norm."""
    conv, random = w.fresh("conv"), w.random
    w.init.append(f"self.{conv} = {_affine(w)}")
    _, apply = _norm(w)
    name = f"refine{len(w.module) + 1}"
    inner = Writer(random, w.domain, name, w.module, w.entries, most=24, simple=True)
    lines = inner.guarded([random.choice(READS)], [random.choice(CALM)], forward=False)
    if random.random() < 0.5:
        lines = inner.guarded([f"return {random.choice(READS).removeprefix('x = ')}"], forward=False)
    parameters = ["x", *inner.signature()[1:]]
    w.module.append("\n".join([f"def {name}({', '.join(parameters)}):", *indented([*lines, "return x"])]))
    arguments = [
        f"{option.name}={_argument(w, inner, option.name, True)}"
        for option in inner.options
        if None not in option.values or random.random() < 0.6
    ]
    w.forward += [f"x = self.{conv}(x)", f"x = {name}({', '.join(['x', *arguments])})", *apply, *_end(w)]


def _text_of(w: Writer) -> str:
    lines = [
        f"class {w.name}(nn.Module):",
        f"    def __init__({', '.join(w.signature())}):",
        "        super().__init__()",
    ]
    lines += indented(indented([*w.stores(), *w.init]))
    lines += ["", f"    def forward({', '.join(['self', 'x', *w.forward_parameters()])}):"]
    return "\n".join([*lines, *indented(indented([*w.forward, "return x"]))])


def _entry_of(w: Writer) -> Entry:
    return Entry(w.name, w.domain.inputs, tuple(w.options), w.config_call(), is_root=False)


UNITS: tuple[Unit, ...] = (
    plain_forward,
    plain_forward,
    plain_forward,
    chosen_norm,
    chosen_norm,
    early_return,
    optional_layer,
    sequential,
    sequential,
    loop_of_lists,
    loop_in_constructor,
    counted,
    attempt,
    keywords,
    own_method,
    helper_class,
    helper_class,
    helper_function,
    helper_of_tensors,
)
