"""Reading the wall: sub-accounts in the order in which they need a person, and their messages by hour and day."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from portal.figures.standing import STOPPED, TIER
from portal.models import InstallState, Location, MessageDay, MessageHour, PlaceStanding
from portal.web.admin.queries import overview
from portal.web.admin.queries.overview import Place
from portal.web.pages.queries.keyset import Key
from portal.web.pages.queries.scope import Scope

PAGE = 25
SHOWS = ("", "attention", "stopped", "held", "failing", "credits", "alerts", "not_installed")
_NEED = func.coalesce(PlaceStanding.need, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sub-accounts the wall shows: by a part of their name or id, and by what is the matter."""

    text: str = ""
    show: str = ""
    after: Key | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A sub-account with its senders, and its figures (None before the first look by the clock)."""

    place: Place
    figures: PlaceStanding | None

    @property
    def tier(self) -> int:
        """How much it needs a person: 4 nothing goes out, 3 an alert, 2 messages wait, 1 to watch, 0 all is well."""
        return self.figures.need // TIER if self.figures is not None else 0


@dataclass(frozen=True, slots=True)
class Wall:
    """A page of the wall; `further` is where the next one begins, `tiers` how many sub-accounts there are of each."""

    rows: Sequence[Row]
    further: Key | None
    tiers: dict[int, int]


@dataclass(frozen=True, slots=True)
class Stretch:
    """An hour or a day since 1970, and what happened in it."""

    at: int
    received: int = 0
    written: int = 0
    accepted: int = 0
    delivered: int = 0
    failed: int = 0


def wall(session: Session, scope: Scope, wanted: Wanted) -> Wall:
    """A page, what needs a person first. Need changes by the clock, so a page may repeat what moved down meanwhile."""
    both: Any = select(Location, PlaceStanding).select_from(Location).outerjoin(PlaceStanding)
    found = scope.narrow(both)
    found = found.where(*_conditions(wanted)).order_by(_NEED.desc(), Location.id)
    if wanted.after is not None:
        key = wanted.after
        same = and_(_NEED.is_not_distinct_from(key.position), Location.id > key.id)
        found = found.where(or_(_NEED.between(0, key.position - 1), same))
    pairs = session.execute(found.limit(PAGE + 1)).all()
    shown = pairs[:PAGE]
    places = overview.places(session, [place for place, _ in shown])
    rows = [Row(place, figures) for place, (_, figures) in zip(places, shown, strict=True)]
    further = None
    if len(pairs) > PAGE:
        last = rows[-1]
        further = Key(last.figures.need if last.figures is not None else 0, last.place.location.id)
    return Wall(rows, further, _tiers(session, scope))


def _tiers(session: Session, scope: Scope) -> dict[int, int]:
    """How many sub-accounts need how much: counted among sub-accounts, not messages."""
    tier = (_NEED // TIER).label("tier")
    counted: Any = select(tier, func.count()).select_from(Location).outerjoin(PlaceStanding)
    rows = scope.narrow(counted)
    return {int(row[0]): row[1] for row in session.execute(rows.group_by("tier"))}


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    narrow: list[ColumnElement[bool]] = []
    if wanted.text:
        columns = (Location.name, Location.ghl_id)
        narrow.append(or_(*(column.icontains(wanted.text, autoescape=True) for column in columns)))
    shown: dict[str, ColumnElement[bool]] = {
        "attention": PlaceStanding.need > 0,
        "stopped": PlaceStanding.need >= STOPPED * TIER,
        "held": or_(PlaceStanding.held > 0, PlaceStanding.oldest_at.is_not(None)),
        "failing": PlaceStanding.failed > 0,
        "credits": PlaceStanding.credits_low > 0,
        "alerts": PlaceStanding.alerts > 0,
        "not_installed": Location.install_state != InstallState.INSTALLED,
    }
    return [*narrow, shown[wanted.show]] if wanted.show else narrow


def hours(session: Session, scope: Scope, first: int, last: int, location_id: int | None = None) -> list[Stretch]:
    """What happened in each hour from `first` to `last`, in UTC."""
    return _stretches(session, scope, MessageHour, MessageHour.hour, (first, last), location_id)


def days(session: Session, scope: Scope, first: int, last: int, location_id: int | None = None) -> list[Stretch]:
    """The same by day."""
    return _stretches(session, scope, MessageDay, MessageDay.day, (first, last), location_id)


def _stretches(
    session: Session, scope: Scope, table: Any, at: Any, span: tuple[int, int], location_id: int | None
) -> list[Stretch]:
    names = ("received", "written", "accepted", "delivered", "failed")
    wanted: Select[Any] = select(at, *(func.sum(getattr(table, name)) for name in names)).where(at.between(*span))
    if location_id is not None:
        wanted = wanted.where(table.location_id == location_id)
    if not scope.everything:
        wanted = scope.narrow(wanted.join(Location, Location.id == table.location_id))
    found = {
        row[0]: Stretch(row[0], *(max(int(value), 0) for value in row[1:]))
        for row in session.execute(wanted.group_by(at))
    }
    return [found.get(each, Stretch(each)) for each in range(span[0], span[1] + 1)]
