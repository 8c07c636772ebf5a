"""Globe Labs through the whole portal: who leaves and joins by its own words, long texts, and what it cannot tell."""

import json
from importlib.util import find_spec

import pytest

from portal.models import OptOut
from portal.sandbox.outgoing import send
from portal.sandbox.sms.dialects import DIALECTS
from tests.portal import Portal, eventually
from tests.spine.test_sms_channels import MARIA, Rig

LONG = "Kumusta po. " * 30


@pytest.fixture
def rig(database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path)
    portal.install()
    made = Rig(portal, DIALECTS["globe"])
    portal.start()
    yield made
    portal.close()


def test_who_leaves_at_globe_has_left_here_and_comes_back(rig):
    url = rig.url.replace(rig.portal.settings.app_url, rig.portal.url) + "/receive"
    person = MARIA.removeprefix("+63")
    body = json.dumps({"unsubscribed": {"subscriber_number": person}}).encode()
    assert send("POST", url, body, {"Content-Type": "application/json"}).status == 200
    eventually(lambda: [each.note for each in rig.portal.events()] == ["everything is stopped"], what="applied")
    rig.sandbox.deliveries.send("An offer")
    eventually(lambda: rig.told() and rig.status() == "failed", what="refused in HighLevel")
    assert rig.provider.accepted() == [] and rig.came() == []
    assert send("GET", f"{url}?subscriber_number={person}", b"", {}).status == 200
    eventually(lambda: "everything is wanted again" in [each.note for each in rig.portal.events()], what="lifted")
    with rig.portal.session() as session:
        assert [row.lifted_at is None for row in session.query(OptOut)] == [False]
    rig.sandbox.deliveries.send("Welcome back")
    eventually(lambda: rig.provider.accepted(), what="the message after it")


def test_it_stays_accepted_because_nobody_can_say_more(rig):
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.portal.statuses() == {"accepted": 1} and not rig.portal.jobs(), what="accepted, at rest")
    assert rig.status() == "pending"


@pytest.mark.skipif(not find_spec("portal.messaging.pieces"), reason="long texts are not put together here yet")
def test_a_long_text_is_one_message(rig):
    rig.write(LONG)
    eventually(lambda: rig.came() == [LONG], what="the whole text in HighLevel")
