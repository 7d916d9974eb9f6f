"""One argument of one call set to a value, with the layout, the commas and the comments of the call kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from biaslens.text import Edit, Source, Span


@dataclass(frozen=True, slots=True)
class Argument:
    """keyword: how a call names the argument. place: its index among the positional ones, None where it has none."""

    keyword: str
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The smallest edit of a call. callee: what is called, as written.

    hidden: arguments that cannot be seen (`**options`), or "".
    """

    edit: Edit
    callee: str
    hidden: str = ""


def with_argument(
    source: Source, span: Span, argument: Argument, value: str, *, of: str, names: Sequence[str] = ()
) -> Change | None:
    """The change after which the call at `span` passes `value`, where it now passes the expression `of` or nothing.

    names: of the class that is constructed; a call that is given one of them makes a partial.
    None where the call cannot be told to, or hides positional arguments.
    """
    old = source.excerpt(span)
    call = _parsed(old, source.newline)
    if call is None or not argument.keyword or not _is_plain(call, names):
        return None
    if argument.place is not None and argument.place < 0:  # a partial passes it already
        return None
    module = cst.Module([], default_newline=source.newline)
    if module.code_for_node(call) != f"({old})":  # the text does not survive a round trip: leave it alone
        return None
    given = _index(call, argument)
    new = cst.parse_expression(value)
    if given is None:
        changed = _inserted(call, argument.keyword, new)
    elif module.code_for_node(_bare(call.args[given].value)) == of:
        changed = _replaced(call, given, new)
    else:
        return None
    hidden = next(
        (module.code_for_node(a.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for a in call.args if a.star), ""
    )
    edit = _smallest(old, module.code_for_node(changed)[1:-1], span.start)
    return Change(edit, module.code_for_node(call.func), hidden.strip())


def _parsed(text: str, newline: str) -> cst.Call | None:
    """The call alone, in parentheses of ours, so that its line breaks need no statement around them."""
    try:
        expression = cst.parse_expression(f"({text})", cst.PartialParserConfig(default_newline=newline))
    except (cst.ParserSyntaxError, cst.CSTValidationError):
        return None
    return expression if isinstance(expression, cst.Call) and len(expression.lpar) == 1 else None


def _is_plain(call: cst.Call, names: Sequence[str]) -> bool:
    """Whether the call constructs the layer itself, with positional arguments that can all be seen."""
    if any(argument.star == "*" for argument in call.args):
        return False
    if _last_name(call.func) == "partial":
        return False
    return not any(_last_name(argument.value) in names for argument in call.args)  # `f(nn.Conv2d, …)` is a partial too


def _last_name(expression: cst.BaseExpression) -> str:
    match expression:
        case cst.Name(value):
            return value
        case cst.Attribute(attr=cst.Name(value)):
            return value
        case _:
            return ""


def _index(call: cst.Call, wanted: Argument) -> int | None:
    """Which of the call's arguments is the wanted one, None where it is left to its default."""
    for index, argument in enumerate(call.args):
        if argument.keyword is not None and argument.keyword.value == wanted.keyword:
            return index
    positional = sum(argument.keyword is None and not argument.star for argument in call.args)
    return wanted.place if wanted.place is not None and wanted.place < positional else None


def _bare(expression: cst.BaseExpression) -> cst.BaseExpression:
    """An expression without parentheses around it."""
    return expression.with_changes(lpar=[], rpar=[])


def _replaced(call: cst.Call, index: int, value: cst.BaseExpression) -> cst.Call:
    arguments = list(call.args)
    old = arguments[index].value
    arguments[index] = arguments[index].with_changes(value=value.with_changes(lpar=old.lpar, rpar=old.rpar))
    return call.with_changes(args=arguments)


def _inserted(call: cst.Call, name: str, value: cst.BaseExpression) -> cst.Call:
    """With one keyword argument more: the last one, or before `**options`."""
    new = cst.Arg(value, cst.Name(name), _equal_sign(call))
    place = next((index for index, argument in enumerate(call.args) if argument.star == "**"), None)
    if place is None:
        return _appended(call, new)
    gap = _line_break(call) if place else None
    new = new.with_changes(comma=cst.Comma(whitespace_after=gap or cst.SimpleWhitespace(" ")))
    return call.with_changes(args=[*call.args[:place], new, *call.args[place:]])


def _appended(call: cst.Call, new: cst.Arg) -> cst.Call:
    if not call.args:
        return call.with_changes(args=[new])
    last = call.args[-1]
    separator = _line_break(call)
    if isinstance(last.comma, cst.Comma):
        closing = last.comma.whitespace_after
        before, after = _around(separator, closing)
        last = last.with_changes(comma=last.comma.with_changes(whitespace_after=before))
        new = new.with_changes(comma=cst.Comma(whitespace_after=after))
    else:
        before, after = _around(separator, last.whitespace_after_arg)
        last = last.with_changes(
            whitespace_after_arg=cst.SimpleWhitespace(""), comma=cst.Comma(whitespace_after=before)
        )
        new = new.with_changes(whitespace_after_arg=after)
    return call.with_changes(args=[*call.args[:-1], last, new])


def _equal_sign(call: cst.Call) -> cst.AssignEqual:
    """As in the call's other keyword arguments."""
    equals = [argument.equal for argument in call.args if isinstance(argument.equal, cst.AssignEqual)]
    spaced = equals and isinstance(equals[-1].whitespace_before, cst.SimpleWhitespace)
    if spaced and equals[-1].whitespace_before.value == " " == equals[-1].whitespace_after.value:  # type: ignore[union-attr]
        return equals[-1]
    return cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))


