"""Into HighLevel, at least once: statuses of its own messages, and messages that began outside it.

These calls have no time-to-live. They wait out a dead token, keep the order of their lane, and after an unknown
outcome look whether the message is there before they post it again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from portal import clock
from portal.alerts.notices import GHL_WAITS, STATUS_REFUSED, close_alert, raise_alert
from portal.config import Settings
from portal.credits import refusals
from portal.database import Database
from portal.ghl.client import GhlClient, StatusFault
from portal.ghl.errors import GhlError, Kind
from portal.ghl.transport import RateLimit
from portal.http import HttpClient
from portal.installations import scopes
from portal.installations.lifecycle import grant_of
from portal.installations.tokens import NoToken, Tokens
from portal.messaging import contacts, dnd, dnd_heard, ghl_contacts, ghl_thread, telling
from portal.messaging.ghl_files import GhlFiles, Place
from portal.messaging.outbound import TO_BE_LOGGED, push_status
from portal.messaging.statuses import FINAL, SENTENCES, ghl_status
from portal.models import Contact, Conversation, Direction, GrantKind, Job, Location, Message, Status
from portal.queue import gates
from portal.queue.jobs import Due, complete, postpone

log = logging.getLogger(__name__)

# HighLevel stores a message 5 to 10 seconds after its delivery webhook, sometimes later (highlevel-api-docs issue 4).
TOO_EARLY_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(hours=72)
# Refusals that time will hardly cure; they are tried for GIVE_UP_AFTER all the same.
STUBBORN = (Kind.INVALID, Kind.NOT_FOUND, Kind.NO_ACCESS, Kind.NO_SCOPE, Kind.TOO_EARLY)
# Refusals of this one message; its contact may have been deleted.
OWN_FAULTS = (Kind.INVALID, Kind.NOT_FOUND)
# A person is told when HighLevel has not taken something for so long.
TELL_AFTER = timedelta(minutes=15)
# So often a status is tried at short intervals, while HighLevel stores its message.
EARLY_TRIES = 20


@dataclass(frozen=True, slots=True)
class _Posting:
    message: Message
    contact: Contact
    conversation: Conversation
    person: ghl_contacts.Person
    text: str
    provider_id: str


class IntoGhl:
    """Carries out `push_status` and `post_message` jobs."""

    def __init__(
        self, database: Database, settings: Settings, http: HttpClient, tokens: Tokens, files: GhlFiles
    ) -> None:
        self._database = database
        self._settings = settings
        self._http = http
        self._tokens = tokens
        self._files = files

    def push_status(self, due: Due) -> bool:
        """Tells HighLevel the newest status of a message, unless it knows it."""
        with self._database.read() as session:
            message = session.get(Message, due.subject, options=[joinedload(Message.sender)])
            location = session.get(Location, message.location_id) if message else None
        if message is None or location is None or not message.ghl_message_id:
            return self._done(due)
        wanted = _wanted(message)
        unpaid = message.status == Status.HELD and message.reason in refusals.ALL
        if wanted == message.pushed_status and not unpaid:
            return self._pushed(due, message, wanted)
        fault = _fault(message) if wanted == "failed" or unpaid else None
        ghl_id = message.ghl_message_id
        return self.call(
            due,
            location,
            lambda ghl, token: ghl.update_status(token, ghl_id, wanted, fault),
            lambda _: self._pushed(due, message, wanted),
        )

    def post_message(self, due: Due) -> bool:
        """Adds a message that began outside HighLevel to its conversation there."""
        posting, location = self._posting(due.subject)
        if posting is None or location is None or posting.message.ghl_message_id:
            return self._done(due)
        if self._files.wait(due, posting.message):
            return False
        return self.call(
            due,
            location,
            lambda ghl, token: self._post(ghl, token, location, posting),
            lambda ghl_message_id: self._posted(due, posting, ghl_message_id),
        )

    def call(
        self,
        due: Due,
        location: Location,
        call: Callable[[GhlClient, str], str | None],
        then: Callable[[str], bool],
    ) -> bool:
        """One piece of work with the location's token; a token that HighLevel refuses is renewed once."""
        ghl = GhlClient(self._http, self._settings.ghl_api_url, self._note_limit(due))
        try:
            token = self._tokens.for_location(location.ghl_id)
            try:
                answer = call(ghl, token)
            except GhlError as error:
                if error.kind is not Kind.TOKEN_REJECTED:
                    raise
                answer = call(ghl, self._tokens.for_location(location.ghl_id, rejected=token))
        except NoToken as error:
            return self._wait_for_token(due, error)
        except GhlError as error:
            return self._refused(due, location, error)
        done = then(answer or "")
        if due.gate_failures:
            with self._database.write() as session:
                gates.reopen(session, [due.gate])
        return done

    def _post(self, ghl: GhlClient, token: str, location: Location, posting: _Posting) -> str:
        try:
            return self._post_once(ghl, token, location, posting)
        except GhlError as error:
            if error.kind not in OWN_FAULTS or not self._forget_gone(ghl, token, location, posting):
                raise
        fresh, _ = self._posting(posting.message.id)
        assert fresh is not None  # messages are never deleted
        return self._post_once(ghl, token, location, fresh)

    def _post_once(self, ghl: GhlClient, token: str, location: Location, posting: _Posting) -> str:
        contact_id = posting.contact.ghl_contact_id or self._find_contact(ghl, token, location, posting)
        conversation_id = posting.conversation.ghl_conversation_id or ""
        if not conversation_id:
            conversation_id = ghl.find_or_create_conversation(token, location.ghl_id, contact_id).id
            self._remember_conversation(posting, conversation_id)
        message = posting.message
        place = Place(token, location.ghl_id, contact_id, conversation_id)
        told = self._files.told(ghl, message, posting.text, place)
        alt_id, providers = message.external_id or message.uuid, self._settings.ghl_providers
        if message.echo_state == "open":
            since = message.created_at
            found = ghl_thread.find(ghl, self._database, place, message, told, alt_id=alt_id, since=since)
            if found:
                return found
        self._open_echo(message)
        try:
            return ghl_thread.add(
                ghl, place, message, told, provider_id=posting.provider_id, providers=providers, alt_id=alt_id
            )
        except GhlError as error:
            if error.kind not in (Kind.UNKNOWN, Kind.SERVER):
                self._close_echo(message)  # refused for certain: nothing has to wait for its id
            raise

    def _find_contact(self, ghl: GhlClient, token: str, location: Location, posting: _Posting) -> str:
        found = ghl_contacts.find(ghl, token, location, posting.person)
        with self._database.write() as session:
            contact = session.get_one(Contact, posting.contact.id, with_for_update=True)
            known = contacts.identify(session, contacts.follow(session, contact), found.id)
            dnd_heard.hear(session, known, found.dnd, clock.now())
        return found.id

    def _forget_gone(self, ghl: GhlClient, token: str, location: Location, posting: _Posting) -> bool:
        """Forgets a contact or a thread that was deleted in HighLevel, so that it is looked up anew; True when it was.

        A refusal alone proves nothing: only what HighLevel does not know any more when it is asked for is gone.
        """
        contact_id, thread_id = posting.contact.ghl_contact_id, posting.conversation.ghl_conversation_id
        if not contact_id:
            return False
        there = _knows_contact(ghl, token, contact_id)
        if there:
            thread = ghl.find_conversation(token, location.ghl_id, contact_id) if thread_id else None
            if not thread_id or (thread is not None and thread.id == thread_id):
                return False
        with self._database.write() as session:
            contact = session.get_one(Contact, posting.contact.id, with_for_update=True)
            if not there and contact.ghl_contact_id == contact_id:
                contact.ghl_contact_id = None
                dnd.forget(session, contact)
            session.get_one(Conversation, posting.conversation.id).ghl_conversation_id = None
        log.info("gone from HighLevel, looked up anew", extra={"contact": posting.contact.id, "there": there})
        return True

    def _remember_conversation(self, posting: _Posting, conversation_id: str) -> None:
        with self._database.write() as session:
            session.get_one(Conversation, posting.conversation.id).ghl_conversation_id = conversation_id

    def _open_echo(self, message: Message) -> None:
        """On disk before the call: until the id is known, a delivery for this contact may be our own message."""
        with self._database.write() as session:
            session.get_one(Message, message.id).echo_state = "open"

    def _close_echo(self, message: Message) -> None:
        state = TO_BE_LOGGED if message.direction == Direction.OUT else ""
        with self._database.write() as session:
            session.get_one(Message, message.id).echo_state = state

    def _posting(self, message_id: int) -> tuple[_Posting | None, Location | None]:
        with self._database.read() as session:
            message = session.get(Message, message_id)
            if message is None:
                return None, None
            location = session.get_one(Location, message.location_id)
            conversation = session.get_one(Conversation, message.conversation_id)
            contact = session.get_one(Contact, conversation.contact_id)
            person = ghl_contacts.person_of(session, contact, message)
            text = telling.text_of(session, message)
        provider = ghl_thread.provider_of(location, self._settings.ghl_providers)
        return _Posting(message, contact, conversation, person, text, provider), location

    def _posted(self, due: Due, posting: _Posting, ghl_message_id: str) -> bool:
        with self._database.write() as session:
            message = session.get_one(Message, posting.message.id, with_for_update=True)
            message.ghl_message_id = ghl_message_id
            message.echo_state = "done"
            message.pushed_at = clock.now()
            message.push_failure = ""
            push_status(session, message)
            self._over(session, due, message.location_id)
            complete(session, [due.id])
        return True

    def _pushed(self, due: Due, message: Message, told: str) -> bool:
        """Done, unless the status moved during the call: then the same job goes again with the newer one."""
        with self._database.write() as session:
            row = _locked(session, message.id)
            if row.pushed_status != told:
                row.pushed_status, row.pushed_at, row.push_failure = told, clock.now(), ""
            self._over(session, due, row.location_id)
            if _wanted(row) != told:
                postpone(session, due, clock.now())
                return False
            complete(session, [due.id])
        return True

    def _over(self, session: Session, due: Due, location_id: int) -> None:
        """Closes the alert once HighLevel has taken the last of what it did not take for long."""
        if clock.now() - due.created_at < TELL_AFTER:
            return
        others = Job.gate == due.gate, Job.created_at < clock.now() - TELL_AFTER, Job.attempts > 0, Job.id != due.id
        if session.scalar(select(Job.id).where(*others).limit(1)) is None:
            close_alert(session, GHL_WAITS, session.get_one(Location, location_id).ghl_id)

    def _done(self, due: Due) -> bool:
        with self._database.write() as session:
            complete(session, [due.id])
        return True

    def _wait_for_token(self, due: Due, error: NoToken) -> bool:
        with self._database.write() as session:
            until = error.retry_at or clock.now() + timedelta(minutes=10)
            # Everything of the location waits; a new installation opens the gate at once.
            gates.block(session, due.gate, error.message, seconds=(until - clock.now()).total_seconds(), count=False)
            self._note_failure(session, due, error)
            postpone(session, due, clock.now() + timedelta(seconds=1), error.message)
        return False

    def _refused(self, due: Due, location: Location, error: GhlError) -> bool:
        if error.kind is Kind.LOCATION_INACTIVE:
            return self._wait_for_token(due, NoToken(error.message, self._tokens.note_inactive(location.ghl_id)))
        with self._database.write() as session:
            self._note_failure(session, due, error)
            if error.kind is Kind.NO_SCOPE:
                grant = grant_of(session, GrantKind.LOCATION, location.ghl_id)
                scopes.refused(session, grant, location, error.message)
            waited = clock.now() - due.created_at
            if waited > TELL_AFTER:
                text = f"HighLevel has not taken what it is told for {waited // timedelta(minutes=1)} minutes."
                raise_alert(session, GHL_WAITS, location.ghl_id, f"{text} {error.message}", location.id)
            if due.kind == "push_status" and error.kind in STUBBORN and waited > GIVE_UP_AFTER:
                text = f"HighLevel has refused what it was told for three days. {error.message}"
                raise_alert(session, STATUS_REFUSED, location.ghl_id, text, location.id)
                self._over(session, due, location.id)
                complete(session, [due.id])
                return True
            if error.kind is Kind.RATE_LIMITED:
                gates.block(session, due.gate, error.message, seconds=error.retry_after or 10.0, count=False)
            elif error.kind in (Kind.NOT_SENT, Kind.SERVER):
                gates.block(session, due.gate, error.message, seconds=None)
            elif error.kind is Kind.UNKNOWN:
                gates.count_fault(session, due.gate, error.message)
            wait = timedelta(seconds=2.0 ** min(due.attempts, 12))
            if error.kind is Kind.TOO_EARLY and due.attempts < EARLY_TRIES:
                wait = TOO_EARLY_WAIT
            # What HighLevel refuses for its own sake does not keep the rest of its conversation waiting.
            own_fault = due.kind != "push_status" and error.kind in OWN_FAULTS and waited > TELL_AFTER
            lane = aside(due) if own_fault else None
            postpone(session, due, clock.now() + min(wait, LONGEST_WAIT), error.message, lane=lane)
        return False

    def _note_failure(self, session: Session, due: Due, error: GhlError | NoToken) -> None:
        message = session.get(Message, due.subject)
        if message is None:
            return
        message.push_failure = error.message

    def _note_limit(self, due: Due) -> Callable[[RateLimit], None]:
        def note(limit: RateLimit) -> None:
            if limit.daily_remaining == 0 or limit.remaining == 0:
                seconds = 600.0 if limit.daily_remaining == 0 else (limit.interval_ms or 10_000) / 1000
                with self._database.write() as session:
                    gates.block(
                        session, due.gate, "HighLevel's request limit is used up.", seconds=seconds, count=False
                    )

        return note


