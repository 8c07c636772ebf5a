"""What the ledger settles is charged to the sub-account's wallet in HighLevel, where that is switched on.

A charge is written with the entry that it is for, in the same transaction, together with the job that makes it: none is
lost and none is written twice. What the ledger gives back takes its charge back. The calls are made elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Engine, and_, case, func, insert, or_, select, text, update
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import WALLET_EMPTY, close_alert, raise_alert
from portal.credits import terms
from portal.models import (
    AgencyWallet,
    ChargeState,
    CreditPlan,
    EntryKind,
    Job,
    Location,
    Wallet,
    WalletCharge,
    WalletPolicy,
)
from portal.queue.gates import ghl_gate
from portal.queue.jobs import GHL, enqueue, job, without_job

KIND, LOOK = "charge_wallet", "ask_funds"
# After what people and customers wait for: the location's calls to HighLevel are counted together.
PRIORITY = 30
# So long a process keeps what it knows of a wallet. A policy counts from then on.
KEPT = timedelta(seconds=30)
OPEN = (ChargeState.WAITING, ChargeState.ASKED, ChargeState.REFUNDING)
# How often HighLevel is asked for funds: an empty wallet, one that messages wait for, any other.
EMPTY_AGAIN, HOLDING_AGAIN, AGAIN = timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=10)
AT_ONCE = 500
_SPENT = (EntryKind.SETTLE, EntryKind.CHARGE_LATE, EntryKind.INBOUND)
_PLAIN = {"synchronize_session": False}
# Spelled out for the partial index: a parameter would hide it from the planner.
_UNFINISHED = text("wallet_charge.state IN ('waiting', 'asked', 'refunding')")


@dataclass(frozen=True, slots=True)
class Tariff:
    """How a wallet's use is charged: `unit_micros` is millionths of a US dollar for a credit, 0 where no plan says."""

    location_id: int
    policy: WalletPolicy
    unit_micros: int


@dataclass(slots=True)
class _Kept:
    at: datetime
    tariffs: dict[int, Tariff] = field(default_factory=dict)


_kept: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()


def follow(session: Session, entries: Sequence[dict[str, object]]) -> None:
    """Writes the charges that entries ask for, rows of the ledger just appended, and takes back those given back."""
    for row in entries:
        if row["kind"] == EntryKind.REFUND:
            _take_back(session, row)
    spent = [
        row for row in entries if row["kind"] in _SPENT and tariff(session, _wallet(row)).policy != WalletPolicy.OFF
    ]
    if not spent:
        return
    rows = [_charge(row, tariff(session, _wallet(row)).unit_micros) for row in spent]
    made = session.connection().execute(insert(WalletCharge).returning(WalletCharge.id, WalletCharge.wallet_id), rows)
    enqueue(session, [to_do(id_, tariff(session, wallet).location_id) for id_, wallet in sorted(made.all())])


def _is_on(session: Session, row: dict[str, object]) -> bool:
    return tariff(session, _wallet(row)).policy is not WalletPolicy.OFF


def _wallet(row: dict[str, object]) -> int:
    found = row["wallet_id"]
    assert isinstance(found, int)
    return found


def _part(row: dict[str, object]) -> int:
    """`<kind>:<message>:<part>[:n]`; a message that came in has no part."""
    return int(([*str(row["key"]).split(":"), "0"])[2])


def _charge(row: dict[str, object], unit_micros: int) -> dict[str, object]:
    return {
        "wallet_id": row["wallet_id"],
        "message_id": row["message_id"],
        "part": _part(row),
        "entry_key": row["key"],
        "units": row["spent"],
        "unit_micros": unit_micros,
        "at": row["at"],
        "state": ChargeState.WAITING.value,
        "event_id": "",
        "charge_id": "",
        "refund_wanted": False,
        "attempts": 0,
        "failure": "",
    }


def _take_back(session: Session, row: dict[str, object]) -> None:
    mine = WalletCharge.message_id == row["message_id"], WalletCharge.part == _part(row)
    made = WalletCharge.state == ChargeState.CHARGED
    state = case((made, ChargeState.REFUNDING.value), else_=WalletCharge.state)
    wanted = update(WalletCharge).where(*mine, WalletCharge.refund_wanted.is_(False))
    wanted = wanted.values(refund_wanted=True, state=state)
    found = session.connection().execute(wanted.returning(WalletCharge.id)).scalars().all()
    if found:
        location_id = tariff(session, _wallet(row)).location_id
        enqueue(session, [to_do(id_, location_id) for id_ in sorted(found)])


