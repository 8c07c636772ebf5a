"""Sending: fence, call, result. At most once without a person's say-so.

The fence and the result of many threads share transactions, but every thread waits for its own fence before it calls:
a kill leaves at most the calls in flight unknown. No transaction is open during a call.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal import clock, recording
from portal.channels import reading, registry
from portal.channels.base import Accepted, Account, Channel, ChannelError, Outgoing, Scope
from portal.channels.capabilities import SendsKinds, limits_of, wants_files_described
from portal.channels.content import AddressKind, File, Kind
from portal.database import Database, in_short, is_away, is_conflict
from portal.group_commit import GroupCommit
from portal.http import HttpClient
from portal.logs import log_context
from portal.messaging import line_states, marketing_pauses, optouts, template_sending, windows
from portal.messaging.accounts import Accounts
from portal.messaging.fence import KEY_LIFE, Cargo, Opened, Pass, let_through
from portal.messaging.kinds import content_of
from portal.messaging.locks import lock_whole
from portal.messaging.looking import Looker
from portal.messaging.media import key_in, public_address
from portal.messaging.not_installed import why_not_installed
from portal.messaging.outcomes import Result, clean_outcome
from portal.messaging.receipts import match_by_key
from portal.messaging.releasing import release_conversations
from portal.messaging.results import end_message, hold_back, write_results
from portal.messaging.statuses import FINAL, follow_parts, move_part
from portal.models import FailoverPolicy, InstallState, Location, Message, Part, Sender, SenderState, Status
from portal.queue.jobs import Due, complete, drop, postpone
from portal.queue.turn import Turn
from portal.writer_lock import Door

log = logging.getLogger(__name__)

WHO = "portal"
MOST_CONFLICTS = 10
# A repetition that may not be made now (its sender is paused) is looked at again after this.
DOUBT_WAIT = timedelta(seconds=3)


# A part's files as its provider gets them, or why they cannot be sent.
_Files = Sequence[File] | ChannelError
_Looked = tuple[Cargo, _Files]


@dataclass(frozen=True, slots=True)
class _Step:
    """What a thread wants committed: the result of its last call, if there was one, and the fence of its next.

    `looked`: the files of the next were looked at.
    """

    result: Result | None
    next: Due | None
    looked: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    """May the lane go on after the result, and was the next one let through? `opened`: for this call or for another.

    `cargo`: its files come first.
    """

    go_on: bool
    passed: Pass | None = None
    opened: bool = False
    cargo: Cargo | None = None


def _outgoing(passed: Pass, channel: Channel, files: Sequence[File]) -> Outgoing:
    return Outgoing(
        passed.to,
        passed.body,
        passed.idempotency_key,
        files,
        AddressKind(passed.to_kind),
        passed.quotes if isinstance(channel, SendsKinds) and channel.quotes else "",
        content_of(passed.kind, passed.details),
    )


class Outbox:
    """Carries out `send` jobs. One per process; its threads share commits."""

    def __init__(self, database: Database, http: HttpClient, accounts: Accounts, looker: Looker) -> None:
        self._database = database
        self._http = http
        self._accounts = accounts
        self._looker = looker
        self._group: GroupCommit[_Step, _Answer | SQLAlchemyError] = GroupCommit(self._commit)

    def send(self, due: Due) -> bool:
        """Sends one part; True when its lane may go on to the next."""
        turn = Turn([due])
        return self._go(turn)

    def work(self, turn: Turn) -> None:
        """Sends the parts of one lane, as far as they let each other pass."""
        self._go(turn)

    def _go(self, turn: Turn) -> bool:
        """A result is committed together with the next part's fence: one wait for the disk instead of two."""
        due, answer = turn.due, _Answer(True)
        while due is not None:
            looked: _Looked | None = None
            if not answer.opened:
                answer = self._submit(_Step(None, due))
                if answer.cargo is not None:
                    looked = answer.cargo, self._look(due, answer.cargo)
                    answer = self._submit(_Step(None, due, looked=True))
            if (passed := answer.passed) is not None:
                call = {"message_id": passed.message_uuid, "location_id": passed.location_id}
                with log_context(**call, sender_id=passed.sender_id):
                    answer = self._write(self._call(due, passed, looked), following := turn.following)
            elif answer.opened:
                return False  # another thread is at it: it was claimed a second time when its lease had ended
            else:
                answer = _Answer(self._turned_away(due))
            turn.advance()
            if not answer.go_on:
                return False
            # One that was let through is called even when the worker drains: its call counts as begun.
            due = following if answer.passed is not None else turn.due
        return True

    def _submit(self, step: _Step) -> _Answer:
        """What came of it, once it is durable. A group that was ended for another's sake is committed again."""
        for _ in range(MOST_CONFLICTS):
            try:
                return self._submit_once(step)
            except SQLAlchemyError as error:
                if not is_conflict(error):
                    raise
        return self._submit_once(step)

    def _submit_once(self, step: _Step) -> _Answer:
        answer = self._group.submit(step)
        if isinstance(answer, SQLAlchemyError):
            raise answer
        return answer

    def _write(self, result: Result, following: Due | None) -> _Answer:
        """The call was made: what it came to must reach the disk, however long the database is away."""
        pause = 0.05
        while True:
            try:
                return self._submit(_Step(result, following))
            except (SQLAlchemyError, TimeoutError) as error:
                if not is_away(error):
                    raise
                facts = {"attempt": result.passed.attempt, "error": in_short(error)}
                log.warning("database away, a result waits", extra=facts)
            following = None  # the lane is given back: a fence is not asked for twice
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _call(self, due: Due, passed: Pass, looked: _Looked | None) -> Result:
        channel = registry.get(passed.channel)
        counts = False
        outcome: Accepted | ChannelError
        try:
            known = self._accounts.get(passed.sender_id)
            counts = known.acceptance_counts
        except Exception as error:
            log.exception("sender cannot be used")
            text = f"The sender's credentials cannot be used: {type(error).__name__}. Enter them again."
            outcome = ChannelError(text, scope=Scope.SENDER, retry=True)
            return Result(due, passed, outcome, channel.idempotent, channel.polls, counts)
        files = self._files(due, passed, looked)
        if isinstance(files, ChannelError):
            return Result(due, passed, files, channel.idempotent, channel.polls, counts)
        # Whoever knows one of these may speak as the provider, or has the file.
        keys = [key_in(self._looker.app_url, file.url) for file in files]
        keys.append(known.account.webhook_url.rpartition("/")[2])
        with recording.calls(known.account.credentials, keys) as heard:
            outcome = self._outcome(passed, _outgoing(passed, channel, files), known.account)
        asks = reading.polls(channel, known.account.credentials)
        return Result(due, passed, outcome, channel.idempotent, asks, counts, heard=heard)

    def _stale(self, cargo: Cargo) -> ChannelError | None:
        """Why a template is not what it was when it was queued, which may be long ago. Nothing went out."""
        if cargo.kind != Kind.TEMPLATE:
            return None
        try:
            with self._database.read() as session:
                sender = session.get_one(Sender, cargo.sender_id)
                why = template_sending.refusal(session, sender, session.get_one(Message, cargo.message_id))
        except Exception as error:
            log.exception("a template cannot be looked at")
            return ChannelError(f"Its template cannot be looked at ({type(error).__name__}).", retry=True)
        return ChannelError(why, code="unfit") if why else None

    def _files(self, due: Due, passed: Pass, looked: _Looked | None) -> _Files:
        if looked is None:
            return self._as_they_are(passed.attachments)
        cargo, files = looked
        # A copy that one sender has given its provider is nothing to another's.
        if (cargo.attachments, cargo.sender_id) == (passed.attachments, passed.sender_id):
            return files
        # It was cut anew meanwhile, or has another sender.
        now = replace(cargo, attachments=passed.attachments, sender_id=passed.sender_id, channel=passed.channel)
        return self._look(due, now)

    def _as_they_are(self, attachments: Sequence[str]) -> Sequence[File]:
        return [File(public_address(self._looker.app_url, each)) for each in attachments]

    def _look(self, due: Due, cargo: Cargo) -> _Files:
        """The part's files as its channel wants them, or the error when they or its template cannot be sent.

        Nothing has gone out. Also when looking itself fails: the same part is tried again.
        """
        if (stale := self._stale(cargo)) is not None:
            return stale
        if not wants_files_described(registry.get(cargo.channel)):
            return self._as_they_are(cargo.attachments)
        try:
            return self._looker.describe(cargo, limits_of(registry.get(cargo.channel)), due.attempts)
        except ChannelError as error:
            log.info("file not sent", extra={"code": error.code, "retry": error.retry, "reason": error.message})
            return error
        except Exception as error:
            log.exception("files cannot be looked at")
            return ChannelError(f"Its files cannot be looked at ({type(error).__name__}).", retry=True)

    def _outcome(self, passed: Pass, outgoing: Outgoing, account: Account) -> Accepted | ChannelError:
        try:
            return clean_outcome(registry.get(passed.channel).send(self._http, account, outgoing))
        except ChannelError as error:
            clean_outcome(error)
            log.warning(
                "send not accepted",
                extra={"code": error.code, "unknown": error.unknown, "retry": error.retry, "reason": error.message},
            )
            return error
        except Exception:
            # A fault of our own after the call may have been made: only `unknown` is honest.
            log.exception("channel failed")
            return ChannelError("The portal failed during the call; see its log.", unknown=True, code="internal")

    def _commit(self, steps: Sequence[_Step]) -> Sequence[_Answer | SQLAlchemyError]:
        try:
            return self._commit_together(steps)
        except SQLAlchemyError as error:
            if is_away(error):
                raise
            # One item that the database refuses must not take the others with it.
            log.warning("a group is committed one by one", extra={"error": type(error).__name__})
            return [self._commit_alone(step) for step in steps]

    def _commit_together(self, steps: Sequence[_Step], *, singly: bool = False) -> Sequence[_Answer]:
        results = [step.result for step in steps if step.result is not None]
        with self._database.write(door=Door.CALL) as session:
            go_on = write_results(session, results, singly=singly) if results else {}
            after = [step.result is None or go_on.get(step.result.due.id, False) for step in steps]
            wanted = [step.next.subject for step, free in zip(steps, after, strict=True) if step.next and free]
            session.flush()
            looked = [step.next.subject for step in steps if step.next and step.looked]
            opened = let_through(session, wanted, looked=looked) if wanted else Opened({}, {})
        passes, handed = opened.passes, set(opened.passes)
        # Each pass is for one call: who comes for a part that another thread has got just now goes away again.
        return [
            _Answer(
                free,
                passes.pop(step.next.subject, None),
                step.next.subject in handed,
                opened.cargoes.get(step.next.subject),
            )
            if step.next and free
            else _Answer(free)
            for step, free in zip(steps, after, strict=True)
        ]

    def _commit_alone(self, step: _Step) -> _Answer | SQLAlchemyError:
        """Without the fence of the next, which is asked for again: a result must not hang on it."""
        alone = step if step.result is None else _Step(step.result, None)
        try:
            return self._commit_together([alone], singly=True)[0]
        except SQLAlchemyError as error:
            return error

    def _turned_away(self, due: Due) -> bool:
        """The fence did not open: find out why, and give the message the state it deserves."""
        with self._database.write() as session:
            message_id = session.scalar(select(Part.message_id).where(Part.id == due.subject))
            if message_id is None:
                complete(session, [due.id])
                return True
            _, message = lock_whole(session, message_id)
            part = next(each for each in message.parts if each.id == due.subject)
            if part.status in (Status.SENDING, Status.UNKNOWN):
                if self._may_repeat_later(session, part):
                    postpone(session, due, clock.now() + DOUBT_WAIT, "its sender is held back")
                    return False
                self._interrupted(session, part)
            elif part.status == Status.QUEUED:
                return self._refused(session, due, part)
            complete(session, [due.id])
            if part.status != Status.QUEUED:  # else a receipt has given it a new turn, with a job of its own
                drop(session, "send", [part.id])
        return True

    def _may_repeat_later(self, session: Session, part: Part) -> bool:
        """Its key is good still, and only a pause or the installation keeps it from being asked again."""
        sender = session.get_one(Sender, part.message.sender_id)
        location = session.get_one(Location, part.message.location_id)
        free = line_states.may_send(sender) and location.install_state == InstallState.INSTALLED
        fresh = part.key_round_at is not None and part.key_round_at > clock.now() - KEY_LIFE
        return registry.get(sender.channel).idempotent and fresh and not free and sender.state != SenderState.REMOVED

    def _interrupted(self, session: Session, part: Part) -> None:
        """Its process ended during the call, or its key is too old to be repeated: a receipt or a person decides."""
        detail = "The portal stopped during the call to the provider: it may have gone out."
        if part.status == Status.SENDING and move_part(session, part, Status.UNKNOWN, who=WHO, detail=detail):
            follow_parts(session, part.message, who=WHO, detail=detail)
            match_by_key(session, part)

    def _refused(self, session: Session, due: Due, part: Part) -> bool:
        message = part.message
        location = session.get_one(Location, message.location_id)
        sender = session.get_one(Sender, message.sender_id)
        if message.status in FINAL:
            end_message(session, part, Status.CANCELLED, WHO, "", message.reason)
        elif message.status not in (Status.QUEUED, Status.SENDING, Status.UNKNOWN):
            complete(session, [due.id])  # held meanwhile
        elif opted_out := optouts.stops(session, message):
            end_message(session, part, Status.FAILED, WHO, optouts.CODE, opted_out)
        elif message.expires_at is not None and message.expires_at <= clock.now():
            detail = f"It could not go out in time. {message.reason or part.detail}".strip()
            end_message(session, part, Status.EXPIRED, WHO, "expired", detail)
        elif location.install_state != InstallState.INSTALLED:
            hold_back(session, due, part, why_not_installed(session, location))
        elif sender.state == SenderState.REMOVED and message.status != Status.QUEUED:
            detail = f"The sender {sender.name} was removed before this went out."
            end_message(session, part, Status.FAILED, WHO, "sender_removed", detail)
        elif sender.state == SenderState.REMOVED:
            hold_back(session, due, part, f"{sender.name} was removed: another sender is looked for.")
            release_conversations(session, location.id, [message.conversation_id])
        elif not line_states.may_send(sender):
            hold_back(session, due, part, f"{sender.name} {line_states.sentence(sender)}")
            if location.failover != FailoverPolicy.HOLD:
                release_conversations(session, location.id, [message.conversation_id])
        elif closed := windows.why_closed(session, message, sender, message.address, message.address_kind):
            end_message(session, part, Status.FAILED, WHO, windows.CODE, closed)
        elif paused := marketing_pauses.why(session, message, message.address, message.address_kind):
            end_message(session, part, Status.FAILED, WHO, marketing_pauses.CODE, paused)
        else:
            postpone(session, due, clock.now() + DOUBT_WAIT, "what kept it back is gone")
            return False
        return True
