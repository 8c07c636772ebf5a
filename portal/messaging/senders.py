"""Senders: adding, checking, pausing and resuming them, and choosing the default."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts import notices
from portal.alerts.notices import CHOOSE_DEFAULT, close_alert
from portal.channels import capabilities, registry
from portal.channels.base import Account, Channel, ChannelError, Probe
from portal.channels.capabilities import AppWebhook, HasWindow, OneWebhook
from portal.channels.setup import API_URL
from portal.config import Settings
from portal.crypto import Vault
from portal.database import Database
from portal.errors import InvalidInput, NotFound
from portal.http import AddressRefused, HttpClient
from portal.installations.moves import sync_webhook
from portal.messaging import lines, reading, switching, templates
from portal.messaging.accounts import located, reaches_us, webhook_base
from portal.messaging.provider_accounts import attach, end_faults, gates_of
from portal.messaging.releasing import release_held
from portal.messaging.sender_faults import FieldFault, Unanswered, refuse_faulty
from portal.models import Conversation, Location, RoutingRule, Sender, SenderState
from portal.models.tenants import HERE
from portal.queue import gates

# The credentials that say as whom a sender writes; the first that is set is its address.
_ADDRESSES = ("sender_id", "from", "sender_name", "shortcode", "phone_number_id", "id_instance", "sender_code")
# What is over once the sender is removed.
_OF_SENDER = (
    notices.SENDER_FAULT,
    notices.LOW_BALANCE,
    notices.REJECTIONS,
    notices.REJECTIONS_OVER,
    notices.LINE_DOWN,
    notices.LINE_UNKNOWN,
    notices.LINE_CHANGED,
    notices.WEBHOOK_DRIFT,
    notices.UNREAD_ITEMS,
)
UNREACHED = (
    "It cannot call this portal back, because APP_URL is {url}: nothing that customers write comes in, and receipts "
    "come only where the provider can be asked."
)
# A uuid that is a sender's key has to be as hard to guess as one of ours.
_RANDOM = 4
TAKEN = "This {what} is in use by a sender of this portal already: remove that sender first."


@dataclass(frozen=True, slots=True)
class NewSender:
    """A sender as somebody wants it. Only the `operator` may let it reach private addresses.

    `key` is that of its webhook address, "" for one that is not there yet. `lenient`: everybody's senders may reach
    private addresses for now, because the setting ALLOW_PRIVATE_HOSTS says so.
    """

    channel: str
    name: str
    credentials: Mapping[str, str] = field(repr=False)
    api_url: str = ""
    pace: float | None = None
    is_default: bool = False
    operator: bool = False
    key: str = ""
    lenient: bool = False


def validate(wanted: NewSender) -> None:
    """Raises `InvalidInput` when a field is missing or makes no sense."""
    _validated(wanted)


def check(http: HttpClient, wanted: NewSender, settings: Settings) -> Probe:
    """Asks the provider whether the credentials are good.

    Raises `InvalidInput` with its answer when they are not, as a `FieldFault` where it tells which of them is wrong,
    and `Unanswered` when it did not say.
    """
    channel = _validated(wanted)
    called_back = reaches_us(settings.app_url, wanted.api_url)
    url = webhook_base(settings.app_url, wanted.channel, wanted.key) if wanted.key and called_back else ""
    private = wanted.lenient or (wanted.operator and bool(wanted.api_url))
    given = Account(0, wanted.credentials, wanted.api_url, private, url)
    account = located(given, wanted.channel, settings)
    try:
        probe = channel.probe(http, account)
    except ChannelError as error:
        sentence = f"The provider could not be asked: {error.message}"
        if isinstance(error.__cause__, AddressRefused):
            raise FieldFault(sentence, {API_URL: error.message}) from None
        raise Unanswered(sentence) from None
    if not probe.ok:
        sentence = f"The provider does not accept these credentials: {probe.detail}"
        raise FieldFault(sentence, {probe.field: probe.detail}) if probe.field else InvalidInput(sentence)
    local = called_back or settings.sandbox or not channel.fields
    if channel.calls_back and not local and not isinstance(channel, OneWebhook):
        return replace(probe, detail=f"{probe.detail} {UNREACHED.format(url=settings.app_url)}")
    return probe


def add(session: Session, vault: Vault, location: Location, wanted: NewSender) -> Sender:
    """Writes a sender with its gates. Raises `InvalidInput` when a field is missing or makes no sense."""
    channel = _validated(wanted)
    count = session.scalar(select(func.count()).select_from(Sender).where(Sender.location_id == location.id)) or 0
    if wanted.is_default:
        _clear_default(session, location.id)
    sender = Sender(
        key=secrets.token_urlsafe(24),
        location_id=location.id,
        channel=channel.kind,
        family=capabilities.family_of(channel, wanted.credentials),
        name=(wanted.name.strip() or f"{channel.name} {count + 1}")[:120],
        address=_address(wanted.credentials),
        credentials=vault.seal_fields(wanted.credentials),
        api_url=wanted.api_url.rstrip("/"),
        private_hosts=wanted.operator and bool(wanted.api_url),
        state=SenderState.ACTIVE,
        is_default=wanted.is_default,
        position=count,
        account_key="",
        sandbox=False,
        webhook_group=_group(channel, wanted.credentials),
        own_app=_brings_app(channel, wanted.credentials),
        windowed=isinstance(channel, HasWindow),
        mark_read=reading.wish(channel.kind, wanted.credentials.get("mark_read", "")),
        created_at=clock.now(),
    )
    _claim(session, sender, channel)
    lines.begin(session, sender, channel)
    templates.begin(session, sender, channel)
    attach(session, sender, channel, wanted.credentials, wanted.pace)
    if location.install_state in HERE:
        sync_webhook(session, sender.id, sender.channel)
    return sender


def _claim(session: Session, sender: Sender, channel: Channel) -> None:
    """Writes a new sender. Where all senders share one webhook, no two of them may be named the same in it."""
    if not isinstance(channel, OneWebhook):
        session.add(sender)
        session.flush()
        return
    sender.webhook_name = sender.address
    try:
        with session.begin_nested():
            session.add(sender)
    except IntegrityError:
        same = Sender.channel == channel.kind, Sender.webhook_name == sender.webhook_name
        if session.scalar(select(Sender.id).where(*same)) is None:
            raise
        field = next(field for field in channel.fields if not field.secret)
        raise taken(field.label, field.name) from None


def taken(label: str, field: str) -> FieldFault:
    """The refusal of a line that another sender has: whose that is stays unsaid."""
    sentence = TAKEN.format(what=label)
    return FieldFault(sentence, {field: sentence})


def webhook_url(settings: Settings, sender: Sender) -> str:
    """Where the sender's provider posts inbound messages.

    Receipts go to the same address ending in `status`, unless all senders of the channel share one address.
    """
    channel = registry.get(sender.channel)
    if isinstance(channel, AppWebhook) and sender.own_app:
        return f"{settings.app_url}/webhooks/{channel.webhook_path}/{sender.key}"
    if isinstance(channel, OneWebhook):
        return f"{settings.app_url}/webhooks/{channel.webhook_path}"
    return f"{webhook_base(settings.app_url, sender.channel, sender.key)}/receive"


def shown_webhook_url(settings: Settings, sender: Sender) -> str | None:
    """The address to enter at the provider; None for one that never calls back."""
    return webhook_url(settings, sender) if registry.get(sender.channel).calls_back else None


def make_default(session: Session, sender_id: int) -> int:
    """Makes it the location's default; returns how many held messages are tried again now."""
    sender = get(session, sender_id)
    _clear_default(session, sender.location_id)
    sender.is_default = True
    session.flush()
    close_alert(session, CHOOSE_DEFAULT, sender.location.ghl_id)
    return release_held(session, sender.location_id)