def to_do(charge_id: int, location_id: int) -> dict[str, Any]:
    """The job that makes a charge, or takes it back: one after the other in each sub-account."""
    return job(GHL, KIND, charge_id, f"charges:{location_id}", gate=ghl_gate(location_id), priority=PRIORITY)


def tariff(session: Session, wallet_id: int) -> Tariff:
    """How the wallet's use is charged, as this process knows it."""
    engine, moment = session.connection().engine, clock.now()
    kept = _kept.get(engine)
    if kept is None or abs(moment - kept.at) >= KEPT:
        kept = _kept[engine] = _Kept(moment)
    if wallet_id in kept.tariffs:
        return kept.tariffs[wallet_id]
    row = session.connection().execute(_TARIFF.where(Wallet.id == wallet_id)).one()
    priced = row.credit_micros if row.currency == "USD" else 0
    found = Tariff(row.location_id, WalletPolicy(row.policy), priced or 0)
    # One that this transaction made may yet be rolled back, and its number then go to another location's.
    if row.location_id not in session.info.get("new_wallets", ()):
        kept.tariffs[wallet_id] = found
    return found


def forget(session: Session) -> None:
    """Has it read anew in this process, for whoever has just changed it."""
    _kept.pop(session.connection().engine, None)


def _effective() -> ColumnElement[str]:
    return case((Wallet.ghl_policy != "", Wallet.ghl_policy), else_=func.coalesce(AgencyWallet.ghl_policy, ""))


def policy_column() -> ColumnElement[str]:
    """The policy that holds for a wallet, in a statement that joins `Location` and (outer) `AgencyWallet`."""
    return func.coalesce(func.nullif(_effective(), ""), WalletPolicy.OFF.value)


_TARIFF = (
    select(Wallet.location_id, policy_column().label("policy"), CreditPlan.credit_micros, CreditPlan.currency)
    .join(Location, Location.id == Wallet.location_id)
    .outerjoin(AgencyWallet, AgencyWallet.agency_id == Location.agency_id)
    .outerjoin(CreditPlan, and_(CreditPlan.id == Wallet.plan_id, terms.plan_counts()))
)


def set_policy(session: Session, location: Location, policy: str) -> None:
    """Gives a sub-account a `WalletPolicy` of its own, or with "" its agency's."""
    mine = update(Wallet).where(Wallet.location_id == location.id)
    session.execute(mine.values(ghl_policy=policy, ghl_looked_at=None), execution_options=_PLAIN)
    policy_changed(session, Wallet.location_id == location.id)


def set_agency_policy(session: Session, agency_id: int, policy: str) -> None:
    """Gives the sub-accounts of an agency that have none of their own a `WalletPolicy`, also those to come."""
    session.execute(
        update(AgencyWallet).where(AgencyWallet.agency_id == agency_id).values(ghl_policy=policy),
        execution_options=_PLAIN,
    )
    policy_changed(session, Location.agency_id == agency_id)


def policy_changed(session: Session, *wallets: ColumnElement[bool]) -> None:
    """What follows for wallets whose policy may be another now. One that is charged no more is not asked about any
    more either, so nobody would ever find that it has funds again."""
    settle_stops(session, *wallets)
    rows = session.execute(
        select(Wallet.id, Location.ghl_id)
        .join(Location, Location.id == Wallet.location_id)
        .outerjoin(AgencyWallet, AgencyWallet.agency_id == Location.agency_id)
        .where(Wallet.ghl_empty_since.is_not(None), policy_column() == WalletPolicy.OFF, *wallets)
        .order_by(Wallet.id)
    ).all()
    for row in rows:
        session.execute(
            update(Wallet).where(Wallet.id == row.id).values(ghl_empty_since=None), execution_options=_PLAIN
        )
        close_alert(session, WALLET_EMPTY, row.ghl_id)
    forget(session)


def settle_stops(session: Session, *wallets: ColumnElement[bool]) -> None:
    """Brings `ghl_stops` in line with policies and with what is known of the wallets in HighLevel."""
    rows = session.execute(
        select(Wallet.id, Wallet.ghl_stops, Wallet.ghl_empty_since, policy_column().label("policy"))
        .join(Location, Location.id == Wallet.location_id)
        .outerjoin(AgencyWallet, AgencyWallet.agency_id == Location.agency_id)
        .where(*wallets)
        .order_by(Wallet.id)
    ).all()
    for row in rows:
        stops = row.policy == WalletPolicy.HOLD and row.ghl_empty_since is not None
        if stops != row.ghl_stops:
            session.execute(update(Wallet).where(Wallet.id == row.id).values(ghl_stops=stops), execution_options=_PLAIN)


