"""Sending what waits for a recipient: one letter for all of it, or each to the machinery of our webhooks out.

At least once: what was handed in is marked afterwards, so a process that dies in between sends the letter again.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock, mail
from portal.alarms import letters
from portal.alarms.recipients import AT_ONCE, EVENT, NO_MAIL
from portal.alarms.topics import topic_of
from portal.callbacks import outbox
from portal.callbacks.outbox import Told
from portal.config import Settings
from portal.crypto import Vault
from portal.database import Database
from portal.models import (
    Alert,
    AlertLetter,
    AlertNotice,
    AlertRecipient,
    Job,
    Location,
    NoticeKind,
    NoticeState,
    Way,
)
from portal.queue.jobs import Due, complete, postpone

log = logging.getLogger(__name__)

# A recipient gets a letter a minute at most, and in it all that came meanwhile.
APART = timedelta(minutes=1)
SCHEDULE = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720, 1440))


class Teller:
    """Tells recipients. No transaction is open while the mail server is spoken to."""

    def __init__(self, database: Database, vault: Vault, settings: Settings) -> None:
        self._database = database
        self._vault = vault
        self._settings = settings

    def tell(self, due: Due) -> bool:
        """Sends one recipient what is due, or puts it off."""
        with self._database.read() as session:
            row = session.get(AlertRecipient, due.subject)
            later = _later(row) if row is not None else None
            notices = _due(session, due.subject) if row is not None and later is None else []
            texts = _with_alerts(session, notices)
        if row is not None and row.way == Way.EMAIL and later is None:
            began = _pairs(row, notices)
            wanted = [each for each in notices if each.id not in began]
            outcome = self._mail(row, wanted, texts) if wanted else None
            return self._database.patiently(lambda s: self._note(s, due, row.id, wanted, began, outcome))
        return self._database.patiently(lambda session: self._hand(session, due, later))

    def _mail(
        self, row: AlertRecipient, notices: Sequence[AlertNotice], texts: Mapping[int, letters.Line]
    ) -> AlertLetter:
        began, clocked = clock.now(), time.monotonic()
        subject, body = letters.write([texts[each.id] for each in notices], self._settings.app_url)
        fault = ""
        try:
            if self._settings.mail_server is None:
                raise mail.NotMailed(NO_MAIL)
            mail.send(self._settings.mail_server, self._vault.open_fields(row.address)["email"], subject, body)
        except mail.NotMailed as error:
            fault = error.message
        spent = int((time.monotonic() - clocked) * 1000)
        ids = [each.id for each in notices]
        return AlertLetter(recipient_id=row.id, at=began, milliseconds=spent, notices=ids, fault=fault)

    def _note(
        self,
        session: Session,
        due: Due,
        recipient_id: int,
        notices: Sequence[AlertNotice],
        over: frozenset[int],
        letter: AlertLetter | None,
    ) -> bool:
        row = _locked(session, due, recipient_id)
        moment = clock.now()
        known = select(AlertNotice).where(AlertNotice.id.in_([*over, *(each.id for each in notices)]))
        for each in session.scalars(known.with_for_update().execution_options(populate_existing=True)):
            if each.state != NoticeState.WAITING:
                continue
            if each.id in over:
                _end(each, NoticeState.DROPPED, "It began and ended while nothing was to be sent.", moment)
            elif letter is not None:
                _take(each, letter.fault, moment)
        if letter is not None:
            session.add(letter)
            if not letter.fault:
                row.told_at = moment
            else:
                log.warning("alert not mailed", extra={"row": recipient_id, "reason": letter.fault})
        if row.quiet_until is not None and row.quiet_until <= moment:
            row.quiet_until = None
        return _go_on(session, due, row)

    def _hand(self, session: Session, due: Due, later: datetime | None) -> bool:
        """For webhooks, and for whoever is not to be told now, or not any more."""
        row = _locked(session, due, due.subject) if session.get(AlertRecipient, due.subject) is not None else None
        if row is None or row.removed_at is not None:
            complete(session, [due.id])
            return True
        if (put_off := _later(row)) is not None or later is not None or row.way != Way.WEBHOOK:
            postpone(session, due, put_off or clock.now())
            return False
        moment = clock.now()
        notices = _due(session, row.id)
        pairs, said = _pairs(row, notices), _with_alerts(session, notices)
        for each in notices:
            if each.id in pairs:
                _end(each, NoticeState.DROPPED, "It began and ended while nothing was to be sent.", moment)
                continue
            told = _told(session, row, each, said[each.id])
            each.delivery_id = outbox.write(session, [told])[0]
            each.attempts = 1
            _end(each, NoticeState.HANDED, "", moment)
        if row.quiet_until is not None:
            row.quiet_until = None
        return _go_on(session, due, row)


def _locked(session: Session, due: Due, recipient_id: int) -> AlertRecipient:
    """The job's row first: whoever adds a notice touches it, so none is added between the look and the end."""
    session.execute(select(Job.id).where(Job.id == due.id).with_for_update()).all()
    wanted = select(AlertRecipient).where(AlertRecipient.id == recipient_id).with_for_update()
    return session.scalars(wanted.execution_options(populate_existing=True)).one()


