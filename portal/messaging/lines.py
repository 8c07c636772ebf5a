"""Lines that fail and come back: what a provider's word on a line changes, whom it is told, when it is asked again.

The state that was asked for is the truth. What a webhook says of it only brings the next question forward.
"""

from datetime import datetime, timedelta

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts import notices
from portal.alerts.notices import close_alert, raise_alert
from portal.channels import registry
from portal.channels.base import Channel, ChannelError, Line, LineState, Notice
from portal.channels.capabilities import AsksSeldom, HasLine, LinksPhone
from portal.errors import InvalidInput
from portal.messaging import line_states
from portal.messaging.provider_accounts import end_faults, gates_of
from portal.messaging.releasing import HELD, release_held
from portal.messaging.storable import storable
from portal.models import Alert, Location, Message, Sender, SenderState
from portal.models.tenants import HERE
from portal.queue import gates
from portal.queue.jobs import SEND, enqueue, job

KIND = "check_line"
EVERY = timedelta(seconds=60)
EVERY_WHEN_ILL = timedelta(seconds=15)
# Of a provider that takes few questions an hour a line that does not work is worth so many times as many.
OFTENER_WHEN_ILL = 5
LONGEST_BACKOFF = timedelta(minutes=10)
# GREEN-API answers one such question a second for each instance.
PACE = 1.0
PRIORITY = 25
AT_ONCE = 500
# Who could not be asked so often, for so long, may have lost its credentials: a person is told.
TELL_FAILURES = 3
TELL_AFTER = timedelta(minutes=15)
NOTICE_STAYS = timedelta(days=1)


def begin(session: Session, sender: Sender, channel: Channel) -> None:
    """A new sender whose line can fail: nothing is sent before its provider has said that the line is ready."""
    if not isinstance(channel, HasLine):
        return
    sender.line_state, sender.line_detail = LineState.STARTING, "Its provider is being asked how the line is."
    sender.line_changed_at = sender.line_down_at = sender.next_line_check_at = clock.now()
    session.flush()
    gates.ensure_exists(session, _gate(sender.id), PACE)
    ask_now(session, sender.id, channel.kind)


def ask_now(session: Session, sender_id: int, channel: str) -> None:
    """Has the provider asked how the line is, as soon as its pace allows."""
    if isinstance(registry.get(channel), HasLine):
        enqueue(session, [_job(sender_id)])


def hint(session: Session, sender: Sender, said: Line) -> str:
    """A webhook speaks of the line: the provider is asked. One that is being asked now is asked once more."""
    if sender.next_line_check_at is None:
        return f"line said to be {said.state.value}: nobody is asked"
    ask_again(session, sender)
    return f"line said to be {said.state.value}: its provider is asked"


def ask_again(session: Session, sender: Sender) -> None:
    """Something may have changed: what is being asked just now does not count as the answer."""
    session.execute(update(Sender).where(Sender.id == sender.id).values(next_line_check_at=clock.now()))
    ask_now(session, sender.id, sender.channel)


def notice(session: Session, sender: Sender, said: Notice) -> str:
    """Something that a person should know of the sender. It goes by itself a day after it was last said.

    The lines of one account may be several tenants': what is said of one of them is no other's.
    """
    if said.address and sender.line_address and said.address != sender.line_address:
        return "a notice of another number"
    code, detail = storable(said.code, 64), storable(said.detail, 1000)
    subject = f"{gates.sender_gate(sender.id)}:{code}"
    raise_alert(session, notices.SENDER_NOTICE, subject, f"{sender.name}: {detail}", sender.location_id)
    return f"{code}: {detail}"


def forget_notices(session: Session) -> int:
    """Closes notices that were not said again; returns how many."""
    kinds = (notices.SENDER_NOTICE, notices.UNREAD_ITEMS)
    old = Alert.kind.in_(kinds), Alert.closed_at.is_(None), Alert.last_at < clock.now() - NOTICE_STAYS
    closed = session.execute(update(Alert).where(*old).values(closed_at=clock.now()))
    return closed.rowcount  # type: ignore[attr-defined, no-any-return]


