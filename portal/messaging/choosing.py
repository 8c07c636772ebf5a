"""Choosing a message's sender as things are now: what `routing` decides from, read from the rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.messaging import addressing, first_line, kinds, line_states, routing
from portal.messaging.template_sending import refusal
from portal.messaging.windows import why_closed
from portal.models import Contact, Conversation, Gate, Location, Message, RoutingRule, Sender, SenderState, SenderSwitch
from portal.models.base import UtcDateTime
from portal.queue.gates import PROBE_AFTER, sender_gate

SILENT = "does not answer"
# Two rules that were written at the same moment may share a position.
RULE_ORDER = RoutingRule.position, RoutingRule.id


@dataclass(frozen=True, slots=True)
class Given:
    """All that `routing.choose` decides from."""

    senders: Sequence[routing.Candidate]
    rules: Sequence[routing.Rule]
    wish: routing.Wish
    stand_ins: routing.StandIns


def route(session: Session, location: Location, conversation: Conversation, message: Message) -> routing.Choice:
    """Chooses the message's sender. Changes nothing."""
    known = given(session, location, conversation, message)
    return routing.choose(known.senders, known.rules, known.wish, known.stand_ins)


def given(session: Session, location: Location, conversation: Conversation, message: Message) -> Given:
    """What is known of the location, its senders and the message; of a lone sender no more than is needed."""
    senders = candidates(session, location)
    sticky = conversation.sticky_sender_id
    if len(senders) < 2:
        wish = routing.Wish(message.wanted_sender_id, sticky, (), message.address, message.user_id)
        return Given(senders, (), wish, routing.StandIns(location.failover))
    wanted = select(RoutingRule).where(RoutingRule.location_id == location.id)
    rules = [routing.Rule(row.kind, row.value, row.sender_id) for row in session.scalars(wanted.order_by(*RULE_ORDER))]
    tags: list[str] = []
    before = None
    if rules or sticky is None:
        tags = list(session.get_one(Contact, conversation.contact_id).tags)
    if sticky is None:
        before = first_line.by_tag(session, location.id, tags)
    wish = routing.Wish(message.wanted_sender_id, sticky, tags, message.address, message.user_id, before)
    fits = _fits(session, conversation, message)
    away = switches(session, location.id)
    return Given(senders, rules, wish, routing.StandIns(location.failover, location.family_stands_in, away, fits))


def several(session: Session, location: Location) -> bool:
    """Has the location more than one sender?"""
    return len(candidates(session, location)) > 1


def _fits(session: Session, conversation: Conversation, message: Message) -> Callable[[int], bool]:
    """Whether a sender could send this very message: its kind, its template, to this person, at this time."""

    def fits(sender_id: int) -> bool:
        sender = session.get_one(Sender, sender_id)
        channel = registry.get(sender.channel)
        if kinds.unfit(channel, sender.name, message.kind, message.body) or refusal(session, sender, message):
            return False
        address = addressing.find(session, conversation, message, channel, sender.family)
        return address is not None and not why_closed(session, message, sender, *address)

    return fits


def candidates(session: Session, location: Location) -> list[routing.Candidate]:
    """The location's senders, asked for once in a transaction; the fence looks again before every call."""
    known: dict[int, list[routing.Candidate]] = session.info.setdefault("senders", {})
    if location.id not in known:
        rows = session.scalars(SENDERS, {"location": location.id}).all()
        session.info.setdefault("sender_rows", []).extend(rows)  # whoever gets one of them asks no second time
        silent = _silent(session, location, rows)
        known[location.id] = [
            routing.Candidate(
                row.id,
                row.name,
                row.channel,
                row.family,
                line_states.may_send(row),
                row.is_default,
                line_states.phrase(row),
                line_states.sentence(row),
                SILENT if row.id in silent else "",
            )
            for row in rows
        ]
    return known[location.id]


def _silent(session: Session, location: Location, rows: Sequence[Sender]) -> set[int]:
    """The senders that their provider has failed so often in a row that nothing is given to it for now.

    Where nobody could stand in, it is not asked: what they are given waits for them.
    """
    if len(rows) < 2:
        return set()
    gates = {row.id: sender_gate(row.id, row.account_key) for row in rows}
    shut = select(Gate.key).where(
        Gate.key.in_(set(gates.values())), Gate.failures >= PROBE_AFTER, Gate.blocked_until > clock.now()
    )
    closed = set(session.scalars(shut))
    return {sender_id for sender_id, key in gates.items() if key in closed}


def switches(session: Session, location_id: int) -> dict[int, routing.Switch]:
    """The switches that stand in a location, by the sender that they lead away from; asked for once, too."""
    known: dict[int, dict[int, routing.Switch]] = session.info.setdefault("switches", {})
    if location_id not in known:
        rows = session.execute(_STANDING, {"location": location_id, "moment": clock.now()})
        known[location_id] = {row.from_id: routing.Switch(row.to_id, row.reason) for row in rows}
    return known[location_id]


_STANDING = select(SenderSwitch.from_id, SenderSwitch.to_id, SenderSwitch.reason).where(
    SenderSwitch.location_id == bindparam("location"),
    SenderSwitch.ended_at.is_(None),
    or_(SenderSwitch.until.is_(None), SenderSwitch.until > bindparam("moment", type_=UtcDateTime())),
)
SENDERS = (
    select(Sender)
    .where(Sender.location_id == bindparam("location"), Sender.state != SenderState.REMOVED)
    .order_by(Sender.position, Sender.id)
)
