"""A conversation as a person reads it: messages, notes and days in their order. A pure reading of rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from portal.channels.content import Kind, Relation
from portal.messaging import telling, wording
from portal.models import ConversationNote, Direction, Message, Status
from portal.web.languages import translated
from portal.web.pages import files
from portal.web.pages.files import ShownFile
from portal.web.pages.queries.talk import Stretch
from portal.wording import noted

# One tick: the provider has it. Two: the phone has it. The word stands beside them.
TICKS: Mapping[str, str] = {
    Status.QUEUED: "◷",
    Status.SENDING: "◷",
    Status.ACCEPTED: "✓",
    Status.SENT: "✓",
    Status.DELIVERED: "✓✓",
    Status.READ: "✓✓",
    Status.HELD: "❚❚",
    Status.UNKNOWN: "?",
    Status.FAILED: "✕",
    Status.EXPIRED: "✕",
    Status.CANCELLED: "✕",
}
# What stands in the middle: it was said by nobody, or it was no message.
_LINES = (Kind.CALL, Kind.SYSTEM)
# A status whose reason a person has to read.
_TELLING = (Status.HELD, Status.UNKNOWN, Status.FAILED, Status.EXPIRED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a message answers. `id` is the row of it where that is known."""

    text: str
    id: int | None = None
    here: bool = False


@dataclass(slots=True)
class Bubble:
    """One message. `text` is what it says now, `was` what it said before its author changed it, the first text first.

    `links` are addresses of files elsewhere. `reactions` are emojis, each with whose it is. `why` is the reason of its
    status where a person has to read it. `through` is the sender's name, `chosen` why it was this one.
    """

    message: Message
    text: str
    quote: Quote | None = None
    was: list[str] = field(default_factory=list)
    reactions: dict[str, str] = field(default_factory=dict)
    files: Sequence[ShownFile] = ()
    links: Sequence[str] = ()
    author: str = ""
    ticks: str = ""
    why: str = ""
    through: str = ""
    chosen: str = ""
    line: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One thing below another: a day's first thing has the `day`."""

    bubble: Bubble | None = None
    note: ConversationNote | None = None
    day: datetime | None = None


def read(secret_key: str, stretch: Stretch, zone_name: str) -> list[Item]:
    """The stretch in its order. Reactions, edits and deletions stand on what they refer to, if that is shown here."""
    here = {message.id for message in stretch.messages}
    bubbles = {message.id: _bubble(secret_key, message, stretch, here) for message in stretch.messages}
    for message in stretch.later:
        target = bubbles.get(message.about_id or 0)
        if target is not None:
            _fold(target, message)
    folded = {message.id for message in stretch.later if message.about_id in here}
    shown = [bubble for id_, bubble in bubbles.items() if id_ not in folded]
    return list(_with_days(_merged(shown, stretch.notes), _zone(zone_name)))


def _bubble(secret_key: str, message: Message, stretch: Stretch, here: set[int]) -> Bubble:
    out = message.direction == Direction.OUT
    status = Status(message.status)
    rows = stretch.files.get(message.id, ())
    return Bubble(
        message=message,
        text=telling.alone(message),
        quote=_quote(message, stretch, here),
        files=files.shown(secret_key, rows),
        links=[] if rows else [each for each in message.attachments if _is_link(each)],
        author=_author(message),
        ticks=TICKS.get(status, "") if out else "",
        why=message.reason if status in _TELLING else "",
        through=message.sender.name if message.sender else "",
        chosen=message.sender_reason,
        line=message.kind in _LINES,
    )


def _author(message: Message) -> str:
    """Who wrote it, where the side that it stands on does not say it all."""
    if message.direction == Direction.IN:
        return wording.author(message.author_name, message.author_address)
    if message.author:
        return message.author
    if message.from_us:
        return translated(noted("another program") if message.by_api else noted("typed on the phone"))
    return "HighLevel"


def _quote(message: Message, stretch: Stretch, here: set[int]) -> Quote | None:
    if message.about_relation not in (Relation.REPLY, Relation.ANSWER):
        return None
    quoted = stretch.quoted.get(message.about_id or 0)
    said = (
        message.about_text
        or (telling.brief(quoted) if quoted is not None else "")
        or translated(noted("an earlier message"))
    )
    return Quote(said, quoted.id if quoted is not None else None, quoted is not None and quoted.id in here)


def _fold(target: Bubble, message: Message) -> None:
    """The latest reaction of each person counts; an empty one takes it back."""
    if message.kind == Kind.REACTION or message.about_relation == Relation.REACTION:
        who = (
            message.author_name
            or message.author_address
            or translated(noted("customer") if message.direction == "in" else noted("us"))
        )
        target.reactions.pop(who, None)
        if message.body:
            target.reactions[who] = message.body
    elif message.about_relation == Relation.EDIT and message.body:
        target.was.append(target.text)
        target.text = message.body


def _is_link(address: object) -> bool:
    """Only what a browser asks a server for: an attachment's address is whatever somebody wrote."""
    try:
        return isinstance(address, str) and urlsplit(address).scheme in ("http", "https")
    except ValueError:
        return False


def _merged(bubbles: Sequence[Bubble], notes: Sequence[ConversationNote]) -> Iterator[Item]:
    waiting = list(notes)
    for bubble in bubbles:
        while waiting and waiting[0].position < bubble.message.position:
            yield Item(note=waiting.pop(0))
        yield Item(bubble=bubble)
    for note in waiting:
        yield Item(note=note)


def _with_days(items: Iterator[Item], zone: tzinfo) -> Iterator[Item]:
    """Days are those of the sub-account: whoever looks at many of them works in its day, not in their own."""
    last = None
    for item in items:
        moment = item.bubble.message.created_at if item.bubble else item.note.created_at if item.note else None
        there = moment.astimezone(zone) if moment else None
        day = there if there is not None and there.date() != last else None
        last = there.date() if there is not None else last
        yield Item(item.bubble, item.note, day)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
