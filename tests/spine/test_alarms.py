"""The one rule for all alerts: told once when they last, told once when they are over, by letter and by webhook."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, text, update

from portal import clock, mail
from portal.alarms import detecting, outcomes, recipients, rule
from portal.alarms.topics import TOPICS, Topic, kinds_of, topic_of
from portal.alerts import notices
from portal.alerts.notices import ACCOUNT_WELL, LINE_DOWN, MEDIA_STORE, PARKED, close_alert, raise_alert
from portal.errors import InvalidInput
from portal.figures import counting, standing
from portal.models import (
    Agency,
    Alert,
    AlertLetter,
    AlertNotice,
    AlertRecipient,
    Attempt,
    Delivery,
    Job,
    Location,
    Message,
    Part,
    PlaceStanding,
    ReceiptRow,
    Sender,
    Status,
    StatusChange,
    Subscription,
    Way,
)
from portal.queue.jobs import HOOK
from portal.worker.tasks import handlers
from tests import mail_server
from tests.hand import work
from tests.portal import Portal
from tests.spine.api import Receiver

SUBJECT = "sender:1"


@pytest.fixture
def letters():
    with mail_server.running() as server:
        yield server


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def portal(database_url, sandbox, tmp_path, time, letters):
    sandbox.ghl.limit.enforced = False
    server = mail.read(letters.url, "portal@example.com", [])
    running = Portal(database_url, sandbox, tmp_path, allow_private_hosts=True, mail_server=server)
    running.install()
    running.add_sender("simulator")
    running.handlers = handlers(running.parts)
    with running.database.write() as session:
        session.execute(delete(Alert))
        session.execute(delete(Job))
    yield running
    running.close()


def agency_of(portal) -> int:
    with portal.session() as session:
        return session.scalars(select(Location.agency_id)).first()


def recipient(
    portal, address="anna@example.com", way=Way.EMAIL, topics=(), *, agency: int | None = -1, place=None
) -> int:
    with portal.database.write() as session:
        whose = agency_of(portal) if agency == -1 else agency
        row = recipients.add(
            session, portal.parts.vault, way, address, topics, "a test", agency_id=whose, location_id=place
        )
        return row.id


def ill(portal, kind=LINE_DOWN, subject=SUBJECT, text="Acme line does not work.", place: int | None = 1) -> None:
    with portal.database.write() as session:
        raise_alert(session, kind, subject, text, place)


def well(portal, kind=LINE_DOWN, subject=SUBJECT, text="") -> None:
    with portal.database.write() as session:
        close_alert(session, kind, subject, text)


def tell(portal, time, **later: float) -> None:
    """Some time later the rule looks, and what follows is sent."""
    time.forward(**later)
    rule.look(portal.database)
    while work(portal, HOOK):
        pass


def alerts(portal) -> list[Alert]:
    with portal.session() as session:
        return list(session.scalars(select(Alert).order_by(Alert.id)))


def told(portal) -> list[AlertNotice]:
    with portal.session() as session:
        return list(session.scalars(select(AlertNotice).order_by(AlertNotice.id)))


def test_an_incident_is_told_once_and_its_end_once(portal, letters, time):
    recipient(portal)
    ill(portal)
    tell(portal, time, seconds=30)
    assert letters.letters == [], "it may pass"
    tell(portal, time, minutes=3)
    for _ in range(3):
        ill(portal)
        tell(portal, time, minutes=2)
    assert len(letters.letters) == 1
    first = letters.letters[0]
    assert "Sender down" in first["Subject"] and "Acme line does not work." in first.get_content()
    assert "http://127.0.0.1:1/admin/alerts/1" in first.get_content()
    well(portal, text="Acme line works again.")
    tell(portal, time, minutes=3)
    tell(portal, time, minutes=3)
    assert len(letters.letters) == 2
    over = letters.letters[1]
    assert over["Subject"].startswith("Over: Sender down")
    assert "0 held, 0 lost, back at" in over.get_content() and "Acme line works again." in over.get_content()
    (row,) = alerts(portal)
    assert row.settled_at is not None and row.outcome.startswith("0 held, 0 lost, back at")
    assert [each.state for each in told(portal)] == ["sent", "sent"]


def test_what_passes_within_its_grace_is_told_to_nobody(portal, letters, time):
    recipient(portal)
    ill(portal)
    time.forward(seconds=60)
    well(portal)
    tell(portal, time, minutes=10)
    assert letters.letters == [] and alerts(portal)[0].settled_at is not None
    ill(portal)
    assert len(alerts(portal)) == 2, "one that comes back after it was settled is another one"


def test_one_that_comes_and_goes_is_one_incident(portal, letters, time):
    recipient(portal)
    for _ in range(20):
        ill(portal)
        tell(portal, time, seconds=65)
        well(portal)
        tell(portal, time, seconds=65)
    (row,) = alerts(portal)
    assert row.returns == 19 and row.count == 20
    assert len(letters.letters) == 1
    tell(portal, time, minutes=5)
    assert len(letters.letters) == 2


def test_a_webhook_is_told_by_the_machinery_of_our_webhooks_out(portal, receiver, time):
    recipient(portal, f"{receiver.url}/alerts", Way.WEBHOOK)
    ill(portal)
    tell(portal, time, minutes=3)
    well(portal)
    tell(portal, time, minutes=3)
    said = [json.loads(body) for _, _, body in receiver.posts]
    assert [each["type"] for each in said] == ["alert.began", "alert.over"]
    assert {each["data"]["id"] for each in said} == {1}
    assert said[0]["data"]["kind"] == LINE_DOWN and said[0]["data"]["topic"] == "sender"
    assert said[1]["data"]["text"].startswith("0 held, 0 lost, back at")
    assert all("Sendero-Signature" in headers for _, headers, _ in receiver.posts)
    with portal.session() as session:
        assert set(session.scalars(select(Delivery.state))) == {"delivered"}
        hook = session.scalars(select(Subscription)).one()
        assert receiver.url not in hook.address
    with portal.database.write() as session:
        recipients.remove(session, session.scalars(select(AlertRecipient)).one())
        assert session.scalars(select(Subscription)).one().removed_at is not None


def test_a_letter_that_fails_is_tried_again_and_shown(portal, letters, time):
    recipient(portal)
    letters.refuses = True
    ill(portal)
    tell(portal, time, minutes=3)
    (notice,) = told(portal)
    assert notice.state == "waiting" and notice.attempts == 1 and "could not be sent" in notice.note
    letters.refuses = False
    tell(portal, time, minutes=2)
    assert told(portal)[0].state == "sent" and len(letters.letters) == 1
    with portal.session() as session:
        assert [bool(each.fault) for each in session.scalars(select(AlertLetter).order_by(AlertLetter.id))] == [
            True,
            False,
        ]


def test_a_letter_that_never_goes_is_given_up(portal, letters, time):
    recipient(portal)
    letters.refuses = True
    ill(portal)
    for _ in range(12):
        tell(portal, time, hours=25)
    assert told(portal)[0].state == "given_up" and told(portal)[0].attempts == 8
    with portal.session() as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 0


def test_a_kill_after_the_letter_sends_it_again_and_one_before_loses_nothing(portal, letters, time, monkeypatch):
    recipient(portal)
    ill(portal)
    time.forward(minutes=3)
    rule.look(portal.database)
    with portal.database.write() as session:  # the job is lost
        session.execute(delete(Job))
    with portal.database.write() as session:
        assert recipients.enqueue_forgotten(session) == 1
    (due,) = _due(portal)

    def die(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(portal.database, "patiently", die)
        with pytest.raises(KeyboardInterrupt):
            portal.handlers[due.kind](due)
    assert len(letters.letters) == 1 and told(portal)[0].state == "waiting"
    portal.handlers[due.kind](due)
    assert len(letters.letters) == 2 and told(portal)[0].state == "sent"


def _due(portal):
    from portal.queue.claim import Limits, claim

    return [due for lane in claim(portal.database, HOOK, "x", Limits(9, 9, 9), {}).lanes for due in lane]


def test_many_at_once_are_one_letter(portal, letters, time):
    recipient(portal)
    for number in range(30):
        ill(portal, subject=f"sender:{number}", text=f"Line {number} does not work.")
    tell(portal, time, minutes=3)
    assert len(letters.letters) == 1 and "and 29 more" in letters.letters[0]["Subject"]
    ill(portal, subject="sender:99", text="One more.")
    tell(portal, time, seconds=1)
    tell(portal, time, minutes=3)
    assert len(letters.letters) == 2


def test_only_who_wants_to_hear_of_it_does(portal, letters, time):
    with portal.database.write() as session:
        agency = session.get_one(Location, 1).agency_id
        other = Location(ghl_id="other", agency_id=agency, created_at=clock.now(), name="Other")
        session.add(other)
        session.flush()
        elsewhere = other.id
    recipient(portal, "all@example.com")
    recipient(portal, "credits@example.com", topics=["credits"])
    recipient(portal, "other@example.com", place=elsewhere)
    recipient(portal, "operator@example.com", agency=None)
    ill(portal)
    tell(portal, time, minutes=3)
    assert letters.recipients == ["rcpt TO:<all@example.com>"]
    ill(portal, MEDIA_STORE, "media", "The disk is full.", None)
    tell(portal, time, minutes=10)
    assert letters.recipients[1:] == ["rcpt TO:<operator@example.com>"], "what is no agency's is the operator's"
    company = _company(portal)
    ill(portal, notices.DEAD_TOKEN, company, "The agency's token is dead.", None)
    tell(portal, time, minutes=10)
    assert letters.recipients[2:] == ["rcpt TO:<all@example.com>"], "an agency's own token is the agency's"


def _company(portal) -> str:
    with portal.session() as session:
        return session.get_one(Location, 1).agency.company_id


def test_quiet_means_quiet(portal, letters, time):
    id_ = recipient(portal)
    with portal.database.write() as session:
        recipients.be_quiet(session, session.get_one(AlertRecipient, id_), clock.now() + timedelta(hours=8))
    ill(portal)
    ill(portal, subject="sender:2", text="Another line.")
    tell(portal, time, minutes=10)
    well(portal)
    tell(portal, time, minutes=10)
    assert letters.letters == []
    tell(portal, time, hours=8)
    assert len(letters.letters) == 1 and "Another line." in letters.letters[0].get_content()
    assert "Acme line" not in letters.letters[0].get_content()
    assert sorted(each.state for each in told(portal)) == ["dropped", "dropped", "sent"]


def test_a_test_notice_a_muted_one_and_one_that_somebody_closed(portal, letters, time):
    id_ = recipient(portal)
    with portal.database.write() as session:
        recipients.test(session, session.get_one(AlertRecipient, id_))
    tell(portal, time)
    assert letters.letters[0]["Subject"] == "Test: notices of Sendero"
    ill(portal)
    with portal.database.write() as session:
        rule.mute(session.get_one(Alert, 1), clock.now() + timedelta(hours=1))
    tell(portal, time, minutes=30)
    assert len(letters.letters) == 1
    tell(portal, time, minutes=40)
    assert len(letters.letters) == 2, "it still lasts when the time is over"
    with portal.database.write() as session:
        close_alert(session, LINE_DOWN, SUBJECT, by="Anna")
    tell(portal, time, minutes=10)
    assert "Anna closed it at" in letters.letters[2].get_content()


def test_the_agency_sets_its_grace(portal, letters, time):
    recipient(portal)
    with portal.database.write() as session:
        rule.set_grace(session, agency_of(portal), Topic.SENDER, 1800)
        with pytest.raises(InvalidInput):
            rule.set_grace(session, 1, Topic.SENDER, -1)
    ill(portal)
    tell(portal, time, minutes=29)
    assert letters.letters == []
    tell(portal, time, minutes=2)
    assert len(letters.letters) == 1
    with portal.session() as session:
        assert rule.graces_of(session, agency_of(portal))[Topic.SENDER] == 1800
        assert rule.graces_of(session, 0)[Topic.SENDER] == TOPICS[Topic.SENDER].grace


def test_good_news_are_no_incidents(portal, letters, time):
    recipient(portal)
    ill(portal, ACCOUNT_WELL, "sender:1:x", "It is well.")
    tell(portal, time, hours=1)
    assert letters.letters == [] and told(portal) == []


def test_figures_of_an_incident(portal, time):
    ids = []
    with portal.database.write() as session:
        raise_alert(session, LINE_DOWN, SUBJECT, "Down.", 1)
    moves = {"held": 3, "failed": 1, "expired": 1, "delivered": 2}
    made = [after for after, number in moves.items() for _ in range(number)]
    for number, after in enumerate(made):
        ids.append(message(portal, number, 1, after))
    message(portal, 90, None, "failed")
    time.forward(minutes=12)
    well(portal)
    with portal.session() as session:
        alert = session.scalars(select(Alert)).one()
        said = outcomes.of(session, alert)
        assert said.startswith("3 held, 2 lost, back at ") and said.endswith("after 12 minutes.")
    time.forward(hours=2)
    message(portal, 91, 1, "failed")
    with portal.session() as session:
        assert outcomes.of(session, session.scalars(select(Alert)).one()) == said, "what came after counts no more"


def message(portal, number: int, sender: int | None, after: str) -> int:
    """One that went straight to a status, at the portal's time."""
    from portal.models import Contact, Conversation

    with portal.database.write() as session:
        contact = Contact(location_id=1, created_at=clock.now())
        session.add(contact)
        session.flush()
        talk = Conversation(location_id=1, contact_id=contact.id, created_at=clock.now())
        session.add(talk)
        session.flush()
        row = Message(
            location_id=1,
            conversation_id=talk.id,
            position=number,
            direction="out",
            status=after,
            status_at=clock.now(),
            sender_id=sender,
            address="+63917",
            address_kind="phone",
            created_at=clock.now(),
        )
        session.add(row)
        session.flush()
        session.add(StatusChange(message_id=row.id, before="queued", after=after, who="x", at=clock.now()))
        session.add(Part(message_id=row.id, status=after, sender_id=sender))
        return row.id