def aside(due: Due) -> str:
    """The lane of what steps out of its conversation's lane: of one message, with its late files behind it."""
    return f"aside:in:{due.subject}"


def _knows_contact(ghl: GhlClient, token: str, contact_id: str) -> bool:
    try:
        ghl.get_contact(token, contact_id)
    except GhlError as error:
        if error.kind is Kind.NOT_FOUND:
            return False
        raise
    return True


def _locked(session: Session, message_id: int) -> Message:
    wanted = select(Message).where(Message.id == message_id).with_for_update(of=Message)
    return session.scalars(wanted.options(joinedload(Message.sender))).unique().one()


def _wanted(message: Message) -> str:
    sender = message.sender
    # What a sandbox key "accepts" goes nowhere, so it can never count as delivered.
    counts = sender is not None and sender.acceptance_counts and not sender.sandbox
    told = ghl_status(message.status, counts)
    # What was delivered by acceptance may have got lost and wait for its next turn: it is over when that is.
    return message.pushed_status or told if told == "pending" else told


def _fault(message: Message) -> StatusFault:
    sentence = message.reason or SENTENCES[Status(message.status)]
    code = message.error_code or (message.status if message.status in FINAL else refusals.CODE)
    return {"code": code, "type": "sendero", "message": sentence[:500]}
