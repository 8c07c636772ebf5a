"""The custom page in a real browser: framed by the stand-in HighLevel on another site, third-party cookies blocked."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import select, update
from werkzeug.serving import make_server

from portal import clock, create_app
from portal.config import Settings
from portal.messaging import optouts, senders
from portal.models import Agency, Base, Grant, GrantKind, InstallState, Location, PageSession
from portal.sandbox import Sandbox, world
from portal.sandbox.ghl import sso
from tests.linked import NEWER, PIXEL, Provider, register, serving
from tests.portal import settings_for
from tests.web import test_browser
from tests.web.test_browser import chromium  # noqa: F401 - a fixture

pytestmark = pytest.mark.browser

HOME, OTHER = world.DEMO_LOCATIONS
CODE = "The code to scan with the phone"


@pytest.fixture(scope="module", autouse=True)
def no_third_party_cookies() -> Iterator[None]:
    """The flag with which Chromium blocks them for everybody."""
    test_browser.QUIET.append("--test-third-party-cookie-phaseout")
    yield
    test_browser.QUIET.pop()


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Sandbox]:
    """HighLevel's stand-in. Browsers know it as `localhost`, the portal as 127.0.0.1: two sites."""
    sandbox = Sandbox()
    server = sandbox.serve(0)
    yield sandbox
    server.stop()


@dataclass
class Inside:
    """A browser in HighLevel, and the custom page that it frames."""

    context: object
    page: object
    outer: str
    portal: str
    complaints: list[str] = field(default_factory=list)
    asked: list[object] = field(default_factory=list)

    def open(self, location: str = HOME.id, who: str = "admin") -> None:
        self.page.goto(f"{self.outer}/highlevel?location={location}&who={who}")

    @property
    def frame(self):
        return self.page.frame_locator("iframe.custom-page")

    def own(self):
        """The frame itself, to run a script in it."""
        return next(frame for frame in self.page.frames if frame.url.startswith(self.portal))


@pytest.fixture
def settings(tmp_path, stand_in) -> Settings:
    return replace(settings_for(f"sqlite:///{tmp_path / 'portal.db'}", stand_in, tmp_path), sandbox=True)


@pytest.fixture
def portal(settings, stand_in):
    app = create_app(settings)
    parts = app.extensions["portal"]
    Base.metadata.create_all(parts.database.engine)
    with parts.database.write() as session:
        agency = Agency(company_id=world.DEMO_COMPANY.id, name="Bayanihan", created_at=clock.now())
        session.add(agency)
        session.flush()
        for place in world.DEMO_LOCATIONS:
            _install(session, parts, place, agency.id)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stand_in.portal_url = f"http://127.0.0.1:{server.port}"
    yield parts
    server.shutdown()
    parts.database.engine.dispose()


def _install(session, parts, place: world.Location, agency: int) -> None:
    moment = clock.now()
    location = Location(
        ghl_id=place.id,
        agency_id=agency,
        name=place.name,
        country="PH",
        install_state=InstallState.INSTALLED,
        created_at=moment,
    )
    session.add(location)
    times = {"expires_at": moment, "refreshed_at": moment, "created_at": moment}
    session.add(Grant(kind=GrantKind.LOCATION, ghl_id=place.id, company_id=place.company_id, **times))
    session.flush()
    senders.add(session, parts.vault, location, senders.NewSender("simulator", f"{place.name} line", {}))


@pytest.fixture
def inside(portal, stand_in, chromium) -> Iterator[Inside]:  # noqa: F811
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    outer = stand_in.url.replace("127.0.0.1", "localhost")
    inside = Inside(context, context.new_page(), outer, stand_in.portal_url)
    inside.page.on("console", lambda said: inside.complaints.append(said.text) if said.type == "error" else None)
    inside.page.on("pageerror", lambda error: inside.complaints.append(str(error)))
    inside.page.on("request", lambda asked: inside.asked.append(asked))
    yield inside
    context.close()


@pytest.fixture
def provider(monkeypatch) -> Iterator[Provider]:
    """A provider whose line has no phone yet."""
    register(monkeypatch)
    with serving(Provider(state="signed_out")) as provider:
        yield provider


@pytest.fixture
def unlinked(portal, provider: Provider) -> int:
    """A WhatsApp sender of the first location, whose phone is still to be linked."""
    fields = {"id_instance": "7105", "api_token": "hush-token"}
    wanted = senders.NewSender("linked", "Front desk", fields, provider.url, operator=True)
    with portal.database.write() as session:
        location = session.scalars(select(Location).where(Location.ghl_id == HOME.id)).one()
        sender = senders.add(session, portal.vault, location, wanted)
    portal.linking.look(sender.id)
    return sender.id


