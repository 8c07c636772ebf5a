"""A database of very many messages, made by the database itself: two agencies, 20 sub-accounts, one with half of all.

400 messages go to 20 conversations, so each is spread over a stretch of time; every 20th message is of one single long
conversation. Rare states are rare: one message in ten thousand failed, one in fifty thousand is held.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Select,
    String,
    case,
    cast,
    func,
    insert,
    literal,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.content import AddressKind
from portal.crypto import Vault
from portal.database import Database
from portal.messaging import senders
from portal.models import (
    Address,
    Agency,
    Attempt,
    Contact,
    Conversation,
    Direction,
    Event,
    EventState,
    InstallState,
    Location,
    Message,
    OptOut,
    Part,
    Status,
    StatusChange,
)
from portal.models.base import UtcDateTime

PLACES, BLOCK, TALKS = 20, 400, 20
AT_ONCE = 20_000
SPAN = timedelta(days=90)
# Which of them are rare: one in so many.
FAILED, HELD, PARKED, UNREAD = 10_007, 50_021, 9_973, 50


def found(database: Database, vault: Vault) -> None:
    """The agencies, their sub-accounts and a sender each; their ids are those of the sub-accounts."""
    with database.write() as session:
        for name in ("crowd", "other"):
            session.add(Agency(company_id=name, name=name, created_at=clock.now()))
        session.flush()
        for number in range(1, PLACES + 1):
            place = Location(
                id=number,
                ghl_id=f"place-{number}",
                agency_id=2 if number == PLACES else 1,
                name=f"Place {number}",
                country="PH",
                install_state=InstallState.INSTALLED,
                created_at=clock.now(),
            )
            session.add(place)
            session.flush()
            line = senders.add(session, vault, place, senders.NewSender("simulator", f"Line {number}", {}))
            assert line.id == number


def fill(database: Database, first: int, last: int) -> None:
    """Messages `first` (1, or one more than there are) to `last`, a multiple of 400, with all that hangs on them."""
    for low in range(first, last + 1, AT_ONCE):
        with database.write() as session:
            _contacts(session, (low - 1) // BLOCK * TALKS + 1, min(low + AT_ONCE - 1, last) // BLOCK * TALKS)
            _messages(session, database, low, min(low + AT_ONCE - 1, last), last)
    with database.write() as session:
        newest = select(func.max(Message.position)).where(Message.conversation_id == 1).scalar_subquery()
        session.execute(update(Conversation).where(Conversation.id == 1).values(last_position=newest))
        if not database.sqlite:
            session.execute(text("ANALYZE"))


def _numbers(low: int, high: int) -> ColumnElement[int]:
    start = select(literal(low).label("n")).cte("numbers", recursive=True)
    return start.union_all(select(start.c.n + 1).where(start.c.n < high)).c.n


def _insert(session: Session, model: Any, numbers: Any, /, **values: Any) -> None:
    rows: Select[Any] = select(*(value if hasattr(value, "label") else literal(value) for value in values.values()))
    session.execute(insert(model).from_select(list(values), rows.select_from(numbers.table)))


def _text(number: ColumnElement[int]) -> ColumnElement[str]:
    return cast(number, String)


def _place_of(talk: ColumnElement[int]) -> ColumnElement[int]:
    """Every second conversation is of the first sub-account, the others are of all others in turn."""
    others = 2 + ((talk - 1) // TALKS * (TALKS // 2) + (talk - 1) % TALKS // 2) % (PLACES - 1)
    return case(((talk - 1) % 2 == 0, 1), else_=others)


def _talk_of(number: ColumnElement[int]) -> ColumnElement[int]:
    return case((number % TALKS == 0, 1), else_=1 + (number - 1) // BLOCK * TALKS + number % TALKS)


def _contacts(session: Session, low: int, high: int) -> None:
    talk = _numbers(low, high)
    moment, place = clock.now(), _place_of(talk)
    phone = literal("+63917") + _text(1_000_000 + talk)
    made = {"location_id": place, "created_at": type_coerce(moment, UtcDateTime())}
    named = literal("contact-") + _text(talk)
    _insert(session, Contact, talk, id=talk, name=named, ghl_contact_id=named, **made)
    last = case((talk % TALKS == 1, 0), else_=(talk - 1) // TALKS * BLOCK + BLOCK - TALKS + (talk - 1) % TALKS)
    unread = case((talk % UNREAD == 0, 1), else_=0)
    about = {"contact_id": talk, "last_position": last, "unread": unread, "last_message_at": made["created_at"]}
    _insert(session, Conversation, talk, id=talk, last_text="See you soon", **about, **made)
    kind = AddressKind.PHONE.value
    _insert(session, Address, talk, contact_id=talk, kind=kind, value=phone, conversation_id=talk, **made)
    rare = {"location_id": place, "family": "sms", "address": phone, "source": "wrote STOP"}
    if low == 1:
        _insert(session, OptOut, talk, contact_id=talk, created_at=made["created_at"], **rare)


def _messages(session: Session, database: Database, low: int, high: int, last: int) -> None:
    number = _numbers(low, high)
    talk = _talk_of(number)
    place, moment = _place_of(talk), _moment(database, number, last)
    inbound = number % 3 == 0
    key = literal("00000000-0000-4000-8000-") + _text(literal(100_000_000_000, BigInteger) + number)
    lane = literal("ghl:place-") + _text(place) + ":contact-" + _text(talk)
    state = case((number % PARKED == 0, EventState.PARKED.value), else_=EventState.APPLIED.value)
    dedupe = literal("delivery:place-") + _text(place) + ":ghl-" + _text(number)
    facts = {"uuid": key, "source": "ghl", "lane": lane, "received_at": moment, "verified": True, "dedupe_key": dedupe}
    _insert(session, Event, number, id=number, state=state, body=b"{}", applied_at=moment, **facts)
    status = case(
        (inbound, Status.RECEIVED.value),
        (number % FAILED == 0, Status.FAILED.value),
        (number % HELD == 0, Status.HELD.value),
        else_=Status.DELIVERED.value,
    )
    _insert(
        session,
        Message,
        number,
        id=number,
        uuid=key,
        location_id=place,
        conversation_id=talk,
        event_id=number,
        position=number,
        direction=case((inbound, Direction.IN.value), else_=Direction.OUT.value),
        body=literal("Your appointment is tomorrow at ten, number ") + _text(number),
        sender_id=place,
        family="sms",
        address=literal("+63917") + _text(1_000_000 + talk),
        status=status,
        held=status == Status.HELD.value,
        status_at=moment,
        ghl_message_id=literal("ghl-") + _text(number),
        credits=1,
        created_at=moment,
    )
    _hanging(session, low, high)


def _hanging(session: Session, low: int, high: int) -> None:
    """Parts, attempts and moves of the messages that went out, under their numbers."""
    theirs = Message.id.between(low, high), Message.direction == Direction.OUT.value
    part = {"id": Message.id, "message_id": Message.id, "status": Message.status, "sender_id": Message.sender_id}
    part |= {"body": Message.body, "external_id": literal("sim-") + _text(Message.id), "attempt": literal(1)}  # type: ignore[arg-type]
    _copy(session, Part, theirs, **part)
    call = {"part_id": Message.id, "number": literal(1), "sender_id": Message.sender_id}
    call |= {"idempotency_key": Message.uuid, "started_at": Message.created_at, "ended_at": Message.created_at}
    _copy(session, Attempt, theirs, outcome=literal("accepted"), **call)
    move = {"message_id": Message.id, "before": literal("sending"), "after": Message.status, "at": Message.status_at}
    _copy(session, StatusChange, theirs, who=literal("simulator"), **move)


def _copy(session: Session, model: Any, where: Any, **values: Any) -> None:
    session.execute(insert(model).from_select(list(values), select(*values.values()).where(*where)))


def _moment(database: Database, number: ColumnElement[int], last: int) -> Any:
    """Evenly over the days before now."""
    begin = clock.now() - SPAN
    seconds = cast(number, Float) * literal(SPAN.total_seconds() / last, Float)
    if database.sqlite:
        whole = literal("+") + cast(seconds, String) + literal(" seconds")
        return type_coerce(
            func.strftime("%Y-%m-%d %H:%M:%S.000000", f"{begin:%Y-%m-%d %H:%M:%S}", whole), UtcDateTime()
        )
    return literal(begin, UtcDateTime()) + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
