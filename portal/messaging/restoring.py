"""After a backup was brought back: what may have gone out since the backup was made waits for a person.

The restored rows say "queued" of messages that were sent in the meantime, and nobody here can know which. So all that
could go out by itself becomes `unknown`, and a person decides, as with any other message that the provider may have.
What arrives is not held back: it is told to HighLevel at least once anyway, after a look whether it is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import RESTORED, close_alert, raise_alert
from portal.channels import registry
from portal.ghl.peek import PeekKind, peek
from portal.messaging import statuses
from portal.messaging.held import let_go
from portal.messaging.receipts import match_by_key
from portal.messaging.statuses import move_message, move_part
from portal.models import Direction, Event, EventState, Job, Location, Message, Part, Status
from portal.queue.jobs import complete, drop

AT_ONCE = 200
WHO = "restore"
REASON = "A backup was restored: it may have gone out since. Look in HighLevel or at the provider, then decide."
NOTE = "A backup was restored: its message may have gone out since. Look in HighLevel, then replay it or leave it."

# A held message may have been let go after the backup was made, one that was being sent has long been answered.
_OPEN = (Status.QUEUED, Status.HELD, Status.SENDING)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a person after a restore."""

    messages: int
    events: int


def hold_messages(session: Session) -> int:
    """Makes open outbound messages unknown, a few hundred in a transaction; 0 when there are none left."""
    found = session.scalars(
        select(Message)
        .where(Message.direction == Direction.OUT, Message.status.in_(_OPEN))
        .order_by(Message.id)
        .limit(AT_ONCE)
        .with_for_update(of=Message)
    ).all()
    for message in found:
        _hold(session, message)
    session.flush()
    for conversation_id in sorted({message.conversation_id for message in found}):
        let_go(session, conversation_id)
    return len(found)


def _hold(session: Session, message: Message) -> None:
    waiting: list[Part] = []
    if message.funded:
        # Without credits on hold nothing of it can have been called; its parts stay as they are.
        for part in message.parts:
            if part.status in _OPEN:
                move_part(session, part, Status.UNKNOWN, who=WHO, code=statuses.RESTORED, detail=REASON)
                part.sending_at = part.sending_at or clock.now()  # from now on 72 hours, then its credits are free
                waiting.append(part)
    drop(session, "send", [part.id for part in message.parts])
    move_message(session, message, Status.UNKNOWN, who=WHO, code=statuses.RESTORED, detail=REASON)
    for part in waiting:
        match_by_key(session, part)


def forget_repetitions(session: Session) -> int:
    """Drops the calls that were to be made again under the same key: the key may have been given up since."""
    parts = select(Part.message_id).join(Job, Job.subject == Part.id).where(Job.kind == "send")
    doubtful = Message.id.in_(parts), Message.status == Status.UNKNOWN
    session.execute(
        update(Message).where(*doubtful).values(reason=REASON), execution_options={"synchronize_session": False}
    )
    dropped = session.execute(delete(Job).where(Job.kind == "send"))
    return int(dropped.rowcount)  # type: ignore[attr-defined]


def park_events(session: Session, after: int = 0) -> tuple[int, int]:
    """Sets aside events, from the id on, that would become messages; how many, and the last id (0 at the end)."""
    pending = session.scalars(
        select(Event)
        .where(Event.state == EventState.PENDING, Event.id > after)
        .order_by(Event.id)
        .limit(AT_ONCE)
        .with_for_update()
    ).all()
    sending = [event for event in pending if _sends(event)]
    for event in sending:
        event.state, event.note, event.applied_at = EventState.PARKED, NOTE, clock.now()
    ids = [event.id for event in sending]
    if ids:
        jobs = session.scalars(select(Job.id).where(Job.kind == "apply", Job.subject.in_(ids))).all()
        complete(session, jobs)
    return len(ids), pending[-1].id if pending else 0


def _sends(event: Event) -> bool:
    """Would applying it send something? Providers tell of customers and receipts; HighLevel asks for deliveries."""
    if event.source == "ghl":
        return peek(event.body or b"").kind is PeekKind.DELIVERY
    return event.source not in {channel.kind for channel in registry.all()}


def look_before_posting(session: Session) -> int:
    """What was to be added in HighLevel may be there already: it is looked up first."""
    waiting = select(Job.subject).where(Job.kind == "post_message")
    marked = session.execute(
        update(Message).where(Message.id.in_(waiting), Message.echo_state == "").values(echo_state="open")
    )
    return int(marked.rowcount)  # type: ignore[attr-defined]


def waiting(session: Session) -> Waiting:
    """How much waits; the alert follows it."""
    messages = session.scalar(select(func.count()).select_from(Message).where(*_waits())) or 0
    events = session.scalar(select(func.count()).select_from(Event).where(*_set_aside())) or 0
    if messages or events:
        text = (
            f"A backup was restored: {messages} messages and {events} webhooks may have gone out since. Decide on them."
        )
        raise_alert(session, RESTORED, WHO, text)
    else:
        close_alert(session, RESTORED, WHO)
    return Waiting(messages, events)


def messages_waiting(session: Session, location: str | None) -> Sequence[int]:
    """The ids of messages that wait for a decision after a restore, in their order."""
    wanted = select(Message.id).where(*_waits()).order_by(Message.position)
    if location:
        wanted = wanted.join(Location, Location.id == Message.location_id).where(Location.ghl_id == location)
    return session.scalars(wanted).all()


def events_waiting(session: Session, location: str | None) -> Sequence[int]:
    """The same of webhooks that were set aside. A location's are told by their lane, as `ghl:<location>:<contact>`."""
    wanted = select(Event.id).where(*_set_aside()).order_by(Event.id)
    if location:
        wanted = wanted.where(
            or_(Event.lane == f"ghl:{location}", Event.lane.startswith(f"ghl:{location}:", autoescape=True))
        )
    return session.scalars(wanted).all()


def leave_event(session: Session, event_id: int) -> None:
    """A person decides that the webhook's message did go out, or is not to: it is never applied."""
    event = session.get_one(Event, event_id, with_for_update=True)
    if event.state == EventState.PARKED:
        event.state, event.note = EventState.IGNORED, "ignored: given up after a backup was restored"


def _waits() -> tuple[ColumnElement[bool], ...]:
    return Message.direction == Direction.OUT, Message.status == Status.UNKNOWN, Message.reason == REASON


def _set_aside() -> tuple[ColumnElement[bool], ...]:
    return Event.state == EventState.PARKED, Event.note == NOTE
