"""Units of random models with options that go round a loop, or call themselves, so many times as an option says."""

from __future__ import annotations

from option_units import READS, affine, canceller, chosen_norm, ending, plain_forward, reader, sequential
from option_writer import Writer, indented

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


def _parameter(w: Writer, kind: str) -> str:
    """An option of a kind that is a parameter of its own, not one of `**kwargs`; "" where there is none."""
    name = w.option(kind)
    return "" if name and w.styles[name] == "kwargs" else name


def loop_of_lists(w: Writer) -> None:
    """Two ModuleLists, gone through together."""
    depth, random = _parameter(w, "depth"), w.random
    if not depth:
        plain_forward(w)
        return
    convs, norms = w.fresh("convs"), w.fresh("norms")
    n = w.value(depth)
    made = f"{affine(w)} for _ in range({n})"
    w.init.append(f"self.{convs} = nn.ModuleList({random.choice((made, f'[{made}]'))})")
    norm = canceller(w)
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


def loop_in_constructor(w: Writer) -> None:
    """A Sequential that grows in a loop."""
    depth, random = _parameter(w, "depth"), w.random
    if not depth:
        sequential(w)
        return
    net, n = w.fresh("net"), w.value(depth)
    when = random.choice(WHEN).format(n=n)
    if random.random() < 0.4:
        when = f"{when} {random.choice(('and', 'or'))} {w.test(deep=0)}"
    body = [f"layers.append({affine(w)})"]
    match random.randrange(3):
        case 0:
            body += [f"if {when}:", "    layers.append(nn.GELU())", f"layers.append({canceller(w)})"]
        case 1:
            body += [f"if {when}:", f"    layers.append({reader(w)})", "else:", f"    layers.append({canceller(w)})"]
        case _:
            body += [f"if not ({when}):", f"    layers.append({canceller(w)})"]
    body.append("layers.append(nn.ReLU())")
    if random.random() < 0.2:
        body = ["i += 1", *body]
        lines = ["layers = []", "i = -1", f"while i < {n} - 1:", *indented(body)]
    else:
        lines = ["layers = []", f"for i in range({n}):", *indented(body)]
    w.init += [*lines, f"self.{net} = nn.Sequential(*layers)"]
    w.forward += [f"x = self.{net}(x)", *ending(w)]


def counted(w: Writer) -> None:
    """A norm that depends on a counter, or a layer that is used again and again."""
    depth, random = _parameter(w, "depth"), w.random
    if not depth:
        chosen_norm(w)
        return
    conv, norm = w.fresh("conv"), w.fresh("norm")
    w.init.append(f"self.{conv} = {affine(w)}")
    if random.random() < 0.5:
        w.init += ["i = 0", f"while i < {w.value(depth)}:", "    i += 1"]
        w.init.append(f"self.{norm} = {reader(w)} if i > {random.choice('2457')} else {canceller(w)}")
        w.forward += [f"x = self.{conv}(x)", f"x = self.{norm}(x)", *ending(w)]
    else:
        w.init.append(f"self.{norm} = {canceller(w)}")
        when = random.choice(WHEN).format(n=w.value(depth, True))
        body = [
            f"x = self.{conv}(x)",
            f"if {when}:",
            f"    {random.choice(READS)}",
            f"x = self.{norm}(x)",
            "x = x.relu()",
        ]
        w.forward += [f"for i in range({w.value(depth, True)}):", *indented(body)]


def grown(w: Writer) -> None:
    """A function that calls itself."""
    depth, random = _parameter(w, "depth"), w.random
    if not depth:
        sequential(w)
        return
    name, net = f"grow{len(w.module) + 1}", w.fresh("net")
    when = random.choice(("n > 4", "n == 1", "n % 4 == 3", "n == 5", "n > 1"))
    made = random.choice(
        (
            [f"layers = [{w.domain.affine}]", f"if {when}:", "    layers.append(nn.ReLU())"],
            [f"layers = [{w.domain.affine}, nn.ReLU() if {when} else nn.Identity()]"],
            [f"layers = [{w.domain.affine}]", f"if flag and {when}:", "    layers.append(nn.ReLU())"],
        )
    )
    lines = ["if n <= 0:", "    return []", *made, f"layers.append({canceller(w)})", "layers.append(nn.ReLU())"]
    w.module.append(
        "\n".join([f"def {name}(n, flag=False):", *indented([*lines, f"return layers + {name}(n - 1, flag)"])])
    )
    flag = random.choice(("", f", {w.test(deep=0)}"))
    w.init.append(f"self.{net} = nn.Sequential(*{name}({w.value(depth)}{flag}))")
    w.forward += [f"x = self.{net}(x)", *ending(w)]


def long(w: Writer) -> None:
    """Many rounds, of which one is different; how many is known."""
    random = w.random
    conv, norm = w.fresh("conv"), w.fresh("norm")
    rounds, special = random.choice((20, 40, 100)), random.choice((12, 19, 39, 150))
    w.init.append(f"self.{conv} = {affine(w)}")
    test = random.choice((f"i == {special}", f"i == {special} and {w.test(deep=0)}"))
    w.init += [f"self.{norm} = {canceller(w)}", f"for i in range({rounds}):", f"    if {test}:"]
    w.init.append(f"        self.{norm} = {reader(w)}")
    w.forward += [f"x = self.{conv}(x)", f"x = self.{norm}(x)", *ending(w)]


def listed(w: Writer) -> None:
    """As many layers as a list has items, which say what each is like."""
    widths, random = _parameter(w, "list"), w.random
    if not widths:
        loop_in_constructor(w)
        return
    net = w.fresh("net")
    value = w.value(widths)
    loop = random.choice((f"for i, stride in enumerate({value}):", f"for stride, i in zip({value}, range(9)):"))
    when = random.choice(("stride > 1", "i == 3", "stride == 3", f"i == len({value}) - 1", "i > 2 and stride == 1"))
    body = [
        f"layers.append({affine(w)})",
        f"if {when}:",
        "    layers.append(nn.ReLU())",
        f"layers.append({canceller(w)})",
    ]
    if random.random() < 0.3:
        body = [f"layers.append({affine(w)})", f"layers.append({reader(w)} if {when} else {canceller(w)})"]
    w.init += ["layers = []", loop, *indented([*body, "layers.append(nn.ReLU())"])]
    w.init.append(f"self.{net} = nn.Sequential(*layers)")
    w.forward += [f"x = self.{net}(x)", *ending(w)]


def comprehended(w: Writer) -> None:
    """The same in one expression."""
    depth, random = _parameter(w, "depth"), w.random
    if not depth:
        sequential(w)
        return
    net, n = w.fresh("net"), w.value(depth)
    when = random.choice(WHEN).format(n=n)
    w.init.append(f"layers = [{affine(w)} for _ in range({n})]")
    w.init += [f"norms = [nn.Identity() if {when} else {canceller(w)} for i in range({n})]"]
    if random.random() < 0.5:
        w.init.append(f"self.{net} = nn.Sequential(*[m for pair in zip(layers, norms) for m in (*pair, nn.ReLU())])")
    else:
        blocks = "{f'block{i}': nn.Sequential(*pair) for i, pair in enumerate(zip(layers, norms))}"
        w.init.append(f"self.{net} = nn.ModuleDict({blocks})")
        w.forward += [f"for name, block in self.{net}.items():", "    x = block(x).relu()", *ending(w)]
        return
    w.forward += [f"x = self.{net}(x)", *ending(w)]