WAKE = "document.querySelectorAll('[hx-trigger^=every]').forEach(e => htmx.trigger(e, 'wake'))"


def lines(portal, place: world.Location = HOME) -> list[int]:
    with portal.database.read() as session:
        location = session.scalars(select(Location).where(Location.ghl_id == place.id)).one()
        query = select(senders.Sender.id).where(senders.Sender.location_id == location.id)
        return list(session.scalars(query.order_by(senders.Sender.id)))


def test_it_opens_without_a_cookie_and_stays_in_the_frame(inside: Inside, portal) -> None:
    inside.open()
    inside.frame.get_by_role("heading", name="Senders").wait_for()
    inside.frame.get_by_role("link", name="Cebu Dental Care line").click()
    inside.frame.get_by_role("button", name="Pause").click()
    inside.frame.get_by_text("It is paused: what it would send is held.").wait_for()
    inside.frame.get_by_role("button", name="Resume").first.click()
    inside.frame.get_by_text("It sends again.").wait_for()
    inside.frame.get_by_role("link", name="Activity").click()
    inside.frame.get_by_role("heading", name="Activity").wait_for()
    assert inside.context.cookies() == []
    token = next(filter(None, (asked.headers.get("x-sendero-session") for asked in inside.asked)))
    assert len(token) == 43 and not any(token in asked.url for asked in inside.asked)
    assert inside.own().evaluate("() => { try { return typeof localStorage } catch { return 'refused' } }") == "refused"
    assert inside.complaints == []


def test_back_and_forward_and_a_reload(inside: Inside) -> None:
    inside.open()
    inside.frame.get_by_role("link", name="Cebu Dental Care line").click()
    inside.frame.get_by_role("heading", name="Cebu Dental Care line").wait_for()
    inside.frame.get_by_role("link", name="Opt-outs").click()
    inside.frame.get_by_role("heading", name="Opt-outs").wait_for()
    inside.own().evaluate("history.back()")
    inside.frame.get_by_role("heading", name="Cebu Dental Care line").wait_for()
    inside.own().evaluate("location.reload()")
    inside.frame.get_by_role("heading", name="Cebu Dental Care line").wait_for()
    assert inside.complaints == []


def test_the_handshake_is_made_again_when_the_session_is_over(inside: Inside, portal) -> None:
    inside.open()
    inside.frame.get_by_role("link", name="Cebu Dental Care line").click()
    button = inside.frame.get_by_role("button", name="Pause")
    button.wait_for()
    end_sessions(portal)
    button.click()
    inside.frame.get_by_text("It is paused: what it would send is held.").wait_for()
    end_sessions(portal)
    inside.frame.get_by_role("navigation", name="Main").get_by_role("link", name="Senders").click()
    inside.frame.get_by_role("heading", name="Senders").wait_for()
    with portal.database.read() as session:
        assert len(session.scalars(select(PageSession)).all()) == 3
    assert [each for each in inside.complaints if "401" not in each] == []


def test_what_somebody_typed_stays_when_highlevel_is_silent(inside: Inside, portal) -> None:
    inside.open()
    with portal.database.read() as session:
        location = session.scalars(select(Location).where(Location.ghl_id == HOME.id)).one()
    inside.frame.get_by_role("link", name="Opt-outs").wait_for()
    inside.own().evaluate(f"location.href = '/app/opt-outs/locations/{location.id}'")
    field = inside.frame.get_by_label("Why")
    field.fill("Asked in the shop")
    inside.frame.get_by_label("Number").fill("0917 000 0042")
    end_sessions(portal)
    inside.page.evaluate("document.querySelector('iframe').dataset.signIn = '/highlevel/sign-in?who=nobody'")
    inside.frame.get_by_label("Number").press("Enter")
    inside.frame.get_by_text("HighLevel does not answer").wait_for()
    assert field.input_value() == "Asked in the shop"
    inside.page.evaluate("document.querySelector('iframe').dataset.signIn = '/highlevel/sign-in?who=admin'")
    inside.frame.get_by_role("button", name="Try again").click()
    inside.frame.get_by_text("HighLevel does not answer").wait_for(state="detached")
    inside.frame.get_by_label("Number").press("Enter")
    inside.frame.get_by_text("nothing is sent to this number any more").wait_for()


