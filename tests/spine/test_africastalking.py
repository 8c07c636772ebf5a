"""Africa's Talking through the whole portal: who opts out there is told without having written anything."""

import pytest

from portal.messaging import senders
from portal.models import LedgerEntry, OptOut
from portal.sandbox.outgoing import send
from portal.sandbox.sms.dialects import DIALECTS, africastalking
from tests.portal import Portal, eventually
from tests.spine.test_sms_channels import MARIA, Rig


@pytest.fixture
def rig(database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path)
    portal.install()
    made = Rig(portal, DIALECTS["africastalking"])
    portal.start()
    yield made
    portal.close()


def test_an_opt_out_there_is_one_here(rig):
    url = rig.url.replace(rig.portal.settings.app_url, rig.portal.url)
    told = {"senderId": "SENDERO", "phoneNumber": MARIA}
    body = "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in told.items()).encode()
    for action in ("receive", "status"):
        answer = send("POST", f"{url}/{action}", body, {"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status == 200
    eventually(lambda: len(rig.portal.events()) == 2 and not rig.portal.jobs(), what="both applied")
    assert sorted(each.note for each in rig.portal.events()) == [
        "everything is stopped",
        "everything was stopped before",
    ]
    rig.sandbox.deliveries.send("An offer")
    eventually(lambda: rig.told() and rig.status() == "failed", what="refused in HighLevel")
    assert rig.provider.accepted() == [] and rig.came() == []
    with rig.portal.session() as session:
        [row] = session.query(OptOut).all()
    assert (row.family, row.address, row.origin) == ("sms", MARIA, "provider")


def test_a_lost_answer_stays_unknown_and_nothing_is_sent_twice(rig):
    """Its reports name no call of ours: a person decides."""
    rig.sandbox.faults.arm("africastalking.send", "half_answer")
    rig.sandbox.deliveries.send("Habari")
    eventually(lambda: len(rig.provider.posted) == 2 and not rig.portal.jobs(), what="both reports, kept")
    assert rig.portal.statuses() == {"unknown": 1} and len(rig.provider.accepted()) == 1


def test_what_its_own_sandbox_pretends_to_send_is_free_also_when_it_is_reported(rig, monkeypatch):
    monkeypatch.setattr(africastalking, "USER", "sandbox")
    with rig.portal.database.write() as session:
        senders.change(session, rig.portal.parts.vault, rig.sender_id, {"username": "sandbox"})
    rig.sandbox.deliveries.send("Habari")
    eventually(lambda: rig.told() and rig.status() == "delivered", what="the simulator's word")
    with rig.portal.session() as session:
        assert [row.kind for row in session.query(LedgerEntry).order_by(LedgerEntry.id)] == ["hold", "release"]
