"""A message's path as steps in words: a pure reading of its rows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from portal.channels.base import Outcome
from portal.messaging import composing, holding, resending
from portal.messaging.statuses import FINAL, SENTENCES
from portal.models import Attempt, Direction, Gate, Job, Message, ReceiptRow, Status, StatusChange
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
    return f"HighLevel was told: {message.pushed_status}."


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
        yield Step(message.pushed_at, told(message), evidence="the newest of what it was told")


def _changed(change: StatusChange, numbers: dict[int, int]) -> Step:
    after = Status(change.after)
    title = f"{_part(change.part_id, numbers)}{after.value.capitalize()}. {SENTENCES[after]}"
    if change.before == change.after:  # evidence that moved nothing
        told = _TOLD.get(change.code, "Something to know before you decide.")
        title = f"{_part(change.part_id, numbers)}{told}"
    tone = _TONES.get(after, PLAIN)
    return Step(change.at, title, change.detail, _evidence(change.who, change.code), tone)


def _attempted(attempt: Attempt, numbers: dict[int, int], names: dict[int, str]) -> Step:
    sender = names.get(attempt.sender_id, "its sender")
    took = f" after {words.took(attempt.started_at, attempt.ended_at)}" if attempt.ended_at else ""
    title = f"Attempt {attempt.number}{_of_part(attempt.part_id, numbers)} with {sender}: "
    outcome = words.ATTEMPT.get(attempt.outcome, attempt.outcome)
    tone = WAIT if attempt.outcome in ("unknown", "") else PLAIN
    key = f"key {attempt.idempotency_key}"
    step = Step(attempt.started_at, f"{title}{outcome}{took}.", attempt.detail, _evidence(key, attempt.code), tone)
    return replace(step, request=attempt.request or "", response=attempt.response or "")


def _receipted(receipt: ReceiptRow, numbers: dict[int, int]) -> Step:
    who = "by the provider's clock"
    title = f"The provider reports{_of_part(receipt.part_id, numbers)}: {receipt.outcome}."
    detail = receipt.detail or ("" if receipt.part_id else "It came before its message was known.")
    evidence = _evidence(who, receipt.code)
    return Step(receipt.at, title, detail, evidence, event_id=receipt.event_id, heard=receipt.received_at)


def _next(job: Job, moment: datetime, gate: Gate | None) -> Next:
    later = job.run_at if job.run_at > moment else None
    return Next(words.JOB.get(job.kind, job.kind), later, job.note, job.attempts, gate)


def _evidence(who: str, code: str) -> str:
    return f"{who}, code {code}" if code else who


def _part(part_id: int | None, numbers: dict[int, int]) -> str:
    return f"Part {numbers[part_id]}: " if part_id in numbers else ""


def _of_part(part_id: int | None, numbers: dict[int, int]) -> str:
    return f" for part {numbers[part_id]}" if part_id in numbers and len(numbers) > 1 else ""


def settled(path: Path) -> bool:
    """Is there nothing left to happen by itself?"""
    return not path.jobs and Status(path.message.status) in (*FINAL, Status.READ, Status.RECEIVED)
