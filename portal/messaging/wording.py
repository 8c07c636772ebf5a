"""How a message of any kind is said in plain text: for HighLevel, which shows nothing else, and for lists."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.channels.content import CallState, Kind, Relation

MAP = "https://www.google.com/maps?q={},{}"
INVITATION = "https://chat.whatsapp.com/{}"
LONGEST_QUOTE = 120
LONGEST_ADVERTISEMENT = 400
EARLIER = "an earlier message"
# What a file is called where there is no text to go with it.
FILES: Mapping[str, str] = {
    Kind.IMAGE: "Photo",
    Kind.VIDEO: "Video",
    Kind.AUDIO: "Voice message",
    Kind.DOCUMENT: "File",
    Kind.STICKER: "Sticker",
}
CALLS: Mapping[str, str] = {
    CallState.RINGING: "",
    CallState.ANSWERED: ", answered",
    CallState.MISSED: ", missed",
    CallState.DECLINED: ", declined",
}

Details = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A message as it is to be said. `text` and `details` are as `Kind` describes them.

    `author` wrote it in a group. `about` is how it refers to an earlier message, `quoted` what that said, `was` what an
    edited one said before. `files` is whether files go along.
    """

    kind: str = Kind.TEXT
    text: str = ""
    details: Details = field(default_factory=dict)
    author: str = ""
    about: str = ""
    quoted: str = ""
    was: str = ""
    marker: str = ""
    files: bool = False
    from_us: bool = False


def told(line: Line) -> str:
    """The whole text. "" only for a file that speaks for itself."""
    said = _said(line)
    if line.details.get("forwarded"):
        said = f"Forwarded: {said}" if said else "Forwarded"
    if line.details.get("referral"):
        said = _lines(_advertisement(line.details["referral"]), said)
    if line.details.get("product"):
        said = _lines(_product(line.details["product"]), said)
    if line.about == Relation.REPLY:
        said = f"> {_quote(line.quoted) or EARLIER}\n{said}".rstrip()
    return f"{line.author}: {said}".rstrip() if line.author else said


def brief(kind: str, text: str, details: Details, longest: int = LONGEST_QUOTE) -> str:
    """One line that tells which message is meant."""
    line = Line(kind, text, details)
    # A plain text stands for itself: the shortest way for nearly all messages.
    said = text if kind == Kind.TEXT else (_said(line) or FILES.get(kind, ""))
    return said[:longest] if kind == Kind.TEXT else _short(said, longest)


def author(name: str, address: str) -> str:
    """Who wrote it in a group: a name and, where it is told, the number."""
    if address.startswith("+"):
        return f"{name} ({address})" if name else address
    return name or (f"WhatsApp user {address[-4:]}" if address else "")


def _said(line: Line) -> str:
    return _SAYINGS.get(line.kind, _text)(line)


def _text(line: Line) -> str:
    return line.text


def _file(line: Line) -> str:
    if line.text or line.files:
        return line.text
    return FILES[line.kind]


def _sticker(line: Line) -> str:
    return line.text or FILES[Kind.STICKER]


def _link(line: Line) -> str:
    """The text, and of the preview what the text does not say."""
    more = (str(line.details.get(name) or "") for name in ("title", "url"))
    return _lines(line.text, *(each for each in more if each not in line.text))


def _location(line: Line) -> str:
    said = line.details
    place = ""
    if "latitude" in said and "longitude" in said:
        place = MAP.format(said["latitude"], said["longitude"])
    return _lines("Location", line.text, said.get("name"), said.get("address"), place, said.get("url"))


def _contacts(line: Line) -> str:
    found = [_contact(each) for each in _entries(line.details, "contacts")]
    return _lines("Contact" if len(found) < 2 else "Contacts", line.text, *found)


def _contact(said: Details) -> str:
    """Who it is and how to reach them on one line; each address, which has commas of its own, on another."""
    name = str(said.get("name") or "")
    where = ", ".join(filter(None, (str(said.get("organisation") or ""), str(said.get("role") or ""))))
    who = f"{name} ({where})" if name and where else name or where
    reached = [str(each) for word in ("phones", "emails", "urls") for each in _items(said, word)]
    born = f"born {said['birthday']}" if said.get("birthday") else ""
    return _lines(", ".join(filter(None, (who, *reached, born))), *_items(said, "addresses"))


