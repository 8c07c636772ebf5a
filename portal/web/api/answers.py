"""From rows to what the API says of them."""

from collections.abc import Sequence

from portal.accounts.api_keys import Reach, Scope
from portal.callbacks.signing import derived_secret
from portal.channels import registry
from portal.channels.capabilities import kinds_of
from portal.messaging import courier_letters, line_states, rehearsal, template_sending
from portal.messaging.composing import Taken
from portal.messaging.media import public_address
from portal.models import Agency, ApiKey, OptOut, Sender, TemplateRow, TestMessage
from portal.models import Contact as ContactRow
from portal.models import Conversation as ConversationRow
from portal.models import Event as EventRow
from portal.models import Location as LocationRow
from portal.models import Message as MessageRow
from portal.models.contacts import Address as AddressRow
from portal.web.api.shapes import messages as shapes
from portal.web.api.shapes import things
from portal.web.context import services

WHO = "test key"


def message(row: MessageRow) -> shapes.Message:
    """A message."""
    return shapes.Message(**_message(row))  # type: ignore[arg-type]


def message_in_full(row: MessageRow) -> shapes.MessageInFull:
    """A message with its parts."""
    parts = [
        shapes.MessagePart(
            part.number,
            part.kind,
            part.status,
            part.external_id,
            part.segments,
            part.price,
            part.attempt,
            part.code,
            part.detail,
        )
        for part in row.parts
    ]
    return shapes.MessageInFull(**_message(row), parts=parts)  # type: ignore[arg-type]


def _message(row: MessageRow) -> dict[str, object]:
    home = services().settings.app_url
    return {
        "id": row.uuid,
        "test": False,
        "location": row.location.ghl_id,
        "conversation": row.conversation_id,
        "direction": row.direction,
        "kind": row.kind,
        "status": row.status,
        "courier_status": courier_letters.of_status(row.status),
        "status_at": row.status_at,
        "reason": row.reason,
        "code": row.error_code,
        "address": row.address,
        "address_kind": row.address_kind,
        "sender": row.sender_id,
        "sender_reason": row.sender_reason,
        "text": row.body,
        "media": [public_address(home, str(each)) for each in row.attachments],
        "details": row.details or {},
        "bulk": row.bulk or None,
        "author": row.author or row.author_name,
        "ghl_message_id": row.ghl_message_id,
        "credits": row.credits,
        "scheduled_at": row.scheduled_at,
        "expires_at": row.expires_at,
        "created_at": row.created_at,
    }


def test_message(row: TestMessage, location: str) -> shapes.Message:
    """A test key's message, as it stands now."""
    return shapes.Message(**_test_message(row, location))  # type: ignore[arg-type]


def test_message_in_full(row: TestMessage, location: str) -> shapes.MessageInFull:
    """The same with the part that it would be."""
    said = _test_message(row, location)
    part = shapes.MessagePart(
        1, row.kind, str(said["status"]), None, row.segments, 0, 0, str(said["code"]), str(said["reason"])
    )
    return shapes.MessageInFull(**said, parts=[part])  # type: ignore[arg-type]


def _test_message(row: TestMessage, location: str) -> dict[str, object]:
    now = rehearsal.moves(row)[-1]
    return {
        "id": row.uuid,
        "test": True,
        "location": location,
        "conversation": None,
        "direction": "out",
        "kind": row.kind,
        "status": now.status.value,
        "courier_status": courier_letters.of_status(now.status),
        "status_at": now.at,
        "reason": now.reason,
        "code": now.code,
        "address": row.address,
        "address_kind": "phone",
        "sender": row.sender_id,
        "sender_reason": "",
        "text": row.body,
        "media": [str(each) for each in row.attachments],
        "details": row.details,
        "bulk": row.bulk or None,
        "author": WHO,
        "ghl_message_id": None,
        "credits": 0,
        "scheduled_at": row.scheduled_at,
        "expires_at": row.expires_at,
        "created_at": row.created_at,
    }


def test_history(row: TestMessage) -> shapes.History:
    """What a test message has come through."""
    made = rehearsal.moves(row)
    before = ["", *(move.status.value for move in made)]
    changes = [
        shapes.Change(move.at, None, was, move.status.value, WHO, move.code, move.reason)
        for was, move in zip(before, made, strict=False)
    ]
    return shapes.History(row.uuid, changes, [], [])


def recipient(each: Taken) -> shapes.Recipient:
    """What became of one recipient of a bulk."""
    warnings = [caution.text for caution in each.cautions]
    return shapes.Recipient(each.to, each.number, each.message or None, each.code, each.reason, warnings)


def this_key(key: ApiKey, agency: Agency | None, secret_key: str) -> things.ThisKey:
    """The key itself, as its holder may see it."""
    sends = Scope.SEND.value in key.scopes
    return things.ThisKey(
        key.uuid,
        key.name,
        key.prefix,
        key.scopes,
        key.test,
        agency.company_id if agency is not None else None,
        Reach.of(key).whole_agency,
        key.per_minute,
        key.created_at,
        key.expires_at,
        derived_secret(secret_key, key.uuid) if sends else None,
    )


def location(row: LocationRow) -> things.Location:
    """A sub-account."""
    return things.Location(row.ghl_id, row.name, row.country, row.timezone, row.install_state)


def conversation(row: ConversationRow, place: str) -> things.Conversation:
    """A conversation with its last message."""
    return things.Conversation(
        row.id,
        place,
        row.contact_id,
        row.contact.name,
        row.ghl_conversation_id,
        row.sticky_sender_id,
        row.sticky_address,
        row.last_text,
        row.last_direction,
        row.last_message_at,
        row.last_inbound_at,
        row.unread,
        row.held_reason,
    )


def contact(
    row: ContactRow, place: str, addresses: Sequence[AddressRow], conversation_id: int | None
) -> things.Contact:
    """A contact with the ways to reach it."""
    return things.Contact(
        row.id,
        place,
        row.ghl_contact_id,
        row.name,
        [str(tag) for tag in row.tags],
        [things.Address(each.kind, each.value) for each in addresses],
        conversation_id,
        row.merged_into_id,
        row.created_at,
    )


def sender(row: Sender, place: str) -> things.Sender:
    """A sender, without its credentials and its webhook's address."""
    good = line_states.may_send(row)
    return things.Sender(
        row.id,
        place,
        row.name,
        row.channel,
        row.family,
        row.address,
        row.state,
        row.line_state,
        row.is_default,
        good,
        "" if good else f"{row.name} {line_states.sentence(row)}",
        sorted(["text", "media", *(kind.value for kind in kinds_of(registry.get(row.channel)))]),
    )


def template(row: TemplateRow) -> things.SenderTemplate:
    """A template with what has to be filled in."""
    form, why = template_sending.form_of(row), template_sending.why_not(row)
    names = [blank.key for blank in form.blanks]
    return things.SenderTemplate(row.name, row.language, row.category, row.status, not why, why, form.body, names)


def opt_out(row: OptOut, place: str) -> things.OptOut:
    """An opt-out with what it rests on."""
    return things.OptOut(
        row.id,
        place,
        row.family,
        row.address,
        row.contact_id,
        row.origin,
        row.source,
        row.by,
        row.detail,
        row.created_at,
        row.lifted_at,
        row.lifted_by,
    )


def event(row: EventRow) -> things.Event:
    """An event without what it held."""
    return things.Event(row.id, row.uuid, row.source, row.action, row.state, row.note, row.received_at, row.applied_at)
