"""Templates in a real browser: the live preview, the keyboard, no script at all, and a phone's width."""

import pytest

from portal.models import Message
from tests.templated import Provider, said
from tests.web.test_browser import Visit, chromium, visit  # noqa: F401 - fixtures
from tests.web.test_templates import CLOSED, apply, failed, line, provider, sent_from  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser

WAKE = "document.querySelectorAll('[hx-trigger^=every]').forEach(e => htmx.trigger(e, 'wake'))"
LONG = {"type": "BODY", "text": "https://shop.example/" + "a" * 300 + " {{1}}"}


def test_a_template_is_chosen_filled_in_and_sent_by_keyboard(visit: Visit, parts, database, failed: Message) -> None:  # noqa: F811
    visit.open(f"/admin/messages/{failed.uuid}")
    visit.page.get_by_role("link", name="Send a template instead").focus()
    visit.page.keyboard.press("Enter")
    visit.page.get_by_text(CLOSED).wait_for()
    visit.page.get_by_label("Approved templates of Front desk").select_option(label="visit (en), utility")
    first = visit.page.get_by_label("{{1}} in the body")
    first.wait_for()
    visit.page.locator(".htmx-settling").first.wait_for(state="detached")
    assert "template=" in visit.page.url, "the address reproduces the screen"
    first.fill("Ana")
    shown = visit.page.locator("#preview")
    shown.get_by_text("Hi Ana, we see you on *{{2}}*.").wait_for()
    visit.page.get_by_label("{{2}} in the body").fill("Friday     at ten")
    shown.get_by_text("at most four spaces").wait_for()
    visit.page.get_by_label("{{2}} in the body").fill("Friday")
    shown.get_by_text("Hi Ana, we see you on *Friday*.").wait_for()
    visit.page.keyboard.press("Enter")  # the first button only shows it
    visit.page.get_by_role("button", name="Send the template").wait_for()
    apply(parts)
    assert sent_from(database) == []
    visit.page.get_by_role("button", name="Send the template").focus()
    visit.page.keyboard.press("Enter")
    visit.page.get_by_text("The template is on its way").wait_for()
    apply(parts)
    assert [each.body for each in sent_from(database)] == ["Hi Ana, we see you on *Friday*."]
    assert visit.complaints == []


def test_it_works_without_a_script(visit: Visit, parts, database, failed: Message, line: int) -> None:  # noqa: F811
    plain = visit.page.context.browser.new_context(java_script_enabled=False)
    plain.add_cookies(visit.page.context.cookies())
    page = plain.new_page()
    page.goto(f"{visit.base}/admin/messages/{failed.uuid}/template")
    page.get_by_label("Approved templates of Front desk").select_option(label="offer (de), marketing")
    page.get_by_role("button", name="Choose").click()
    page.get_by_label("first_name").fill("Ana")
    page.get_by_role("button", name="Show the preview").click()
    page.get_by_text("Only for you, Ana.").wait_for()
    page.get_by_label("Address of the photo").fill("https://pictures.example/a.jpg")
    page.get_by_role("button", name="Send the template").click()
    page.get_by_role("alert").get_by_text("End of the address").wait_for()
    page.get_by_label("End of the address").fill("7")
    page.get_by_role("button", name="Send the template").click()
    page.get_by_text("The template is on its way").wait_for()
    apply(parts)
    assert "Only for you, Ana." in sent_from(database)[0].body
    page.goto(f"{visit.base}/admin/senders/{line}/templates")
    page.get_by_label("Status").select_option("PAUSED")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("Customers complained.").wait_for()
    page.get_by_role("button", name="Ask again now").click()
    page.get_by_text("The provider is asked").wait_for()
    plain.close()


def test_the_list_follows_what_the_provider_says(visit: Visit, parts, line: int, provider: Provider) -> None:  # noqa: F811
    visit.open(f"/admin/senders/{line}/templates")
    visit.page.get_by_label("Name").fill("old")
    visit.page.keyboard.press("Enter")
    visit.page.get_by_text("visit (en)").wait_for(state="detached")
    assert "q=old" in visit.page.url
    provider.listed = [said("old", LONG)]
    parts.template_watch.look(line)
    visit.page.evaluate(WAKE)
    visit.page.locator("#results .badge-good", has_text="approved").wait_for()
    assert visit.page.locator("#results li.row-item").count() == 1 and visit.complaints == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_pages_fit_a_phone(visit: Visit, acme, parts, provider: Provider, failed: Message, line: int, theme: str):  # noqa: F811
    provider.listed += [said("x" * 200, LONG, language="en_US")]
    parts.template_watch.look(line)
    visit.page.emulate_media(color_scheme=theme)
    for path in (
        f"/senders/{line}/templates",
        f"/senders/{acme.sender}/templates",
        f"/messages/{failed.uuid}/template",
    ):
        visit.open(f"/admin{path}")
        visit.page.wait_for_load_state("networkidle")
        fits(visit, path)
    visit.page.get_by_label("Approved templates").select_option(label="offer (de), marketing")
    visit.page.get_by_label("first_name").wait_for()
    fits(visit, "the form")
    assert visit.complaints == []


def fits(visit: Visit, where: str) -> None:  # noqa: F811
    wide = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, where
    assert visit.page.locator("h1").count() == 1
    ids = visit.page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids)), where
