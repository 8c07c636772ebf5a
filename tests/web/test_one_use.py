"""Links that work once: downloads and images inside the custom page."""

from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select, update

from portal.messaging import optouts
from portal.models import InstallState, Location, UsedLink
from tests.hand import Time
from tests.web.framed import Framed, framed
from tests.web.test_every_route import kept_file

BOTH_ENGINES = True


@pytest.fixture
def clock(monkeypatch) -> Time:
    from portal import clock

    time = Time()
    monkeypatch.setattr(clock, "now", time.now)
    return time


@pytest.fixture
def anna(client, acme, clock) -> Framed:
    return framed(client, acme)


def renewed(page: Framed, target: str) -> str:
    answer = page.post("/app/once", target=target)
    assert answer.status_code == 200 and answer.mimetype == "text/plain"
    return answer.text


def test_a_file_is_had_once(app, anna: Framed, parts, database, acme, clock) -> None:
    file = kept_file(parts, acme)
    address = renewed(anna, f"/app/files/{file}")
    other = app.test_client()
    answer = other.get(address)
    assert (answer.status_code, answer.data) == (200, b"For Acme's eyes")
    assert answer.headers["Cache-Control"] == "no-store" and "Set-Cookie" not in answer.headers
    again = other.get(address)
    assert again.status_code == 410 and "works once" in again.text and b"eyes" not in again.data
    clock.forward(minutes=10)
    assert other.get(renewed(anna, f"/app/files/{file}")).status_code == 200
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(UsedLink)) == 1, "the old one was cleared"


def test_it_ends_after_a_minute(client, anna: Framed, parts, acme, clock) -> None:
    address = renewed(anna, f"/app/files/{kept_file(parts, acme)}")
    clock.forward(seconds=61)
    assert client.get(address).status_code == 410


def test_it_is_for_that_address_alone(client, anna: Framed, parts, acme, rival) -> None:
    file = kept_file(parts, acme)
    address = renewed(anna, f"/app/files/{file}")
    once = parse_qs(urlsplit(address).query)["once"][0]
    for other in (f"/app/senders?once={once}", f"/app/files/{file}?x=1&once={once}", f"{address}x", f"{address}&x=1"):
        assert client.get(other).status_code == 410, other
    for method in ("POST", "HEAD"):
        assert client.open(address, method=method).status_code != 200, method
    assert client.get(address).status_code == 200, "nothing of this used it up"
    assert client.get(renewed(anna, f"/app/senders/{rival.sender}")).status_code == 404


def test_it_ends_with_its_session(client, anna: Framed, parts, database, acme) -> None:
    address = renewed(anna, f"/app/files/{kept_file(parts, acme)}")
    with database.write() as session:
        values = {"install_state": InstallState.UNINSTALLED}
        session.execute(update(Location).where(Location.id == acme.location).values(**values))
    assert b"eyes" not in client.get(address).data


@pytest.mark.parametrize(
    "target", ["", "https://evil.example/app/", "//evil.example/app/x", "/admin/senders", "/app/" + "x" * 5000]
)
def test_only_addresses_of_the_custom_page_are_signed(anna: Framed, target: str) -> None:
    assert anna.post("/app/once", target=target).status_code == 404


def test_nobody_else_has_links_made(client) -> None:
    assert client.post("/app/once", data={"target": "/app/files/1"}).status_code == 401


def test_the_export_of_opt_outs_is_such_a_link(client, anna: Framed, database, acme, signed_in) -> None:
    with database.write() as session:
        optouts.add(session, acme.location, "sms", "+639170000042", "Wrote STOP")
    page = anna.get("/app/opt-outs")
    assert "/app/opt-outs/export.csv?once=" in page.text
    address = renewed(anna, "/app/opt-outs/export.csv?state=&once=old")
    assert "+639170000042" in client.get(address).text
    assert "once=" not in signed_in(acme.agency).get("/admin/opt-outs").text, "a cookie signs in there"
