"""Reading what a gateway calls us with, and the secret that it shows."""

import hmac
from collections.abc import Mapping, Sequence

from portal.channels.base import Account, ChannelError, ChannelEvent, Inbound, Preference, Unread, WebhookRequest
from portal.channels.callbacks import KEY, RECEIVE, STATUS, e164, fields, our_key, query, status_lane
from portal.channels.content import AddressKind, Peer
from portal.channels.generic_http import documents
from portal.channels.generic_http.codes import STATUSES, table
from portal.channels.generic_http.documents import Document, Unreadable
from portal.channels.generic_http.receipts import Meanings, receipt
from portal.channels.generic_http.templates import Faulty
from portal.channels.values import identifier, text

# In the address: whoever is named as the customer wants no more messages.
OPT_OUT = "opt_out"
_SENDERS = ("from", "sender", "msisdn")


def is_proved(account: Account, request: WebhookRequest) -> bool:
    """Does it show the secret, where one is set? Without one the unguessable address is the only proof."""
    secret = account.credentials.get("webhook_secret", "")
    if not secret:
        return True
    where, _, name = account.credentials.get("webhook_place", "").partition(":")
    shown = request.headers.get(name.lower(), "") if where == "header" else query(request).get(name, "")
    shown = shown.removeprefix("Bearer ") if name.lower() == "authorization" else shown
    return bool(name) and hmac.compare_digest(shown.encode("utf-8", "replace"), secret.encode("utf-8", "replace"))


def parse(known: Mapping[str, str], request: WebhookRequest) -> Sequence[ChannelEvent]:
    """Everything the request says. Raises `ChannelError` when it cannot be read."""
    if request.action not in (STATUS, RECEIVE):
        raise ChannelError("A gateway calls the actions receive and status alone.")
    try:
        said = documents.of_request(request)
        own = table(known.get("status_words", ""), STATUSES)
    except Unreadable:
        raise ChannelError("The request is neither a form nor whole JSON or XML.") from None
    except Faulty as error:
        raise ChannelError(f"The sender's settings cannot be used. {error}") from None
    path = known.get("report_items" if request.action == STATUS else "inbound_items", "")
    listed = documents.items(said, path)
    if not listed:
        raise ChannelError("The request names no message where the sender's settings say.")
    if request.action == RECEIVE and query(request).get(OPT_OUT):
        return [_opt_out(known, each) for each in listed]
    if request.action == RECEIVE:
        found: list[ChannelEvent] = [_inbound(known, each) for each in listed]
    else:
        key = our_key(request) if len(listed) == 1 else ""
        found = [_report(known, each, key, own) for each in listed]
    if (more := documents.count(said, path) - len(listed)) > 0:
        found.append(Unread(f"The request holds {more} items more than the portal reads of one.", {"items": more}))
    if len(found) == 1 and isinstance(found[0], Unread) and not found[0].item:
        raise ChannelError(found[0].detail)
    return found


def lane(request: WebhookRequest) -> str:
    """A customer's number where it has a usual name; the lane of a report's key."""
    if request.action == STATUS:
        return status_lane(our_key(request) or "status")
    said = fields(request)
    return next((text(said[name])[:40] for name in _SENDERS if said.get(name)), "")


def _report(known: Mapping[str, str], said: Document, key: str, own: Meanings) -> ChannelEvent:
    named = documents.find(said, known["report_reference"]) if known.get("report_reference") else ""
    key = named.replace("_", ":")[:200] or key
    theirs = identifier(documents.find(said, known.get("report_id") or "id"))
    # As `wire.send` has it: where no place of an id is set, our key is the id.
    external_id = (theirs or key) if known.get("id_at") else (key or theirs)
    word = documents.find(said, known.get("report_status") or "status")
    if not external_id:
        return Unread("The report names no message where the sender's settings say.")
    error = documents.find(said, known.get("report_error") or "error")
    found = receipt(external_id, word, error, key, own)
    if found is None:
        told = {"status": word[:60], "id": external_id, KEY: key}
        return Unread(f"The status “{word[:60]}” has no meaning in the sender's settings.", told)
    return found


def _opt_out(known: Mapping[str, str], said: Document) -> ChannelEvent:
    number = e164(documents.find(said, known.get("inbound_from") or "from").strip())
    if not number:
        return Unread("The opt-out names nobody where the sender's settings say.")
    return Preference(Peer(AddressKind.PHONE, number), marketing=False, everything=True)


def _inbound(known: Mapping[str, str], said: Document) -> ChannelEvent:
    sender = documents.find(said, known.get("inbound_from") or "from").strip()
    if not sender:
        return Unread("The message names no sender where the sender's settings say.")
    return Inbound(
        e164(sender),
        documents.find(said, known.get("inbound_text") or "text"),
        external_id=identifier(documents.find(said, known.get("inbound_id") or "id")),
        recipient=e164(documents.find(said, known.get("inbound_to") or "to").strip()),
    )
