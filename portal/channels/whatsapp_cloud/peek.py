"""Who a request speaks of, taken where it must be answered at once, and what of it is whose. Nothing raises here."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

import msgspec

from portal.channels.base import WebhookRequest
from portal.channels.values import block, blocks, identifier

OBJECT = "whatsapp_business_account"
GROUP = "group:"
STATUS_LANES = 8

NOTHING = msgspec.Raw(b"[]")
EMPTY = (b"[]", b"null")

_BODY = b'{"object":"' + OBJECT.encode() + b'","entry":[%b]}'
_ENTRY = b'{"id":%b,"time":%b,"changes":[%b]}'
_NUMBER_ID = re.compile(rb'"phone_number_id"\s*:\s*"([!-~]{1,200}?)"')


class _Metadata(msgspec.Struct):
    phone_number_id: object = None


class _Value(msgspec.Struct):
    """Of the statuses only the first one's id is looked at; everything else stays undecoded."""

    metadata: _Metadata | None = None
    statuses: msgspec.Raw = NOTHING
    messages: msgspec.Raw = NOTHING
    errors: msgspec.Raw = NOTHING


class _Change(msgspec.Struct):
    field: str = ""
    value: _Value = msgspec.field(default_factory=_Value)


class _Entry(msgspec.Struct):
    id: object = None
    changes: list[_Change] = []


class _Request(msgspec.Struct):
    object: str = ""
    entry: list[_Entry] = []


class _Cut(msgspec.Struct):
    """An entry whose changes stay as they are, to the byte."""

    id: msgspec.Raw = msgspec.Raw(b"null")
    time: msgspec.Raw = msgspec.Raw(b"null")
    changes: list[msgspec.Raw] = []


class _CutUp(msgspec.Struct):
    entry: list[_Cut] = []


class _Named(msgspec.Struct):
    id: str = ""


_request = msgspec.json.Decoder(_Request)
_cut_up = msgspec.json.Decoder(_CutUp)
_statuses = msgspec.json.Decoder(list[_Named])


def readable(body: bytes) -> Any:
    """The body as JSON, whatever bytes are in its texts; None when it is none."""
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def addressees(request: WebhookRequest) -> Sequence[str]:
    """The numbers' ids, and `group:<WABA>` for what names no number; each once, in their order."""
    try:
        said = _request.decode(request.body)
    except (ValueError, RecursionError):
        return _slowly(request.body)
    if said.object != OBJECT:
        return ()
    named = (_whose(entry, change) for entry in said.entry for change in entry.changes)
    return tuple(dict.fromkeys(filter(None, named)))


def _slowly(body: bytes) -> Sequence[str]:
    """Half an emoji, or one item of an odd type, is more than msgspec takes; the rest is not lost for it."""
    said = readable(body)
    if said is None:
        found = _NUMBER_ID.search(body)
        named = identifier(found[1].decode("ascii")) if found else ""
        return (named,) if named and not named.startswith(GROUP) else ()
    return tuple(dict.fromkeys(who for _, _, who in _changes(said) if who))


def _changes(said: Any) -> Iterator[tuple[Mapping[str, Any], Any, str]]:
    """Every change with its entry and its addressee. What is no change at all belongs to its entry's account."""
    if not isinstance(said, dict) or said.get("object") != OBJECT:
        return
    for entry in blocks(said.get("entry")):
        changes = entry.get("changes")
        for change in changes if isinstance(changes, list) else []:
            told = block(block(block(change).get("value")).get("metadata")).get("phone_number_id")
            yield entry, change, _addressee(entry.get("id"), told)


def _whose(entry: _Entry, change: _Change) -> str:
    return _addressee(entry.id, change.value.metadata.phone_number_id if change.value.metadata else None)


def _addressee(account: object, number: object) -> str:
    named = identifier(number)
    if named and not named.startswith(GROUP):
        return named
    above = identifier(account)
    return f"{GROUP}{above}" if above else ""


def share(request: WebhookRequest, addressee: str) -> WebhookRequest:
    """What belongs to one addressee alone, as Meta wrote it; the very same request when nothing else is in it.

    To "" belongs what names nobody; the body is empty when there is nothing of that kind.
    """
    if addressees(request) == (addressee,):
        return request
    try:
        named, cut = _request.decode(request.body), _cut_up.decode(request.body)
    except (ValueError, RecursionError):
        return replace(request, body=_share_slowly(request.body, addressee))
    entries = []
    for entry, raw in zip(named.entry, cut.entry, strict=True):
        pairs = zip(entry.changes, raw.changes, strict=True)
        ours = [bytes(each) for change, each in pairs if _whose(entry, change) == addressee]
        if ours:
            entries.append(_ENTRY % (bytes(raw.id), bytes(raw.time), b",".join(ours)))
    return replace(request, body=_BODY % b",".join(entries) if entries or addressee else b"")


def _share_slowly(body: bytes, addressee: str) -> bytes:
    """The same out of what msgspec does not take."""
    said = readable(body)
    entries: list[Any] = [] if addressee else _shapeless(said)
    last: Mapping[str, Any] | None = None
    for entry, change, who in _changes(said):
        if who != addressee:
            continue
        if entry is not last:
            entries.append({**entry, "changes": []})
            last = entry
        entries[-1]["changes"].append(change)
    if not entries and not addressee:
        return b""
    try:
        # Whatever is not ASCII is escaped, as Meta does it, so that half an emoji survives too.
        return json.dumps({"object": OBJECT, "entry": entries}, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return _BODY % b""


def _shapeless(said: Any) -> list[Any]:
    """Entries in which nobody can look for changes."""
    entries = said.get("entry") if isinstance(said, dict) else None
    found = entries if isinstance(entries, list) else []
    return [each for each in found if not isinstance(each, dict) or not isinstance(each.get("changes"), list)]


def lane(request: WebhookRequest) -> str:
    """Empty keeps the order of a number's messages. Receipts alone need none, and go beside them in eight lanes."""
    try:
        said = _request.decode(request.body)
        values = [change.value for entry in said.entry for change in entry.changes]
        if not values or not all(map(_receipts_alone, values)):
            return ""
        first = _statuses.decode(values[0].statuses)
    except (ValueError, RecursionError):
        return ""
    return f"s{crc32(first[0].id.encode('utf-8', 'replace')) % STATUS_LANES}" if first else ""


def _receipts_alone(value: _Value) -> bool:
    filled = {name: bytes(getattr(value, name)) not in EMPTY for name in ("statuses", "messages", "errors")}
    return filled["statuses"] and not filled["messages"] and not filled["errors"]
