"""What a person sets on a sender besides its credentials: name, default, pace, place in the order, and its removal."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.alerts.notices import CHOOSE_DEFAULT, close_alert
from portal.channels import registry
from portal.crypto import SealBroken, Vault
from portal.errors import InvalidInput
from portal.messaging import provider_accounts, senders, switching
from portal.messaging.releasing import release_held
from portal.messaging.sender_faults import BAD_PACE, FASTEST, PACE, FieldFault
from portal.messaging.senders import NewSender
from portal.messaging.storable import storable
from portal.models import Gate, Location, ProviderAccount, Sender, SenderState
from portal.queue import gates

LONGEST_NAME = 120
# Slower than one message in 10,000 seconds is a pause.
SLOWEST = 0.0001
SHARED_PACE = (
    "The account at the provider is used by senders of other sub-accounts too, and all of them share one pace: ask "
    "whoever manages the account."
)


def rename(session: Session, sender_id: int, name: str) -> None:
    """Gives it another name. Raises `FieldFault` for none."""
    senders.get(session, sender_id).name = clean_name(name)


def clean_name(name: str) -> str:
    """The name as it is kept. Raises `FieldFault` for one that is empty or too long."""
    found = " ".join(storable(name).split())
    if not found or len(found) > LONGEST_NAME:
        raise FieldFault(fault := f"The name has 1 to {LONGEST_NAME} characters.", {"name": fault})
    return found


def twin(session: Session, vault: Vault, location: Location, wanted: NewSender) -> Sender | None:
    """The location's sender that is the same line by the same credentials already: a form may be sent twice.

    Two of them would wait for somebody to choose the default, and show what customers write twice. The location is
    locked, so that of two who add at once the second one finds the first one's.
    """
    session.scalar(select(Location.id).where(Location.id == location.id).with_for_update(key_share=True))
    url = wanted.api_url.rstrip("/")
    for row in ordered(session, location.id):
        if wanted.credentials and (row.channel, row.api_url) == (wanted.channel, url) and _same(vault, row, wanted):
            return row
    return None


def _same(vault: Vault, row: Sender, wanted: NewSender) -> bool:
    try:
        return vault.open_fields(row.credentials) == dict(wanted.credentials)
    except SealBroken:
        return False


def no_default(session: Session, sender_id: int) -> int:
    """It is the default no longer, and no other is; returns how many held messages are tried again."""
    sender = senders.get(session, sender_id)
    sender.is_default = False
    session.flush()
    return release_held(session, sender.location_id)


def parse_pace(typed: str) -> float | None:
    """Messages a second, None for the provider's own. Raises `FieldFault`."""
    text = typed.strip().replace(",", ".")
    if not text:
        return None
    try:
        pace = float(text)
    except ValueError:
        pace = 0.0
    if not SLOWEST <= pace <= FASTEST:
        raise FieldFault(BAD_PACE, {PACE: BAD_PACE})
    return pace


def pace_of(session: Session, sender: Sender) -> Gate | None:
    """The gate that keeps its pace; 0 means no limit of ours."""
    return session.get(Gate, gates.sender_gate(sender.id, sender.account_key))


def set_pace(session: Session, sender_id: int, pace: float | None, scope_ids: frozenset[int] | None) -> None:
    """Sets the pace of a sender, or of its whole account; None goes back to the provider's own.

    `scope_ids` are the locations that the person manages, None for all. Raises `InvalidInput` where the account is
    shared with others.
    """
    sender = senders.get(session, sender_id)
    if shared_beyond(session, sender, scope_ids):
        raise FieldFault(SHARED_PACE, {PACE: SHARED_PACE})
    provider_accounts.set_pace(session, sender, registry.get(sender.channel), pace)


def shared_beyond(session: Session, sender: Sender, scope_ids: frozenset[int] | None) -> bool:
    """Do senders of locations that the person does not manage use the same account?"""
    if not sender.account_key or scope_ids is None:
        return False
    others = Sender.account_key == sender.account_key, Sender.state != SenderState.REMOVED
    wanted = select(Sender.id).where(*others, Sender.location_id.not_in(scope_ids))
    return session.scalar(wanted.limit(1)) is not None


def move(session: Session, sender_id: int, *, up: bool) -> None:
    """One place earlier or later among the senders of its location."""
    sender = senders.get(session, sender_id)
    order = [row.id for row in ordered(session, sender.location_id)]
    place = order.index(sender_id)
    order.insert(max(place - 1, 0) if up else place + 1, order.pop(place))
    switching.set_order(session, sender.location, order)


def ordered(session: Session, location_id: int) -> list[Sender]:
    """The location's senders in their order, which is also that in which they stand in for one another."""
    present = Sender.location_id == location_id, Sender.state != SenderState.REMOVED
    return list(session.scalars(select(Sender).where(*present).order_by(Sender.position, Sender.id)))


def remove(session: Session, sender_id: int, next_default: int | None) -> None:
    """Takes it out of use for good; another one of its location may become the default with it."""
    sender = senders.get(session, sender_id)
    if next_default is not None and next_default not in {row.id for row in ordered(session, sender.location_id)}:
        raise InvalidInput("Choose another sender of this sub-account as the default.")
    if next_default == sender_id:
        raise InvalidInput("The default has to be a sender that stays.")
    location = sender.location
    senders.remove(session, sender_id)
    if next_default is not None:
        senders.make_default(session, next_default)
    elif len(ordered(session, location.id)) < 2:
        close_alert(session, CHOOSE_DEFAULT, location.ghl_id)


def refuse_taken(session: Session, sender: Sender, field: str) -> None:
    """Raises `FieldFault` when a sender of another location is the same line; whose that is stays unsaid.

    `field` is the credential that is its address. Senders of one account are told apart by it: one name or number
    that two tenants wrote from would bring the answers to either of them.
    """
    same = [Sender.channel == sender.channel, Sender.address == sender.address, Sender.family == sender.family]
    if not field or not (sender.account_key or sender.api_url):
        return
    if sender.account_key:
        # Two that are added at once wait here for one another.
        own = ProviderAccount.key == sender.account_key
        session.scalar(select(ProviderAccount.id).where(own).with_for_update())
        same.append(Sender.account_key == sender.account_key)
    else:
        same.append(Sender.api_url == sender.api_url)
    others = Sender.location_id != sender.location_id, Sender.state != SenderState.REMOVED
    if session.scalar(select(Sender.id).where(*same, *others).limit(1)) is not None:
        labels = {each.name: each.label for each in registry.get(sender.channel).fields}
        raise senders.taken(labels[field], field)
