"""The link with which a customer of the agency links their phone on a device of their own."""

import re

import pytest
from sqlalchemy import update

from portal.models import ClientLink, InstallState, Location, Sender
from tests.hand import Time
from tests.linked import PIXEL, Provider
from tests.web.conftest import post, token
from tests.web.framed import framed
from tests.web.test_senders import line, provider  # noqa: F401 - fixtures

BOTH_ENGINES = True
FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def time(monkeypatch) -> Time:
    from portal import clock

    time = Time()
    monkeypatch.setattr(clock, "now", time.now)
    return time


@pytest.fixture
def made(app, acme, line):  # noqa: F811
    """Makes a link as an admin inside HighLevel does; returns its path."""

    def made() -> str:
        page = framed(app.test_client(), acme).post(f"/app/senders/{line}/client-link")
        assert page.status_code == 200
        return re.search(r'value="http://localhost(/link/[\w-]{43})"', page.text)[1]

    return made


def opened(app, path: str):
    """A browser that opened the link and pressed its button."""
    browser = app.test_client()
    landing = browser.get(path)
    assert landing.status_code == 200 and PIXEL not in landing.text
    assert browser.post(path, data={"csrf_token": token(landing)}).status_code == 303
    return browser


def test_the_whole_way(app, made, acme, line, provider: Provider, database, parts) -> None:  # noqa: F811
    path = made()
    browser = opened(app, path)
    page = browser.get(path)
    assert PIXEL in page.text and "Acme dentists" in page.text
    for secret in ("Front desk", "/admin", "/app/", "hush-token", "7105", acme.ghl_id):
        assert secret not in page.text, "it shows nothing else"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Robots-Tag"] == "noindex"
    form = {"csrf_token": token(page)}
    assert browser.post(f"{path}/pair", data={"phone": "call me", **form}, headers=FRAGMENT).status_code == 422
    assert "PAIR-0101" in browser.post(f"{path}/pair", data={"phone": "0917 555 0101", **form}, headers=FRAGMENT).text
    admin = framed(app.test_client(), acme)
    assert "It was opened" in admin.get(f"/app/senders/{line}/client-link").text
    provider.state = "ready"
    block = browser.get(f"{path}/code", headers=FRAGMENT)
    assert block.status_code == 286 and "The phone is linked" in block.text
    assert "You can close this page" in browser.get(path).text
    assert "A phone was linked by it" in admin.get(f"/app/senders/{line}/client-link").text
    assert app.test_client().get(path).status_code == 410
    provider.state = "signed_out"
    assert PIXEL not in browser.get(path).text, "used once"


def test_only_the_first_device(app, made) -> None:
    path = made()
    opened(app, path)
    other = app.test_client()
    page = other.get(path)
    assert page.status_code == 403 and "another device" in page.text and PIXEL not in page.text
    assert other.get(f"{path}/code", headers=FRAGMENT).status_code == 403


def test_two_that_open_it_at_once(app, made) -> None:
    """Both have seen the button: the second one to press it comes too late."""
    path = made()
    first, second = app.test_client(), app.test_client()
    forms = [{"csrf_token": token(browser.get(path))} for browser in (first, second)]
    assert first.post(path, data=forms[0]).status_code == 303
    assert second.post(path, data=forms[1]).status_code == 403


def test_a_preview_does_not_use_it_up(app, made) -> None:
    path = made()
    for _ in range(3):
        assert app.test_client().get(path).status_code == 200
    assert PIXEL in opened(app, path).get(path).text


@pytest.mark.parametrize("how", ["time", "revoked", "replaced", "uninstalled", "removed"])
def test_how_it_ends(app, made, database, acme, line, time: Time, how: str) -> None:  # noqa: F811
    path = made()
    browser = opened(app, path)
    if how == "time":
        time.forward(minutes=31)
    elif how == "revoked":
        framed(app.test_client(), acme).post(f"/app/senders/{line}/client-link/revoke")
    elif how == "replaced":
        made()
    else:
        table, value = (Location, InstallState.UNINSTALLED) if how == "uninstalled" else (Sender, "removed")
        column = "install_state" if table is Location else "state"
        with database.write() as session:
            session.execute(update(table).values({column: value}))
    assert PIXEL not in browser.get(path).text
    assert browser.get(f"{path}/code", headers=FRAGMENT).status_code == 286
    assert browser.post(f"{path}/pair", data={"csrf_token": "x", "phone": "1"}).status_code >= 400
    assert app.test_client().get(path).status_code == 410


def test_who_may_make_one(app, database, acme, rival, line, signed_in) -> None:  # noqa: F811
    address = f"/app/senders/{line}/client-link"
    assert framed(app.test_client(), acme, role="user").post(address).status_code == 403
    assert framed(app.test_client(), rival).post(address).status_code == 404
    assert framed(app.test_client(), acme).post(f"/app/senders/{acme.sender}/client-link").status_code == 422
    assert post(signed_in(acme.agency), f"/admin/senders/{line}/client-link").status_code == 200
    with database.read() as session:
        (link,) = session.query(ClientLink).all()
        assert len(link.token_hash) == 64 and link.made_by.startswith("user")


def test_nobody_guesses(app) -> None:
    client = app.test_client()
    answers = [client.get(f"/link/{'x' * 43}").status_code for _ in range(22)]
    assert set(answers) == {404, 429}
    assert client.get(f"/link/{'x' * 5000}").status_code == 429


def test_asking_too_often_is_slowed_down(app, made, provider: Provider) -> None:  # noqa: F811
    path = made()
    browser = opened(app, path)
    form = {"csrf_token": token(browser.get(path)), "phone": "0917 555 0101"}
    answers = [browser.post(f"{path}/pair", data=form, headers=FRAGMENT) for _ in range(12)]
    assert answers[0].status_code == 200 and "Too many attempts" in answers[-1].text


def test_a_provider_that_is_down_is_told_as_that(app, made, provider: Provider) -> None:  # noqa: F811
    browser = opened(app, path := made())
    provider.faults = [503]
    assert "It answered 503." in browser.get(path).text
