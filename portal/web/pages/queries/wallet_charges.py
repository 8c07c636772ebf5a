"""Reading what was charged to a sub-account's wallet in HighLevel."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.credits import charging
from portal.models import ChargeState, Message, Wallet, WalletCharge
from portal.web.pages.queries.pages import LOOKED_AT, PAGE, Page


@dataclass(frozen=True, slots=True)
class Shown:
    """A charge, and the id of its message."""

    row: WalletCharge
    message: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How charging stands. `waiting` of the charges are still to be made or taken back, the oldest since `since`."""

    policy: str
    unit_micros: int
    empty_since: datetime | None
    stops: bool
    waiting: int
    since: datetime | None


def standing(session: Session, purse: Wallet) -> Standing:
    """Of one wallet."""
    known = charging.tariff(session, purse.id)
    still = WalletCharge.wallet_id == purse.id, WalletCharge.state.in_(charging.OPEN)
    waiting, since = session.execute(select(func.count(), func.min(WalletCharge.at)).where(*still)).one()
    return Standing(known.policy, known.unit_micros, purse.ghl_empty_since, purse.ghl_stops, waiting, since)


def page_of(session: Session, purse: Wallet, state: str, before: int | None) -> Page[Shown]:
    """A page of charges, the newest first, of one state when it is named."""
    window = select(WalletCharge.id).where(WalletCharge.wallet_id == purse.id).order_by(WalletCharge.id.desc())
    if before is not None:
        window = window.where(WalletCharge.id < before)
    among = window.limit(LOOKED_AT).subquery()
    found = (
        select(WalletCharge, Message.uuid)
        .join(among, among.c.id == WalletCharge.id)
        .join(Message, Message.id == WalletCharge.message_id)
        .order_by(WalletCharge.id.desc())
        .limit(PAGE + 1)
    )
    if state:
        found = found.where(WalletCharge.state == state)
    rows = [Shown(row, uuid) for row, uuid in session.execute(found)]
    if len(rows) > PAGE:
        return Page(rows[:PAGE], rows[PAGE - 1].row.id)
    seen, bottom = session.execute(select(func.count(), func.min(among.c.id)).select_from(among)).one()
    return Page(rows, bottom, gave_up=True) if seen == LOOKED_AT else Page(rows)


def dollars(micros: int | None) -> str:
    """Millionths of a US dollar as people read them, "" where they are not known."""
    if micros is None:
        return ""
    whole, rest = divmod(micros, 1_000_000)
    return f"{whole}.{f'{rest:06d}'.rstrip('0').ljust(2, '0')} USD"


STATES: Mapping[str, str] = {
    ChargeState.WAITING: "waits to be charged",
    ChargeState.ASKED: "HighLevel's answer was lost, it is looked up",
    ChargeState.CHARGED: "charged",
    ChargeState.REFUNDING: "is being given back",
    ChargeState.REFUNDED: "given back",
    ChargeState.DROPPED: "never charged: the credits were given back before",
}