def _later(row: AlertRecipient) -> datetime | None:
    """Until when nothing is sent there; None: now."""
    moment = clock.now()
    if row.quiet_until is not None and row.quiet_until > moment:
        return row.quiet_until
    paced = row.told_at + APART if row.told_at is not None and row.way == Way.EMAIL else None
    return paced if paced is not None and paced > moment else None


def _due(session: Session, recipient_id: int) -> Sequence[AlertNotice]:
    mine = AlertNotice.recipient_id == recipient_id, AlertNotice.state == NoticeState.WAITING
    wanted = select(AlertNotice).where(*mine, AlertNotice.next_at <= clock.now())
    return session.scalars(wanted.order_by(AlertNotice.id).limit(AT_ONCE)).all()


def _pairs(row: AlertRecipient, notices: Sequence[AlertNotice]) -> frozenset[int]:
    """Of what waited through a quiet time: what tells of incidents that both began and ended in it."""
    if row.quiet_until is None:
        return frozenset()
    over = {each.alert_id for each in notices if each.kind == NoticeKind.OVER}
    began = {each.alert_id for each in notices if each.kind == NoticeKind.BEGAN}
    return frozenset(each.id for each in notices if each.alert_id in over & began and each.alert_id is not None)


def _with_alerts(session: Session, notices: Sequence[AlertNotice]) -> dict[int, letters.Line]:
    wanted = {each.alert_id for each in notices if each.alert_id is not None}
    rows = session.execute(
        select(Alert, Location).outerjoin(Location, Location.id == Alert.location_id).where(Alert.id.in_(wanted))
    )
    known = {alert.id: (alert, place) for alert, place in rows} if wanted else {}
    found = {}
    for each in notices:
        alert, place = known.get(each.alert_id or 0, (None, None))
        found[each.id] = letters.Line(NoticeKind(each.kind), each.text, alert, place)
    return found


def _told(session: Session, row: AlertRecipient, notice: AlertNotice, line: letters.Line) -> Told:
    alert, place = line.alert, line.place
    data: dict[str, Any] = {"message": notice.text}
    if alert is not None:
        data = {
            "id": alert.id,
            "kind": alert.kind,
            "topic": topic_of(alert.kind).value,
            "subject": alert.subject,
            "text": notice.text,
            "began_at": alert.opened_at,
            "over_at": alert.closed_at if notice.kind == NoticeKind.OVER else None,
            "returns": alert.returns,
        }
    ghl_id = place.ghl_id if place is not None else ""
    assert row.subscription_id is not None
    location_id = alert.location_id if alert is not None else row.location_id
    return Told(row.subscription_id, EVENT[line.kind], location_id, ghl_id, "", data, clock.now())


def _take(notice: AlertNotice, fault: str, moment: datetime) -> None:
    notice.attempts += 1
    if not fault:
        _end(notice, NoticeState.SENT, "", moment)
    elif notice.attempts > len(SCHEDULE):
        _end(notice, NoticeState.GIVEN_UP, fault, moment)
    else:
        notice.note, notice.next_at = fault, moment + SCHEDULE[notice.attempts - 1]


def _end(notice: AlertNotice, state: NoticeState, note: str, moment: datetime) -> None:
    notice.state, notice.note, notice.ended_at = state.value, note, moment


def _go_on(session: Session, due: Due, row: AlertRecipient) -> bool:
    """Comes again for what still waits."""
    session.flush()
    mine = AlertNotice.recipient_id == row.id, AlertNotice.state == NoticeState.WAITING
    following: datetime | None = session.scalar(
        select(AlertNotice.next_at).where(*mine).order_by(AlertNotice.next_at).limit(1)
    )
    if following is None:
        complete(session, [due.id])
        return True
    postpone(session, due, max(following, _later(row) or following))
    return False
