"""Transactions on either engine: SQLite through one writer per process, PostgreSQL with bounded waits."""

import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.orm import Session

from portal.errors import PortalError
from portal.models.base import Base
from portal.writer_lock import Door, WriterLock

Key = TypeVar("Key", int, str)
Answer = TypeVar("Answer")

DEADLOCKS = 5

CHANNEL = "portal_jobs"
# PostgreSQL, appendix A: read_only_sql_transaction.
READ_ONLY = "25006"
# Classes of advisory locks. Any numbers do: they mark ours among those of other programs in the same database.
CLAIM_LOCK, TOKEN_LOCK = 7355, 7356
# PostgreSQL, appendix A: serialization_failure, deadlock_detected.
CONFLICTS = ("40001", "40P01")
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:class, :number)")
_UNLOCK = text("SELECT pg_advisory_unlock(:class, :number)")
_NOTIFY = text(f"SELECT pg_notify('{CHANNEL}', :pools)")


def wakes(session: Session, pool: str) -> None:
    """Remembers that this transaction gives a worker pool something to do."""
    session.info.setdefault("wakes", set()).add(pool)


def at_end(session: Session, work: Callable[[Session], None]) -> None:
    """Has `work` done as the last thing before this transaction is committed: for locks that must be short."""
    session.info.setdefault("at_end", []).append(work)


def before_end(session: Session, work: Callable[[Session], None]) -> None:
    """Has `work` done ahead of `at_end`, when the transaction's own is done: it may still give pools work."""
    session.info.setdefault("before_end", []).append(work)


def insert(session: Session, model: type[Base]) -> postgresql.Insert:
    """An INSERT that knows ON CONFLICT on either engine: the two dialects offer the same methods."""
    return _INSERT[session.get_bind().dialect.name](model.__table__)


def insert_new(session: Session, model: type[Base], values: dict[str, Any]) -> None:
    """Inserts a row unless one with the same key is there."""
    session.connection().execute(insert_unless_there(session, model), values)


def insert_unless_there(session: Session, model: type[Base], *key: str) -> postgresql.Insert:
    """An INSERT that passes over rows whose key (any, when none is named) is there. Built once for each."""
    return _unless_there(session.get_bind().dialect.name, model, key)


@cache
def _unless_there(dialect: str, model: type[Base], key: tuple[str, ...]) -> postgresql.Insert:
    return _INSERT[dialect](model.__table__).on_conflict_do_nothing(index_elements=key or None)