def is_due(session: Session) -> bool:
    """Does any line have to be asked for? Only looks."""
    return session.scalar(_due().limit(1)) is not None


def enqueue_due(session: Session) -> int:
    """Gives every line that is due its job; returns how many."""
    moment = clock.now()
    wanted = _due().order_by(Sender.next_line_check_at).limit(AT_ONCE)
    ids = session.scalars(wanted.with_for_update(of=Sender, key_share=True, skip_locked=True)).all()
    session.execute(update(Sender).where(Sender.id.in_(ids)).values(next_line_check_at=moment + EVERY))
    enqueue(session, [_job(id_) for id_ in ids])
    return len(ids)


def _due() -> Select[int]:
    present = Sender.state != SenderState.REMOVED, Location.install_state.in_(HERE)
    return select(Sender.id).join(Location).where(Sender.next_line_check_at <= clock.now(), *present)


def _gate(sender_id: int) -> str:
    return f"line:{sender_id}"


def _job(sender_id: int) -> dict[str, object]:
    lane = f"line:{sender_id}"
    return job(SEND, KIND, sender_id, lane, gate=_gate(sender_id), priority=PRIORITY)


def take_line(session: Session, sender: Sender, said: Line) -> None:
    """Keeps what the provider answered about a locked sender's line, with all that follows from it."""
    moment, before, detail_before = clock.now(), sender.line_state, sender.line_detail
    if before != said.state:
        sender.line_changed_at = moment
    sender.line_state, sender.line_code = said.state.value, storable(said.code, 64)
    sender.line_detail = "" if said.state is LineState.READY else storable(said.detail, 1000)
    sender.line_at, sender.line_failure, sender.line_failures = moment, "", 0
    if said.pace is not None:
        gates.follow(session, gates_of(sender)[0], said.pace)
    close_alert(session, notices.LINE_UNKNOWN, gates.sender_gate(sender.id))
    _follow_link(sender, said.state, moment)
    if said.address and said.state not in line_states.UNLINKED:
        _follow_number(session, sender, storable(said.address, 64))
    if said.state is LineState.READY:
        _recovered(session, sender, before, moment)
        sender.next_line_check_at = moment + max(EVERY, _apart(sender))
    else:
        _fell(session, sender, moment, news=(before, detail_before) != (sender.line_state, sender.line_detail))
        sender.next_line_check_at = moment + max(EVERY_WHEN_ILL, _apart(sender) / OFTENER_WHEN_ILL)


def _apart(sender: Sender) -> timedelta:
    """How far apart the provider wants to be asked; nothing where it does not mind."""
    channel = registry.get(sender.channel)
    return timedelta(seconds=channel.line_seconds if isinstance(channel, AsksSeldom) else 0)


def note_failure(session: Session, sender: Sender, error: ChannelError) -> None:
    """The provider could not be asked: what was known stays, and it is asked again after a growing pause."""
    moment = clock.now()
    sender.line_failures += 1
    sender.line_failure = storable(error.message, 500)
    first = max(EVERY_WHEN_ILL, _apart(sender) / OFTENER_WHEN_ILL)
    pause = min(first * 2 ** min(sender.line_failures - 1, 10), LONGEST_BACKOFF)
    if error.retry_after is not None:
        pause = timedelta(seconds=max(error.retry_after, 1.0))
    sender.next_line_check_at = moment + pause
    long = moment - (sender.line_at or sender.created_at) > TELL_AFTER
    if sender.line_failures >= TELL_FAILURES and (long or not error.retry):
        text = f"{sender.name}: its provider cannot be asked how the line is. {sender.line_failure}"
        if sender.line_failures == TELL_FAILURES or not _is_open(session, sender):
            raise_alert(session, notices.LINE_UNKNOWN, gates.sender_gate(sender.id), text, sender.location_id)


def _is_open(session: Session, sender: Sender) -> bool:
    subject = gates.sender_gate(sender.id)
    open_ = Alert.kind == notices.LINE_UNKNOWN, Alert.subject == subject, Alert.closed_at.is_(None)
    return session.scalar(select(Alert.id).where(*open_)) is not None


