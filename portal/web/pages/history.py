"""A message's path as steps in words, in the reader's language: a pure reading of its rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from flask_babel import gettext

from portal.channels.base import Outcome
from portal.messaging import composing, holding, resending
from portal.messaging.statuses import FINAL, SENTENCES
from portal.models import Attempt, Direction, Gate, Job, Message, ReceiptRow, Status, StatusChange
from portal.web.languages import translated
from portal.web.pages import words
from portal.web.pages.queries.messages import Path

GOOD, BAD, WAIT, PLAIN = "good", "bad", "wait", "plain"
# What a person did that moved nothing.
_TOLD = {resending.RESENT: "Sent again.", holding.RELEASED: "Let go.", holding.HELD: "Held back."}
_TONES = {
    Status.DELIVERED: GOOD,
    Status.READ: GOOD,
    Status.HELD: WAIT,
    Status.UNKNOWN: WAIT,
    Status.FAILED: BAD,
    Status.EXPIRED: BAD,
}

# Who moved a message, where it was no person.
_WHO: Mapping[str, str] = {
    "portal": "portal",
    "the portal": "the portal",
    "restore": "restore",
    "late match": "late match",
    "test key": "test key",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened: when, what, why, and on whose word. `heard` is when we learnt of it, if that was later.
    `request` and `response` are the HTTP of an attempt, without secrets.

    Providers' clocks may have whole seconds only, and be ahead of ours: what is heard last is shown last.
    """

    at: datetime
    title: str
    detail: str = ""
    evidence: str = ""
    tone: str = PLAIN
    event_id: int | None = None
    heard: datetime | None = None
    request: str = ""
    response: str = ""


@dataclass(frozen=True, slots=True)
class Next:
    """Something still to be done: what, from when on (None when it is due), and what came of it so far."""

    title: str
    run_at: datetime | None
    note: str
    attempts: int
    gate: Gate | None


def steps(path: Path) -> list[Step]:
    """All steps in the order in which they happened, or were heard of."""
    return sorted(_steps(path), key=lambda step: step.heard or step.at)


def upcoming(path: Path, moment: datetime) -> list[Next]:
    """The work that is queued for the message."""
    shut = {gate.key: gate for gate in path.gates if gate.blocked_until and gate.blocked_until > moment}
    return [_next(job, moment, shut.get(job.gate)) for job in path.jobs]


def played(path: Path) -> bool:
    """Has the customer listened to it? To HighLevel that is read."""
    return any(receipt.outcome == Outcome.PLAYED for receipt in path.receipts)


def told(message: Message) -> str:
    """What HighLevel knows of the message."""
    if message.backfilled and not message.ghl_message_id:
        return "HighLevel is not told of it: it is older than the link of the phone."
    if message.direction == Direction.IN:
        return "It is in HighLevel." if message.ghl_message_id else "HighLevel does not have it yet."
    if not message.ghl_message_id:
        return "HighLevel does not know this message."
    if message.pushed_at is None:
        return "HighLevel was told nothing yet: there it is pending."
    return str(gettext("HighLevel was told: %(status)s.", status=translated(message.pushed_status)))


def _steps(path: Path) -> Iterator[Step]:
    message = path.message
    if path.event is not None:
        written = path.event.source == composing.SOURCE
        title = "It was written here, and is on disk." if written else "The webhook came in."
        yield Step(path.event.received_at, title, event_id=path.event.id)
    numbers = {part.id: part.number for part in message.parts}
    for change in path.changes:
        yield _changed(change, numbers)
    for attempt in path.attempts:
        yield _attempted(attempt, numbers, path.sender_names)
    for receipt in path.receipts:
        yield _receipted(receipt, numbers)
    if message.direction == Direction.IN:
        yield Step(message.created_at, "Received.", tone=GOOD)
    if message.pushed_at is not None:
        yield Step(message.pushed_at, told(message), evidence=gettext("the newest of what it was told"))


def _changed(change: StatusChange, numbers: dict[int, int]) -> Step:
    after = Status(change.after)
    said = f"{translated(after.value).capitalize()}. {translated(SENTENCES[after])}"
    if change.before == change.after:  # evidence that moved nothing
        said = translated(_TOLD.get(change.code, "Something to know before you decide."))
    title = gettext("Part %(number)s: %(said)s", number=part, said=said) if (part := _part(change, numbers)) else said
    tone = _TONES.get(after, PLAIN)
    return Step(change.at, title, change.detail, _evidence(change.who, change.code), tone)


def _attempted(attempt: Attempt, numbers: dict[int, int], names: dict[int, str]) -> Step:
    said = {
        "number": attempt.number,
        "part": _part(attempt, numbers) if len(numbers) > 1 else None,
        "sender": names.get(attempt.sender_id) or gettext("its sender"),
        "outcome": translated(words.ATTEMPT.get(attempt.outcome, attempt.outcome)),
    }
    if said["part"]:
        title = gettext("Attempt %(number)s for part %(part)s with %(sender)s: %(outcome)s", **said)
    else:
        title = gettext("Attempt %(number)s with %(sender)s: %(outcome)s", **said)
    if attempt.ended_at:
        title = gettext("%(what)s after %(time)s", what=title, time=words.took(attempt.started_at, attempt.ended_at))
    tone = WAIT if attempt.outcome in ("unknown", "") else PLAIN
    key = gettext("key %(key)s", key=attempt.idempotency_key)
    step = Step(attempt.started_at, f"{title}.", attempt.detail, _evidence(key, attempt.code), tone)
    return replace(step, request=attempt.request or "", response=attempt.response or "")


def _receipted(receipt: ReceiptRow, numbers: dict[int, int]) -> Step:
    outcome, part = translated(receipt.outcome), _part(receipt, numbers) if len(numbers) > 1 else None
    title = gettext("The provider reports: %(outcome)s.", outcome=outcome)
    if part:
        title = gettext("The provider reports for part %(part)s: %(outcome)s.", part=part, outcome=outcome)
    detail = receipt.detail or ("" if receipt.part_id else "It came before its message was known.")
    evidence = _evidence(gettext("by the provider's clock"), receipt.code)
    return Step(receipt.at, title, detail, evidence, event_id=receipt.event_id, heard=receipt.received_at)


def _next(job: Job, moment: datetime, gate: Gate | None) -> Next:
    later = job.run_at if job.run_at > moment else None
    return Next(words.JOB.get(job.kind, job.kind), later, job.note, job.attempts, gate)


def _evidence(who: str, code: str) -> str:
    said = translated(_WHO[who]) if who in _WHO else who
    return gettext("%(who)s, code %(code)s", who=said, code=code) if code else said


def _part(row: StatusChange | Attempt | ReceiptRow, numbers: dict[int, int]) -> int | None:
    """The number of the part that the row is about, None where it is about the whole message."""
    return numbers.get(row.part_id) if row.part_id is not None else None


def settled(path: Path) -> bool:
    """Is there nothing left to happen by itself?"""
    return not path.jobs and Status(path.message.status) in (*FINAL, Status.READ, Status.RECEIVED)