_INSERT: dict[str, Callable[[Any], postgresql.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,  # type: ignore[dict-item]
}


def padded(ids: Sequence[Key]) -> list[Key]:
    """The ids, the last one repeated up to a power of two.

    A list in SQL has one placeholder for each; few different lengths let statements be prepared and used again.
    """
    wanted = 1 << (len(ids) - 1).bit_length()
    return list(ids) + [ids[-1]] * (wanted - len(ids)) if ids else []


class DatabaseAway(PortalError):
    """The database did not answer. Nothing was lost; the caller may try again."""

    http_status = 503


def engine_options(url: str) -> dict[str, Any]:
    """Keyword arguments for `create_engine`, for the engine that `url` names."""
    # An error's text goes into the log, and a statement's parameters are people's messages and numbers.
    options: dict[str, Any] = {"hide_parameters": True, "max_overflow": 16}
    if url.startswith("sqlite"):
        return options | {"pool_size": 32, "connect_args": {"timeout": 10, "check_same_thread": False}}
    return options | {
        "pool_size": 16,
        "pool_timeout": 10,
        "connect_args": {
            "connect_timeout": 5,
            "prepare_threshold": 2,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
            "options": "-c statement_timeout=30000 -c lock_timeout=15000"
            " -c idle_in_transaction_session_timeout=60000 -c synchronous_commit=on"
            # Compiling a statement takes up to a second of a connection; none of ours reads enough rows to repay it.
            " -c jit=off"
            # The server's own look after us: the locks of a machine that vanished are free again after 25 s.
            " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
        },
    }


def prepare_engine(engine: Engine) -> None:
    """Gives SQLite connections their durability and locking. PostgreSQL has its own from `engine_options`."""
    if engine.dialect.name != "sqlite":
        event.listen(engine, "handle_error", _leave_standby)
        return

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own BEGIN would be deferred; `_begin` below decides instead.
        connection.isolation_level = None
        # FULL syncs the log at every commit: a webhook answered 2xx survives a power cut.
        # Without recursive triggers REPLACE removes rows past those that keep a ledger.
        kept = ("foreign_keys=ON", "recursive_triggers=ON")
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", *kept):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # A deferred transaction that turns to writing fails at once when another has written meanwhile.
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _leave_standby(context: ExceptionContext) -> None:
    """After a failover the old primary still answers, and only reads: its connections are as good as broken."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


class Database:
    """Where transactions come from. Made once per process, after the fork."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sqlite = engine.dialect.name == "sqlite"
        self._writing = engine.execution_options(writing=True)
        self._writer = WriterLock() if self.sqlite else None
        # Marks this process's own notices among those of all.
        self.name = f"@{uuid.uuid4().hex}"
        self.wake: Callable[[frozenset[str]], None] = lambda pools: None
        self._alone: dict[tuple[int, int], threading.Lock] = {}

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction for reading. What it loads stays usable after the block."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self, *, door: Door = Door.REST) -> Iterator[Session]:
        """A transaction for writing: committed at the end of the block, rolled back when the block raises.

        The worker pools that `wakes` names for this transaction are woken once it is durable: in this process
        directly, in the others by one NOTIFY. `door` says who goes first at SQLite's one writer.
        """
        made = Session(self._writing, expire_on_commit=False)
        turn = self._writer.hold(door) if self._writer else nullcontext()
        with turn, made as session, session.begin():
            yield session
            if more := session.info.pop("before_end", ()):
                session.flush()
            for work in more:
                work(session)
            pools: frozenset[str] = frozenset(session.info.get("wakes", ()))
            if pools and not self.sqlite:
                session.connection().execute(_NOTIFY, {"pools": ",".join((*sorted(pools), self.name))})
            if last := session.info.pop("at_end", ()):
                session.flush()
            for work in last:
                work(session)
        if pools:
            self.wake(pools)

    def patiently(self, work: Callable[[Session], Answer]) -> Answer:
        """What `work` returns, done in a transaction of its own; anew when that one was ended to resolve a deadlock.

        For what a person waits for: a worker's job comes again by itself.
        """
        for _ in range(DEADLOCKS):
            try:
                with self.write() as session:
                    return work(session)
            except OperationalError as error:
                if not is_conflict(error):
                    raise
        with self.write() as session:
            return work(session)

    @contextmanager
    def alone(self, kind: int, number: int) -> Iterator[bool]:
        """True inside the block for one thread of all processes at a time, False for the others, at once.

        Holds no transaction open, and ends with the process whatever becomes of it.
        """
        if self.sqlite:
            lock = self._alone.setdefault((kind, number), threading.Lock())
            mine = lock.acquire(blocking=False)
            try:
                yield mine
            finally:
                if mine:
                    lock.release()
            return
        key = {"class": kind, "number": number % 2**31}
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            mine = bool(connection.scalar(_TRY_LOCK, key))
            try:
                yield mine
            finally:
                if mine:
                    _unlock(connection, key)

    def answers(self) -> bool:
        """Does the database answer a trivial question?"""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True


def _unlock(connection: Connection, key: dict[str, int]) -> None:
    try:
        connection.execute(_UNLOCK, key)
    except DBAPIError:
        connection.invalidate()  # the lock ends with it


def is_away(error: BaseException) -> bool:
    """True when the error speaks of the database's absence (or a full or locked disk), not of one row's content."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError | TimeoutError) or (
        type(error).__name__ == "TimeoutError" and type(error).__module__ == "sqlalchemy.exc"
    )


def is_of_a_row(error: BaseException) -> bool:
    """True when the error speaks of one row's content: the same row fails again, and another need not."""
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError)
    # What a driver cannot encode is refused before the database hears of it.
    return isinstance(error, StatementError | ValueError | TypeError | ArithmeticError)


def is_conflict(error: BaseException) -> bool:
    """True when the database ended one transaction for the sake of another: the same may succeed at once."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in CONFLICTS


def in_short(error: BaseException) -> str:
    """What the driver says, on one line, without the statement."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}"[:200]


def open_database(url: str) -> Database:
    """A database of its own, outside Flask, for benches and command-line tools."""
    engine = create_engine(make_url(url), **engine_options(url))
    prepare_engine(engine)
    return Database(engine)
