"""Semaphore through the whole portal: what it would drop is refused, and what it cannot tell is left to a person."""

import pytest

from portal.sandbox.sms.dialects import DIALECTS
from portal.sandbox.sms.messages import REJECTED, Progress
from tests.portal import Portal, eventually
from tests.spine.test_sms_channels import Rig


@pytest.fixture
def rig(database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path)
    portal.install()
    made = Rig(portal, DIALECTS["semaphore"])
    portal.start()
    yield made
    portal.close()


def test_a_text_that_would_be_dropped_fails_with_its_reason(rig):
    rig.sandbox.deliveries.send("TEST of the new line")
    eventually(lambda: rig.told() and rig.status() == "failed", what="failed in HighLevel")
    assert "silently drops" in rig.portal.messages()[0].reason
    assert rig.sandbox.records.count("semaphore.send") == 0


def test_a_lost_answer_is_for_a_person(rig):
    rig.sandbox.faults.arm("semaphore.send", "half_answer")
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.portal.statuses() == {"unknown": 1} and not rig.portal.jobs(), what="unknown, and at rest")
    assert len(rig.provider.accepted()) == 1


def test_what_the_network_rejects_fails_after_it_was_taken(rig):
    rig.provider.progress = Progress(0.0, 0.1, REJECTED)
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.told() and rig.status() == "failed", what="failed in HighLevel")
    assert rig.portal.messages()[0].reason.startswith("The network rejected it")
