"""Finds what people read in Python: whole sentences wherever they stand, and the words that are marked.

A literal that begins with a capital and ends as a sentence does is one, so most code needs no mark. An f-string is a
sentence with `{names}` in it. Single words are found where they are marked by `portal.wording.noted`, where they are
the values of a table `NAME: Mapping[…, str] = {…}`, and where they are what one of the calls below shows.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import IO

Found = tuple[int, str, str | tuple[str, ...], list[str]]

# Functions and classes whose arguments are words that a page shows, by place or name.
CALLS: Mapping[str, tuple[int | str, ...]] = {
    "noted": (0,),
    "gettext": (0,),
    "InvalidInput": (0,),
    "Forbidden": (0,),
    "NotFound": (0,),
    "WrongField": (1,),
    "About": (0,),
    "Repair": (0,),
    "Refused": (0, 1),
    "Line": (0, 2, 3),
    "Standing": (0, 1, 2),
    "Step": (1, 2, "evidence"),
    "CredentialField": (1, "label", "help"),
    "Guide": ("summary", "steps", "after", "address"),
}
_SENTENCE = re.compile(r"[A-Z“{].*\s.*[.?!…:]( ?\{\w*\})?", re.DOTALL)
_FEWEST_WORDS = 3
# Nobody reads these in a page.
_NO_NAMES = frozenset(("if", "else", "for", "in", "or", "and", "not", "is", "None", "len", "str", "join", "r"))
_LOGS = ("log", "logger", "logging")


def of_code(file: IO[bytes], keywords: object, comment_tags: object, options: object) -> Iterator[Found]:
    """The sentences of a Python file, as Babel's extraction wants them: line, function, sentence, comments."""
    seen = set()
    for node, said in _said(ast.parse(file.read())):
        if said not in seen:
            seen.add(said)
            yield node.lineno, "ngettext" if isinstance(said, tuple) else "gettext", said, []


def pattern(node: ast.JoinedStr) -> str:
    """The f-string with a name for each value."""
    text, names = "", set[str]()
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
            continue
        name = _name(part)
        while name in names:
            name += "_"
        names.add(name)
        text += f"{{{name}}}"
    return text


def _said(tree: ast.AST) -> Iterator[tuple[ast.expr, str | tuple[str, ...]]]:
    for node in _read(tree):
        if isinstance(node, ast.Call):
            yield from _shown(node)
        elif isinstance(node, ast.AnnAssign) and "Mapping" in ast.unparse(node.annotation):
            yield from _table(node)
        elif isinstance(node, ast.Constant | ast.JoinedStr):
            text = _text(node)
            if text and _SENTENCE.fullmatch(text) and len(_words(text)) >= (1 if isinstance(node, ast.Constant) else 2):
                yield node, text


def _read(node: ast.AST) -> Iterator[ast.AST]:
    """All of the tree but docstrings, what is logged, and the inside of f-strings."""
    for child in ast.iter_child_nodes(node):
        docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if docstring or _logs(child):
            continue
        yield child
        if not isinstance(child, ast.JoinedStr):
            yield from _read(child)


def _logs(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else node
    return isinstance(call, ast.Call) and ast.unparse(call.func).partition(".")[0] in _LOGS


def _shown(call: ast.Call) -> Iterator[tuple[ast.expr, str | tuple[str, ...]]]:
    name = ast.unparse(call.func).rpartition(".")[2]
    if name == "ngettext" and len(texts := [_text(each) for each in call.args[:2]]) == 2 and all(texts):
        yield call, (texts[0], texts[1])
    for place in CALLS.get(name, ()):
        if isinstance(place, int):
            given = call.args[place : place + 1]
        else:
            given = [each.value for each in call.keywords if each.arg == place]
        for node in given:
            for each in node.elts if isinstance(node, ast.Tuple) else _branches(node):
                if _words(text := _text(each)):
                    yield each, text


def _branches(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.IfExp):
        yield from _branches(node.body)
        yield from _branches(node.orelse)
    else:
        yield node


def _table(node: ast.AnnAssign) -> Iterator[tuple[ast.expr, str]]:
    value = node.value.args[0] if isinstance(node.value, ast.Call) and node.value.args else node.value
    if not isinstance(value, ast.Dict) or not ast.unparse(node.annotation).endswith(", str]"):
        return
    for each in value.values:
        if isinstance(each, ast.Constant) and _words(text := _text(each)) and text[0].isalnum():
            yield each, text


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        text = pattern(node)
        return text if len(_words(re.sub(r"\{\w*\}", "", text))) >= _FEWEST_WORDS else ""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]{2,}", text)


def _name(node: ast.expr) -> str:
    """What a value is called: the last name in its expression."""
    names = re.findall(r"[A-Za-z_]\w*", ast.unparse(node.value)) if isinstance(node, ast.FormattedValue) else []
    known = [each.strip("_").lower() for each in names if each not in _NO_NAMES]
    return known[-1] if known else "value"
