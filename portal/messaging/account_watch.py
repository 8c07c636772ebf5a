"""Looking after provider accounts: what is left on them, and who has opted out at the provider.

Once for each account, however many senders share it, with the credentials of any of them.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import LOW_BALANCE, close_alert, raise_alert
from portal.channels import registry
from portal.channels.base import Channel
from portal.channels.capabilities import Balance, HasBalance, ListedOptOut, ListsOptOuts
from portal.database import Database
from portal.errors import PortalError
from portal.http import HttpClient
from portal.messaging import numbers, optouts
from portal.messaging.accounts import Accounts
from portal.models import Location, ProviderAccount, Sender, SenderState
from portal.queue.gates import poll_gate, sender_gate
from portal.queue.jobs import SEND, Due, complete, enqueue, job

log = logging.getLogger(__name__)

BALANCE_EVERY = timedelta(minutes=10)
OPT_OUTS_EVERY = timedelta(days=1)
OPT_OUTS_AGAIN = timedelta(hours=1)
# Before the polls of the same gate: in a large campaign they would keep it busy for hours.
PRIORITY = 25
AT_ONCE = 100
WRITTEN_AT_ONCE = 500


def enqueue_due(session: Session) -> int:
    """Gives every account whose balance or list is due its job; returns how many."""
    moment = clock.now()
    columns = ProviderAccount.next_balance_at, ProviderAccount.next_opt_outs_at
    kinds = (("check_balance", HasBalance, BALANCE_EVERY), ("import_opt_outs", ListsOptOuts, OPT_OUTS_EVERY))
    rows = []
    for column, (kind, capability, pause) in zip(columns, kinds, strict=True):
        used = select(Sender.id).where(Sender.account_key == ProviderAccount.key, Sender.state != SenderState.REMOVED)
        due = select(ProviderAccount).where(column <= moment, used.exists()).order_by(column).limit(AT_ONCE)
        for account in session.scalars(due.with_for_update(skip_locked=True)).all():
            setattr(account, column.key, moment + pause)
            if isinstance(registry.get(account.channel), capability):
                gate = poll_gate(0, account.key)
                rows.append(job(SEND, kind, account.id, f"account:{account.id}", gate=gate, priority=PRIORITY))
    enqueue(session, rows)
    return len(rows)


@dataclass(frozen=True, slots=True)
class _User:
    """A sender that uses the account: where it belongs, and what of its settings matters here."""

    sender: Sender
    location: Location
    threshold: int
    line: str


class AccountWatch:
    """Carries out `check_balance` and `import_opt_outs` jobs."""

    def __init__(self, database: Database, http: HttpClient, accounts: Accounts) -> None:
        self._database = database
        self._http = http
        self._accounts = accounts

    def check_balance(self, due: Due) -> bool:
        """Reads the balance, keeps it, and warns the senders that it has become low for."""
        found: Balance | None = None
        failure = ""
        users = self._users(due.subject)
        try:
            channel = registry.get(users[0].sender.channel) if users else None
            if isinstance(channel, HasBalance):
                found = channel.balance(self._http, self._accounts.get(users[0].sender.id).account)
        except PortalError as error:
            failure = error.message
            log.warning("balance not read", extra={"account": due.subject, "reason": failure})
        with self._database.write() as session:
            if found is not None:
                _keep_balance(session, due.subject, found, users)
            elif failure:
                _note(session, due.subject, balance_failure=failure)
            complete(session, [due.id])
        return True

    def import_opt_outs(self, due: Due) -> bool:
        """Reads who has opted out at the provider and writes it down for the locations whose sender id they left."""
        users = self._users(due.subject)
        try:
            channel = registry.get(users[0].sender.channel) if users else None
            if isinstance(channel, ListsOptOuts):
                listed = channel.opt_outs(self._http, self._accounts.get(users[0].sender.id).account)
                new = sum(self._write_opt_outs(channel, user, listed) for user in _one_each(users))
                log.info("opt-outs imported", extra={"account": due.subject, "listed": len(listed), "new": new})
            told = {"opt_outs_failure": "", "opt_outs_at": clock.now()}
        except PortalError as error:
            told = {"opt_outs_failure": error.message, "next_opt_outs_at": clock.now() + OPT_OUTS_AGAIN}
            log.warning("opt-outs not read", extra={"account": due.subject, "reason": error.message})
        with self._database.write() as session:
            _note(session, due.subject, **told)
            complete(session, [due.id])
        return True

    def _users(self, account_id: int) -> list[_User]:
        """The account's senders, those that are active first: what they are asked with is the same."""
        with self._database.read() as session:
            rows = session.execute(
                select(Sender, Location)
                .join(Location, Location.id == Sender.location_id)
                .join(ProviderAccount, ProviderAccount.key == Sender.account_key)
                .where(ProviderAccount.id == account_id, Sender.state != SenderState.REMOVED)
                .order_by(Sender.state != SenderState.ACTIVE, Sender.id)
            ).all()
        return [user for sender, location in rows if (user := self._user(sender, location)) is not None]

    def _user(self, sender: Sender, location: Location) -> _User | None:
        try:
            credentials = self._accounts.get(sender.id).account.credentials
        except PortalError as error:
            log.warning("sender cannot be used", extra={"sender": sender.id, "reason": error.message})
            return None
        channel = registry.get(sender.channel)
        usual = channel.low_balance if isinstance(channel, HasBalance) else 0
        given = credentials.get("low_balance", "")
        line = channel.listed_line(credentials) if isinstance(channel, ListsOptOuts) else ""
        return _User(sender, location, int(given) if given.isdigit() else usual, line)

    def _write_opt_outs(self, channel: Channel, user: _User, listed: Sequence[ListedOptOut]) -> int:
        own, new = list(_of_line(user, listed)), 0
        for start in range(0, len(own), WRITTEN_AT_ONCE):
            some = own[start : start + WRITTEN_AT_ONCE]
            with self._database.write() as session:
                new += optouts.import_listed(session, user.location.id, user.sender.family, some, channel.name)
        return new


