"""Templates: what a provider's list of them changes, whom it is told, when it is asked again.

The list that was asked for is the truth. What a webhook says of a template only brings the next question forward.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts import notices
from portal.alerts.notices import close_alert, raise_alert
from portal.channels import registry
from portal.channels.base import Channel, ChannelError, TemplateNotice
from portal.channels.capabilities import HasTemplates, Template
from portal.messaging.storable import storable, storable_details
from portal.models import Alert, Job, Location, Sender, SenderState, TemplateRow
from portal.models.tenants import HERE
from portal.queue import gates
from portal.queue.jobs import SEND, enqueue, job

KIND = "sync_templates"
APPROVED = "APPROVED"
# What an approved template can fall into; it may come back from all of them but the last two.
STOPPED = frozenset({"PAUSED", "REJECTED", "DISABLED", "FLAGGED", "LIMIT_EXCEEDED", "PENDING_DELETION", "DELETED"})
# Meta's reasons for a rejection (`rejected_reason`), as far as they say something.
REASONS: Mapping[str, str] = {
    "ABUSIVE_CONTENT": "What it says breaks WhatsApp's rules.",
    "INCORRECT_CATEGORY": "It belongs to another category.",
    "INVALID_FORMAT": "Its form or its variables are not as they have to be.",
    "PROMOTIONAL": "It is marketing, and was handed in as something else.",
    "SCAM": "WhatsApp takes it for fraud.",
    "TAG_CONTENT_MISMATCH": "What it says does not fit its language or its category.",
}
EVERY = timedelta(hours=6)
AGAIN = timedelta(minutes=2)
# Who could not be asked for so long has most often lost a permission: a person is told.
TELL_FAILURES = 3
TELL_AFTER = timedelta(hours=1)
# A question every ten seconds at most: a burst of webhooks on a hundred templates is few questions.
PACE = 0.1
PRIORITY = 25
AT_ONCE = 200


def begin(session: Session, sender: Sender, channel: Channel) -> None:
    """A new sender whose provider keeps templates is asked for them as soon as its sub-account is connected."""
    if not isinstance(channel, HasTemplates):
        return
    sender.next_templates_at = clock.now()
    session.flush()
    gates.ensure_exists(session, _gate(sender.id), PACE)
    if sender.location.install_state in HERE:
        enqueue(session, [_job(sender.id)])


def end(session: Session, sender: Sender) -> None:
    """A sender that is removed is asked no more, and what people were told of its templates is over."""
    sender.next_templates_at = None
    close_alert(session, notices.TEMPLATES_UNREAD, gates.sender_gate(sender.id))
    own = Alert.subject.startswith(f"{gates.sender_gate(sender.id)}:template:", autoescape=True)
    stopped = Alert.kind == notices.TEMPLATE_STOPPED, own, Alert.closed_at.is_(None)
    session.execute(update(Alert).where(*stopped).values(closed_at=clock.now()))


def ask_again(session: Session, sender: Sender) -> bool:
    """Has the provider asked soon; what is being asked just now does not count as the answer.

    False where there are no templates to ask for.
    """
    if not isinstance(registry.get(sender.channel), HasTemplates):
        return False
    session.execute(update(Sender).where(Sender.id == sender.id).values(next_templates_at=clock.now()))
    enqueue(session, [_job(sender.id)])
    return True


def hint(session: Session, sender: Sender, notice: TemplateNotice) -> str:
    """A webhook speaks of a template: its word is kept beside the template, and the provider is asked for them all."""
    name, language = storable(notice.name, 512), storable(notice.language, 32)
    said = {"said": storable(notice.event, 64), "said_detail": storable(notice.detail, 1000), "said_at": clock.now()}
    which = TemplateRow.sender_id == sender.id, TemplateRow.name == name, TemplateRow.language == language
    session.execute(update(TemplateRow).where(*which).values(**said))
    asked = "its provider is asked" if ask_again(session, sender) else "nobody is asked"
    return f"template {name} ({language}) said to be {said['said']}: {asked}"


def enqueue_due(session: Session) -> int:
    """Gives every sender whose templates are due its job; returns how many."""
    wanted = _due().order_by(Sender.next_templates_at).limit(AT_ONCE)
    ids = session.scalars(wanted.with_for_update(of=Sender, key_share=True, skip_locked=True)).all()
    session.execute(update(Sender).where(Sender.id.in_(ids)).values(next_templates_at=clock.now() + EVERY))
    enqueue(session, [_job(id_) for id_ in ids])
    return len(ids)


def _due() -> Select[Any]:
    """Whoever is being asked already is left alone: a hint that came during the question stays due until after it."""
    present = Sender.state != SenderState.REMOVED, Location.install_state.in_(HERE)
    asked = select(Job.id).where(Job.kind == KIND, Job.subject == Sender.id).exists()
    return select(Sender.id).join(Location).where(Sender.next_templates_at <= clock.now(), *present, ~asked)


def _gate(sender_id: int) -> str:
    return f"templates:{sender_id}"


def _job(sender_id: int) -> dict[str, object]:
    return job(SEND, KIND, sender_id, f"templates:{sender_id}", gate=_gate(sender_id), priority=PRIORITY)


def take_list(session: Session, sender: Sender, listed: Sequence[Template]) -> None:
    """Keeps what the provider listed for a locked sender. The same list again changes nothing but the times."""
    moment = clock.now()
    known = {(row.name, row.language): row for row in session.scalars(_of(sender.id))}
    heard = {(storable(each.name, 512), storable(each.language, 32)): each for each in listed}
    moved: list[tuple[TemplateRow, str]] = []
    for place, said in heard.items():
        row = known.get(place) or _new(sender, place, moment)
        before = row.status if row.gone_at is None else ""
        _write(row, said, moment)
        session.add(row)
        if row.status != before:
            moved.append((row, before))
    session.flush()
    for row, before in moved:
        _follow_status(session, sender, row, before)
    _note_gone(session, sender, (row for place, row in known.items() if place not in heard), moment)
    sender.templates_at, sender.next_templates_at = moment, moment + EVERY
    sender.templates_failure, sender.templates_failures = "", 0
    close_alert(session, notices.TEMPLATES_UNREAD, gates.sender_gate(sender.id))


def reason(row: TemplateRow) -> str:
    """Why it is not approved, as far as the list or a webhook on this very status told; "" when nobody said."""
    detail = row.detail or (row.said_detail if row.said.upper() == row.status else "")
    return REASONS.get(detail.upper(), detail)


def _of(sender_id: int) -> Select[Any]:
    return select(TemplateRow).where(TemplateRow.sender_id == sender_id)


def _new(sender: Sender, place: tuple[str, str], moment: datetime) -> TemplateRow:
    name, language = place
    return TemplateRow(
        sender_id=sender.id,
        name=name,
        language=language,
        status="",
        said="",
        said_detail="",
        first_seen_at=moment,
        changed_at=moment,
    )


def _write(row: TemplateRow, said: Template, moment: datetime) -> None:
    now = {
        "external_id": storable(said.external_id, 64),
        "category": storable(said.category, 32).upper(),
        "status": storable(said.status, 32).upper(),
        "components": storable_details({"all": list(said.components)})["all"],
        "quality": storable(said.quality, 16),
        "detail": storable(said.detail, 1000),
        "gone_at": None,
    }
    if any(getattr(row, name) != value for name, value in now.items()):
        row.changed_at = moment
        for name, value in now.items():
            setattr(row, name, value)
    row.synced_at = moment
    if row.status == APPROVED:
        row.approved_at = moment


def _follow_status(session: Session, sender: Sender, row: TemplateRow, before: str) -> None:
    """Once for each fall of a template that could be sent at some time; over when it can be sent again."""
    if row.status == APPROVED and before:
        close_alert(session, notices.TEMPLATE_STOPPED, _subject(sender, row))
    elif row.status in STOPPED and before not in STOPPED and row.approved_at is not None:
        text = f"{sender.name}: its provider has set the template {row.name} ({row.language}) to {row.status}."
        text = f"{text} {reason(row)}".strip()
        raise_alert(session, notices.TEMPLATE_STOPPED, _subject(sender, row), text, sender.location_id)


def _note_gone(session: Session, sender: Sender, rows: Iterable[TemplateRow], moment: datetime) -> None:
    """Somebody deleted it at the provider: nothing to be alarmed about."""
    for row in rows:
        if row.gone_at is None:
            row.gone_at = row.changed_at = moment
            close_alert(session, notices.TEMPLATE_STOPPED, _subject(sender, row))


def _subject(sender: Sender, row: TemplateRow) -> str:
    return f"{gates.sender_gate(sender.id)}:template:{row.id}"


def note_failure(session: Session, sender: Sender, error: ChannelError) -> None:
    """The provider could not be asked: what was known stays, and it is asked again after a growing pause."""
    moment = clock.now()
    sender.templates_failures += 1
    sender.templates_failure = storable(error.message, 500)
    pause = min(AGAIN * 2 ** min(sender.templates_failures - 1, 10), EVERY)
    if error.retry_after is not None:
        pause = max(pause, timedelta(seconds=error.retry_after))
    sender.next_templates_at = moment + pause
    known_at = sender.templates_at or sender.created_at
    if sender.templates_failures >= TELL_FAILURES and moment - known_at > TELL_AFTER:
        text = f"{sender.name}: its provider cannot be asked for the templates. {sender.templates_failure}"
        raise_alert(session, notices.TEMPLATES_UNREAD, gates.sender_gate(sender.id), text, sender.location_id)