def _line_break(call: cst.Call) -> cst.ParenthesizedWhitespace | None:
    """The white space between arguments that stand on a line each, without its comments; None for any other layout."""
    commas = [argument.comma for argument in call.args[:-1]]
    gaps = [comma.whitespace_after for comma in commas if isinstance(comma, cst.Comma)] or [call.whitespace_before_args]
    broken = [gap for gap in gaps if isinstance(gap, cst.ParenthesizedWhitespace)]
    return _without_comments(broken[-1]) if len(broken) == len(gaps) else None


def _without_comments(gap: cst.ParenthesizedWhitespace) -> cst.ParenthesizedWhitespace:
    line_end = cst.TrailingWhitespace(newline=gap.first_line.newline)
    return gap.with_changes(first_line=line_end, empty_lines=[])


def _around(
    line_break: cst.ParenthesizedWhitespace | None, closing: cst.BaseParenthesizableWhitespace
) -> tuple[cst.BaseParenthesizableWhitespace, cst.BaseParenthesizableWhitespace]:
    """The white space before and after a new last argument, from that between the old last one and the parenthesis."""
    if line_break is None:
        return cst.SimpleWhitespace(" "), closing
    if not isinstance(closing, cst.ParenthesizedWhitespace):
        return line_break, closing
    # A comment behind the old last argument stays with it.
    return line_break.with_changes(first_line=closing.first_line), closing.with_changes(
        first_line=line_break.first_line
    )


def _smallest(old: str, new: str, offset: int) -> Edit:
    """The edit that turns one text into the other, cut at the ends of words."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    while start and not (_is_seam(old, start) and _is_seam(new, start)):
        start -= 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    while end and not (_is_seam(old, len(old) - end) and _is_seam(new, len(new) - end)):
        end -= 1
    return Edit(Span(offset + start, offset + len(old) - end), new[start : len(new) - end])


def _is_seam(text: str, place: int) -> bool:
    """Whether a text may be cut here: not within a word, nor within a line end."""
    around = text[place - 1 : place + 1] if place else ""
    return len(around) < 2 or (around != "\r\n" and not all(c.isalnum() or c == "_" for c in around))