def is_low(credits: int, threshold: int, was_low: bool) -> bool:
    """Below the threshold; once low, only a fifth above it is enough again. A threshold of 0 never warns."""
    return threshold > 0 and credits < threshold + (max(threshold // 5, 1) if was_low else 0)


def _keep_balance(session: Session, account_id: int, found: Balance, users: Sequence[_User]) -> None:
    read = {"balance": found.credits, "currency": found.currency, "postpaid": found.postpaid}
    _note(session, account_id, **read, balance_at=clock.now(), balance_failure="")
    for user in users:
        was_low = user.sender.balance_low_at is not None
        exempt = found.postpaid or user.sender.sandbox
        low = not exempt and is_low(found.credits, user.threshold, was_low)
        if low != was_low:
            _cross(session, user, found.credits, low)


def _cross(session: Session, user: _User, credits: int, low: bool) -> None:
    sender = user.sender
    here = Sender.id == sender.id, Sender.state != SenderState.REMOVED
    changed = session.execute(update(Sender).where(*here).values(balance_low_at=clock.now() if low else None))
    if changed.rowcount and low:  # type: ignore[attr-defined]
        text = f"{sender.name}: its account has {credits} credits left, fewer than {user.threshold}: top it up."
        raise_alert(session, LOW_BALANCE, sender_gate(sender.id), text, sender.location_id)
    elif not low:
        close_alert(session, LOW_BALANCE, sender_gate(sender.id))


def _note(session: Session, account_id: int, **values: object) -> None:
    session.execute(update(ProviderAccount).where(ProviderAccount.id == account_id).values(**values))


def _one_each(users: Iterable[_User]) -> Iterable[_User]:
    """One sender for each location, family and sender id: two of them would write the same down twice."""
    return {(user.location.id, user.sender.family, user.line): user for user in users}.values()


def _of_line(user: _User, listed: Sequence[ListedOptOut]) -> Iterable[tuple[str, datetime | None]]:
    """Who left this sender's own id: those who left another one of the account may be another tenant's customers.

    A sender without an id of its own learns of opt-outs when the provider refuses a message.
    """
    for entry in listed:
        number = numbers.normalise(entry.address, user.location.country or None, mobile_only=False)
        if (not entry.line or entry.line == user.line) and isinstance(number, numbers.Number):
            yield number.e164, entry.at
