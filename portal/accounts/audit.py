"""The audit log: who did what to what, from where. Written in the transaction of the deed itself: both, or neither."""

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.logs import context, redact, told
from portal.models import Agency, Alert, AuditEntry, Event, Location, Message, OptOut, Sender, User

LONGEST_VALUE = 500
MOST_VALUES = 60


class Actor(Protocol):
    """Whoever did it: `portal.web.viewer.Viewer` is one. `address` is "" where there is none."""

    @property
    def name(self) -> str:
        """As people read it."""

    @property
    def id(self) -> str:
        """A user's number, or the name under which another way in knows the person."""

    @property
    def address(self) -> str:
        """Where the request came from."""


@dataclass(frozen=True, slots=True)
class Person:
    """An actor who is no viewer: somebody at the command line, or who signs in just now."""

    name: str
    id: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What it was done to. Whose it is decides who may read of it; without an agency or location, the operator."""

    kind: str
    id: str = ""
    name: str = ""
    location_id: int | None = None
    agency_id: int | None = None


Row = Agency | Alert | Event | Location | Message | OptOut | Sender | User


def note(
    session: Session,
    actor: Actor,
    action: str,
    subject: Subject | Row,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Adds an entry: `action` is a verb in the past, "paused"; `before` and `after` are fields by their names.

    Of fields that are the same in both, and of values whose name or look is a secret's, nothing is kept.
    """
    about: Subject = subject if isinstance(subject, Subject) else of(subject)
    was, now = dict(before or {}), dict(after or {})
    same = {name for name in was.keys() & now.keys() if was[name] == now[name]}
    session.add(
        AuditEntry(
            at=clock.now(),
            agency_id=about.agency_id or _agency_of(session, about.location_id),
            location_id=about.location_id,
            who=_text(actor.name, 128),
            who_id=_text(actor.id, 64),
            address=_text(actor.address, 64),
            action=_text(action, 80),
            kind=_text(about.kind, 32),
            subject_id=_text(about.id, 64),
            subject=_text(about.name, 200),
            before=_kept(was, same),
            after=_kept(now, same),
            request_id=_text(str(context().get("request_id", "")), 64),
        )
    )


@contextmanager
def deed(session: Session, actor: Actor, action: str, row: Row) -> Iterator[None]:
    """Adds an entry with what the block changes of a row. Nothing is added when the block raises."""
    before = snapshot(row)
    yield
    session.flush()
    session.refresh(row)
    note(session, actor, action, row, before, snapshot(row))


def snapshot(row: Row) -> dict[str, Any]:
    """What people decide about a row, by the names that they know it by."""
    return {name: getattr(row, field) for name, field in _FIELDS.get(type(row), {}).items()}


_FIELDS: Mapping[type, Mapping[str, str]] = {
    Sender: {
        "state": "state",
        "name": "name",
        "default": "is_default",
        "sender id or number": "address",
        "place": "position",
    },
    Location: {
        "app": "install_state",
        "when a sender is down": "failover",
        "another channel may stand in": "family_stands_in",
        "switches by itself": "switches_itself",
        "offers plain letters": "offers_gsm7",
        "country of numbers": "country",
        "words that stop": "stop_words",
        "words that start": "start_words",
        "seconds to live": "ttl_seconds",
    },
    Message: {"status": "status"},
    OptOut: {"lifted": "lifted_at"},
    Event: {"state": "state"},
    Alert: {"closed": "closed_at", "acknowledged": "acknowledged_at", "muted until": "muted_until"},
    Agency: {"asks second factor": "asks_second_factor"},
}


def of(row: Row) -> Subject:
    """A row as the subject of a deed."""
    if isinstance(row, User):
        return Subject("user", str(row.id), row.email, agency_id=row.agency_id)
    if isinstance(row, Agency):
        return Subject("agency", str(row.id), row.name or row.company_id, agency_id=row.id)
    if isinstance(row, Location):
        return Subject("sub-account", str(row.id), row.name or row.ghl_id, row.id)
    if isinstance(row, Message):
        return Subject("message", row.uuid, "", row.location_id)
    if isinstance(row, Sender):
        return Subject("sender", str(row.id), row.name, row.location_id)
    if isinstance(row, OptOut):
        return Subject("opt-out", str(row.id), "", row.location_id)
    if isinstance(row, Alert):
        return Subject("alert", str(row.id), row.kind, row.location_id)
    return Subject("webhook", str(row.id), row.source)


def command_line() -> Person:
    """Whoever has a shell on the machine: the name that the system knows them by."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        user = "somebody"
    return Person(f"{user} (command line)", "command line")


def of_user(user: User, address: str) -> Person:
    """Somebody who is not signed in yet, or not any more."""
    return Person(user.email, str(user.id), address)


def _agency_of(session: Session, location_id: int | None) -> int | None:
    if location_id is None:
        return None
    found: int | None = session.scalar(select(Location.agency_id).where(Location.id == location_id))
    return found


def _kept(values: dict[str, Any], same: set[str]) -> dict[str, Any]:
    changed = {name: value for name, value in values.items() if name not in same}
    return {_text(name, 64): _value(name, value) for name, value in list(changed.items())[:MOST_VALUES]}


def _value(name: str, value: Any) -> Any:
    """Plain and short. The rules of the log say what a secret is; numbers stay whole: people look for them here."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(name, each) for each in list(value)[:MOST_VALUES]]
    shown = told({name: "x"})[name]
    return shown if shown != "x" else _text(redact(str(value)), LONGEST_VALUE)


def _text(text: str, longest: int) -> str:
    """What both engines store, without a NUL or half of an emoji."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:longest]
