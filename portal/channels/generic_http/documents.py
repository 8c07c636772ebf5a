"""Where something stands in what a gateway says: a field of a form, a place in JSON or in XML.

A path is a name, or names and places: `result.messages[0].id` in JSON, `response/message[2]/@id` in XML, whose root may
be named or not and whose namespaces do not count. Neither searches, so no path of a person and no body of a stranger
can make it slow; nor does a text's `after:`, which stands for a regular expression.
"""

import re
from collections.abc import Mapping, Sequence
from json import loads
from typing import Any
from xml.etree.ElementTree import Element, ParseError, fromstring

from portal.channels.base import WebhookRequest
from portal.channels.callbacks import fields
from portal.channels.values import text

AFTER = "after:"
LARGEST = 1024 * 1024
MOST_ITEMS = 1000
_STEP = re.compile(r"([^.\[\]/]*)((?:\[[0-9]{1,4}\])*)")
_PLACE = re.compile(r"\[([0-9]{1,4})\]")
_ENCODING = re.compile(rb"""<\?xml[^>]{0,100}encoding=["'](iso-8859-1|windows-1252)["']""", re.IGNORECASE)
_WORD = re.compile(r"[\w.:@+-]{1,200}")

Document = Any  # JSON, an XML element, the fields of a form, or a plain text


class Unreadable(ValueError):
    """The body is neither JSON, XML nor a form."""


def is_path(path: str) -> bool:
    """Can it be followed?"""
    steps = [each for part in path.split("/") for each in part.split(".")]
    return bool(path) and len(path) <= 200 and all(each and _STEP.fullmatch(each) for each in steps)


def of_answer(body: bytes) -> Document:
    """What a gateway answered; a text when it is neither JSON nor XML."""
    try:
        return _structured(body)
    except Unreadable:
        return None
    except LookupError:
        return body[:LARGEST].decode("utf-8", "replace")


def of_request(request: WebhookRequest) -> Document:
    """What a gateway calls us with. Raises `Unreadable`."""
    try:
        return _structured(request.body)
    except LookupError:
        return fields(request)


def find(document: Document, path: str) -> str:
    """The text at that place, "" when there is none."""
    if path.startswith(AFTER):
        return _after(document, path.removeprefix(AFTER)) if isinstance(document, str) else ""
    return _text(_at(document, path))


def items(document: Document, path: str) -> Sequence[Document]:
    """What stands in the list at that place; without a path the list itself, or the one thing that there is.

    At most `MOST_ITEMS`; `count` tells how many there are.
    """
    return _listed(document, path)[:MOST_ITEMS]


def count(document: Document, path: str) -> int:
    """How many things stand there."""
    return len(_listed(document, path))


def _listed(document: Document, path: str) -> list[Document]:
    found = _at_all(document, path) if path else document
    return found if isinstance(found, list) else [] if found is None else [found]


def _structured(body: bytes) -> Document:
    start = body.lstrip()[:1]
    if start in (b"{", b"["):
        try:
            return loads(body)
        except (ValueError, RecursionError):
            raise Unreadable from None
    if start == b"<":
        return xml(body)
    raise LookupError


def xml(body: bytes) -> Element:
    """The root. Raises `Unreadable`, also for a document type: its entities could grow without end."""
    named = _ENCODING.match(body.lstrip())
    words = body[:LARGEST].decode(named[1].decode().lower() if named else "utf-8", "replace")
    if "<!DOCTYPE" in words or "<!ENTITY" in words:
        raise Unreadable
    try:
        return fromstring(words)  # without a document type there is nothing to expand
    except (ParseError, ValueError):
        raise Unreadable from None


def _at(document: Document, path: str) -> Document:
    if isinstance(document, Element):
        found = _elements(document, path)
        return found[0] if found else None
    # A field of a form may have dots in its name.
    if isinstance(document, Mapping) and path in document:
        return document[path]
    return _walk(document, path)


def _at_all(document: Document, path: str) -> Document:
    return _elements(document, path) if isinstance(document, Element) else _walk(document, path)


def _walk(document: Document, path: str) -> Document:
    for each in path.split("."):
        step = _STEP.fullmatch(each)
        if step is None:
            return None
        if step[1]:
            document = document.get(step[1]) if isinstance(document, Mapping) else None
        for place in _PLACE.findall(step[2]):
            listed = isinstance(document, list) and int(place) < len(document)
            document = document[int(place)] if listed else None
    return document


def _elements(root: Element, path: str) -> list[Any]:
    """Elements, or the values of an attribute. Places count from 1, as they do in XPath."""
    found: list[Any] = [root]
    steps = path.split("/")
    if _name(root) == steps[0] and (len(steps) > 1 or not any(_name(each) == steps[0] for each in root)):
        steps = steps[1:]
    for each in steps:
        if each.startswith("@"):
            return [element.get(each[1:]) for element in found if element.get(each[1:]) is not None]
        step = _STEP.fullmatch(each)
        if step is None:
            return []
        found = [child for element in found for child in element if _name(child) == step[1]]
        for place in _PLACE.findall(step[2]):
            found = found[int(place) - 1 : int(place)] if int(place) else []
    return found


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _text(found: Document) -> str:
    if isinstance(found, Element):
        return text("".join(found.itertext())).strip()
    return ("true" if found else "false") if isinstance(found, bool) else text(found)


def _after(words: str, mark: str) -> str:
    start = words.find(mark)
    found = _WORD.match(words, start + len(mark)) if mark and start >= 0 else None
    return found[0] if found else ""
