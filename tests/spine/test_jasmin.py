"""Jasmin end to end: the other of the two gateways that one channel speaks to."""

import pytest

from portal.sandbox import Effect
from portal.sandbox.sms.dialects import DIALECTS
from portal.sandbox.sms.dialects.kannel import JASMIN_NUMBER
from portal.sandbox.sms.messages import Written
from tests.portal import Portal, eventually
from tests.spine.test_sms_channels import MARIA, Rig


@pytest.fixture
def rig(database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path)
    portal.install()
    made = Rig(portal, DIALECTS["kannel"], {"dialect": "jasmin", "from": JASMIN_NUMBER})
    portal.start()
    yield made
    portal.close()


def test_out_and_delivered(rig):
    rig.provider.copies, rig.provider.shuffled = 2, True
    rig.sandbox.deliveries.send("Kumusta ñá 👋")
    eventually(lambda: rig.told() and rig.status() == "delivered", what="delivered in HighLevel")
    assert [one.order.text for one in rig.provider.accepted()] == ["Kumusta ñá 👋"]
    assert all(one.order.extra["jasmin"] for one in rig.provider.accepted())
    assert {each.answer.status for each in rig.provider.posted} == {200}


def test_a_lost_answer_is_settled_by_the_report(rig):
    rig.sandbox.faults.arm("kannel.send", Effect.HALF_ANSWER)
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.told() and rig.status() == "delivered", what="delivered by the report that names our call")
    assert len(rig.provider.accepted()) == 1


def test_a_customer_writes(rig):
    text = Written("J1", rig.sandbox.clock(), MARIA, JASMIN_NUMBER, "Hoy ñá 👋", f"{rig.url}/receive")
    answers = rig.provider.write(text, copies=2)
    assert all(each.taken for each in answers)
    eventually(lambda: rig.came() and not rig.portal.jobs(), what="the text in HighLevel")
    assert rig.came() == ["Hoy ñá 👋"]
