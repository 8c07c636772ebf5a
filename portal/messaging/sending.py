"""Sending: fence, call, result. At most once without a person's say-so.

The fence and the result of many threads share transactions, but every thread waits for its own fence before it calls:
a kill leaves at most the calls in flight unknown. No transaction is open during a call.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import Accepted, Account, ChannelError, Outgoing, Scope
from portal.database import Database, in_short, is_away, is_conflict
from portal.group_commit import GroupCommit
from portal.http import HttpClient
from portal.logs import log_context
from portal.messaging import optouts
from portal.messaging.accounts import Accounts
from portal.messaging.fence import KEY_LIFE, Pass, open_fence
from portal.messaging.outbound import not_installed
from portal.messaging.receipts import lock_part
from portal.messaging.results import Result, end_message, hold_back, write_results
from portal.messaging.statuses import follow_parts, move_part
from portal.messaging.storable import storable
from portal.models import InstallState, Location, Part, Sender, SenderState, Status
from portal.queue.jobs import Due, complete, drop, postpone
from portal.writer_lock import Door

log = logging.getLogger(__name__)

WHO = "portal"
MOST_SEGMENTS = 1000
MOST_CONFLICTS = 10
# A repetition that may not be made now (its sender is paused) is looked at again after this.
DOUBT_WAIT = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class _Fence:
    due: Due


_Answer = Pass | bool | Exception | None


def _raised(answer: _Answer) -> Pass | bool | None:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _clean(accepted: Accepted) -> Accepted:
    """A provider's odd answer must not keep the results of others from being written."""
    segments = min(max(accepted.segments, 0), MOST_SEGMENTS)
    return Accepted(storable(accepted.external_id, 200), segments, storable(accepted.code, 64))


