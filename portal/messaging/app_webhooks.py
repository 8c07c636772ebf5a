"""Webhooks of an app that speaks for many senders (`channels.capabilities.AppWebhook`): whom each item is for.

What came to the portal's own app is for whoever has the number, or belongs to the account, that is named. What came to
a sender's own app is for that sender alone: its owner has the secret, and could name any number.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels.base import Channel, WebhookRequest
from portal.channels.capabilities import AppWebhook
from portal.crypto import Vault
from portal.installations.lifecycle import IGNORED
from portal.journal.entry import SEALED
from portal.messaging import effects, windows
from portal.messaging.accounts import account_of
from portal.messaging.shared_webhooks import NAMED, sender_named
from portal.models import Event, EventState, Sender, SenderState

# `Event.action`: by which address it came in.
SHARED, OWN_APP = "app", "own_app"
GROUP = "group:"
NOBODY = f"{IGNORED}no sender here has"


def sent_to(addressee: str) -> str:
    """`Event.sender_key` of what the portal's own app heard."""
    return f"{NAMED}{addressee}"[:64]


def apply(
    session: Session,
    vault: Vault,
    channel: Channel,
    app: AppWebhook,
    event: Event,
    request: WebhookRequest,
    *,
    piecewise: bool = False,
) -> str | None:
    """Applies a request to all whom it is for; None when it does not prove itself.

    What no sender wants is kept without effect, and can be replayed once there is one. `piecewise`: see `effects.take`.
    """
    own = owner(session, channel, event)
    if not event.verified and not _proves_itself(vault, app, event, request, own):
        return None
    addressees = app.addressees(request)
    if not addressees:
        return f"{IGNORED}it speaks of no number"
    done: list[str] = []
    missed: list[str] = []
    for addressee in addressees:
        senders = _senders(session, channel, addressee, own, event)
        if not senders:
            missed.append(_why_nobody(session, channel, addressee, own))
            continue
        share = app.share(request, addressee)
        for sender in senders:
            if not addressee.startswith(GROUP):
                # What is said of an account comes also where the app is not subscribed to what customers write.
                windows.listened(session, sender)
            done += effects.take(session, sender, channel.parse(share), event, vault, piecewise=piecewise)
    if len(addressees) == 1 and own is None and not missed and not addressees[0].startswith(GROUP):
        event.sender_key = sender.key  # its owner may look at it
    if done:
        return ", ".join([*done, *missed])
    return ", ".join(missed) if missed else f"{IGNORED}it says nothing"


def owner(session: Session, channel: Channel, event: Event) -> Sender | None:
    """The sender that had the address it came to, with an app of its own; also when it was removed since."""
    if event.action != OWN_APP:
        return None
    return session.scalar(select(Sender).where(Sender.key == event.sender_key, Sender.channel == channel.kind))


def _proves_itself(vault: Vault, app: AppWebhook, event: Event, request: WebhookRequest, own: Sender | None) -> bool:
    """Kept while the database was away, when nobody could say whether it was genuine."""
    headers = dict(event.headers or {})
    sealed = headers.pop(SEALED, "")
    if own is None:
        return False
    whole = replace(request, headers=vault.open_fields(sealed)) if sealed else request
    secret, _ = app.own_app(account_of(own, vault, "").credentials)
    if not secret or not app.signed(secret, whole):
        return False
    event.verified, event.headers = True, headers
    return True


def _senders(session: Session, channel: Channel, addressee: str, own: Sender | None, event: Event) -> Sequence[Sender]:
    """The live senders that an item is for."""
    live = Sender.channel == channel.kind, Sender.state != SenderState.REMOVED
    if own is not None:
        mine = addressee in (own.webhook_name, f"{GROUP}{own.webhook_group}")
        return [own] if mine and own.state != SenderState.REMOVED else []
    if addressee.startswith(GROUP):
        group = addressee.removeprefix(GROUP)
        same = select(Sender).where(*live, Sender.webhook_group == group, Sender.webhook_group != "")
        return session.scalars(same.order_by(Sender.id)).all()
    found = session.scalars(select(Sender).where(*live, Sender.webhook_name == addressee)).all()
    return [each for each in found if not _was_anothers(session, each, event)]


def _was_anothers(session: Session, sender: Sender, event: Event) -> bool:
    """Did another sub-account have the number when it was heard? Then it is not for whoever has it now."""
    if event.received_at >= sender.created_at:
        return False
    same = Sender.channel == sender.channel, Sender.address == sender.address, Sender.state == SenderState.REMOVED
    then = Sender.location_id != sender.location_id, Sender.created_at <= event.received_at
    return session.scalar(select(Sender.id).where(*same, *then).limit(1)) is not None


def _why_nobody(session: Session, channel: Channel, addressee: str, own: Sender | None) -> str:
    """In words. A number that another tenant has is no more than one that nobody has."""
    if own is not None and own.state == SenderState.REMOVED:
        return f"{IGNORED}the sender was removed"
    if own is not None:
        return f"{IGNORED}it speaks of another number than its sender's"
    gone = None if addressee.startswith(GROUP) else sender_named(session, channel.kind, addressee)
    if gone is not None:
        return f"{IGNORED}the sender was removed"
    what = "the account" if addressee.startswith(GROUP) else "the number"
    return f"{NOBODY} {what} {addressee.removeprefix(GROUP)[:60]}"


def may_be_replayed(event: Event) -> bool:
    """Is it a webhook that nobody was there for?"""
    ours = event.action in (SHARED, OWN_APP) and event.verified and event.body is not None
    return ours and event.state == EventState.IGNORED and event.note.startswith(IGNORED)
