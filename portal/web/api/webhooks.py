"""Webhooks out: who is told, what they were told, and telling it again."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.api_keys import Scope
from portal.callbacks import subscriptions
from portal.errors import InvalidInput, NotFound
from portal.models import Delivery as DeliveryRow
from portal.models import DeliveryState, Subscription
from portal.web.api.blueprint import Forbidden, InvalidField
from portal.web.api.callers import Caller
from portal.web.api.operations import Call, Effect, operation
from portal.web.api.queries import webhooks as queries
from portal.web.api.shapes import Page
from portal.web.api.shapes.webhooks import (
    Attempt,
    DeliveriesWanted,
    Delivery,
    DeliveryInFull,
    NewWebhook,
    Pause,
    Secret,
    Webhook,
    WebhooksWanted,
)

TAG = "Webhooks"
NONE = "There is no such webhook, or this key does not reach it."


@operation("GET", "/webhooks", TAG, Scope.ADMIN, answer=Page[Webhook], query=WebhooksWanted)
def list_webhooks(call: Call) -> Page[Webhook]:
    """Lists the webhooks in reach, the newest first. Test keys and live keys have their own."""
    wanted: WebhooksWanted = call.query
    caller: Caller = call.caller
    with caller.parts.database.read() as session:
        place = caller.location(session, wanted.location) if wanted.location else None
        rows, after = queries.page(session, caller.reach, caller.test, place, wanted.cursor, wanted.limit)
    return Page([_webhook(row, ghl_id) for row, ghl_id in rows], after or None)


@operation("POST", "/webhooks", TAG, Scope.ADMIN, answer=Webhook, status=201, body=NewWebhook)
def add_webhook(call: Call) -> Effect:
    """Has an address told of what happens.

    Each post is signed with the webhook's secret, which has an address of its own. A live key's webhook hears of live
    messages, a test key's of test messages.
    """
    caller: Caller = call.caller
    wanted: NewWebhook = call.body
    try:
        subscriptions.check_url(wanted.url, caller.parts.settings.allow_private_hosts)
    except InvalidInput as error:
        raise InvalidField("url", error.message) from None
    if wanted.all_locations and not caller.reach.whole_agency:
        raise Forbidden("This key reaches chosen sub-accounts: name one in location.")

    def add(session: Session) -> Webhook:
        place = None if wanted.all_locations else caller.location(session, wanted.location)
        row = subscriptions.subscribe(
            session,
            caller.parts.vault,
            wanted.url,
            wanted.events,
            caller.name,
            location_id=place.id if place is not None else None,
            agency_id=place.agency_id if place is not None else caller.reach.agency_id,
            test=caller.test,
        )
        return _webhook(row, place.ghl_id if place is not None else None)

    return add


@operation("GET", "/webhooks/<string:webhook_id>", TAG, Scope.ADMIN, answer=Webhook)
def get_webhook(call: Call, webhook_id: str) -> Webhook:
    """Shows a webhook."""
    with call.caller.parts.database.read() as session:
        return _webhook(*_one(session, call.caller, webhook_id))


@operation("GET", "/webhooks/<string:webhook_id>/secret", TAG, Scope.ADMIN, answer=Secret)
def get_webhook_secret(call: Call, webhook_id: str) -> Secret:
    """Shows the secret that a webhook's posts are signed with."""
    with call.caller.parts.database.read() as session:
        row, _ = _one(session, call.caller, webhook_id)
    return Secret(call.caller.parts.vault.open_fields(row.address)["secret"])


@operation("PATCH", "/webhooks/<string:webhook_id>", TAG, Scope.ADMIN, answer=Webhook, body=Pause)
def pause_webhook(call: Call, webhook_id: str) -> Effect:
    """Pauses a webhook, or has it told again.

    What was waiting for it is told then. What happens meanwhile is not.
    """

    def pause(session: Session) -> Webhook:
        row, ghl_id = _one(session, call.caller, webhook_id)
        reason = f"{call.caller.name} paused it." if call.body.paused else ""
        subscriptions.set_paused(session, row, call.body.paused, reason)
        return _webhook(row, ghl_id)

    return pause


@operation("DELETE", "/webhooks/<string:webhook_id>", TAG, Scope.ADMIN)
def remove_webhook(call: Call, webhook_id: str) -> Effect:
    """Removes a webhook. What waits for it is not told any more."""

    def remove(session: Session) -> None:
        subscriptions.remove(session, _one(session, call.caller, webhook_id)[0])

    return remove


