"""Sign-ins are counted before any password is hashed: by address, by account and in all, across processes."""

import hashlib
import ipaddress
import math
from datetime import datetime, timedelta

from sqlalchemy import case, delete, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.database import Database, insert
from portal.errors import Overloaded
from portal.models.people import LoginCount

WINDOW = timedelta(minutes=5)
PER_ACCOUNT, PER_ADDRESS, IN_ALL = 10, 20, 1000
# A code has six digits, and of a million three are right at any time; a letter for a new password is sent to somebody.
CODE, RESET = "code", "reset"
PER_ACCOUNT_FOR = {CODE: 5, RESET: 3}
_ALL = "all"
_CLEARED_AT_ONCE = 100


class TooManyAttempts(Overloaded):
    """Somebody has tried too often. `retry_after` says in how many seconds the next try is looked at."""

    def __init__(self, retry_after: int) -> None:
        minutes = math.ceil(retry_after / 60)
        wait = "a minute" if minutes == 1 else f"{minutes} minutes"
        super().__init__(f"Too many attempts: wait {wait}, then try again.", retry_after)


def count_attempt(database: Database, address: str, email: str, what: str = "") -> None:
    """Counts one attempt. Raises `TooManyAttempts`, and counts nothing, when one of the three counts is used up.

    `what` is tried: "" a password, CODE or RESET, each of which has a count of its own for the account.
    """
    _count(database, _limits(address, email, what))


def count_call(database: Database, address: str, what: str) -> None:
    """Counts one try at a key that programs use, by address alone. Raises `TooManyAttempts`."""
    _count(database, {f"{what}:{_network(address)}": PER_ADDRESS})


def count_use(database: Database, what: str, limit: int) -> None:
    """Counts one use of a thing that anybody may hold, whoever it is. Raises `TooManyAttempts`."""
    _count(database, {what: limit})


def forgive_call(database: Database, address: str, what: str) -> None:
    """Forgets an address's tries: its key proved to be good."""
    with database.write() as session:
        session.execute(delete(LoginCount).where(LoginCount.key == f"{what}:{_network(address)}"))


def _count(database: Database, limits: dict[str, int]) -> None:
    with database.read() as session:  # a flood must not take the writer from the webhooks
        for row in session.scalars(
            select(LoginCount).where(LoginCount.key.in_(limits), LoginCount.until > clock.now())
        ):
            _check(row.tries + 1, row.until, limits[row.key])
    with database.write() as session:
        for key, limit in limits.items():
            _check(*_counted(session, key), limit)
        _clear_old(session)


def forgive(database: Database, address: str, email: str, what: str = "") -> None:
    """Takes an attempt back that proved to be good; the account starts afresh."""
    account, *others = _limits(address, email, what)
    with database.write() as session:
        session.execute(delete(LoginCount).where(LoginCount.key == account))
        for key in others:
            counted = LoginCount.key == key, LoginCount.tries > 0
            session.execute(update(LoginCount).where(*counted).values(tries=LoginCount.tries - 1))


def _limits(address: str, email: str, what: str) -> dict[str, int]:
    """The keys and their limits, in the order in which their rows are locked."""
    account = hashlib.sha256(email.encode("utf-8", "replace")).hexdigest()[:40]
    first = f"{what or 'account'}:{account}"
    return {first: PER_ACCOUNT_FOR.get(what, PER_ACCOUNT), f"address:{_network(address)}": PER_ADDRESS, _ALL: IN_ALL}


def _network(address: str) -> str:
    """One household has one IPv4 address, or a whole /64 of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    # A server that listens on `::` names IPv4 callers so, all of them in one /64.
    found = getattr(found, "ipv4_mapped", None) or found
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def _counted(session: Session, key: str) -> tuple[int, datetime]:
    """Counts one more, in a window of its own when the last is over; returns the count and the window's end."""
    moment = clock.now()
    over = LoginCount.until <= moment
    new = insert(session, LoginCount).values(key=key, tries=1, until=moment + WINDOW)
    counted = new.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "tries": case((over, 1), else_=LoginCount.tries + 1),
            "until": case((over, moment + WINDOW), else_=LoginCount.until),
        },
    )
    row = session.execute(counted.returning(LoginCount.tries, LoginCount.until)).one()
    return row.tries, row.until


def _check(tries: int, until: datetime, limit: int) -> None:
    if tries > limit:
        raise TooManyAttempts(max(math.ceil((until - clock.now()).total_seconds()), 1))


def _clear_old(session: Session) -> None:
    """Skips what others have locked: waiting here, with counts of our own locked, could block two sign-ins for good."""
    old = select(LoginCount.key).where(LoginCount.until < clock.now() - WINDOW).limit(_CLEARED_AT_ONCE)
    keys = session.scalars(old.with_for_update(skip_locked=True)).all()
    session.execute(delete(LoginCount).where(LoginCount.key.in_(keys)))
