"""Buttons and lists: reply buttons, one button that opens an address, and a list to choose from."""

from collections.abc import Mapping, Sequence
from typing import Any

from portal.channels import files as names
from portal.channels.base import Outgoing
from portal.channels.content import File
from portal.channels.whatsapp_cloud import fields, files
from portal.channels.whatsapp_cloud.unfit import at_most, unfit

Details = Mapping[str, Any]
Typed = tuple[str, dict[str, Any]]

# A list has a text above it at most.
WITH_MEDIA = frozenset(("button", "cta_url", "flow"))


def buttons(part: Outgoing, said: Details) -> Typed:
    """One to three reply buttons, or one that opens an address (Meta: `cta_url`). Both at once WhatsApp has not."""
    given = _objects(said.get("buttons"))
    kinds = {str(each.get("type") or "reply") for each in given}
    if not 1 <= len(given) <= fields.MOST_BUTTONS:
        raise unfit("Buttons are one to three.", "buttons")
    if kinds == {"reply"}:
        return interactive("button", part, said, {"buttons": _replies(given)})
    if kinds == {"url"} and len(given) == 1:
        return interactive("cta_url", part, said, {"name": "cta_url", "parameters": _opening(given[0])})
    raise unfit(
        "WhatsApp Cloud takes up to three reply buttons, or a single one that opens an address. "
        "Buttons that call or copy need a template.",
        "buttons",
    )


def choices(part: Outgoing, said: Details) -> Typed:
    """A list of at most ten rows. What opens it is `button`, or else `title`; a `title` beside it is the header."""
    sections = [_section(each) for each in _objects(said.get("sections"))]
    rows = [row for section in sections for row in section["rows"]]
    if not 1 <= len(rows) <= fields.MOST_ROWS or not all(section["rows"] for section in sections):
        raise unfit(f"A list has one to {fields.MOST_ROWS} rows, and no empty section.", "list")
    if len({row["id"] for row in rows}) != len(rows):
        raise unfit("The rows of a list must have different ids.", "list")
    if len(sections) > 1 and not all(section.get("title") for section in sections):
        raise unfit("Where a list has several sections, each needs a title.", "list")
    button = str(said.get("button") or said.get("title") or "")
    if not button:
        raise unfit("A list needs a word that opens it.", "list")
    at_most(button, fields.LONGEST_BUTTON, "The word that opens a list")
    around = {**said, "header": said.get("header") or (said.get("title") if said.get("button") else "")}
    return interactive("list", part, around, {"button": button, "sections": sections})


def interactive(kind: str, part: Outgoing, said: Details, action: dict[str, Any]) -> Typed:
    """The object around an action: the text, and what stands above and below it."""
    if not part.text.strip():
        raise unfit("Buttons and lists need a text above them.", "buttons")
    at_most(
        part.text,
        fields.LONGEST_LIST_BODY if kind == "list" else fields.LONGEST_BODY,
        "The text above buttons or a list",
    )
    header, footer = str(said.get("header") or ""), str(said.get("footer") or "")
    at_most(header, fields.LONGEST_HEADER, "The header")
    at_most(footer, fields.LONGEST_FOOTER, "The footer")
    inner: dict[str, Any] = {"type": kind, "body": {"text": part.text}, "action": action}
    if above := _media(part, said) if kind in WITH_MEDIA else {}:
        inner["header"] = above
    elif header:
        inner["header"] = {"type": "text", "text": header}
    if footer:
        inner["footer"] = {"text": footer}
    return "interactive", inner


def _media(part: Outgoing, said: Details) -> dict[str, Any]:
    """A picture, a video or a document in the header's place, {} where there is none."""
    given = said.get("media")
    if not isinstance(given, Mapping) or not given.get("url"):
        return {}
    kind, url = str(given.get("kind") or ""), str(given["url"])
    if kind not in fields.ABOVE or not url.startswith(("https://", "http://")):
        raise unfit("Above buttons there may be a picture, a video or a document, at an https:// address.", "header")
    file = part.files[0] if part.files else File(url)
    named = files.named(file) | ({"filename": names.outgoing_name(file)} if kind == "document" else {})
    return {"type": kind, kind: named}


def _replies(given: Sequence[Details]) -> list[dict[str, Any]]:
    shown = [(str(each.get("id") or number), _label(each)) for number, each in enumerate(given, 1)]
    if len({reply_id for reply_id, _ in shown}) != len(shown) or len({title for _, title in shown}) != len(shown):
        raise unfit("Buttons must differ from one another.", "buttons")
    for reply_id, _ in shown:
        at_most(reply_id, fields.LONGEST_BUTTON_ID, "A button's id")
    return [{"type": "reply", "reply": {"id": reply_id, "title": title}} for reply_id, title in shown]


def _opening(said: Details) -> dict[str, str]:
    url = str(said.get("value") or "").strip()
    if not url.startswith(("https://", "http://")):
        raise unfit("A button that opens an address needs one that begins with https://.", "buttons")
    return {"display_text": _label(said), "url": url}


def _label(said: Details) -> str:
    text = str(said.get("text") or "").strip()
    if not text:
        raise unfit("Every button needs a text.", "buttons")
    at_most(text, fields.LONGEST_BUTTON, "A button's text")
    return text


def _section(said: Details) -> dict[str, Any]:
    title = str(said.get("title") or "")
    at_most(title, fields.LONGEST_SECTION, "The title of a section")
    rows = [_row(each) for each in _objects(said.get("rows"))]
    return {"rows": rows} | ({"title": title} if title else {})


def _row(said: Details) -> dict[str, str]:
    title, description = str(said.get("text") or "").strip(), str(said.get("description") or "")
    row_id = str(said.get("id") or title)
    if not title:
        raise unfit("Every row of a list needs a text.", "list")
    at_most(title, fields.LONGEST_ROW, "A row's text")
    at_most(description, fields.LONGEST_ROW_TEXT, "A row's description")
    at_most(row_id, fields.LONGEST_ROW_ID, "A row's id")
    return {"id": row_id, "title": title} | ({"description": description} if description else {})


def _objects(given: object) -> list[Details]:
    """The objects of a list, whatever else is in it."""
    return [each for each in given if isinstance(each, Mapping)] if isinstance(given, list | tuple) else []
