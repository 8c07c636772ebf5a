"""A provider's template as a person fills it in: its texts, its buttons, and what is left blank. Pure.

The shapes are those of Meta's Graph API for `message_templates` (Business Management API, "Template components").
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
TEXT, SUFFIX, COUPON, CODE = "text", "suffix", "coupon", "code"
MEDIA = ("image", "video", "document")
HEADER_TEXT, HEADER_URL, ONLY_CODE = "header-text", "header-url", "code"
# Buttons that need nothing when they are sent.
_PLAIN = ("QUICK_REPLY", "PHONE_NUMBER", "VOICE_CALL", "FLOW")
# What a template has that the portal has no way to fill.
_ODD = {
    "CAROUSEL": "a carousel",
    "LIMITED_TIME_OFFER": "an offer that ends at a time",
    "LOCATION": "a place in its header",
    "CATALOG": "a button to a catalogue",
    "MPM": "a button to several products",
    "SPM": "a button to a product",
}


@dataclass(frozen=True, slots=True)
class Blank:
    """One thing to fill in. `key` names it: the variable's own name in the body, else where it is (`button-2`).

    `kind` is text, suffix (the end of an address), coupon, code (a one-time password), image, video or document.
    """

    key: str
    where: str
    kind: str = TEXT
    example: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """A button below the text. `value` is what it opens or calls, `key` the blank in it, "" where there is none."""

    text: str
    type: str
    value: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A template in one language. `media` is the kind of file in its header; `obstacle` says why it cannot be sent."""

    name: str
    language: str
    category: str = ""
    status: str = ""
    header: str = ""
    media: str = ""
    body: str = ""
    footer: str = ""
    buttons: tuple[Button, ...] = ()
    blanks: tuple[Blank, ...] = ()
    obstacle: str = ""


def places(text: str) -> list[str]:
    """The variables of a text, each once: numbers in their order, names as they come."""
    found = list(dict.fromkeys(PLACE.findall(text)))
    # By length first: a number that no machine reads must not raise.
    return sorted(found, key=lambda each: (len(each), each)) if all(each.isdecimal() for each in found) else found


def header_key(name: str) -> str:
    """A number in the header is another variable than the same number in the body; a name is the same one."""
    return HEADER_TEXT if name.isdecimal() else name


def form(name: str, language: str, category: str, status: str, components: Sequence[Any]) -> Form:
    """The template as a form. Whatever is in it: nothing raises."""
    made = Form(name, language, category, status)
    for each in _mappings(components):
        made = _READERS.get(_word(each, "type"), _odd)(made, each)
    if not made.body and not made.obstacle:
        made = replace(made, obstacle="It has no text.")
    return _with_code(made)


def _header(made: Form, said: Mapping[str, Any]) -> Form:
    kind, examples = _word(said, "format"), _mapping(said.get("example"))
    if kind.lower() in MEDIA:
        example = _first(examples.get("header_handle"))
        blank = Blank(HEADER_URL, "header", kind.lower(), example if example.startswith("http") else "")
        return replace(made, media=kind.lower(), blanks=(blank, *made.blanks))
    if kind not in ("TEXT", ""):
        return _hinder(made, kind)
    text = _text(said, "text")
    known = _named(examples.get("header_text_named_params"))
    first = _first(examples.get("header_text"))
    blanks = [Blank(header_key(each), "header", TEXT, known.get(each, first)) for each in places(text)]
    return replace(made, header=text, blanks=_joined(blanks, made.blanks))


def _body(made: Form, said: Mapping[str, Any]) -> Form:
    text, examples = _text(said, "text"), _mapping(said.get("example"))
    known = _named(examples.get("body_text_named_params"))
    listed = examples.get("body_text")
    row = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], list) else listed
    in_order = row if isinstance(row, list) else []
    blanks = []
    for number, each in enumerate(places(text)):
        given = str(in_order[number]) if number < len(in_order) else ""
        blanks.append(Blank(each, "body", TEXT, known.get(each, given)))
    return replace(made, body=text, blanks=_joined(made.blanks, blanks))


