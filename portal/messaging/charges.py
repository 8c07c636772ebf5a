"""Credits follow the parts: taken is spent, failed is free, whatever came in which order."""

from sqlalchemy.orm import Session

from portal.credits import ledger
from portal.messaging.statuses import TAKEN
from portal.models import Part, Sender


def give_back(session: Session, part: Part, reason: str) -> None:
    """Frees what is held for a part that costs nothing. A receipt that comes all the same charges it late."""
    message = part.message
    if message.funded:
        wallet = ledger.known_wallet(session, message.location_id)
        account = ledger.account_of(session, message.id, part.number, part.price)
        back = ledger.give_back(wallet, message.id, part.number, account.held, reason, account.round)
        ledger.write(session, [back])


def move_credits(session: Session, part: Part, reason: str) -> None:
    """Brings the ledger in line with where the part is now."""
    message = part.message
    if not message.funded:
        return  # held for lack of credits: there is nothing to give back
    wallet = ledger.known_wallet(session, message.location_id)
    account = ledger.account_of(session, message.id, part.number, part.price)
    arguments = (wallet, message.id, part.number)
    if part.status in TAKEN:
        if account.held:
            ledger.write(session, [ledger.settle(*arguments, account.held, account.round)])
        elif not account.spent and not _pretends(session, part):
            text = "it proved to have gone out after its credits were given back"
            ledger.write(session, [ledger.charge_late(*arguments, part.price, text, account.round)])
    elif account.spent:
        ledger.write(session, [ledger.refund(*arguments, account.spent, reason, account.round)])
    elif account.held:
        ledger.write(session, [ledger.give_back(*arguments, account.held, reason, account.round)])


def _pretends(session: Session, part: Part) -> bool:
    """Did it go through a key that sends nothing? A provider's simulator may report on what was free."""
    sender = session.get(Sender, part.sender_id) if part.sender_id is not None else None
    return sender is not None and sender.sandbox
