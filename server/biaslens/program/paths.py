"""What is kept of a run when it is over: its path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from biaslens.program.conditions import condition, key_of, settle, truth
from biaslens.program.ir import Layer, Passed, Path
from biaslens.program.questions import test_of_argument
from biaslens.program.run import Run
from biaslens.program.sizing import as_size
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import ClassValue, External, FunctionValue, LayerState, Unknown, Value

T = TypeVar("T")


def path_of(run: Run, outputs: tuple[int, ...], known: dict[Any, Any]) -> Path:
    """The path of a run.

    known: what other paths of the entry hold; what is the same, which is nearly all, is held once.
    """

    def once(values: Iterable[T]) -> tuple[T, ...]:
        return tuple(known.setdefault(value, value) for value in values)

    return Path(
        once(run.answers.values()),
        once(_layers(run)),
        once(run.equations),
        once(run.shapes_by_variable()),
        outputs,
        tuple(run.influence.forks),
        run.influence.returning,
        tuple(run.losses),
    )


def _layers(run: Run) -> Iterator[Layer]:
    calls = {id(layer.call): layer for layer in run.layers}  # a function that makes many layers was called once
    passed = {key: tuple(_call(run, layer)) for key, layer in calls.items()}
    return (_frozen(run, layer, passed[id(layer.call)]) for layer in run.layers)


def _frozen(run: Run, state: LayerState, passed: tuple[Passed, ...]) -> Layer:
    shift = state.entry.shift
    parameters = as_size(state.arguments.get(shift.size)) if shift else None
    return Layer(
        number=state.number,
        entry=state.entry,
        site=state.site,
        label=state.class_name if not state.label or state.label.isdigit() else state.label,
        bias=_has_shift(run, state),
        bias_text=state.text,
        frozen=state.frozen_shift,
        tampered=state.tampered,
        handed=state.handed,
        parameters=parameters,
        call=passed,
        argument=state.argument,
        place=state.place,
        handed_on=state.handed_on,
        inner=state.entry.inner(_plain(run, state)) if state.entry.inner is not None else "",
        stores_mean=settle(run, state.arguments.get("track_running_stats", False)) is not False,
        declared=state.own,
        unseen=state.unseen,
        influence=state.influence | state.might,
    )


def _plain(run: Run, state: LayerState) -> dict[str, object]:
    """The arguments of a layer's constructor, with all that the run knows of them in the end."""
    return {name: settle(run, value) for name, value in state.arguments.items()}


def _has_shift(run: Run, state: LayerState) -> bool | None:
    """Whether the layer has its shift, by all that the run knows in the end."""
    shift = state.entry.shift
    if shift is None or state.shift is not None:
        return state.shift
    switches = [truth(run, state.arguments.get(name, True)) for name in (shift.argument, shift.also) if name]
    return False if False in switches else None if None in switches else True


def _is_of_an_entry(argument: Value, function: str) -> bool:
    match argument:
        case Unknown(key=Symbol(Kind.CONSTRUCTOR | Kind.FORWARD, (of, *_))):
            return of == function
        case _:
            return False


def _call(run: Run, state: LayerState) -> Iterator[Passed]:
    """The arguments with which the layer's function was called, with all that the run knows of them in the end.

    Without those of an entry: paths that do not rest on them have them as well, with whatever value they were followed.
    """
    for name, argument in state.call.items():
        if run.given(Symbol(Kind.DEFAULT, state.function, name)) is not None or _is_of_an_entry(
            argument, state.function
        ):
            continue
        value = settle(run, argument)
        answer = None
        if isinstance(value, Unknown) and run.given(Symbol(Kind.ROUNDS, value.key)) is None:
            answer = truth(run, value)  # of how often a loop goes round this is only a part
        value = value if answer is None else answer
        if value is None or isinstance(value, (bool, str, int, float, ClassValue, External, FunctionValue)):
            test = test_of_argument(state.function, name, value)
            yield Passed(name, key_of(run, value), condition(name, value), test)
