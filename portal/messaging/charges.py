"""Credits follow the parts: taken is spent (by policy: delivered), failed is free, in whatever order it came."""

from sqlalchemy.orm import Session

from portal.channels.content import AddressKind
from portal.credits import campaigns, ledger, pricing, terms
from portal.messaging.countries import country_of
from portal.messaging.parts import Piece
from portal.messaging.statuses import TAKEN
from portal.models import Direction, Message, Part, Sender, Status

ARRIVED = (Status.DELIVERED, Status.READ)


def price_of(session: Session, message: Message, sender: Sender, piece: Piece) -> int:
    """Credits for a part to be, by the price list that held when the message was written."""
    return _price(session, message, sender, Direction.OUT, piece.kind, piece.segments)


def price_of_inbound(session: Session, message: Message, sender: Sender) -> int:
    """Credits for a message that came in."""
    return _price(session, message, sender, Direction.IN, message.kind, 1)


def _price(session: Session, message: Message, sender: Sender, direction: Direction, kind: str, segments: int) -> int:
    country = ""
    by_phone = message.address_kind == AddressKind.PHONE
    if by_phone and terms.looks_at_countries(session, message.location_id, message.created_at):
        country = country_of(message.address)
    ask = pricing.Ask(sender.channel, sender.family, direction, kind, segments, country)
    return terms.price(session, message.location_id, ask, message.created_at)


def give_back(session: Session, part: Part, reason: str) -> None:
    """Frees what is held for a part that costs nothing. A receipt that comes all the same charges it late."""
    message = part.message
    if message.funded:
        account = ledger.account_of(session, message.id, part.number, part.price)
        _release(session, part, account, reason)


def move_credits(session: Session, part: Part, reason: str) -> None:
    """Brings the ledger in line with where the part is now."""
    message = part.message
    if not message.funded:
        return  # held for lack of credits: there is nothing to give back
    wallet = ledger.known_wallet(session, message.location_id)
    account = ledger.account_of(session, message.id, part.number, part.price)
    arguments = (wallet, message.id, part.number)
    if part.status in TAKEN:
        if not _is_due(session, part):
            return  # it waits for the word that it arrived
        if account.held:
            ledger.write(session, [ledger.settle(*arguments, account.held, account.round)])
        elif not account.spent and not _pretends(session, part):
            text = "it proved to have gone out after its credits were given back"
            ledger.write(session, [ledger.charge_late(*arguments, part.price, text, account.round)])
    elif account.spent:
        back = ledger.refund(*arguments, account.spent, reason, account.round, account.hold)
        ledger.write(session, [back])
        campaigns.give_back(session, message.bulk, account.spent)
    elif account.held:
        _release(session, part, account, reason)


def _release(session: Session, part: Part, account: ledger.PartAccount, reason: str) -> None:
    message = part.message
    wallet = ledger.known_wallet(session, message.location_id)
    back = ledger.give_back(wallet, message.id, part.number, account.held, reason, account.round, account.hold)
    ledger.write(session, [back])
    campaigns.give_back(session, message.bulk, account.held)


def settles_when_accepted(session: Session, location_id: int, acceptance_counts: bool) -> bool:
    """Is a message paid for when the provider takes it? It is where nobody will ever say that it arrived."""
    return acceptance_counts or not terms.of(session, location_id).settles_on_delivery


def _is_due(session: Session, part: Part) -> bool:
    if part.status in ARRIVED or not terms.of(session, part.message.location_id).settles_on_delivery:
        return True
    sender = session.get(Sender, part.sender_id) if part.sender_id is not None else None
    return sender is not None and sender.acceptance_counts


def _pretends(session: Session, part: Part) -> bool:
    """Did it go through a key that sends nothing? A provider's simulator may report on what was free."""
    sender = session.get(Sender, part.sender_id) if part.sender_id is not None else None
    return sender is not None and sender.sandbox