def end_sessions(portal) -> None:
    with portal.database.write() as session:
        session.execute(update(PageSession).values(ended_at=clock.now()))


def test_what_nobody_answers(inside: Inside, portal) -> None:
    inside.open(who="nobody")
    inside.frame.get_by_text("HighLevel does not answer").wait_for()
    inside.frame.get_by_role("button", name="Try again").click()
    inside.page.goto(f"{inside.portal}/app/whatsapp")
    inside.page.get_by_role("heading", name="Open this page inside HighLevel").wait_for()


def test_only_the_parent_is_believed(inside: Inside, stand_in) -> None:
    """Another frame of the same page tells of another location: nobody listens."""
    inside.open(who="nobody")
    inside.frame.get_by_text("One moment").wait_for()
    address = f"/highlevel/sign-in?who=admin&location={OTHER.id}"
    payload = inside.page.evaluate("address => fetch(address).then(it => it.json()).then(it => it.payload)", address)
    inside.page.evaluate("() => document.body.append(document.createElement('iframe'))")
    stranger = inside.page.frames[-1]
    said = {"message": "REQUEST_USER_DATA_RESPONSE", "payload": payload}
    stranger.evaluate("said => parent.frames[0].postMessage(said, '*')", said)
    inside.frame.get_by_text("HighLevel does not answer").wait_for()
    assert not any(asked.url.endswith("/app/session") for asked in inside.asked)


def test_an_agencys_admin_chooses(inside: Inside) -> None:
    inside.open(who="agency-list")
    inside.frame.get_by_role("heading", name="Your sub-accounts").wait_for()
    inside.frame.get_by_role("button", name=f"Open {OTHER.name}").click()
    inside.frame.get_by_role("link", name=f"{OTHER.name} line").wait_for()
    inside.frame.get_by_role("link", name="All sub-accounts").click()
    inside.frame.get_by_role("button", name=f"Open {HOME.name}").click()
    inside.frame.get_by_role("link", name=f"{HOME.name} line").wait_for()
    assert inside.complaints == []


def test_somebody_elses_sender_is_not_there(inside: Inside, portal) -> None:
    inside.open()
    inside.frame.get_by_role("heading", name="Senders").wait_for()
    (theirs,) = lines(portal, OTHER)
    inside.own().evaluate(f"location.href = '/app/senders/{theirs}'")
    inside.frame.get_by_text("There is no such sender, or it is not yours to see.").wait_for()


def test_what_is_not_installed_is_told_with_the_way_out(inside: Inside, portal) -> None:
    with portal.database.write() as session:
        session.execute(update(Location).values(install_state=InstallState.UNINSTALLED))
    inside.open()
    link = inside.frame.get_by_role("link", name="Install the app")
    link.wait_for()
    assert link.get_attribute("target") == "_blank"


def test_an_uninstallation_shuts_a_page_that_is_open(inside: Inside, portal) -> None:
    inside.open()
    inside.frame.get_by_role("link", name="Activity").wait_for()
    with portal.database.write() as session:
        session.execute(update(Location).values(install_state=InstallState.UNINSTALLED))
    inside.frame.get_by_role("link", name="Activity").click()
    inside.frame.get_by_role("link", name="Install the app").wait_for()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_pages_fit_a_phone(inside: Inside, portal, theme: str) -> None:
    inside.page.set_viewport_size({"width": 360, "height": 800})
    inside.page.emulate_media(color_scheme=theme)
    for who, heading in (("admin", "Senders"), ("agency-list", "Your sub-accounts")):
        inside.open(who=who)
        inside.frame.get_by_role("heading", name=heading).wait_for()
        own = inside.own()
        assert own.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        assert own.evaluate("document.documentElement.dataset.bsTheme") == theme
        assert own.locator("h1").count() == 1
    assert inside.complaints == []


def test_a_phone_is_linked_by_its_code(inside: Inside, portal, provider: Provider, unlinked: int) -> None:
    inside.open()
    inside.frame.get_by_role("link", name="Link a phone").click()
    inside.frame.locator(f'img.qr[src$="{PIXEL}"]').wait_for(state="attached")
    provider.code = NEWER
    inside.own().evaluate(WAKE)
    inside.frame.locator(f'img.qr[src$="{NEWER}"]').wait_for(state="attached")
    end_sessions(portal)  # a poll finds out, and asks HighLevel again
    inside.own().evaluate(WAKE)
    provider.state = "ready"
    inside.own().evaluate(WAKE)
    inside.frame.get_by_text("The phone is linked").wait_for()
    assert inside.frame.locator("img.qr").count() == 0
    assert [each for each in inside.complaints if "401" not in each] == []


