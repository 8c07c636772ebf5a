"""Linking a phone in a real browser: the code lives, an old one goes, and the page turns into "linked" by itself."""

import pytest

from tests.linked import NEWER, Provider
from tests.web.test_browser import Visit, chromium, visit  # noqa: F401 - fixtures
from tests.web.test_senders import line, provider  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser

WAKE = "document.querySelectorAll('[hx-trigger^=every]').forEach(e => htmx.trigger(e, 'wake'))"


def test_the_code_lives_and_turns_into_linked(visit: Visit, parts, line: int, provider: Provider) -> None:  # noqa: F811
    visit.open(f"/admin/senders/{line}")
    code = visit.page.get_by_alt_text("The code to scan with the phone")
    code.wait_for()
    provider.code = NEWER
    visit.page.evaluate(WAKE)
    visit.page.locator(f'img.qr[src$="{NEWER}"]').wait_for(state="attached")
    assert code.count() == 1
    provider.state = "ready"
    visit.page.evaluate(WAKE)
    visit.page.get_by_text("The phone is linked").wait_for()
    assert code.count() == 0
    parts.linking.look(line)
    visit.page.evaluate(WAKE)
    visit.page.locator("#state .badge-good", has_text="active").wait_for()
    assert visit.complaints == []


def test_a_code_that_nothing_renews_does_not_stay(visit: Visit, line: int, provider: Provider) -> None:  # noqa: F811
    visit.open(f"/admin/senders/{line}/code")
    code = visit.page.get_by_alt_text("The code to scan with the phone")
    code.wait_for()
    visit.page.evaluate(WAKE)  # from now on the answer is that nothing has changed
    visit.page.wait_for_load_state("networkidle")
    visit.page.evaluate("document.querySelector('.qr').dataset.goodFor = '0.2'")
    visit.page.evaluate(WAKE)
    visit.page.get_by_text("This code is too old").wait_for()
    assert code.count() == 0
    visit.page.evaluate(WAKE)
    code.wait_for()  # the provider says that it is good still
    provider.faults = [503]
    visit.page.evaluate(WAKE)
    visit.page.get_by_text("It answered 503.").wait_for()
    assert code.count() == 0 and visit.complaints == []


def test_pairing_and_unlinking_by_keyboard(visit: Visit, line: int, provider: Provider) -> None:  # noqa: F811
    visit.open(f"/admin/senders/{line}/code")
    field = visit.page.get_by_label("The phone's number")
    field.fill("call me")
    visit.page.keyboard.press("Enter")
    visit.page.get_by_role("alert").wait_for()
    # Until what was swapped in has settled, a form is the browser's own.
    visit.page.locator(".htmx-settling").first.wait_for(state="detached")
    field.fill("0917 555 0101")
    visit.page.keyboard.press("Enter")
    visit.page.get_by_text("PAIR-0101").wait_for()
    assert visit.page.url.endswith("/code")
    provider.state = "ready"
    visit.open(f"/admin/senders/{line}")
    visit.page.get_by_role("button", name="Check now").or_(
        visit.page.get_by_role("button", name="Check the line")
    ).first.focus()
    visit.page.keyboard.press("Enter")
    link = visit.page.get_by_role("link", name="Unlink the phone…")
    link.focus()
    visit.page.keyboard.press("Enter")
    visit.page.get_by_role("button", name="Unlink it").focus()
    visit.page.keyboard.press("Enter")
    visit.page.get_by_text("The phone is unlinked.").wait_for()
    assert provider.state == "signed_out"


def test_it_works_without_a_script(visit: Visit, line: int, provider: Provider) -> None:  # noqa: F811
    plain = visit.page.context.browser.new_context(java_script_enabled=False)
    plain.add_cookies(visit.page.context.cookies())
    page = plain.new_page()
    page.goto(f"{visit.base}/admin/senders")
    page.get_by_role("link", name="Link a phone").click()
    page.get_by_alt_text("The code to scan with the phone").wait_for()
    provider.code = NEWER
    page.get_by_role("link", name="Show a new code").click()
    page.locator(f'img.qr[src$="{NEWER}"]').wait_for(state="attached")
    page.get_by_label("The phone's number").fill("09175550101")
    page.get_by_role("button", name="Give me a code").click()
    page.get_by_text("PAIR-0101").wait_for()
    plain.close()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_pages_fit_a_phone(visit: Visit, acme, line: int, queue, theme: str) -> None:  # noqa: F811
    queue(acme, "Hello", named_sender_id=line)
    visit.page.emulate_media(color_scheme=theme)
    for path in ("", f"/{line}", f"/{line}/code", f"/{line}/sign-out", f"/{acme.sender}"):
        visit.open(f"/admin/senders{path}")
        visit.page.wait_for_load_state("networkidle")
        wide = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path
        assert visit.page.locator("h1").count() == 1
        assert visit.page.evaluate("document.documentElement.dataset.bsTheme") == theme
        ids = visit.page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
        assert len(ids) == len(set(ids)), path
        qr = visit.page.locator("img.qr")
        if qr.count():
            assert qr.first.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)", (
                "to be scanned"
            )
    assert visit.complaints == []