def test_what_waits_too_long_and_fails_too_often(portal, time):
    with portal.database.write() as session:
        location = session.get_one(Location, 1)
        location.timezone = "Asia/Manila"
    for number in range(24):
        message(portal, number, 1, "failed" if number < 10 else "delivered")
    figures(portal)
    standing.look(portal.database)
    with portal.database.write() as session:
        session.execute(update(PlaceStanding).values(oldest_at=clock.now() - timedelta(minutes=30), waiting=4))
    with portal.database.write() as session:
        detecting.look(session)
    assert {row.kind for row in alerts(portal)} == {"failures", "queue_age"}
    with portal.database.write() as session:
        assert detecting.look(session) == 0, "what is known is not said again"
        session.execute(update(PlaceStanding).values(oldest_at=None))
    time.forward(hours=3)
    with portal.database.write() as session:
        detecting.look(session)
    assert all(row.closed_at is not None for row in alerts(portal))


def figures(portal) -> None:
    for _ in range(3):
        counting.add_up(portal.database)


def test_a_sender_that_hears_nothing_any_more(portal, time):
    part_ids = []
    for number in range(4):
        message(portal, number, 1, "accepted")
    with portal.database.write() as session:
        part_ids = session.scalars(select(Part.id)).all()
        heard = ReceiptRow(sender_id=1, external_id="x", outcome="delivered", at=clock.now(), received_at=clock.now())
        session.add(heard)
    time.forward(minutes=10)
    with portal.database.write() as session:
        for part_id in part_ids:
            at = clock.now()
            session.add(
                Attempt(
                    part_id=part_id,
                    number=1,
                    sender_id=1,
                    idempotency_key=f"k{part_id}",
                    started_at=at,
                    ended_at=at,
                    outcome=Status.ACCEPTED,
                )
            )
    with portal.database.write() as session:
        assert detecting.look(session) == 0, "receipts take a while"
    time.forward(minutes=40)
    with portal.database.write() as session:
        detecting.look(session)
    (row,) = alerts(portal)
    assert row.kind == "deaf" and "nothing was heard from it since" in row.text
    with portal.database.write() as session:
        session.add(ReceiptRow(sender_id=1, external_id="y", outcome="sent", at=clock.now(), received_at=clock.now()))
    with portal.database.write() as session:
        detecting.look(session)
    assert alerts(portal)[0].closed_at is not None