def _footer(made: Form, said: Mapping[str, Any]) -> Form:
    return replace(made, footer=_text(said, "text"))


def _buttons(made: Form, said: Mapping[str, Any]) -> Form:
    for number, each in enumerate(_mappings(said.get("buttons")), start=1):
        made = _button(made, each, number)
    return made


def _button(made: Form, said: Mapping[str, Any], number: int) -> Form:
    kind, text, url = _word(said, "type"), _text(said, "text"), _text(said, "url")
    key, example = f"button-{number}", _first(said.get("example"))
    # Meta lists the button of a one-time password as an address of its own that copies the code.
    if kind == "OTP" or (kind == "URL" and "otp_type=" in url):
        return replace(made, buttons=(*made.buttons, Button(text or "Copy code", "OTP", key=ONLY_CODE)))
    if kind == "URL":
        variable = bool(places(url))
        made = replace(made, buttons=(*made.buttons, Button(text, kind, url, key if variable else "")))
        blank = Blank(key, f"button {number}", SUFFIX, _suffix(url, example))
        return replace(made, blanks=(*made.blanks, blank)) if variable else made
    if kind == "COPY_CODE":
        made = replace(made, buttons=(*made.buttons, Button(text or "Copy offer code", kind, key=key)))
        return replace(made, blanks=(*made.blanks, Blank(key, f"button {number}", COUPON, example)))
    if kind not in _PLAIN:
        return _hinder(made, kind)
    return replace(made, buttons=(*made.buttons, Button(text, kind, _text(said, "phone_number"))))


def _suffix(url: str, example: str) -> str:
    """Examples are whole addresses; only the end is filled in."""
    begin = PLACE.split(url)[0]
    return example[len(begin) :] if begin and example.startswith(begin) else example


def _odd(made: Form, said: Mapping[str, Any]) -> Form:
    return _hinder(made, _word(said, "type"))


def _hinder(made: Form, kind: str) -> Form:
    what = _ODD.get(kind, f"something of the kind {kind[:40] or 'without a name'}")
    return replace(made, obstacle=made.obstacle or f"It has {what}, which cannot be filled in here yet.")


_READERS = {"HEADER": _header, "BODY": _body, "FOOTER": _footer, "BUTTONS": _buttons}


def _with_code(made: Form) -> Form:
    """A one-time password stands in the text and behind the button: it is typed once."""
    if not any(button.key == ONLY_CODE for button in made.buttons):
        return made
    in_body = [each for each in made.blanks if each.where == "body"]
    key = in_body[0].key if in_body else ONLY_CODE
    buttons = tuple(replace(each, key=key) if each.key == ONLY_CODE else each for each in made.buttons)
    code = Blank(key, "body" if in_body else "button", CODE, in_body[0].example if in_body else "")
    blanks = tuple(code if each.key == key else each for each in made.blanks)
    return replace(made, buttons=buttons, blanks=blanks if in_body else (*blanks, code))


def _joined(first: Sequence[Blank], then: Sequence[Blank]) -> tuple[Blank, ...]:
    """Each variable once, where it is met first."""
    met: dict[str, Blank] = {}
    for each in (*first, *then):
        met.setdefault(each.key, each)
    return tuple(met.values())


def _mappings(said: Any) -> Iterator[Mapping[str, Any]]:
    return (each for each in said if isinstance(each, Mapping)) if isinstance(said, list | tuple) else iter(())


def _mapping(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, Mapping) else {}


def _text(said: Mapping[str, Any], name: str) -> str:
    found = said.get(name)
    return found if isinstance(found, str) else ""


def _word(said: Mapping[str, Any], name: str) -> str:
    return _text(said, name).upper()


def _first(said: Any) -> str:
    found = said[0] if isinstance(said, list) and said else said
    return found if isinstance(found, str) else ""


def _named(said: Any) -> dict[str, str]:
    return {_text(each, "param_name"): _text(each, "example") for each in _mappings(said)}