def confirm_number(session: Session, sender: Sender, number: str) -> None:
    """A person says that the sender's customers may hear from the number that is linked now.

    Raises `InvalidInput` unless `number` is that one: it may have changed once more since they looked.
    """
    if not sender.line_other_address:
        return
    if number != sender.line_other_address:
        told = f"{sender.line_other_address} is linked to it now instead of {sender.line_address}"
        raise InvalidInput(f"Another number, {told}: resume it by confirming that very number.")
    sender.line_address, sender.line_other_address = sender.line_other_address, ""
    text = f"{sender.name}: a person confirmed that it writes from {sender.line_address}."
    close_alert(session, notices.LINE_CHANGED, gates.sender_gate(sender.id), text)


def _follow_link(sender: Sender, state: LineState, moment: datetime) -> None:
    """`line_since` is the last moment at which no phone was linked yet: all that is younger came over this link.

    A line that is no linked phone hears its customers also while it may not send: it begins once.
    """
    if state in line_states.UNLINKED and isinstance(registry.get(sender.channel), LinksPhone):
        sender.line_unlinked_at = moment
    elif state is LineState.READY and (sender.line_since is None or sender.line_unlinked_at is not None):
        sender.line_since = sender.line_unlinked_at or moment
        sender.line_unlinked_at = None


def _follow_number(session: Session, sender: Sender, address: str) -> None:
    """Another number must not write to these customers unnoticed: a person has to say that it may."""
    subject, ours = gates.sender_gate(sender.id), sender.state_reason == _other_number(sender)
    if not sender.line_address:
        sender.line_address = address
    elif address == sender.line_address and sender.line_other_address:
        if sender.state == SenderState.PAUSED and ours:
            sender.state, sender.state_reason = SenderState.ACTIVE, ""
            session.flush()
            release_held(session, sender.location_id)
        sender.line_other_address = ""
        text = f"{sender.name}: its own number {address} is linked again."
        close_alert(session, notices.LINE_CHANGED, subject, text)
    elif address not in (sender.line_address, sender.line_other_address):
        sender.line_other_address = address
        reason = _other_number(sender)
        if sender.state == SenderState.ACTIVE or ours:
            sender.state, sender.state_reason = SenderState.PAUSED, reason
        raise_alert(session, notices.LINE_CHANGED, subject, f"{sender.name}: {reason}", sender.location_id)


def _other_number(sender: Sender) -> str:
    return (
        f"The number {sender.line_other_address} was linked to it instead of {sender.line_address}. Its customers do "
        "not know that number: resume it when they are to hear from it, or link the right phone."
    )


def _recovered(session: Session, sender: Sender, before: str, moment: datetime) -> None:
    """What waited goes out by itself, in order; the incident is closed with what happened."""
    if before not in line_states.SENDING:
        gates.reopen(session, gates_of(sender))
        end_faults(session, [gates.sender_gate(sender.id)])
        session.flush()
        release_held(session, sender.location_id)
    if sender.line_told_at is not None:
        held = select(func.count()).select_from(Message).where(HELD, Message.sender_id == sender.id)
        waited = session.scalar(held) or 0
        minutes = int((moment - (sender.line_down_at or moment)).total_seconds() // 60)
        text = f"{sender.name} works again, after {minutes} minutes. Messages that waited for it: {waited}."
        close_alert(session, notices.LINE_DOWN, gates.sender_gate(sender.id), text)
    sender.line_down_at = sender.line_told_at = None


def _fell(session: Session, sender: Sender, moment: datetime, *, news: bool) -> None:
    """One alert for an incident, once it is more than a passing one; its text follows what is known."""
    passing = sender.line_state in line_states.PASSING
    if news and not passing and sender.line_down_at is not None:
        session.flush()
        release_held(session, sender.location_id)  # what is held has to say why, as things are now
    sender.line_down_at = sender.line_down_at or moment
    patient = passing or sender.line_since is None
    if patient and moment - sender.line_down_at < line_states.GRACE:
        return
    if sender.line_told_at is None or (news and not passing):
        text = f"{sender.name} {line_states.line_sentence(sender)}"
        raise_alert(session, notices.LINE_DOWN, gates.sender_gate(sender.id), text, sender.location_id)
        sender.line_told_at = sender.line_told_at or moment