def test_a_sender_that_never_reports_is_not_deaf(portal, time):
    for number in range(4):
        message(portal, number, 1, "accepted")
    with portal.database.write() as session:
        for part_id in session.scalars(select(Part.id)).all():
            at = clock.now()
            session.add(
                Attempt(
                    part_id=part_id,
                    number=1,
                    sender_id=1,
                    idempotency_key=f"k{part_id}",
                    started_at=at,
                    ended_at=at,
                    outcome=Status.ACCEPTED,
                )
            )
    time.forward(minutes=50)
    with portal.database.write() as session:
        assert detecting.look(session) == 0


def test_every_kind_has_a_topic_of_its_own_words():
    every = [kind for topic in Topic for kind in kinds_of(topic)]
    assert len(every) == len(set(every))
    assert {topic_of(PARKED), topic_of("something new")} == {Topic.WEBHOOKS, Topic.OTHER}
    assert set(TOPICS) == set(Topic)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "anna",
        "anna@",
        "@x.example",
        "a b@x.example",
        "anna@x",
        "Anna <a@x.example>",
        "a@x.example\nBcc: b@y.example",
    ],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InvalidInput):
        recipients.check_email(address)


def test_addresses_are_sealed(portal):
    id_ = recipient(portal)
    with portal.session() as session:
        assert "anna" not in session.get_one(AlertRecipient, id_).address
        assert session.get_one(Sender, 1) is not None