def _poll(line: Line) -> str:
    options = [f"- {each}" for each in _items(line.details, "options")]
    several = "(several answers may be chosen)" if line.details.get("multiple") else ""
    return _lines(f"Poll: {line.details.get('question') or line.text}", *options, several)


def _vote(line: Line) -> str:
    question = line.details.get("question") or _quote(line.quoted) or "an earlier poll"
    options = [_votes(each) for each in _entries(line.details, "options")]
    return _lines(f"Votes so far in “{question}”", line.text, *options)


def _votes(option: Details) -> str:
    voters = option.get("voters")
    count = len(voters) if isinstance(voters, list | tuple) else voters if isinstance(voters, int) else 0
    return f"- {option.get('text') or '?'}: {count}"


def _buttons(line: Line) -> str:
    said = line.details
    buttons = [_button(each) for each in _entries(said, "buttons")]
    return _lines(_above(said), line.text, said.get("footer"), *buttons)


def _above(said: Details) -> str:
    """What stands above the text: words, or a file by its address."""
    media = said.get("media")
    if not isinstance(media, Mapping) or not media.get("url"):
        return str(said.get("header") or "")
    return f"{FILES.get(str(media.get('kind')), 'File')}: {media['url']}"


def _button(said: Details) -> str:
    value = str(said.get("value") or "")
    return f"[{said.get('text') or said.get('id') or ''}]" + (f" {value}" if value else "")


def _list(line: Line) -> str:
    rows: list[str] = []
    for section in _entries(line.details, "sections"):
        rows.append(str(section.get("title") or ""))
        rows += [f"- {_choice(each)}" for each in _entries(section, "rows")]
    return _lines(line.details.get("title"), line.text, *rows, line.details.get("footer"))


def _choice(said: Details) -> str:
    words, more = str(said.get("text") or said.get("id") or ""), str(said.get("description") or "")
    return f"{words}: {more}" if more else words


def _flow(line: Line) -> str:
    said = line.details
    return _lines(_above(said), line.text, said.get("footer"), f"[{said.get('button') or 'Form'}]")


def _location_request(line: Line) -> str:
    return _lines(line.text, "[Send location]")


def _tap(line: Line) -> str:
    chosen = _choice(line.details) or line.text
    return f"Chose “{chosen}”" + (f" from “{_quote(line.quoted)}”" if line.quoted else "")


def _invite(line: Line) -> str:
    code = str(line.details.get("code") or "")
    address = code if code.startswith("http") or not code else INVITATION.format(code)
    return _lines(f"Invitation to the group “{line.details.get('name') or '?'}”", line.text, address)


def _reaction(line: Line) -> str:
    quoted = _quote(line.quoted)
    which = f"“{quoted}”" if quoted else EARLIER
    return f"{line.text} to {which}" if line.text else f"Took back the reaction to {which}"


def _edit(line: Line) -> str:
    was = _short(line.was or line.quoted, 1000)
    return f"Edited: {line.text}" + (f" (was: {was})" if was else "")


def _deletion(line: Line) -> str:
    quoted = _quote(line.quoted)
    return f"Deleted: “{quoted}”" if quoted else f"Deleted {EARLIER}"


def _call(line: Line) -> str:
    what = "Outgoing" if line.from_us else "Incoming"
    kind = "video call" if line.details.get("video") else "call"
    return _lines(f"{what} {kind}{CALLS.get(str(line.details.get('state')), '')}", line.text)


def _order(line: Line) -> str:
    """A line for each of what is ordered; prices are the shop's own."""
    items = [_item(each) for each in _entries(line.details, "items")]
    catalog = str(line.details.get("catalog") or "")
    return _lines("Order", line.text, *items, f"Catalogue {catalog}" if catalog else "")


def _item(said: Details) -> str:
    price = " ".join(filter(None, (_number(said.get("price")), str(said.get("currency") or ""))))
    return f"- {_number(said.get('quantity')) or 1} × {said.get('sku') or '?'}" + (f" at {price}" if price else "")


def _number(value: object) -> str:
    """A number as a person writes it: 2, not 2.0. "" for none."""
    whole = isinstance(value, float) and value.is_integer()
    return "" if value is None else str(int(value) if whole else value)  # type: ignore[call-overload]


