"""Reports that nothing proves: the provider is asked before its last word counts."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.messaging import hints
from portal.messaging.sweeping import match_orphans
from portal.models import ReceiptRow, Status
from portal.sandbox import Effect
from portal.sandbox.sms.dialects import DIALECTS
from portal.sandbox.sms.messages import STUCK, Progress
from portal.sandbox.sms.poster import Letter
from tests.portal import Portal, eventually
from tests.spine.test_sms_channels import Rig

ASKED = {"infobip": "infobip.logs", "clickatell": "clickatell.message"}


@pytest.fixture(params=ASKED)
def rig(request, database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path)
    portal.install()
    made = Rig(portal, DIALECTS[request.param])
    portal.start()
    yield made
    portal.close()


def sent(rig):
    """A message that the carrier has, and never says more of."""
    rig.provider.progress = Progress(0.0, 0.1, STUCK)
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.portal.statuses() == {"sent": 1}, what="sent")
    [one] = rig.provider.accepted()
    return one


def report(rig, one, word):
    """What anybody could post who knows the address."""
    [answer] = rig.provider.poster.now(Letter("x", word, lambda: rig.dialect.receipt(one, word)))
    assert answer.taken, answer


def rows(rig):
    with rig.portal.session() as session:
        return session.scalars(select(ReceiptRow).where(ReceiptRow.part_id.is_(None))).all()


@pytest.mark.parametrize("word", ["delivered", "undelivered"])
def test_a_report_that_the_provider_does_not_confirm_changes_nothing(rig, word):
    one = sent(rig)
    before = rig.sandbox.records.count(ASKED[rig.dialect.kind])
    for _ in range(2):
        report(rig, one, word)
    eventually(lambda: rig.sandbox.records.count(ASKED[rig.dialect.kind]) > before, what="the question")
    eventually(lambda: rows(rig) == [], what="the hint is dropped")
    match_orphans(rig.portal.parts.database)
    [message] = rig.portal.messages()
    assert (message.status, rig.status()) == (Status.SENT, "pending")


def test_a_report_is_believed_where_the_provider_cannot_be_asked(rig, monkeypatch):
    one = sent(rig)
    rig.sandbox.faults.arm(ASKED[rig.dialect.kind], Effect.STATUS, status=500)
    report(rig, one, "delivered")
    eventually(lambda: rows(rig), what="the hint")
    database = rig.portal.parts.database
    match_orphans(database)
    assert rig.portal.statuses() == {"sent": 1}, "not at once"
    monkeypatch.setattr(hints, "PATIENCE", timedelta(0))
    eventually(lambda: match_orphans(database) or rig.portal.statuses() == {"delivered": 1}, what="believed")
    eventually(lambda: rig.status() == "delivered", what="delivered in HighLevel")


def test_an_answer_that_says_the_same_brings_it_at_once(rig):
    one = sent(rig)
    rig.provider._accepted[one.id] = type(one)(one.id, one.at, one.order, Progress(0.0, 0.0), one.title)
    report(rig, one, "delivered")
    eventually(lambda: rig.status() == "delivered", what="delivered in HighLevel")
    assert rig.portal.statuses() == {"delivered": 1} and rows(rig) == []
