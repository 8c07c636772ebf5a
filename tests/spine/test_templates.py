"""Templates of a sender: asked for, kept, followed, and what a person is told of them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.alarms import rule
from portal.alerts import notices
from portal.channels.base import TemplateNotice
from portal.messaging import senders, templates
from portal.models import Alert, Job, Sender, TemplateRow
from tests import templated
from tests.hand import settle, work
from tests.linked import serving
from tests.portal import PLACE
from tests.spine.test_installing import COMPANY, consent
from tests.templated import BODY, HELLO, Provider, said


@pytest.fixture
def provider(monkeypatch):
    templated.register(monkeypatch)
    with serving(Provider()) as provider:
        yield provider


@pytest.fixture
def portal(by_hand, time, provider):
    """A portal with a sender whose templates were asked for once."""
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    by_hand.line = templated.add_sender(by_hand, provider)
    settle(by_hand, time, "send")
    return by_hand


def rows(portal) -> dict[str, TemplateRow]:
    with portal.session() as session:
        return {row.name: row for row in session.scalars(select(TemplateRow).order_by(TemplateRow.id))}


def the(portal) -> Sender:
    with portal.session() as session:
        return session.get_one(Sender, portal.line)


def alerts(portal, kind: str) -> list[Alert]:
    with portal.session() as session:
        return list(session.scalars(select(Alert).where(Alert.kind == kind).order_by(Alert.id)))


def due(portal, time) -> None:
    """Lets the clock ask whoever is due."""
    with portal.database.write() as session:
        templates.enqueue_due(session)
    settle(portal, time, "send")


def later(portal, time, **much) -> None:
    time.forward(**much or {"hours": 7})
    rule.look(portal.database)
    due(portal, time)


def say(portal, name: str, event: str, detail: str = "") -> str:
    with portal.database.write() as session:
        return templates.hint(session, session.get_one(Sender, portal.line), TemplateNotice(name, "en", event, detail))


def test_a_new_sender_is_asked_at_once(portal, provider):
    found = rows(portal)
    assert list(found) == ["hello", "visit"] and found["visit"].components == [BODY]
    assert (found["hello"].status, found["hello"].category, found["hello"].gone_at) == ("APPROVED", "UTILITY", None)
    assert the(portal).templates_at and provider.asked == ["templates"]


def test_the_list_is_asked_for_every_six_hours_and_the_same_changes_nothing(portal, time, provider):
    before = rows(portal)["visit"]
    later(portal, time, hours=5)
    assert provider.asked == ["templates"]
    later(portal, time, hours=2)
    after = rows(portal)["visit"]
    assert provider.asked == ["templates"] * 2
    assert (after.changed_at, after.first_seen_at) == (before.changed_at, before.first_seen_at)
    assert after.synced_at > before.synced_at


def test_what_was_deleted_at_the_provider_stays_marked_and_may_come_back(portal, time, provider):
    everything = provider.listed
    provider.listed = everything[:1]
    later(portal, time)
    assert rows(portal)["visit"].gone_at and not rows(portal)["hello"].gone_at
    provider.listed = everything
    later(portal, time)
    assert rows(portal)["visit"].gone_at is None and len(rows(portal)) == 2


def test_one_alert_for_each_fall_of_a_template_which_closes_with_its_return(portal, time, provider):
    for status in ("PAUSED", "PAUSED", "DISABLED"):
        provider.listed = [said("hello", HELLO, status=status, detail="Customers complained."), said("visit", BODY)]
        later(portal, time)
    (alert,) = alerts(portal, notices.TEMPLATE_STOPPED)
    assert (alert.count, alert.closed_at) == (1, None)
    assert "hello (en) to PAUSED. Customers complained." in alert.text
    provider.listed = [said("hello", HELLO), said("visit", BODY)]
    later(portal, time)
    assert [each.closed_at is None for each in alerts(portal, notices.TEMPLATE_STOPPED)] == [False]
    provider.listed = [said("hello", HELLO, status="REJECTED"), said("new", HELLO, status="REJECTED")]
    later(portal, time)
    told = alerts(portal, notices.TEMPLATE_STOPPED)
    assert [each.closed_at is None for each in told] == [False, True], "what never could be sent is no alarm"
    for status in ("APPROVED", "PENDING", "REJECTED"):
        provider.listed = [said("hello", HELLO, status=status)]
        later(portal, time)
    told = alerts(portal, notices.TEMPLATE_STOPPED)
    assert [each.closed_at is None for each in told] == [False, False, True], "changed, and rejected then"
    with portal.database.write() as session:
        senders.remove(session, portal.line)
    assert all(each.closed_at for each in alerts(portal, notices.TEMPLATE_STOPPED))


def test_a_hint_is_kept_and_brings_the_question_forward(portal, time, provider):
    provider.listed[0]["status"] = "PAUSED"
    assert (
        say(portal, "hello", "PAUSED", "Low quality") == "template hello (en) said to be PAUSED: its provider is asked"
    )
    row = rows(portal)["hello"]
    assert (row.status, row.said, row.said_detail) == ("APPROVED", "PAUSED", "Low quality"), "only evidence as yet"
    settle(portal, time, "send")
    assert rows(portal)["hello"].status == "PAUSED" and provider.asked == ["templates"] * 2
    for _ in range(5):
        say(portal, "visit", "FLAGGED")
    assert len([job for job in portal.jobs() if job.kind == templates.KIND]) == 1


def test_a_hint_during_the_question_is_asked_after_it(portal, time, provider):
    answer, found = provider.templates, []

    def hinted(_said):
        provider.templates = answer
        heard = answer(_said)
        say(portal, "hello", "PAUSED")
        with portal.database.write() as session:
            found.append(templates.enqueue_due(session))
        return heard

    say(portal, "hello", "APPROVED")
    provider.templates = hinted
    settle(portal, time, "send")
    assert found == [0], "the clock leaves alone who is being asked"
    provider.listed[0]["status"] = "PAUSED"
    due(portal, time)
    assert rows(portal)["hello"].status == "PAUSED"


def test_a_failure_is_said_and_told_only_when_it_lasts(portal, time, provider):
    provider.faults = [401] * 4
    later(portal, time)
    sender = the(portal)
    assert (sender.templates_failure, sender.templates_failures) == ("It answered 401.", 1)
    assert rows(portal)["hello"].gone_at is None, "what was known stays"
    assert alerts(portal, notices.TEMPLATES_UNREAD) == []
    for _ in range(3):
        later(portal, time, hours=1)
    (alert,) = alerts(portal, notices.TEMPLATES_UNREAD)
    assert "It answered 401." in alert.text and alert.closed_at is None
    later(portal, time)
    assert the(portal).templates_failure == ""
    assert [each.closed_at is None for each in alerts(portal, notices.TEMPLATES_UNREAD)] == [False]


def test_two_workers_at_once_leave_one_row_each(portal, time, provider):
    provider.listed.append(said("third", HELLO))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(portal.parts.template_watch.look, [portal.line] * 4))
    assert sorted(rows(portal)) == ["hello", "third", "visit"]
    assert the(portal).templates_failure == "" and len(provider.asked) == 5


def test_an_answer_to_old_credentials_is_not_kept(portal, time, provider):
    answer = provider.templates

    def changed(_said):
        provider.templates = answer
        with portal.database.write() as session:
            senders.change(session, portal.parts.vault, portal.line, {"token": "another"})
        return {"data": []}

    provider.templates = changed
    portal.parts.template_watch.look(portal.line)
    assert rows(portal)["hello"].gone_at is None
    settle(portal, time, "send")
    assert provider.asked == ["templates"] * 3, "new credentials: asked again"


def test_nobody_is_asked_for_a_removed_sender_nor_where_there_are_no_templates(portal, time, provider):
    cast = portal.add_sender("cast")
    with portal.database.write() as session:
        assert not templates.ask_again(session, session.get_one(Sender, cast))
        assert "nobody is asked" in templates.hint(
            session, session.get_one(Sender, cast), TemplateNotice("x", "en", "PAUSED")
        )
        senders.remove(session, portal.line)
    later(portal, time)
    assert provider.asked == ["templates"]
    with portal.session() as session:
        assert session.scalar(select(Job.id).where(Job.kind == templates.KIND)) is None


def test_odd_lists_are_kept_as_far_as_they_go(portal, time, provider):
    deep = {"type": "CAROUSEL", "cards": [{"components": [{"type": "BODY", "text": "nul \x00 here"}]}]}
    provider.listed = [
        said("n" * 600, deep, language="x" * 40, status="strange"),
        said("n" * 600, deep, language="x" * 40),
    ]
    later(portal, time)
    (row,) = [row for row in rows(portal).values() if row.gone_at is None]
    assert len(row.name) == 512 and row.components[0]["cards"][0]["components"][0]["text"] == "nul \ufffd here"


def test_work_is_claimed_once(portal, time, provider):
    time.forward(hours=7)
    for _ in range(2):
        with portal.database.write() as session:
            templates.enqueue_due(session)
    assert work(portal, "send") == 1 and work(portal, "send") == 0
    assert timedelta(hours=5) < the(portal).next_templates_at - the(portal).templates_at <= timedelta(hours=6)