def note_funds(session: Session, location: Location, there: bool, said: str = "") -> bool:
    """Keeps whether the wallet in HighLevel can be charged; True when that has changed."""
    wallet = session.scalars(select(Wallet).where(Wallet.location_id == location.id)).one()
    moment, name = clock.now(), location.name or location.ghl_id
    if there and wallet.ghl_empty_since is None:
        return False
    before = Wallet.ghl_empty_since.is_not(None) if there else Wallet.ghl_empty_since.is_(None)
    turned = update(Wallet).where(Wallet.id == wallet.id, before).values(ghl_empty_since=None if there else moment)
    changed = bool(session.execute(turned, execution_options=_PLAIN).rowcount)  # type: ignore[attr-defined]
    settle_stops(session, Wallet.id == wallet.id)
    if there:
        close_alert(session, WALLET_EMPTY, location.ghl_id)
        if changed:
            try_now(session, location.id)
    else:
        text = f"{name}: its wallet in HighLevel has no funds, {_meanwhile(session, wallet.id)}. It is topped up there."
        raise_alert(session, WALLET_EMPTY, location.ghl_id, f"{text} {said}".strip(), location.id)
    return changed


def _meanwhile(session: Session, wallet_id: int) -> str:
    stops = session.scalar(select(Wallet.ghl_stops).where(Wallet.id == wallet_id))
    return "what it sends waits" if stops else "messages go out and their charges wait"


def try_now(session: Session, location_id: int | None = None) -> int:
    """Has the charges that wait tried at once, of one sub-account or of all; returns how many."""
    wanted = update(Job).where(Job.kind == KIND, Job.lease_until.is_(None))
    if location_id is not None:
        wanted = wanted.where(Job.gate == ghl_gate(location_id))
    done = session.execute(wanted.values(run_at=clock.now()), execution_options=_PLAIN)
    return int(done.rowcount)  # type: ignore[attr-defined]


def enqueue_looks(session: Session) -> int:
    """Has HighLevel asked for the funds of the wallets whose time has come; returns how many."""
    moment = clock.now()
    policy = policy_column()
    looked = Wallet.ghl_looked_at
    due = or_(
        looked.is_(None),
        looked < moment - AGAIN,
        Wallet.ghl_empty_since.is_not(None) & (looked < moment - EMPTY_AGAIN),
        (policy == WalletPolicy.HOLD) & (looked < moment - HOLDING_AGAIN),
    )
    rows = session.execute(
        select(Wallet.id, Location.id.label("place"))
        .join(Location, Location.id == Wallet.location_id)
        .outerjoin(AgencyWallet, AgencyWallet.agency_id == Location.agency_id)
        .where(due, policy != WalletPolicy.OFF, Location.install_state == "installed")
        .order_by(Wallet.id)
        .limit(AT_ONCE)
    ).all()
    if rows:
        ids = [row.id for row in rows]
        session.execute(update(Wallet).where(Wallet.id.in_(ids)).values(ghl_looked_at=moment), execution_options=_PLAIN)
    enqueue(
        session,
        [job(GHL, LOOK, row.id, f"funds:{row.id}", gate=ghl_gate(row.place), priority=PRIORITY) for row in rows],
    )
    return len(rows)


def enqueue_forgotten(session: Session) -> int:
    """Open charges without a job get one. There should be none: the two are written together."""
    rows = session.execute(
        select(WalletCharge.id, Wallet.location_id)
        .join(Wallet, Wallet.id == WalletCharge.wallet_id)
        .where(_UNFINISHED, without_job(WalletCharge.id, KIND))
        .order_by(WalletCharge.wallet_id, WalletCharge.id)  # the index's order, or SQLite reads all rows by their ids
        .limit(AT_ONCE)
    ).all()
    enqueue(session, [to_do(row.id, row.location_id) for row in rows])
    return len(rows)


def doubt(session: Session) -> int:
    """After a restored backup: what was to be charged may have been charged since, and is looked up first."""
    waiting = update(WalletCharge).where(WalletCharge.state == ChargeState.WAITING)
    done = session.execute(
        waiting.values(state=ChargeState.ASKED.value, asked_at=clock.now()), execution_options=_PLAIN
    )
    return int(done.rowcount)  # type: ignore[attr-defined]