def test_a_client_links_it_on_their_own_device(inside: Inside, provider: Provider, unlinked: int) -> None:
    inside.open()
    inside.frame.get_by_role("link", name="Front desk", exact=True).click()
    inside.frame.get_by_role("link", name="Let your client scan it").click()
    inside.frame.get_by_role("button", name="Make a link").click()
    path = inside.frame.get_by_label("Send this to your client").input_value().rpartition("/link/")[2]
    client = inside.context.browser.new_context(viewport={"width": 360, "height": 800})
    page = client.new_page()
    page.goto(f"{inside.portal}/link/{path}")
    page.get_by_role("button", name="Show me the code").press("Enter")
    page.get_by_alt_text(CODE).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    inside.own().evaluate(WAKE)
    inside.frame.get_by_text("It was opened").wait_for()
    page.get_by_label("The phone's number").fill("0917 555 0101")
    page.get_by_role("button", name="Give me a code").click()
    page.get_by_text("PAIR-0101").wait_for()
    provider.state = "ready"
    page.evaluate(WAKE)
    page.get_by_text("You can close this page").wait_for()
    inside.own().evaluate(WAKE)
    inside.frame.get_by_text("A phone was linked by it").wait_for()
    client.close()


def test_a_list_is_downloaded_without_a_cookie(inside: Inside, portal) -> None:
    with portal.database.write() as session:
        location = session.scalars(select(Location).where(Location.ghl_id == HOME.id)).one()
        optouts.add(session, location.id, "sms", "+639170000042", "Wrote STOP")
    inside.open()
    inside.frame.get_by_role("link", name="Opt-outs").click()
    with inside.page.expect_download() as download:
        inside.frame.get_by_role("link", name="Export these as CSV").click()
    assert "+639170000042" in download.value.path().read_text()
    assert download.value.suggested_filename.startswith("opt-outs-")
    inside.frame.get_by_role("heading", name="Opt-outs").wait_for()


PARENT = """
<!doctype html><meta name="referrer" content="{referrer}">
<iframe class="custom-page" src="{address}"></iframe>
<script>
  addEventListener("message", event => event.source.postMessage(
    {{ message: "REQUEST_USER_DATA_RESPONSE", payload: "{payload}" }}, "*"));
</script>
"""


def parent(inside: Inside, domain: str, referrer: str = "origin", query: str = "") -> None:
    """HighLevel under a domain of the agency's own."""
    address = f"{inside.portal}/app/whatsapp{query}"
    html = PARENT.format(referrer=referrer, address=address, payload=sso.payload(HOME.id))
    # A page of the internet asks before it frames one of this machine.
    inside.context.grant_permissions(["local-network-access"], origin=f"https://{domain}")
    inside.context.route(f"https://{domain}/", lambda route: route.fulfill(body=html, content_type="text/html"))
    inside.page.goto(f"https://{domain}/")


def test_a_white_label_domain_may_frame_it_and_no_other(inside: Inside, portal) -> None:
    with portal.database.write() as session:
        session.execute(update(Agency).values(whitelabel_domain="crm.bayanihan.example"))
    parent(inside, "crm.bayanihan.example")
    inside.frame.get_by_role("heading", name="Senders").wait_for()
    parent(inside, "evil.example")
    inside.page.wait_for_function("frames.length === 1")
    wait_for(lambda: any("frame-ancestors" in said for said in inside.complaints), inside)
    assert not [frame for frame in inside.page.frames if frame.url.startswith(inside.portal)]


def test_a_white_label_page_that_hides_where_it_is(inside: Inside, portal) -> None:
    """Without a Referer, HighLevel's own word in the address says whose domain it is."""
    with portal.database.write() as session:
        session.execute(update(Agency).values(whitelabel_domain="crm.bayanihan.example"))
    parent(inside, "crm.bayanihan.example", "no-referrer", f"?location={HOME.id}")
    inside.frame.get_by_role("heading", name="Senders").wait_for()


def wait_for(found, inside: Inside) -> None:
    """Lets the browser go on until it is found."""
    for _ in range(200):
        if found():
            return
        inside.page.wait_for_timeout(50)
    raise AssertionError(inside.complaints)
