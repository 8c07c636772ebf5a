"""`python -m bench.pages [MESSAGES]`: how long every list and thread takes in a database of very many messages.

Each page is asked for by the operator, by the agency whose one sub-account has half of all messages, and where it can
be by a person of one small sub-account: first at 10 000 messages, then at all of them (a million unless told). The time
is the server's own, from the request to the last byte of the answer.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from bench import crowd
from bench.world import environment
from portal import create_app
from portal.accounts.users import create_user
from portal.config import load
from portal.models import Base, User, UserLocation
from portal.services import Services
from tests import postgres

SMALL, MILLION = 10_000, 1_000_000
TIMES = 10
PASSWORD = "a password for the bench"
# Who asks: an agency, and the sub-accounts that they are limited to.
PEOPLE: Mapping[str, tuple[int | None, Sequence[int]]] = {
    "operator": (None, ()),
    "agency": (1, ()),
    "clinic": (1, (7,)),
}
PAGES: Sequence[str] = (
    "/admin",
    "/admin/conversations",
    "/admin/conversations?location={place}",
    "/admin/conversations?unread=1",
    "/admin/conversations?status=failed",
    "/admin/conversations?direction=in&channel=simulator",
    "/admin/conversations?q=number%20{half}",
    "/admin/conversations?q=%2B63917{phone}",
    "/admin/conversations/{talk}",
    "/admin/conversations/{talk}/older?before={half}-{half}",
    "/admin/messages",
    "/admin/messages?location={place}",
    "/admin/messages?status=failed",
    "/admin/messages?status=held&location={place}",
    "/admin/messages?status=expired",
    "/admin/messages?direction=out&before={half}",
    "/admin/messages/{uuid}",
    "/admin/events",
    "/admin/events?state=parked",
    "/admin/events?source=simulator",
    "/admin/events?before={half}",
    "/admin/events/{number}",
    "/admin/find?q=ghl-{number}",
    "/admin/find?q=sim-{number}",
    "/admin/find?q=contact-{someone}",
    "/admin/find?q=%2B63917{phone}",
    "/admin/find?q=nothing-of-the-kind",
    "/admin/opt-outs",
    "/admin/opt-outs?q=%2B63917{phone}",
    "/admin/senders",
    "/admin/senders/{line}",
    "/admin/installations",
    "/admin/locations/{line}/credits",
    "/admin/locations/{line}/credits/ledger",
)


def addresses(who: str, count: int) -> list[str]:
    """Every page as somebody asks for it, with things that are theirs, in a database of so many messages."""
    place = PEOPLE[who][1][0] if PEOPLE[who][1] else 1
    talk, number = _one_of(place, count)
    # The single long conversation is the large sub-account's.
    facts = {"place": f"place-{place}", "line": place, "talk": 1 if place == 1 else talk, "half": count // 2}
    facts |= {"number": number, "someone": talk, "phone": 1_000_000 + talk}
    facts["uuid"] = f"00000000-0000-4000-8000-{100_000_000_000 + number}"
    return [page.format(**facts) for page in PAGES]


def _one_of(place: int, count: int) -> tuple[int, int]:
    """A conversation of a sub-account in the middle of all, and a message of it that went out."""
    talk = count // 40
    while _place_of(talk) != place or talk % crowd.TALKS == 1:
        talk += 1
    start = (talk - 1) // crowd.TALKS * crowd.BLOCK + (talk - 1) % crowd.TALKS
    return talk, next(each for each in range(start, start + crowd.BLOCK, crowd.TALKS) if each % 3)


def _place_of(talk: int) -> int:
    others = (talk - 1) // crowd.TALKS * (crowd.TALKS // 2) + (talk - 1) % crowd.TALKS // 2
    return 1 if talk % 2 else 2 + others % (crowd.PLACES - 1)


def people(app: Flask) -> dict[str, FlaskClient]:
    """A signed-in browser for each of those who ask."""
    found = {}
    parts: Services = app.extensions["portal"]
    for name, (agency, places) in PEOPLE.items():
        with parts.database.write() as session:
            user: User = create_user(session, f"{name}@example.com", PASSWORD, agency)
            user.must_change_password = False
            user.role, user.all_locations = "owner" if not places else "admin", not places
            user.places = [UserLocation(location_id=each) for each in places]
        client = app.test_client()
        form = {"email": f"{name}@example.com", "password": PASSWORD}
        answer = client.post("/login", data=form)
        assert answer.status_code == 303, answer.status
        found[name] = client
    return found


def portal(database_url: str, folder: Path) -> Flask:
    """A portal over an empty database, without the check of its forms."""
    env = environment(folder, 1, database_url, APP_URL="http://localhost")
    app = create_app(load(env))
    app.config["WTF_CSRF_ENABLED"] = False
    engine = app.extensions["portal"].database.engine
    Base.metadata.drop_all(engine)  # of the bench before
    Base.metadata.create_all(engine)
    return app


def measure(browsers: Mapping[str, FlaskClient], count: int) -> dict[tuple[str, str], tuple[float, float]]:
    """By who asks and the page: the median and the 95th percentile, in milliseconds."""
    found = {}
    for who, client in browsers.items():
        for page, address in zip(PAGES, addresses(who, count), strict=True):
            times = sorted(_times(client, address))
            found[who, page] = times[len(times) // 2], times[int(len(times) * 0.95) - 1]
    return found


def _times(client: FlaskClient, address: str) -> Iterator[float]:
    for _ in range(TIMES):
        started = time.perf_counter()
        answer = client.get(address)
        answer.get_data()
        yield (time.perf_counter() - started) * 1000
        assert answer.status_code == 200, (address, answer.status)


def pages(database_url: str, count: int) -> None:
    """Prints a line for each page."""
    with tempfile.TemporaryDirectory() as folder:
        app = portal(database_url, Path(folder))
        parts: Services = app.extensions["portal"]
        crowd.found(parts.database, parts.vault)
        browsers = people(app)
        crowd.fill(parts.database, 1, SMALL)
        few = measure(browsers, SMALL)
        started = time.monotonic()
        crowd.fill(parts.database, SMALL + 1, count)
        print(f"{count:,} messages, made in {time.monotonic() - started:.0f} s", flush=True)
        print(f"{'who':<10}{'page':<58}{'p50 ms':>8}{'p95 ms':>8}{'p50 at 10,000':>15}{'growth':>8}")
        for (who, page), (p50, p95) in measure(browsers, count).items():
            before = few[who, page][0]
            print(f"{who:<10}{page:<58}{p50:>8.1f}{p95:>8.1f}{before:>15.1f}{p50 / before:>8.2f}", flush=True)
        parts.database.engine.dispose()


def main() -> None:
    """Both engines, one after the other."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MILLION
    with tempfile.TemporaryDirectory() as folder:
        print("SQLite", flush=True)
        pages(f"sqlite:///{folder}/pages.db", count)
    if postgres.missing():
        print(f"PostgreSQL left out: {postgres.missing()}")
        return
    with postgres.server() as server:
        print("PostgreSQL", flush=True)
        pages(server.create_database("pages"), count)


if __name__ == "__main__":
    main()