def test_an_incident_that_comes_back_at_this_very_moment_is_not_settled(portal, letters, time):
    """Whoever raises it again holds its row: it is left for the next look, and stays open."""
    if portal.database.sqlite:
        pytest.skip("SQLite writes one transaction at a time")
    recipient(portal)
    ill(portal)
    tell(portal, time, minutes=3)
    well(portal)
    time.forward(minutes=3)
    with portal.database.write() as back:
        raise_alert(back, LINE_DOWN, SUBJECT, "Acme line does not work.", 1)
        with portal.database.write() as looking:
            looking.execute(text("SET LOCAL lock_timeout = '2s'"))
            assert rule._take(looking, [alerts(portal)[0].id]) == 0
    tell(portal, time, minutes=3)
    (row,) = alerts(portal)
    assert row.closed_at is None and row.settled_at is None and len(letters.letters) == 1


def test_the_former_agency_hears_nothing_more_of_a_sub_account_that_has_moved(portal, letters, time):
    recipient(portal)
    recipient(portal, "operator@example.com", agency=None)
    ill(portal)
    tell(portal, time, minutes=3)
    assert len(letters.letters) == 1
    with portal.database.write() as session:
        other = Agency(company_id="company-other", created_at=clock.now())
        session.add(other)
        session.flush()
        session.execute(update(Location).values(agency_id=other.id))
    ill(portal, text="Other line, of the other agency, does not work.")
    well(portal)
    tell(portal, time, minutes=3)
    assert len(letters.letters) == 1 and alerts(portal)[0].settled_at is not None
