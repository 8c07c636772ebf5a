"""Writing what an export wants, each thing in a transaction of its own that a dry run takes back.

A dry run does the same work, so it says what would become of each thing. Nothing that is there already is changed,
but for the rules of texts to lists: doing it again changes nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from portal.accounts import audit, letters
from portal.errors import PortalError
from portal.messaging import funding, senders
from portal.models import LinkKind
from portal.services import Services
from portal.takeover import cast, courier, green_api, imqs, whatapp_go
from portal.takeover.exports import Line
from portal.takeover.making import Done, Maker
from portal.takeover.wishes import CreditsWish, Finding, Given, Left, Outcome, SenderWish, Wish

SYSTEMS: dict[str, Callable[[Line, Given], Iterator[Wish | Left]]] = {
    "cast": cast.wishes,
    "courier": courier.wishes,
    "green-api": green_api.wishes,
    "imqs": imqs.wishes,
    "whatapp-go": whatapp_go.wishes,
}
NOT_KEPT = "It holds a number or a text that cannot be stored."
MEANWHILE = "Somebody else has just made it: run this again."
# Its templates cost no call to look at.
_LOOKED_AT = ("generic_http",)


class _TakenBack(Exception):
    def __init__(self, done: Done) -> None:
        super().__init__()
        self.done = done


@dataclass(frozen=True, slots=True)
class Asked:
    """How it is to be done: `write` or try, `check` every sender at its provider, `invite` who cannot sign in yet."""

    system: str
    write: bool = False
    check: bool = False
    invite: bool = False
    agency: str = ""


def bring(parts: Services, lines: Iterator[Line], given: Given, asked: Asked) -> Iterator[Finding]:
    """Does it row by row, and tells what became of each thing. A bad row stops no other."""
    maker = Maker(parts, asked.system, asked.agency, invite=asked.invite and asked.write)
    seen: dict[tuple[str, ...], int] = {}
    for line in lines:
        for wish in _wishes(line, given, asked.system):
            yield _told(parts, line, wish, _done(parts, maker, wish, asked, seen, line.number))
    if asked.write:
        funding.begin_months(parts.database)


def _wishes(line: Line, given: Given, system: str) -> list[Wish | Left]:
    """Those of a row; what is wrong with all of it as one that is left out."""
    if line.fault:
        return [Left("row", "", line.fault)]
    found: list[Wish | Left] = []
    try:
        found.extend(SYSTEMS[system](line, given))
    except PortalError as error:
        return [Left("row", "", error.message)]
    return found


def _done(
    parts: Services, maker: Maker, wish: Wish | Left, asked: Asked, seen: dict[tuple[str, ...], int], number: int
) -> Done:
    if isinstance(wish, Left):
        return Done(Outcome.LEFT, wish.reason)
    first = seen.setdefault(wish.identity, number)
    if first != number:
        return Done(Outcome.LEFT, f"Row {first} is the same.")
    try:
        if isinstance(wish, SenderWish) and (asked.check or wish.new.channel in _LOOKED_AT):
            senders.check(parts.http, wish.new, parts.settings)
        return _in_one(parts, lambda session: maker.make(session, wish), asked)
    except PortalError as error:
        return Done(Outcome.LEFT, error.message)
    except IntegrityError:
        return Done(Outcome.LEFT, MEANWHILE)
    except (DataError, OverflowError, UnicodeError):
        return Done(Outcome.LEFT, NOT_KEPT)


def _in_one(parts: Services, work: Callable[[Session], Done], asked: Asked) -> Done:
    def tried(session: Session) -> Done:
        done = work(session)
        session.flush()
        if not asked.write:
            raise _TakenBack(done)
        return done

    try:
        return parts.database.patiently(tried)
    except _TakenBack as back:
        return back.done


def _told(parts: Services, line: Line, wish: Wish | Left, done: Done) -> Finding:
    subject = f"{wish.subject} of {wish.owner}" if isinstance(wish, CreditsWish) else wish.subject
    reason, link = done.reason, ""
    if done.user is not None:
        made_by = audit.command_line().name
        sent = letters.deliver(parts.settings, done.user, LinkKind.INVITATION, done.key, made_by)
        reason, link = "The invitation is mailed." if sent.mailed else sent.fault or "Hand this on.", sent.link
    return Finding(line.number, wish.what, subject, wish.location, done.outcome, reason, link)