@operation("POST", "/webhooks/<string:webhook_id>/ping", TAG, Scope.ADMIN, answer=Delivery, status=202)
def ping_webhook(call: Call, webhook_id: str) -> Effect:
    """Has a webhook told `ping`, to see whether it works."""

    def ping(session: Session) -> Delivery:
        row, ghl_id = _one(session, call.caller, webhook_id)
        return _delivery(subscriptions.ping(session, row, ghl_id or ""), row)

    return ping


@operation(
    "GET",
    "/webhooks/<string:webhook_id>/deliveries",
    TAG,
    Scope.ADMIN,
    answer=Page[Delivery],
    query=DeliveriesWanted,
)
def list_deliveries(call: Call, webhook_id: str) -> Page[Delivery]:
    """Lists what a webhook was told, newest first."""
    wanted: DeliveriesWanted = call.query
    with call.caller.parts.database.read() as session:
        row, _ = _one(session, call.caller, webhook_id)
        rows, after = queries.deliveries(session, row, wanted.state, wanted.cursor, wanted.limit)
    return Page([_delivery(each, row) for each in rows], after or None)


@operation("GET", "/callbacks", TAG, Scope.SEND, answer=Page[Delivery], query=DeliveriesWanted)
def list_callbacks(call: Call) -> Page[Delivery]:
    """Lists what was told to the `callback_url` of this key's own requests, newest first."""
    wanted: DeliveriesWanted = call.query
    key_id = call.caller.key.id
    with call.caller.parts.database.read() as session:
        rows, after = queries.callbacks(session, key_id, wanted.state, wanted.cursor, wanted.limit)
    return Page([_delivery(each, row) for each, row in rows], after or None)


@operation("GET", "/deliveries/<string:delivery_id>", TAG, Scope.ADMIN, Scope.SEND, answer=DeliveryInFull)
def get_delivery(call: Call, delivery_id: str) -> DeliveryInFull:
    """Shows one delivery: what is posted, and every try."""
    with call.caller.parts.database.read() as session:
        row, subscription = _told(session, call.caller, delivery_id)
        tries = queries.tries(session, row.id)
    return DeliveryInFull(
        **_fields(row, subscription),  # type: ignore[arg-type]
        body=row.body,
        tries=[Attempt(each.number, each.at, each.milliseconds, each.code, each.detail) for each in tries],
    )


@operation("POST", "/deliveries/<string:delivery_id>/replay", TAG, Scope.ADMIN, Scope.SEND, answer=Delivery, status=202)
def replay_delivery(call: Call, delivery_id: str) -> Effect:
    """Tells it once more, under the same id, whatever became of it. The schedule of tries begins anew."""

    def again(session: Session) -> Delivery:
        found, subscription = _told(session, call.caller, delivery_id)
        locked = select(DeliveryRow).where(DeliveryRow.id == found.id).with_for_update()
        row = session.scalars(locked.execution_options(populate_existing=True)).one()
        subscriptions.replay(session, row)
        return _delivery(row, subscription)

    return again


def _one(session: Session, caller: Caller, uuid: str) -> tuple[Subscription, str | None]:
    found = queries.one(session, caller.reach, caller.test, uuid) if len(uuid) <= 36 else None
    if found is None:
        raise NotFound(NONE)
    return found


def _told(session: Session, caller: Caller, uuid: str) -> tuple[DeliveryRow, Subscription]:
    """A delivery in reach; what a webhook was told is an admin's to see, a callback also its sender's."""
    found = queries.delivery(session, caller.reach, caller.test, uuid) if len(uuid) <= 36 else None
    own = found is not None and found[1].key_id == caller.key.id
    if found is None or not (own or Scope.ADMIN.value in caller.key.scopes):
        raise NotFound("There is no such delivery, or this key does not reach it.")
    return found


def _webhook(row: Subscription, ghl_id: str | None) -> Webhook:
    return Webhook(
        row.uuid,
        row.shown,
        list(row.events),
        ghl_id,
        row.test,
        row.paused_at,
        row.pause_reason,
        row.created_by,
        row.created_at,
    )


def _delivery(row: DeliveryRow, subscription: Subscription) -> Delivery:
    return Delivery(**_fields(row, subscription))  # type: ignore[arg-type]


def _fields(row: DeliveryRow, subscription: Subscription) -> dict[str, object]:
    return {
        "id": row.uuid,
        "webhook": subscription.uuid,
        "type": row.type,
        "message": row.about or None,
        "state": row.state,
        "attempts": row.attempts,
        "last_code": row.last_code,
        "note": row.note,
        "next_at": row.next_at if row.state == DeliveryState.WAITING else None,
        "created_at": row.created_at,
        "ended_at": row.ended_at,
    }
