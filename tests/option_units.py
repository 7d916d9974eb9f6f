"""Units of random models with options: an affine layer, what happens to it, and a norm that cancels its bias or not."""

from __future__ import annotations

from option_writer import Writer, indented

READS = ("x = x.relu()", "x = F.gelu(x)", "x = x * x", "x = x.tanh()", "x = torch.sigmoid(x)")
CALM = ("x = x * 2", "x = x + 1", "pass", "x = 0.5 * x", "x = x - 3")


def affine(w: Writer) -> str:
    affine = w.domain.affine
    if w.random.random() < 0.1:
        name = w.option("bool")
        if name:
            return f"{affine[:-1]}, bias={w.value(name)})"
    return affine


def canceller(w: Writer) -> str:
    return f"{w.domain.cancels}(4)"


def reader(w: Writer) -> str:
    return f"{w.random.choice(w.domain.reads)}(4)"


def norm_of(w: Writer) -> tuple[str, list[str]]:
    """Makes a norm, or something in its place; what applies it."""
    name, random = w.fresh("norm"), w.random
    good, bad = canceller(w), reader(w)
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
    good, bad = canceller(w), reader(w)
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


def ending(w: Writer) -> list[str]:
    return w.random.choice((["x = x.relu()"], ["x = x.relu()"], ["x = x.tanh()"], []))


def between(w: Writer, forward: bool = True) -> list[str]:
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
    w.init.append(f"self.{conv} = {affine(w)}")
    _, apply = norm_of(w)
    w.forward += [f"x = self.{conv}(x)", *between(w), *apply, *ending(w)]


def chosen_norm(w: Writer) -> None:
    """Tests in the constructor only."""
    conv = w.fresh("conv")
    w.init.append(f"self.{conv} = {affine(w)}")
    _, apply = norm_of(w)
    w.forward += [f"x = self.{conv}(x)", *apply, *ending(w)]


def early_return(w: Writer) -> None:
    """A way out before the norm."""
    conv = w.fresh("conv")
    w.init.append(f"self.{conv} = {affine(w)}")
    _, apply = norm_of(w)
    out = w.random.choice(("return x", "return x.relu()", "return x * x"))
    w.forward += [f"x = self.{conv}(x)", *w.guarded([out]), *apply, *ending(w)]


def optional_layer(w: Writer) -> None:
    """A module that may be there, before the norm."""
    conv, act, random = w.fresh("conv"), w.fresh("act"), w.random
    w.init.append(f"self.{conv} = {affine(w)}")
    made = w.option("module")
    if made and random.random() < 0.7:
        w.init.append(f"self.{act} = {w.value(made)}() if {w.value(made)} is not None else None")
    else:
        w.init.append(f"self.{act} = nn.ReLU() if {w.test()} else None")
    _, apply = norm_of(w)
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
    w.forward += [f"x = self.{conv}(x)", *lines, *apply, *ending(w)]


def sequential(w: Writer) -> None:
    """A list of layers that grows under conditions."""
    net, random = w.fresh("net"), w.random
    w.init.append(f"layers = [{affine(w)}]")
    w.init += w.guarded(
        [f"layers.append({random.choice(('nn.ReLU()', 'nn.GELU()', 'nn.Tanh()'))})"],
        ["layers.append(nn.Identity())"],
        forward=False,
    )
    match random.randrange(4):
        case 0:
            w.init += w.guarded([f"layers.append({canceller(w)})"], forward=False)
        case 1:
            w.init += [f"layers += [{canceller(w)}] if {w.test()} else []"]
        case _:
            w.init.append(f"layers.append({canceller(w)})")
    if random.random() < 0.3:
        w.init += [f"if {w.test()}:", "    layers.insert(1, nn.ReLU())"]
    if random.random() < 0.3:
        w.init += [f"if {w.test()}:", "    layers.pop()"]
    w.init.append(f"self.{net} = nn.Sequential(*layers)")
    w.forward += [f"x = self.{net}(x)", *ending(w)]


def attempt(w: Writer) -> None:
    """An exception decides."""
    conv, random = w.fresh("conv"), w.random
    w.init.append(f"self.{conv} = {affine(w)}")
    _, apply = norm_of(w)
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
    w.forward += [f"x = self.{conv}(x)", *random.choice(choices), *apply, *ending(w)]


def keywords(w: Writer) -> None:
    """`**kwargs` gone through."""
    conv, random = w.fresh("conv"), w.random
    w.init.append(f"self.{conv} = {affine(w)}")
    for _ in range(4):
        name = w.option("bool")
        if name and w.styles[name] == "kwargs":
            break
    else:
        _, apply = norm_of(w)
        w.forward += [f"x = self.{conv}(x)", *between(w), *apply, *ending(w)]
        return
    norm, good, bad = w.fresh("norm"), canceller(w), reader(w)
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
    w.forward += [f"x = self.{conv}(x)", f"x = self.{norm}(x)", *ending(w)]


def steady(w: Writer) -> None:
    """No option is about it."""
    conv, norm = w.fresh("conv"), w.fresh("norm")
    w.init += [f"self.{conv} = {w.domain.affine}", f"self.{norm} = {canceller(w)}"]
    calm = [w.random.choice(CALM)] if w.random.random() < 0.5 else w.guarded([w.random.choice(CALM[:2])])
    w.forward += [f"x = self.{conv}(x)", *calm, f"x = self.{norm}(x)", *ending(w)]


def given_norm(w: Writer) -> None:
    """The norm's class is an argument."""
    conv, norm, random = w.fresh("conv"), w.fresh("norm"), w.random
    given = w.option("layer")
    if not given:
        chosen_norm(w)
        return
    w.init.append(f"self.{conv} = {affine(w)}")
    value, good = w.value(given), w.domain.cancels
    apply = [f"x = self.{norm}(x)"]
    match random.randrange(4):
        case 0:
            w.init.append(f"self.{norm} = ({value} or nn.Identity)(4)")
        case 1:
            w.init += [f"layer = {value}", "if layer is None:", f"    layer = {random.choice((good, 'nn.Identity'))}"]
            w.init.append(f"self.{norm} = layer(4)")
        case 2:
            w.init.append(f"self.{norm} = {value}(4) if {value} is not None else None")
            apply = [f"if self.{norm} is not None:", *indented(apply)]
        case _:
            w.init.append(f"self.{norm} = {value}(4) if {value} else nn.Identity()")
            apply = [f"if isinstance(self.{norm}, {good}):", *indented(apply)]
    w.forward += [f"x = self.{conv}(x)", *(between(w) if random.random() < 0.4 else []), *apply, *ending(w)]


def used_twice(w: Writer) -> None:
    """One layer, twice, and not in the same way."""
    conv, norm, random = w.fresh("conv"), w.fresh("norm"), w.random
    w.init += [f"self.{conv} = {affine(w)}", f"self.{norm} = {canceller(w)}"]
    once = [f"x = self.{conv}(x)", f"x = self.{norm}(x)", "x = x.relu()"]
    again = [f"x = self.{conv}(x)", *between(w), f"x = self.{norm}(x)"]
    if random.random() < 0.5:
        again = w.guarded(again)
    w.forward += [*once, *again, *ending(w)]