class Outbox:
    """Carries out `send` jobs. One per process; its threads share commits."""

    def __init__(self, database: Database, http: HttpClient, accounts: Accounts) -> None:
        self._database = database
        self._http = http
        self._accounts = accounts
        self._group: GroupCommit[_Fence | Result, _Answer] = GroupCommit(self._commit)

    def send(self, due: Due) -> bool:
        """Sends one part; True when its lane may go on to the next."""
        passed = self._submit(_Fence(due))
        if passed is False:
            return False  # another thread is at it: it was claimed a second time when its lease had ended
        if not isinstance(passed, Pass):
            return self._turned_away(due)
        with log_context(message_id=passed.message_uuid, location_id=passed.location_id, sender_id=passed.sender_id):
            result = self._call(due, passed)
            return self._write(result)

    def _write(self, result: Result) -> bool:
        """The call was made: what it came to must reach the disk, however long the database is away."""
        pause = 0.05
        while True:
            try:
                return bool(self._submit(result))
            except (SQLAlchemyError, TimeoutError) as error:
                if not is_away(error):
                    raise
                facts = {"attempt": result.passed.attempt, "error": in_short(error)}
                log.warning("database away, a result waits", extra=facts)
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _submit(self, item: _Fence | Result) -> Pass | bool | None:
        """What came of it, once it is durable. A group that was ended for another's sake is committed again."""
        for _ in range(MOST_CONFLICTS):
            try:
                return _raised(self._group.submit(item))
            except SQLAlchemyError as error:
                if not is_conflict(error):
                    raise
        return _raised(self._group.submit(item))

    def _call(self, due: Due, passed: Pass) -> Result:
        channel = registry.get(passed.channel)
        outgoing = Outgoing(passed.to, passed.body, passed.idempotency_key, passed.attachments)
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
        outcome = self._outcome(passed, outgoing, known.account)
        return Result(due, passed, outcome, channel.idempotent, channel.polls, counts)

    def _outcome(self, passed: Pass, outgoing: Outgoing, account: Account) -> Accepted | ChannelError:
        try:
            return _clean(registry.get(passed.channel).send(self._http, account, outgoing))
        except ChannelError as error:
            error.code, error.message = storable(error.code, 64), storable(error.message, 1000)
            log.warning(
                "send not accepted",
                extra={"code": error.code, "unknown": error.unknown, "retry": error.retry, "reason": error.message},
            )
            return error
        except Exception:
            # A fault of our own after the call may have been made: only `unknown` is honest.
            log.exception("channel failed")
            return ChannelError("The portal failed during the call; see its log.", unknown=True, code="internal")

    def _commit(self, items: Sequence[_Fence | Result]) -> Sequence[_Answer]:
        try:
            return self._commit_together(items)
        except SQLAlchemyError as error:
            if is_away(error):
                raise
            # One item that the database refuses must not take the others with it.
            log.warning("a group is committed one by one", extra={"error": type(error).__name__})
            return [self._commit_alone(item) for item in items]

    def _commit_together(self, items: Sequence[_Fence | Result], *, singly: bool = False) -> Sequence[_Answer]:
        fences = [item.due.subject for item in items if isinstance(item, _Fence)]
        results = [item for item in items if isinstance(item, Result)]
        with self._database.write(door=Door.CALL) as session:
            go_on = write_results(session, results, singly=singly) if results else {}
            passes = open_fence(session, fences) if fences else {}
        # Each pass is for one call: who comes for a part that another has got just now, gets False.
        handed = dict.fromkeys(passes, False)
        return [
            go_on.get(item.due.id, False)
            if isinstance(item, Result)
            else passes.pop(item.due.subject, handed.get(item.due.subject))
            for item in items
        ]

    def _commit_alone(self, item: _Fence | Result) -> _Answer:
        try:
            return self._commit_together([item], singly=True)[0]
        except SQLAlchemyError as error:
            return error

    def _turned_away(self, due: Due) -> bool:
        """The fence did not open: find out why, and give the message the state it deserves."""
        with self._database.write() as session:
            message_id = session.scalar(select(Part.message_id).where(Part.id == due.subject))
            if message_id is None:
                complete(session, [due.id])
                return True
            part = lock_part(session, message_id, due.subject)
            if part.status in (Status.SENDING, Status.UNKNOWN):
                if self._may_repeat_later(session, part):
                    postpone(session, due, clock.now() + DOUBT_WAIT, "its sender is held back")
                    return False
                self._interrupted(session, part)
            elif part.status == Status.QUEUED:
                return self._refused(session, due, part)
            complete(session, [due.id])
            drop(session, "send", [part.id])
        return True

    def _may_repeat_later(self, session: Session, part: Part) -> bool:
        """Its key is good still, and only a pause or the installation keeps it from being asked again."""
        sender = session.get_one(Sender, part.message.sender_id)
        location = session.get_one(Location, part.message.location_id)
        free = sender.state == SenderState.ACTIVE and location.install_state == InstallState.INSTALLED
        fresh = part.key_round_at is not None and part.key_round_at > clock.now() - KEY_LIFE
        return registry.get(sender.channel).idempotent and fresh and not free and sender.state != SenderState.REMOVED

    def _interrupted(self, session: Session, part: Part) -> None:
        """Its process ended during the call, or its key is too old to be repeated: a receipt or a person decides."""
        detail = "The portal stopped during the call to the provider: it may have gone out."
        if part.status == Status.SENDING and move_part(session, part, Status.UNKNOWN, who=WHO, detail=detail):
            follow_parts(session, part.message, who=WHO, detail=detail)

    def _refused(self, session: Session, due: Due, part: Part) -> bool:
        message = part.message
        location = session.get_one(Location, message.location_id)
        sender = session.get_one(Sender, message.sender_id)
        if optouts.opted_out(session, message.location_id, message.family, message.address):
            detail = "The contact has opted out: nothing is sent until they write START."
            end_message(session, part, Status.FAILED, WHO, "opted_out", detail)
        elif message.expires_at is not None and message.expires_at <= clock.now():
            detail = f"It could not go out in time. {message.reason or part.detail}".strip()
            end_message(session, part, Status.EXPIRED, WHO, "expired", detail)
        elif location.install_state != InstallState.INSTALLED:
            hold_back(session, due, part, not_installed(location))
        elif sender.state == SenderState.REMOVED:
            detail = f"The sender {sender.name} was removed before this went out."
            end_message(session, part, Status.FAILED, WHO, "sender_removed", detail)
        elif sender.state == SenderState.PAUSED:
            hold_back(session, due, part, f"{sender.name} is paused: resume it, and this goes out.")
        elif message.status not in (Status.QUEUED, Status.SENDING, Status.UNKNOWN):
            complete(session, [due.id])
        else:
            return False  # it opened meanwhile: the next claim tries again
        return True
