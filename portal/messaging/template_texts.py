"""A template that is filled in: what is wrong with it, what the customer reads, and what the provider is given. Pure.

Limits are Meta's: "Template components" of its Business Management API, and error 132000 and its like, which refuse
a variable with a line break, a tab or more than four spaces in a row.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from portal.channels.content import Content, Kind
from portal.errors import InvalidInput
from portal.messaging import template_forms as forms
from portal.messaging.template_forms import PLACE, Blank, Button, Form, header_key, places
from portal.wording import noted

MOST_HEADER, MOST_BODY, MOST_BODY_ALONE, MOST_URL = 60, 1024, 32_768, 2000
MOST_COUPON, MOST_CODE = 20, 15
MEDIA_WORDS: Mapping[str, str] = {"image": "Photo", "video": "Video", "document": "File"}
MEDIA_ADDRESSES: Mapping[str, str] = {
    "image": "Address of the photo above the text",
    "video": "Address of the video above the text",
    "document": "Address of the file above the text",
}
_BREAKS = re.compile(r"[\n\r\t\u2028\u2029]")
_MANY_SPACES = re.compile(r" {5,}")

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Preview:
    """What the customer reads. What is not filled in yet stands there as its variable."""

    header: str = ""
    media: str = ""
    url: str = ""
    body: str = ""
    footer: str = ""
    buttons: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """All of it as one text: for HighLevel and for lists."""
        file = f"{MEDIA_WORDS[self.media]}: {self.url}" if self.media else ""
        shown = [f"[{text}] {value}".rstrip() for text, value in self.buttons]
        return "\n".join(filter(None, (self.header, file, self.body, self.footer, *shown)))


def preview(form: Form, values: Values) -> Preview:
    """The template with these values in it; bold and italic marks stay as they were typed."""
    given = {key: value for key, value in values.items() if value.strip()}
    buttons = tuple((each.text, _opened(form, each, given)) for each in form.buttons)
    header = _filled(form.header, {name: given.get(header_key(name), "") for name in places(form.header)})
    url = given.get(forms.HEADER_URL, "")
    return Preview(header, form.media, url, _filled(form.body, given), form.footer, buttons)


def _opened(form: Form, button: Button, given: Values) -> str:
    if button.type == "COPY_CODE":
        return given.get(button.key, "")
    return _filled(button.value, dict.fromkeys(places(button.value), given.get(button.key, "")))


def _filled(text: str, given: Values) -> str:
    return PLACE.sub(lambda place: given.get(place[1]) or place[0], text)


def label(blank: Blank) -> str:
    """What a field is called."""
    if blank.kind in forms.MEDIA:
        return MEDIA_ADDRESSES[blank.kind]
    if blank.kind == forms.CODE:
        return noted("One-time code")
    if blank.kind == forms.COUPON:
        return noted(f"Offer code that {blank.where} copies")
    if blank.kind == forms.SUFFIX:
        return noted(f"End of the address that {blank.where} opens")
    return "{{1}} in the header" if blank.key == forms.HEADER_TEXT else f"{{{{{blank.key}}}}} in the {blank.where}"


def faults(form: Form, values: Values) -> dict[str, str]:
    """What cannot be sent as it stands: a sentence for each key. Empty when all is well."""
    known = {each.key for each in form.blanks}
    wrong = {key: _unknown(form, key) for key in values if key not in known}
    for blank in form.blanks:
        if said := _fault(blank, values.get(blank.key, "")):
            wrong[blank.key] = said
    return wrong or _too_long(form, values)


def _unknown(form: Form, key: str) -> str:
    has = ", ".join(each.key for each in form.blanks) or "none"
    return f"The template {form.name} has no variable {key[:40]}. Its variables: {has}."


def _fault(blank: Blank, value: str) -> str:
    if not value.strip():
        return f"{label(blank)}: fill it in."
    if _BREAKS.search(value):
        return f"{label(blank)}: WhatsApp takes no line breaks and no tabs in a variable."
    if _MANY_SPACES.search(value):
        return f"{label(blank)}: WhatsApp takes at most four spaces in a row in a variable."
    return _CHECKS.get(blank.kind, _no_fault)(label(blank), value)


def _no_fault(_label: str, _value: str) -> str:
    return ""


def _file_fault(name: str, value: str) -> str:
    try:
        parts = urlsplit(value.strip())
    except ValueError:
        parts = urlsplit("")
    good = parts.scheme in ("http", "https") and parts.hostname and " " not in value.strip()
    return "" if good and len(value) <= MOST_URL else f"{name}: a public address that begins with https:// is wanted."


def _suffix_fault(name: str, value: str) -> str:
    return f"{name}: an address has no spaces." if " " in value.strip() else ""


def _coupon_fault(name: str, value: str) -> str:
    good = value.strip().isalnum() and len(value.strip()) <= MOST_COUPON
    return "" if good else f"{name}: letters and digits only, at most {MOST_COUPON}."


def _code_fault(name: str, value: str) -> str:
    good = " " not in value.strip() and len(value.strip()) <= MOST_CODE
    return "" if good else f"{name}: at most {MOST_CODE} characters, without spaces."


_CHECKS = {
    **dict.fromkeys(forms.MEDIA, _file_fault),
    forms.SUFFIX: _suffix_fault,
    forms.COUPON: _coupon_fault,
    forms.CODE: _code_fault,
}


def _too_long(form: Form, values: Values) -> dict[str, str]:
    """What is filled in counts, not the template: the last variable of the text that became too long is at fault."""
    shown = preview(form, values)
    alone = not (form.header or form.media or form.footer or form.buttons)
    most_body = MOST_BODY_ALONE if alone else MOST_BODY
    header = [header_key(name) for name in places(form.header)]
    urls = [(each.key, _opened(form, each, values)) for each in form.buttons if each.type == "URL" and each.key]
    found: dict[str, str] = {}
    for keys, text, most, what in (
        (header, shown.header, MOST_HEADER, "header"),
        (places(form.body), shown.body, most_body, "text"),
        *(([key], url, MOST_URL, "address") for key, url in urls),
    ):
        if keys and len(text) > most:
            found[keys[-1]] = f"The {what} has {len(text)} characters with this, and WhatsApp takes {most}: shorten it."
    return found


def content(form: Form, values: Values) -> Content:
    """What a channel is given. Raises `InvalidInput` with the first sentence when it cannot be sent as it stands."""
    if form.obstacle:
        raise InvalidInput(f"The template {form.name} cannot be sent. {form.obstacle}")
    for sentence in faults(form, values).values():
        raise InvalidInput(sentence)
    given = {key: value.strip() for key, value in values.items()}
    components = [*_header(form, given), *_body(form, given), *_buttons(form, given)]
    named = {"name": form.name, "language": form.language, "category": form.category}
    return Content(Kind.TEMPLATE, {**named, "components": components})


def _header(form: Form, given: Values) -> list[dict[str, Any]]:
    if form.media:
        file = {"link": given[forms.HEADER_URL]}
        name = urlsplit(file["link"]).path.rpartition("/")[2]
        if form.media == "document" and "." in name:
            file["filename"] = name
        return [{"type": "header", "parameters": [{"type": form.media, form.media: file}]}]
    found = [_parameter(name, given[header_key(name)]) for name in places(form.header)]
    return [{"type": "header", "parameters": found}] if found else []


def _body(form: Form, given: Values) -> list[dict[str, Any]]:
    found = [_parameter(name, given[name]) for name in places(form.body)]
    return [{"type": "body", "parameters": found}] if found else []


def _parameter(name: str, value: str) -> dict[str, str]:
    return {"type": "text", "text": value, **({} if name.isdecimal() else {"parameter_name": name})}


def _buttons(form: Form, given: Values) -> list[dict[str, Any]]:
    found = []
    for index, button in enumerate(form.buttons):
        parameter: dict[str, Any] = {"type": "text", "text": given.get(button.key, "")}
        sub_type = "url"
        if button.type == "COPY_CODE":
            sub_type, parameter = "copy_code", {"type": "coupon_code", "coupon_code": given[button.key]}
        elif button.type == "FLOW":
            # Meta's own default: nobody here tells one filling-in from another.
            sub_type, parameter = "flow", {"type": "action", "action": {"flow_token": "unused"}}
        elif not button.key:
            continue
        found.append({"type": "button", "sub_type": sub_type, "index": str(index), "parameters": [parameter]})
    return found


def values_of(form: Form, components: Sequence[Any]) -> dict[str, str]:
    """The values that stand in components which `content` has made. Raises `InvalidInput` for any others."""
    found: dict[str, str] = {}
    try:
        for each in components:
            for place, parameter in enumerate(each["parameters"]):
                found |= _value(form, each, place, parameter)
        same = content(form, found).details["components"] == [dict(each) for each in components]
    except (LookupError, TypeError, ValueError, AttributeError):
        same = False
    if not same:
        raise InvalidInput(f"What was filled in does not fit the template {form.name}: it may have been changed.")
    return found


def _value(form: Form, component: Mapping[str, Any], place: int, parameter: Mapping[str, Any]) -> dict[str, str]:
    kind = parameter["type"]
    if kind in forms.MEDIA:
        return {forms.HEADER_URL: parameter[kind]["link"]}
    if kind == "action":
        return {}
    value = parameter["coupon_code"] if kind == "coupon_code" else parameter["text"]
    if component["type"] == "button":
        return {form.buttons[int(component["index"])].key: value}
    if component["type"] == "header":
        return {header_key(places(form.header)[place]): value}
    return {places(form.body)[place]: value}
