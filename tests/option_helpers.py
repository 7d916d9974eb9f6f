"""Units of random models with options that are spread over methods, functions and classes."""

from __future__ import annotations

from option_loops import loop_in_constructor, loop_of_lists
from option_runs import Entry, Option
from option_units import (
    CALM,
    READS,
    affine,
    between,
    chosen_norm,
    early_return,
    ending,
    norm_of,
    optional_layer,
    plain_forward,
    sequential,
)
from option_writer import Writer, indented


def own_method(w: Writer) -> None:
    """A method between layer and norm, which a derived class may override."""
    conv = w.fresh("conv")
    w.init.append(f"self.{conv} = {affine(w)}")
    _, apply = norm_of(w)
    name = w.fresh("post")
    # Its tests are about what the constructor stored.
    before = [option for option in w.options if option.place == "forward"]
    lines = _own(w) if not before else ["pass"]
    w.methods.append([f"def {name}(self, x):", *indented([*lines, "return x"])])
    w.forward += [f"x = self.{conv}(x)", f"x = self.{name}(x)", *apply, *ending(w)]


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
        inner.init.append(f"self.{conv} = {affine(inner)}")
        inner.forward += [f"x = self.{conv}(x)", *(between(inner) if random.random() < 0.5 else [])]
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
                w.forward += between(w)
            _, apply = norm_of(w)
            w.forward += apply
        w.forward += ending(w)


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
            inner.init += [f"if {inner.test()}:", f"    return nn.Sequential({affine(inner)}, nn.ReLU())"]
            sequential(inner)
    lines = [line.replace("self.net1 = ", "return ") for line in inner.init]
    if not lines[-1].startswith("return ") or any("self." in line for line in lines):
        chosen_norm(w)
        return
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
        w.forward += [f"x = self.{block}(x)", *ending(w)]


def helper_of_tensors(w: Writer) -> None:
    """A function of tensors with options of its own, between a layer and its norm."""
    conv, random = w.fresh("conv"), w.random
    w.init.append(f"self.{conv} = {affine(w)}")
    _, apply = norm_of(w)
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
    w.forward += [f"x = self.{conv}(x)", f"x = {name}({', '.join(['x', *arguments])})", *apply, *ending(w)]


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


def public_method(w: Writer) -> None:
    """A method that `forward` calls, and everybody may."""
    random = w.random
    conv, name = w.fresh("conv"), w.fresh("embed")
    w.init.append(f"self.{conv} = {affine(w)}")
    _, apply = norm_of(w)
    own = _own(w)
    out = random.choice(("return x", "return x.relu()", "x = x.tanh()"))
    lines = [f"x = self.{conv}(x)", *_and_own(["if raw:", f"    {out}"], own, random.random()), *apply, "return x"]
    w.methods.append([f"def {name}(self, x, raw=False):", *indented(lines)])
    w.public.append((name, Option("raw", "forward", (None, "True"))))
    w.forward += [f"x = self.{name}({random.choice(('x', 'x', 'x', f'x, {w.test(True, 0)}'))})", *ending(w)]


def _and_own(lines: list[str], own: list[str], chance: float) -> list[str]:
    """Lines that come after others, or only where the others' test holds."""
    if chance < 0.5 or not own[0].startswith("if "):
        return lines
    return [own[0], *indented(lines)]


def class_attribute(w: Writer) -> None:
    """A switch of the class, which a derived class may turn."""
    conv, switch = w.fresh("conv"), w.fresh("hot")
    w.class_lines.append(f"{switch} = {w.random.choice(('False', 'True'))}")
    w.overrides.append(f"{switch} = {w.random.choice(('False', 'True'))}")
    w.init.append(f"self.{conv} = {affine(w)}")
    _, apply = norm_of(w)
    reads = [w.random.choice(READS)]
    test = w.random.choice((f"self.{switch}", f"not self.{switch}", f"self.{switch} and {w.test(True, 0)}"))
    w.forward += [f"x = self.{conv}(x)", f"if {test}:", *indented(reads), *apply, *ending(w)]
