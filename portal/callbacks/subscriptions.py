"""Who wants to be told: subscriptions of a location or an agency, and the callback addresses of single requests."""

import hashlib
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.callbacks import outbox, signing
from portal.callbacks.outbox import EVENTS, PING, Told
from portal.crypto import Vault
from portal.database import insert
from portal.errors import InvalidInput
from portal.http import AddressRefused, host_of
from portal.models import Delivery, DeliveryState, Subscription
from portal.models.base import new_uuid
from portal.queue.jobs import drop, enqueue
from portal.sockets import is_public

LONGEST = 2000
MOST = 50
_AT_ONCE = 1000
_BLANK = re.compile(r"[\x00-\x20\x7f]")


def check_url(url: str, private_hosts: bool) -> str:
    """The address, when something may be posted there. Raises `InvalidInput`.

    What a name leads to is judged at every call, after its look-up (`portal.http`): here only what can be read off it.
    """
    if len(url) > LONGEST or _BLANK.search(url):
        raise InvalidInput(f"An address has at most {LONGEST} characters, without spaces.")
    if not url.startswith(("https://", "http://") if private_hosts else "https://"):
        raise InvalidInput("Give an address that starts with https://.")
    try:
        host = host_of(url)
    except AddressRefused as error:
        raise InvalidInput(error.message) from None
    if not private_hosts and _is_inside(host):
        raise InvalidInput("This is a private or reserved address: give one that the internet reaches.")
    return url


def _is_inside(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_events(events: Sequence[str]) -> list[str]:
    """The events, each once; none stands for all. Raises `InvalidInput`."""
    unknown = [each for each in events if each not in EVENTS]
    if unknown:
        raise InvalidInput(f"There is no event {unknown[0][:40]}. Events: {', '.join(EVENTS)}.")
    return sorted(set(events), key=EVENTS.index)


def subscribe(
    session: Session,
    vault: Vault,
    url: str,
    events: Sequence[str],
    by: str,
    *,
    location_id: int | None = None,
    agency_id: int | None = None,
    test: bool = False,
) -> Subscription:
    """Writes a subscription of a location (with its agency, where it has one), or of a whole agency.

    The address has been checked. Raises `InvalidInput` when there are too many.
    """
    own = Subscription.location_id == location_id, Subscription.agency_id == agency_id
    standing = select(Subscription.id).where(*own, Subscription.removed_at.is_(None)).limit(MOST)
    if len(session.scalars(standing).all()) >= MOST:
        raise InvalidInput(f"There are {MOST} webhooks already: remove one first.")
    own_ids = {"location_id": location_id, "agency_id": agency_id}
    return _kept(session, vault, url, check_events(events), by, test=test, **own_ids)


def for_alerts(
    session: Session, vault: Vault, url: str, by: str, *, location_id: int | None, agency_id: int | None
) -> Subscription:
    """The subscription of a recipient of alerts, which hears of nothing else. The address has been checked."""
    events = [outbox.ALERT_BEGAN, outbox.ALERT_OVER]
    return _kept(session, vault, url, events, by, location_id=location_id, agency_id=agency_id)


def _kept(
    session: Session, vault: Vault, url: str, events: list[str], by: str, *, test: bool = False, **whose: int | None
) -> Subscription:
    row = Subscription(
        **whose,
        shown=shown(url),
        address=vault.seal_fields({"url": url, "secret": signing.new_secret()}),
        events=events,
        test=test,
        created_by=by[:254],
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    return row


def for_requests(session: Session, vault: Vault, key_id: int, url: str, secret: str, *, test: bool) -> int:
    """The id of a key's callback address, the same for the same address: ten thousand messages may name one.

    One that answered 410 is told again from now on: whoever names it wants that.
    """
    digest = _digest(key_id, url)
    new = insert(session, Subscription).values(
        uuid=new_uuid(),
        key_id=key_id,
        digest=digest,
        shown=shown(url),
        address=vault.seal_fields({"url": url, "secret": secret}),
        events=[],
        test=test,
        created_by="",
        created_at=clock.now(),
        pause_reason="",
    )
    session.execute(new.on_conflict_do_nothing(index_elements=["digest"]))
    row = session.scalars(select(Subscription).where(Subscription.digest == digest)).one()
    set_paused(session, row, False)
    return row.id


def named_before(session: Session, key_id: int, url: str) -> int | None:
    """The id of an address that the key has named before, and that is told; None: it takes `for_requests`."""
    same = Subscription.digest == _digest(key_id, url), Subscription.paused_at.is_(None)
    return session.scalar(select(Subscription.id).where(*same))


def _digest(key_id: int, url: str) -> str:
    return hashlib.sha256(f"{key_id}:{url}".encode()).hexdigest()


def shown(url: str) -> str:
    """What people see of an address: scheme and host. The rest may hold a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"[:300]


def set_paused(session: Session, row: Subscription, paused: bool, reason: str = "") -> None:
    """Pauses a subscription, or has it told again, beginning with what waits."""
    if paused == (row.paused_at is not None):
        return
    row.paused_at, row.pause_reason = (clock.now(), reason) if paused else (None, "")
    session.flush()
    if not paused:
        mine = Delivery.subscription_id == row.id, Delivery.state == DeliveryState.WAITING
        waiting = session.scalars(select(Delivery).where(*mine).order_by(Delivery.id).limit(_AT_ONCE)).all()
        enqueue(session, [outbox.delivery_job(each) for each in waiting])


def remove(session: Session, row: Subscription) -> None:
    """Ends a subscription; what waits for it is not sent any more. Its deliveries stay to be looked at."""
    row.removed_at = row.removed_at or clock.now()
    session.flush()
    mine = Delivery.subscription_id == row.id, Delivery.state == DeliveryState.WAITING
    waiting = session.scalars(select(Delivery.id).where(*mine)).all()
    for place in range(0, len(waiting), _AT_ONCE):
        drop(session, outbox.KIND, waiting[place : place + _AT_ONCE])
    over = {"state": DeliveryState.GIVEN_UP, "note": "The webhook was removed.", "ended_at": clock.now()}
    session.execute(update(Delivery).where(*mine).values(**over))


def ping(session: Session, row: Subscription, location: str) -> Delivery:
    """Has a subscription told that it works."""
    said = {"message": "This is a test of the webhook. Nothing happened."}
    told = Told(row.id, PING, row.location_id, location, "", said, clock.now(), row.test)
    return session.get_one(Delivery, outbox.write(session, [told])[0])


def replay(session: Session, row: Delivery) -> None:
    """Tells it once more, whatever became of it, under the same id; the schedule begins anew. `row` is locked.

    Raises `InvalidInput` when its subscription was removed.
    """
    if session.get_one(Subscription, row.subscription_id).removed_at is not None:
        raise InvalidInput("Its webhook was removed: nothing is posted there any more.")
    row.state, row.round, row.next_at, row.ended_at, row.note = DeliveryState.WAITING, 0, clock.now(), None, ""
    session.flush()
    drop(session, outbox.KIND, [row.id])
    enqueue(session, [outbox.delivery_job(row)])
