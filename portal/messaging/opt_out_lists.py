"""Opt-outs as lists: an export with all their evidence, and lists from elsewhere read in."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.channels.base import Family
from portal.database import Database
from portal.errors import InvalidInput, PortalError
from portal.messaging import opt_out_decisions, optouts, spreadsheets
from portal.messaging.silence import MARKETING
from portal.models import Contact, Location, Message, OptOut

COLUMNS = (
    *("id", "location", "address", "family", "opted_out_at", "origin", "source", "message", "words", "code", "detail"),
    *("by", "listed_since", "contact", "contact_name", "lifted_at", "lifted_by", "lift_reason", "lift_message"),
)
AT_ONCE = 500
WRITTEN_AT_ONCE = 100
_NUMBERS = ("address", "number", "phone", "msisdn")

Narrow = Callable[[Select[Any]], Select[Any]]


def records(database: Database, narrow: Narrow) -> Iterator[dict[str, Any]]:
    """Opt-outs in the order in which they were written, with the names of `COLUMNS`; a few in memory at a time.

    `narrow` is given a query of which `OptOut` and `Location` are part. No transaction is open between the pieces.
    """
    last = 0
    while True:
        with database.read() as session:
            wanted: Any = select(OptOut, Location.ghl_id).join(Location, Location.id == OptOut.location_id)
            piece = narrow(wanted).where(OptOut.id > last).order_by(OptOut.id).limit(AT_ONCE)
            rows: Sequence[Any] = session.execute(piece).all()
            told = _told(session, [row for row, _ in rows])
        if not rows:
            return
        for row, ghl_id in rows:
            yield _record(row, ghl_id, told)
        last = rows[-1][0].id


@dataclass(frozen=True, slots=True)
class _Told:
    """What the rows name: the ids of their messages, and their contacts."""

    messages: Mapping[int, str]
    contacts: Mapping[int, Contact]


def _told(session: Session, rows: Iterable[OptOut]) -> _Told:
    messages = {id_ for row in rows for id_ in (row.message_id, row.lifted_message_id) if id_ is not None}
    people = {row.contact_id for row in rows if row.contact_id is not None}
    uuids = session.execute(select(Message.id, Message.uuid).where(Message.id.in_(messages)))
    contacts = session.scalars(select(Contact).where(Contact.id.in_(people)))
    return _Told({row.id: row.uuid for row in uuids}, {contact.id: contact for contact in contacts})


def _record(row: OptOut, ghl_id: str, told: _Told) -> dict[str, Any]:
    contact = told.contacts.get(row.contact_id or 0)
    values = (
        *(row.id, ghl_id, row.address, row.family, row.created_at, row.origin, row.source),
        *(told.messages.get(row.message_id or 0, ""), row.words, row.code, row.detail, row.by, row.since),
        *((contact.ghl_contact_id or "", contact.name) if contact else ("", "")),
        *(row.lifted_at, row.lifted_by, row.lift_reason, told.messages.get(row.lifted_message_id or 0, "")),
    )
    return dict(zip(COLUMNS, values, strict=True))


def as_csv(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The rows as CSV, piece by piece, the head first. No cell is a formula to a spreadsheet."""
    return spreadsheets.as_csv(COLUMNS, rows)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list: the number as it stands there, its family, and since when; what is none has a `fault`."""

    address: str
    family: str
    since: datetime | None = None
    fault: str = ""


def read(lines: Iterable[str], family: str) -> Iterator[Entry]:
    """A list: one number a line, or CSV with a head that names `address` (number, phone).

    Such CSV may have `family` and `opted_out_at`, as the export has; what its `lifted_at` says was lifted is left out.
    """
    rows = csv.reader(lines)
    head: list[str] | None = None
    for row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if head is None:
            head = [cell.lower().lstrip("\ufeff") for cell in cells]
            if set(head) & set(_NUMBERS):
                continue
            head = ["address"]
        entry = _entry(dict(zip(head, cells, strict=False)), family)
        if entry is not None:
            yield entry


def _entry(fields: Mapping[str, str], family: str) -> Entry | None:
    if fields.get("lifted_at"):
        return None
    address = next((fields[name] for name in _NUMBERS if fields.get(name)), "").removeprefix("'")
    own = fields.get("family", "").lower() or family
    if own not in (*Family, MARKETING):
        return Entry(address, own, fault=f"{own} is none of {', '.join(Family)}.")
    since = fields.get("listed_since") or fields.get("opted_out_at") or ""
    try:
        at = datetime.fromisoformat(since) if since else None
    except ValueError:
        return Entry(address, own, fault="The time is read like 2026-12-01T09:00:00+08:00.")
    return Entry(address, own, at.replace(tzinfo=at.tzinfo or UTC) if at else None)


def take_in(
    database: Database, location: Location, entries: Iterable[Entry], name: str, by: str
) -> Iterator[dict[str, Any]]:
    """Writes a list down, some at a time; for each entry what became of it. The same list again changes nothing."""
    waiting: list[Entry] = []
    for entry in entries:
        waiting.append(entry)
        if len(waiting) == WRITTEN_AT_ONCE:
            yield from _write(database, location, waiting, name, by)
            waiting = []
    yield from _write(database, location, waiting, name, by)


def _write(
    database: Database, location: Location, entries: Iterable[Entry], name: str, by: str
) -> list[dict[str, Any]]:
    with database.write() as session:
        return [_take_one(session, location, entry, name, by) for entry in entries]


def _take_one(session: Session, location: Location, entry: Entry, name: str, by: str) -> dict[str, Any]:
    try:
        if entry.fault:
            raise InvalidInput(entry.fault)
        address = opt_out_decisions.address_of(session, location, entry.address)
    except PortalError as error:
        return {"address": entry.address, "family": entry.family, "new": False, "reason": error.message}
    listed = [(address, entry.since)]
    new = optouts.import_listed(session, location.id, entry.family, listed, name, by)
    return {"address": address, "family": entry.family, "new": bool(new)}
