"""The three gateways of the documentation, with the very settings that stand there, end to end."""

import re
import shlex
from pathlib import Path

import pytest
from sqlalchemy import select

from portal.http import HttpClient
from portal.messaging import senders
from portal.models import Part
from portal.sandbox import Effect
from portal.sandbox.sms.dialects import DIALECTS
from portal.sandbox.sms.dialects.generic_http import API_KEY, CREDENTIALS, PASSWORD, USER
from portal.sandbox.sms.messages import Written
from tests.portal import Portal, eventually, settings_for
from tests.spine.test_sms_channels import MARIA, Rig

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sms-providers.md").read_text()
MINE = {"api_key": API_KEY, "username": USER, "password": PASSWORD}
TEXT = 'Quote " and <tag> & 100 % ñ 👋'


def example(title: str) -> dict[str, str]:
    """The settings below a heading of the page, as a shell would read them."""
    block = re.search(rf"### {title}\n\n```\n(.*?)```", PAGE, re.S)[1]
    words = [each for each in shlex.split(block) if each != "--set"]
    return dict(each.split("=", 1) for each in words)


EXAMPLES = {
    style: example(f"A gateway of {title}") for style, title in (("json", "JSON"), ("form", "forms"), ("xml", "XML"))
}


def here(settings: dict[str, str], url: str) -> dict[str, str]:
    own = {name: MINE.get(name, value) for name, value in settings.items()}
    return {name: value.replace("https://gateway.example.com", url) for name, value in own.items()}


@pytest.fixture(params=EXAMPLES)
def rig(request, database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path)
    portal.install()
    settings = here(EXAMPLES[request.param], sandbox.sms["generic_http"].url)
    # Nothing of the stand-in's own settings stays.
    made = Rig(portal, DIALECTS["generic_http"], dict.fromkeys(CREDENTIALS, "") | settings)
    made.settings, made.style = settings, request.param
    portal.start()
    yield made
    portal.close()


def test_out_once_and_delivered(rig):
    rig.provider.copies, rig.provider.shuffled = 2, True
    rig.sandbox.deliveries.send(TEXT)
    eventually(lambda: rig.told() and rig.status() == "delivered", what="delivered in HighLevel")
    [taken] = rig.provider.accepted()
    assert (taken.order.text, taken.order.extra["style"]) == (TEXT, rig.style)
    assert {each.answer.status for each in rig.provider.posted} == {200}
    with rig.portal.session() as session:
        assert session.scalars(select(Part.external_id)).all() == [taken.id]


def test_a_loss_is_told(rig):
    rig.provider.decide(MARIA, "failed")
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.told() and rig.status() == "failed", what="failed in HighLevel")
    assert rig.portal.messages()[0].reason.endswith(".")


def test_a_lost_answer_is_settled_by_the_report(rig):
    rig.sandbox.faults.arm("generic_http.send", Effect.HALF_ANSWER)
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.told() and rig.status() == "delivered", what="delivered by the report that names our call")
    assert len(rig.provider.accepted()) == 1 and rig.sandbox.records.count("generic_http.send") == 1


def test_customers_write_and_stop_is_kept_to(rig):
    for number, text in enumerate((TEXT, "STOP")):
        written = Written(f"G{number}", rig.sandbox.clock(), MARIA, rig.settings["from"], text, f"{rig.url}/receive")
        assert all(each.taken for each in rig.provider.write(written, copies=2))
    eventually(lambda: rig.came() == [TEXT, "STOP"] and not rig.portal.jobs(), what="the texts in HighLevel")
    rig.sandbox.deliveries.send("An offer")
    eventually(lambda: rig.told() and rig.status() == "failed", what="refused in HighLevel")
    assert rig.provider.accepted() == []


def test_the_examples_pass_the_probe(sandbox, tmp_path):
    url = sandbox.sms["generic_http"].url
    assert here(EXAMPLES["json"], url) == sandbox.sms["generic_http"].credentials
    for settings in EXAMPLES.values():
        wanted = senders.NewSender("generic_http", "", here(settings, url), url, operator=True)
        assert senders.check(HttpClient(), wanted, settings_for("sqlite://", sandbox, tmp_path)).ok


@pytest.mark.parametrize("rig", ["json"], indirect=True)
def test_a_gateway_that_can_be_asked_is_asked_when_reports_are_lost(rig):
    rig.provider.lost = True
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.told() and rig.status() == "delivered", what="delivered by the poll")
    assert not rig.provider.posted


def test_a_call_without_the_secret_is_turned_away(database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path)
    portal.install()
    rig = Rig(portal, DIALECTS["generic_http"], {"webhook_secret": "sesame", "webhook_place": "query:token"})
    portal.start()
    try:
        for query, wanted in (("", 401), ("?token=open", 401), ("?token=sesame", 200)):
            written = Written("S1", sandbox.clock(), MARIA, "21601", "Hi", f"{rig.url}/receive{query}")
            assert [each.status for each in rig.provider.write(written)] == [wanted], query
        eventually(lambda: rig.came() == ["Hi"], what="the text in HighLevel")
        kept = [event.query for event in portal.events() if event.source == "generic_http"]
        assert sorted(kept) == ["", "", "token=[redacted]"], "a secret is not kept in the clear"
    finally:
        portal.close()