def pause(session: Session, sender_id: int, reason: str) -> None:
    """Stops a sender. What is queued for it is held when its turn comes."""
    sender = get(session, sender_id)
    sender.state, sender.state_reason = SenderState.PAUSED, reason[:500]


def resume(session: Session, sender_id: int, number: str = "") -> int:
    """Starts a sender again; returns how many held messages are tried again now.

    Raises `InvalidInput` when another number is linked to it now, unless that is the `number` that is confirmed.
    """
    sender = get(session, sender_id)
    lines.confirm_number(session, sender, number)
    sender.state, sender.state_reason, sender.resumed_at = SenderState.ACTIVE, "", clock.now()
    _forget_faults(session, sender)
    session.flush()
    return release_held(session, sender.location_id)


def with_changes(
    database: Database, vault: Vault, sender_id: int, changes: Mapping[str, str], api_url: str | None = None
) -> NewSender:
    """The sender as it would be with other credentials, for `check`. Raises `NotFound`.

    What a change empties is gone. The API address stays where none is given.
    """
    with database.read() as session:
        sender = session.get(Sender, sender_id)
        if sender is None or sender.state == SenderState.REMOVED:
            raise NotFound(f"There is no sender {sender_id}.")
        return _changed(vault, sender, changes, api_url)


def _changed(vault: Vault, sender: Sender, changes: Mapping[str, str], api_url: str | None = None) -> NewSender:
    credentials = {**vault.open_fields(sender.credentials), **changes}
    given = {name: value for name, value in credentials.items() if value or name not in changes}
    url = sender.api_url if api_url is None else api_url
    # The right to private addresses was given for this very address.
    allowed = sender.private_hosts and url.rstrip("/") == sender.api_url
    return NewSender(sender.channel, sender.name, given, url, operator=allowed, key=sender.key)


def change(
    session: Session, vault: Vault, sender_id: int, changes: Mapping[str, str], seen: NewSender | None = None
) -> Sender:
    """`repair` with some credentials replaced, whatever else was changed meanwhile.

    `seen` is what was checked: its API address, and who may reach private ones, are taken from it.
    """
    sender = get(session, sender_id)
    wanted = _changed(vault, sender, changes, seen.api_url if seen else None)
    if seen is not None:
        wanted = replace(wanted, operator=seen.operator, lenient=seen.lenient)
    repair(session, vault, sender_id, wanted)
    return sender


