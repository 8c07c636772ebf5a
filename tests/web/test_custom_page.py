"""The custom page inside HighLevel: who is let in, as whom, for how long, and what everybody else gets."""

import pytest
from sqlalchemy import func, select, update

from portal.ghl import sso
from portal.models import Agency, InstallState, Location, PageSession
from tests.hand import Time
from tests.web.conftest import sign_in, token
from tests.web.framed import BOOSTED, HEADER, SECRET, Framed, begin, connect, encrypt, framed, said, sealed

BOTH_ENGINES = True


@pytest.fixture
def clock(monkeypatch) -> Time:
    from portal import clock

    time = Time()
    monkeypatch.setattr(clock, "now", time.now)
    return time


def sessions(database) -> list[PageSession]:
    with database.read() as session:
        return list(session.scalars(select(PageSession).order_by(PageSession.id)))


@pytest.mark.parametrize("path", ["/app", "/app/", "/app/whatsapp", "/app/senders/1", "/app/nowhere/at/all"])
def test_whoever_is_not_known_gets_the_shell(client, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200 and 'id="handshake"' in page.text and "custom-page.js" in page.text
    assert "Set-Cookie" not in page.headers
    assert client.get(path, headers=BOOSTED).status_code == 401
    assert client.get(path, headers={HEADER: "guessed"}).status_code == 401


def test_the_sandbox_encrypts_as_highlevel_does(acme) -> None:
    user = sso.decrypt(sealed(acme, userName="John Döe"), SECRET)
    assert (user.user_name, user.active_location, user.company_id) == ("John Döe", acme.ghl_id, acme.company)


def test_an_admin_sees_and_does(client, database, acme, rival) -> None:
    connect(database, acme)
    anna = framed(client, acme)
    entry = anna.get("/app/whatsapp")
    assert entry.status_code == 303 and entry.headers["Location"] == "/app/senders"
    page = anna.get("/app/senders")
    assert "Acme line" in page.text and "Rival" not in page.text and "Acme dentists" in page.text
    assert anna.post(f"/app/senders/{acme.sender}/pause").status_code == 303, "the header is proof enough"
    shown = anna.get(f"/app/senders/{acme.sender}")
    assert "It is paused" in shown.text and "Paused by Anna Example (HighLevel)." in shown.text
    assert "It is paused: what" not in anna.get(f"/app/senders/{acme.sender}").text, "said once"
    assert "Set-Cookie" not in page.headers and client._cookies == {}
    assert anna.token not in page.text
    (row,) = sessions(database)
    assert anna.token not in (row.token_hash, row.data) and row.user_id == "user-anna"


@pytest.mark.parametrize(
    ("who", "manages"),
    [
        ({"role": "user"}, False),
        ({"role": "something new"}, False),
        ({"role": "user", "type": "agency"}, True),
        ({"role": "admin", "type": "agency"}, True),
    ],
)
def test_roles(client, acme, who: dict[str, str], manages: bool) -> None:
    anna = framed(client, acme, **who)
    assert anna.get("/app/senders").status_code == 200
    assert anna.post(f"/app/senders/{acme.sender}/pause").status_code == (303 if manages else 403)


def test_what_is_no_payload_of_this_app_opens_nothing(client, database, acme) -> None:
    good = sealed(acme)
    broken = good[:-8] + ("A" if good[-8] != "A" else "B") + good[-7:]
    for payload in ("", "U2FsdGVk", broken, encrypt(said(acme), "another app's secret"), good + "!", "x" * 20_000):
        answer = begin(client, payload)
        assert answer.status_code in (403, 429) and "token" not in answer.text, payload[:20]
    assert "GHL_SHARED_SECRET" in begin(client, "").text
    assert client.post("/app/session", data={"payload": good}).status_code == 400, "another site's form"
    assert sessions(database) == []


def test_guessing_is_slowed_down(client, acme) -> None:
    answers = {begin(client, "guess").status_code for _ in range(25)}
    assert answers == {403, 429}
    assert begin(client, sealed(acme)).status_code == 200, "who is known is let in all the same"


def test_a_copy_of_the_payload_opens_the_same_location_only(client, acme, rival) -> None:
    payload = sealed(acme, role="user")
    first, copy = (Framed(client, begin(client, payload).json["token"]) for _ in range(2))
    assert first.token != copy.token
    for each in (first, copy):
        assert each.get(f"/app/senders/{acme.sender}").status_code == 200
        assert each.get(f"/app/senders/{rival.sender}").status_code == 404
        assert each.post(f"/app/senders/{acme.sender}/pause").status_code == 403


def test_a_location_and_a_company_that_do_not_belong_together(client, database, acme, rival) -> None:
    answer = begin(client, sealed(acme, companyId=rival.company))
    assert answer.status_code == 403 and "belongs to an agency" in answer.text
    answer = begin(client, sealed(acme, companyId="company-nobody"))
    assert answer.status_code == 403
    with database.write() as session:
        session.execute(update(Location).where(Location.id == acme.location).values(agency_id=None))
    assert "not finished" in begin(client, sealed(acme)).text
    assert sessions(database) == []


def test_what_is_not_installed_says_so(client, database, acme) -> None:
    answer = begin(client, sealed(acme, activeLocation="location-new"))
    assert answer.status_code == 403 and "not installed" in answer.text and "/oauth/install" in answer.text
    with database.write() as session:
        values = {"install_state": InstallState.UNINSTALLED}
        session.execute(update(Location).where(Location.id == acme.location).values(**values))
    answer = begin(client, sealed(acme))
    assert "uninstalled" in answer.text and 'target="_blank"' in answer.text


def test_a_location_that_is_paused_or_has_lost_its_permission_is_told(client, database, acme) -> None:
    page = framed(client, acme).get("/app/whatsapp")  # it never had a grant
    assert page.status_code == 200 and "Permission ended" in page.text and "Reconnect HighLevel" in page.text
    assert "/app/senders" in page.text
    with database.write() as session:
        values = {"install_state": InstallState.INACTIVE}
        session.execute(update(Location).where(Location.id == acme.location).values(**values))
    assert "Activate it there" in framed(client, acme).get("/app").text


def test_without_the_shared_secret_a_person_is_told(app, parts, acme) -> None:
    object.__setattr__(parts.settings, "ghl_shared_secret", "")
    answer = begin(app.test_client(), sealed(acme))
    assert answer.status_code == 503 and "GHL_SHARED_SECRET" in answer.text


def test_while_the_database_is_away(client, parts, acme, monkeypatch) -> None:
    from sqlalchemy.exc import OperationalError

    anna = framed(client, acme)

    def away(*_: object, **__: object) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(type(parts.database), "read", away)
    monkeypatch.setattr(type(parts.database), "write", away)
    assert client.get("/app/whatsapp").status_code == 200
    assert begin(client, sealed(acme)).status_code == 503
    page = anna.get("/app/senders")
    assert page.status_code == 503 and "/admin" not in page.text


def test_a_session_ends_by_itself(client, acme, clock: Time) -> None:
    anna = framed(client, acme)
    for _ in range(2):
        clock.forward(minutes=29)
        assert anna.get("/app/senders").status_code == 200
    clock.forward(minutes=3)
    assert anna.get("/app/senders").status_code == 401, "an hour at most"
    idle = framed(client, acme)
    clock.forward(minutes=31)
    assert idle.get("/app/senders").status_code == 401


def test_an_uninstallation_ends_it_at_once(client, database, acme) -> None:
    anna = framed(client, acme)
    with database.write() as session:
        values = {"install_state": InstallState.UNINSTALLED}
        session.execute(update(Location).where(Location.id == acme.location).values(**values))
    assert anna.post(f"/app/senders/{acme.sender}/pause").status_code == 401
    assert sessions(database)[0].ended_at is not None
    with database.write() as session:
        values = {"install_state": InstallState.INSTALLED}
        session.execute(update(Location).where(Location.id == acme.location).values(**values))
    assert anna.get("/app/senders").status_code == 401, "and it does not come back"


def test_a_location_that_moves_to_another_agency_ends_it(client, database, acme, rival) -> None:
    anna = framed(client, acme)
    with database.write() as session:
        session.execute(update(Location).where(Location.id == acme.location).values(agency_id=rival.agency))
    assert anna.get("/app/senders").status_code == 401


def test_another_role_ends_the_sessions_of_the_old_one(client, acme) -> None:
    admin, other = framed(client, acme), framed(client, acme, userId="user-ben")
    user = framed(client, acme, role="user")
    assert admin.get("/app/senders").status_code == 401
    assert user.get("/app/senders").status_code == other.get("/app/senders").status_code == 200


def test_one_user_has_so_many_sessions_and_no_more(client, database, acme) -> None:
    pages = [framed(client, acme) for _ in range(22)]
    assert [page.get("/app/senders").status_code for page in (pages[0], pages[1], pages[2], pages[-1])] == [
        401,
        401,
        200,
        200,
    ]


def test_an_agencys_admin_chooses_a_sub_account(client, database, acme, rival, tenant) -> None:
    anna = framed(client, acme, type="agency", activeLocation=None)
    assert anna.get("/app/whatsapp").headers["Location"] == "/app/places"
    listed = anna.get("/app/places")
    assert "Acme dentists" in listed.text and "Rival" not in listed.text
    assert "No sub-account of this name" in anna.get("/app/places?q=rival").text
    assert anna.get("/app/senders").headers["Location"] == "/app/places"
    assert anna.get(f"/app/senders/{acme.sender}").status_code == 303
    assert anna.post(f"/app/senders/{acme.sender}/pause").status_code == 403
    assert anna.post(f"/app/places/{rival.location}").status_code == 404
    assert anna.post(f"/app/places/{acme.location}").status_code == 303
    assert "Acme line" in anna.get("/app/senders").text and "All sub-accounts" in anna.get("/app/senders").text
    assert anna.post(f"/app/senders/{acme.sender}/pause").status_code == 303
    assert anna.get(f"/app/senders/{rival.sender}").status_code == 404
    assert "Acme dentists" in anna.get("/app/places").text, "a way back"
    bound = framed(client, acme)
    assert bound.get("/app/places").status_code == 404
    assert bound.post(f"/app/places/{acme.location}").status_code == 404


@pytest.mark.parametrize("who", [{"type": "agency", "role": "user"}, {"type": "location"}])
def test_only_an_agencys_admin_sees_the_list(client, acme, who: dict[str, str]) -> None:
    answer = begin(client, sealed(acme, activeLocation=None, **who))
    assert answer.status_code == 403 and "Switch to a sub-account" in answer.text


def test_an_agency_that_is_none_of_ours(client, database, acme) -> None:
    assert "not installed" in begin(client, sealed(acme, companyId="nobody", type="agency", activeLocation=None)).text
    anna = framed(client, acme, type="agency", activeLocation=None)
    with database.write() as session:
        values = {"install_state": InstallState.UNINSTALLED}
        session.execute(update(Location).where(Location.id == acme.location).values(**values))
    assert anna.get("/app/places").status_code == 401


def test_what_does_not_exist_looks_like_the_custom_page(client, acme) -> None:
    page = framed(client, acme).get("/app/nowhere")
    assert page.status_code == 404 and "/app" in page.text and "/admin" not in page.text


def test_the_portals_sign_in_is_nothing_here(app, person, acme) -> None:
    browser = app.test_client()
    person("op@example.com")
    sign_in(browser, "op@example.com")
    assert 'id="handshake"' in browser.get("/app/senders").text
    assert browser.get("/app/senders", headers=BOOSTED).status_code == 401
    anna = framed(browser, acme)
    assert anna.get("/app/senders").status_code == 200 and browser.get("/admin").status_code == 200
    assert browser.get("/admin", headers={HEADER: anna.token}).text.count("Sign out") == 1
    assert app.test_client().get("/admin/senders", headers={HEADER: anna.token}).status_code == 303


def ancestors(answer) -> str:
    return answer.headers["Content-Security-Policy"].rpartition("frame-ancestors ")[2]


def test_who_may_frame_it(client, database, acme, rival, app) -> None:
    with database.write() as session:
        for tenant, domain in ((acme, "crm.acme.example"), (rival, "https://app.rival.example/")):
            agency = session.get_one(Agency, tenant.agency)
            agency.whitelabel_domain = domain
    app.extensions["frames"]._until = 0.0
    always = "https://app.gohighlevel.com https://*.gohighlevel.com"
    plain = client.get("/app/whatsapp")
    assert ancestors(plain).startswith(always) and "example" not in ancestors(plain)
    assert "X-Frame-Options" not in plain.headers
    ours = client.get("/app/whatsapp", headers={"Referer": "https://crm.acme.example/v2/location/1"})
    assert ancestors(ours).endswith(" https://crm.acme.example") and "rival" not in ancestors(ours)
    theirs = client.get(f"/app/whatsapp?location={rival.ghl_id}")
    assert ancestors(theirs).endswith(" https://app.rival.example")
    for referer in ("https://evil.example/", "http://crm.acme.example/", "https://x.crm.acme.example/"):
        assert "example" not in ancestors(client.get("/app/whatsapp", headers={"Referer": referer}))
    assert ancestors(client.get("/login")) == "'none'"


def test_the_cookie_is_a_convenience(app, acme, database) -> None:
    object.__setattr__(app.extensions["portal"].settings, "app_url", "https://portal.example")
    browser = app.test_client()
    base = {"base_url": "https://localhost"}
    answer = browser.post("/app/session", data={"payload": sealed(acme)}, headers={HEADER: ""}, **base)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-page=")
    for flag in ("Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/"):
        assert flag in cookie
    page = browser.get(f"/app/senders/{acme.sender}", **base)
    assert "Acme line" in page.text
    assert 'id="handshake"' in browser.get("/app/whatsapp", **base).text, "only HighLevel knows which one is meant"
    framed_anew = browser.get("/app/senders", headers={"Sec-Fetch-Dest": "iframe"}, **base)
    assert 'id="handshake"' in framed_anew.text
    address, refers = f"/app/senders/{acme.sender}/pause", {"Referer": "https://localhost/app/senders"}
    refused = browser.post(address, headers=refers, **base)
    assert refused.status_code == 400 and "too old" in refused.text
    form = {"csrf_token": token(page)}
    assert browser.post(address, data=form, headers={"Referer": "https://evil.example/"}, **base).status_code == 400
    assert browser.post(address, data=form, headers=refers, **base).status_code == 303


def test_old_sessions_are_cleared(client, database, acme, clock: Time) -> None:
    framed(client, acme)
    clock.forward(hours=3)
    framed(client, acme)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(PageSession)) == 1
