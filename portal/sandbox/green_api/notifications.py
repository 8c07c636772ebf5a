"""The bodies that GREEN-API posts, by its documentation. Pure functions."""

from collections.abc import Mapping
from typing import Any

Body = dict[str, Any]

# What a person may send, by the name that the page and the controls use.
FILES = {
    "image": ("imageMessage", "image/png", "png"),
    "video": ("videoMessage", "video/mp4", "mp4"),
    "audio": ("audioMessage", "audio/ogg; codecs=opus", "oga"),
    "document": ("documentMessage", "application/pdf", "pdf"),
    "sticker": ("stickerMessage", "image/webp", "webp"),
}


def envelope(kind: str, instance: int, wid: str, at: float) -> Body:
    """What every notification begins with."""
    data = {"idInstance": instance, "wid": wid, "typeInstance": "whatsapp"}
    return {"typeWebhook": kind, "instanceData": data, "timestamp": int(at)}


def people(chat: str, sender: str, name: str, contact_name: str = "") -> Body:
    """Who writes where."""
    return {
        "chatId": chat,
        "chatName": name,
        "sender": sender,
        "senderName": name if sender == chat or not chat.endswith("@g.us") else "A member",
        "senderContactName": contact_name,
    }


def said(kind: str, text: str, *, url: str = "", about: Mapping[str, Any] | None = None) -> Body:
    """A message's data of a kind (`text`, `reply`, `image` …). `about` is the message it refers to."""
    quote = _quote(about or {})
    if kind in FILES:
        return _file(kind, text, url) | ({"quotedMessage": quote} if about else {})
    maker = _MAKERS.get(kind)
    if maker is None:
        raise ValueError(f"kind must be one of {', '.join(sorted({*FILES, *_MAKERS}))}")
    return {"typeMessage": TYPES[kind], **maker(text, quote)}


def status(word: str, description: str = "") -> Body:
    """What became of a message that was sent."""
    return {"status": word, **({"description": description} if description else {}), "sendByApi": True}


def _quote(about: Mapping[str, Any]) -> Body:
    quoted: Body = {"stanzaId": about.get("idMessage", ""), "participant": about.get("sender", "")}
    kind = about.get("typeMessage", "textMessage")
    shown = {"caption": about.get("text", "")} if kind.startswith(("image", "video")) else {}
    return quoted | {"typeMessage": kind, **(shown or {"textMessage": about.get("text", "")})}


def _file(kind: str, text: str, url: str) -> Body:
    name, mime, _ = FILES[kind]
    data = {
        "downloadUrl": url,
        "caption": text,
        "fileName": url.rsplit("/", 1)[-1],
        "jpegThumbnail": "",
        "mimeType": mime,
        "isAnimated": False,
        "forwardingScore": 0,
        "isForwarded": False,
    }
    return {"typeMessage": name, "fileMessageData": data}


def _text(text: str, _: Body) -> Body:
    return {"textMessageData": {"textMessage": text}}


def _reply(text: str, quote: Body) -> Body:
    own = {"text": text, "stanzaId": quote["stanzaId"], "participant": quote["participant"]}
    return {"extendedTextMessageData": own, "quotedMessage": quote}


def _reaction(text: str, quote: Body) -> Body:
    known = {name: quote[name] for name in ("stanzaId", "participant")}
    return {"extendedTextMessageData": {"text": text}, "quotedMessage": known}


def _edit(text: str, quote: Body) -> Body:
    return {"editedMessageData": {"textMessage": text, "stanzaId": quote["stanzaId"]}}


def _delete(_: str, quote: Body) -> Body:
    return {"deletedMessageData": {"stanzaId": quote["stanzaId"]}}


def _tap(text: str, quote: Body) -> Body:
    own = {"stanzaId": quote["stanzaId"], "selectedIndex": 0, "selectedId": "1", "selectedDisplayText": text}
    return {"templateButtonReplyMessage": own}


def _location(text: str, _: Body) -> Body:
    own = {"nameLocation": text, "address": "", "jpegThumbnail": "", "latitude": 10.3157, "longitude": 123.8854}
    return {"locationMessageData": own | {"forwardingScore": 0, "isForwarded": False}}


def _contact(text: str, _: Body) -> Body:
    name = text or "Jose Reyes"
    card = f"BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nitem1.TEL;waid=639185550102:+63 918 555 0102\nEND:VCARD"
    return {"contactMessageData": {"displayName": name, "vcard": card, "forwardingScore": 0, "isForwarded": False}}


TYPES = {
    "text": "textMessage",
    "reply": "quotedMessage",
    "reaction": "reactionMessage",
    "edit": "editedMessage",
    "delete": "deletedMessage",
    "tap": "templateButtonsReplyMessage",
    "location": "locationMessage",
    "contact": "contactMessage",
}
_MAKERS = {
    "text": _text,
    "reply": _reply,
    "reaction": _reaction,
    "edit": _edit,
    "delete": _delete,
    "tap": _tap,
    "location": _location,
    "contact": _contact,
}
KINDS = (*TYPES, *FILES)