def _form(line: Line) -> str:
    answers = line.details.get("answers")
    said = answers if isinstance(answers, Mapping) else {}
    name = str(line.details.get("name") or "")
    heading = f"Filled in the form “{name}”" if name else "Filled in a form"
    return _lines(heading, line.text, *(f"- {field}: {_answer(value)}" for field, value in said.items()))


def _answer(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value)
    return str(value)


def _system(line: Line) -> str:
    number = str(line.details.get("number") or "")
    if not number:
        return line.text or "WhatsApp has a notice on this chat."
    news = f"The customer has changed their number to {number}"
    if line.details.get("held"):
        rest = "another contact has that number already. See whether they are one person, and answer them there."
        return f"{news}: {rest}"
    return f"{news}: correct it on the contact. Answers by WhatsApp go to the new number."


def _advertisement(said: object) -> str:
    """Where the customer came from, above what they wrote: the heading, its text, and what there was to see."""
    if not isinstance(said, Mapping):
        return ""
    headline, body = (" ".join(str(said.get(word) or "").split()) for word in ("headline", "body"))
    url, kind = str(said.get("url") or ""), "post" if said.get("type") == "post" else "advertisement"
    named = f" “{_quote(headline or body)}”" if headline or body else ""
    seen = {"Picture": said.get("image") or said.get("thumbnail"), "Video": said.get("video")}
    shown = [f"{what}: {address}" for what, address in seen.items() if address]
    rest = f"“{_short(body, LONGEST_ADVERTISEMENT)}”" if headline and body else ""
    return _lines(f"From the {kind}{named}" + (f" {url}" if url else ""), rest, *shown)


def _product(said: object) -> str:
    """What in the catalogue is asked about."""
    if not isinstance(said, Mapping):
        return ""
    catalog = f" (catalogue {said['catalog']})" if said.get("catalog") else ""
    return f"About the product {said.get('sku') or '?'}{catalog}"


def _unreadable(line: Line) -> str:
    why = line.text or "The provider could not read this message."
    return f"{why} ({line.marker})" if line.marker else why


def _unsupported(line: Line) -> str:
    named = str(line.details.get("type") or "")
    what = "A message of a kind that cannot be shown here" + (f" ({named})" if named else "")
    return _lines(f"{what}: ask for it in words, or see it on the line's phone.", line.text)


_SAYINGS: Mapping[str, Callable[[Line], str]] = {
    Kind.LINK: _link,
    Kind.IMAGE: _file,
    Kind.VIDEO: _file,
    Kind.AUDIO: _file,
    Kind.DOCUMENT: _file,
    Kind.STICKER: _sticker,
    Kind.LOCATION: _location,
    Kind.CONTACT: _contacts,
    Kind.POLL: _poll,
    Kind.VOTE: _vote,
    Kind.BUTTONS: _buttons,
    Kind.TEMPLATE: _buttons,
    Kind.LIST: _list,
    Kind.FLOW: _flow,
    Kind.LOCATION_REQUEST: _location_request,
    Kind.TAP: _tap,
    Kind.INVITE: _invite,
    Kind.REACTION: _reaction,
    Kind.EDIT: _edit,
    Kind.DELETION: _deletion,
    Kind.CALL: _call,
    Kind.ORDER: _order,
    Kind.FORM: _form,
    Kind.SYSTEM: _system,
    Kind.UNREADABLE: _unreadable,
    Kind.UNSUPPORTED: _unsupported,
}


def _entries(said: Details, name: str) -> list[Details]:
    """The objects in the list under a name."""
    return [each for each in _items(said, name) if isinstance(each, Mapping)]


def _items(said: Details, name: str) -> Sequence[Any]:
    """The list under a name: what a provider sends in its place is left out."""
    listed = said.get(name)
    return listed if isinstance(listed, list | tuple) else ()


def _lines(*pieces: object) -> str:
    return "\n".join(str(piece) for piece in pieces if piece)


def _quote(text: str) -> str:
    return _short(text, LONGEST_QUOTE)


def _short(text: str, longest: int) -> str:
    words = " ".join(text.split())
    return words if len(words) <= longest else f"{words[: longest - 1]}…"