def repair(session: Session, vault: Vault, sender_id: int, wanted: NewSender) -> None:
    """Stores the credentials and opens the sender's gates: it tries again at once.

    Raises `InvalidInput` when it would become a sender of another family, whose opt-outs are others, or another line.
    """
    sender = get(session, sender_id)
    channel = _validated(wanted)
    if isinstance(channel, OneWebhook) and _address(wanted.credentials) != sender.address:
        # Its webhook would stay behind at the line that it was.
        keeps = "A sender keeps its line: add another sender for the other one, then remove this one."
        raise FieldFault(keeps, {address_field(wanted.credentials): keeps})
    if capabilities.family_of(channel, wanted.credentials) != sender.family:
        raise InvalidInput("A sender keeps its kind of message: add another sender for the other kind.")
    sender.credentials = vault.seal_fields(wanted.credentials)
    if wanted.api_url.rstrip("/") != sender.api_url:
        sender.api_url = wanted.api_url.rstrip("/")
        sender.private_hosts = wanted.operator and bool(wanted.api_url)
    sender.address = _address(wanted.credentials)
    sender.webhook_group = _group(channel, wanted.credentials)
    sender.own_app = _brings_app(channel, wanted.credentials)
    sender.mark_read = reading.wish(channel.kind, wanted.credentials.get("mark_read", ""))
    sender.webhook_at = None  # a change of the provider's settings that follows is ours
    attach(session, sender, channel, wanted.credentials)
    _forget_faults(session, sender)
    lines.ask_now(session, sender.id, sender.channel)
    templates.ask_again(session, sender)
    if sender.location.install_state in HERE:
        sync_webhook(session, sender.id, sender.channel)


def _forget_faults(session: Session, sender: Sender) -> None:
    keys = gates_of(sender)
    gates.reopen(session, keys)
    end_faults(session, [gates.sender_gate(sender.id)])


def take_key(session: Session, sender_id: int, uuid: str) -> None:
    """Its webhook address ends in this uuid from now on; the one before is over. Raises `InvalidInput`, `NotFound`."""
    sender = get(session, sender_id)
    try:
        key = str(UUID(uuid))
    except ValueError:
        raise InvalidInput("This is no uuid: copy it from the channel's address at courier.") from None
    if UUID(key).version != _RANDOM:
        raise InvalidInput("This uuid can be guessed (it is not of version 4): use the sender's own address.")
    if session.scalar(select(Sender.id).where(Sender.key == key, Sender.id != sender_id)) is not None:
        raise InvalidInput("Another sender has this uuid already.")
    sender.key = key
    session.flush()
    sync_webhook(session, sender.id, sender.channel)


def remove(session: Session, sender_id: int) -> None:
    """Takes a sender out of use for good. Conversations let go of it."""
    sender = get(session, sender_id)
    sender.state, sender.is_default = SenderState.REMOVED, False
    sender.webhook_name = sender.next_line_check_at = sender.next_webhook_at = None
    for kind in _OF_SENDER:
        close_alert(session, kind, gates.sender_gate(sender_id))
    templates.end(session, sender)
    switching.forget(session, sender_id)
    session.execute(delete(RoutingRule).where(RoutingRule.sender_id == sender_id))
    session.execute(
        update(Conversation)
        .where(Conversation.sticky_sender_id == sender_id)
        .values(sticky_sender_id=None, sticky_address="")
    )
    session.flush()
    sync_webhook(session, sender.id, sender.channel)
    release_held(session, sender.location_id)


def get(session: Session, sender_id: int) -> Sender:
    """The sender, locked for a change. Raises `NotFound`, also for one that was removed."""
    wanted = select(Sender).where(Sender.id == sender_id, Sender.state != SenderState.REMOVED)
    # Without `key_share` every message that names the sender would wait for this transaction, and lock against it.
    sender = session.scalar(wanted.with_for_update(key_share=True))
    if sender is None:
        raise NotFound(f"There is no sender {sender_id}.")
    return sender


def _clear_default(session: Session, location_id: int) -> None:
    session.execute(update(Sender).where(Sender.location_id == location_id, Sender.is_default).values(is_default=False))


def _validated(wanted: NewSender) -> Channel:
    channel = registry.get(wanted.channel)
    allowed = wanted.operator or wanted.lenient
    refuse_faulty(channel, wanted.credentials, wanted.api_url, wanted.pace, operator=allowed)
    return channel


def _group(channel: Channel, credentials: Mapping[str, str]) -> str:
    return channel.groups(credentials)[:128] if isinstance(channel, AppWebhook) else ""


def _brings_app(channel: Channel, credentials: Mapping[str, str]) -> bool:
    return isinstance(channel, AppWebhook) and bool(channel.own_app(credentials)[0])


def address_field(credentials: Mapping[str, str]) -> str:
    """The credential that says as whom a sender writes, "" when none does."""
    return next((name for name in _ADDRESSES if credentials.get(name)), "")


def _address(credentials: Mapping[str, str]) -> str:
    return credentials.get(address_field(credentials), "")[:128]
