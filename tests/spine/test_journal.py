"""Journal first: what is answered 2xx is on disk once, in order, whatever the database does."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests
from sqlalchemy.exc import OperationalError

from portal.errors import Overloaded
from portal.group_commit import GroupCommit
from portal.journal.entry import Entry
from portal.journal.replay import drain
from portal.journal.spool import Spool, read_entries
from portal.journal.store import Kept
from portal.journal.writer import Journal
from portal.sandbox.webhooks import Signature


class Outage:
    """A database that can be away: what its driver raises then is what the portal sees."""

    def __init__(self, database):
        self.database = database
        self.away = False

    @contextmanager
    def write(self, **options):
        if self.away:
            raise OperationalError("INSERT", {}, Exception("server closed the connection"))
        with self.database.write(**options) as session:
            yield session

    def answers(self):
        return not self.away


def entry(number, lane="ghl:a:b", key=None):
    return Entry("ghl", lane, b'{"n": %d}' % number, dedupe_key=key or f"delivery:a:{number}")


def bodies(portal):
    return [event.body for event in portal.events()]


def test_the_same_id_at_once_is_kept_once(idle):
    with ThreadPoolExecutor(16) as pool:
        kept = list(pool.map(lambda n: idle.parts.journal.append(entry(n // 4)), range(400)))
    assert kept.count(Kept.STORED) == 100
    assert kept.count(Kept.DUPLICATE) == 300
    assert len(idle.events()) == 100
    assert len([job for job in idle.jobs() if job.kind == "apply"]) == 100


def test_an_outbound_event_does_not_swallow_the_delivery_with_its_id(portal):
    sent = portal.sandbox.deliveries.send("Hello")
    portal.sandbox.deliveries.outbound_event(sent.message)
    assert len(portal.events()) == 2
    assert {event.action for event in portal.events()} == {"delivery", "event"}


def test_order_holds_across_an_outage(idle, tmp_path):
    database = Outage(idle.database)
    spool = Spool(tmp_path / "outage", 10_000_000)
    journal = Journal(database, spool)
    assert journal.append(entry(1)) is Kept.STORED
    database.away = True
    assert journal.append(entry(2)) is Kept.SPOOLED
    database.away = False
    # The database is back, but what was spooled is not replayed yet: nothing may overtake it.
    assert journal.append(entry(3)) is Kept.SPOOLED
    other = Journal(database, Spool(tmp_path / "outage", 10_000_000))
    assert other.append(entry(4)) is Kept.SPOOLED, "another process of the machine"
    assert drain(database, spool) == 3
    assert journal.append(entry(5)) is Kept.STORED
    assert bodies(idle) == [b'{"n": %d}' % number for number in (1, 2, 3, 4, 5)]
    assert spool.size() == 0


def test_a_replay_that_was_killed_midway_repeats_nothing(idle, tmp_path):
    spool = Spool(tmp_path / "outage", 10_000_000)
    spool.append([entry(1), entry(2)])
    path = spool.files()[0]
    saved = path.read_bytes()
    assert drain(idle.database, spool) == 2
    path.write_bytes(saved)  # as if the process had died before it emptied the file
    (tmp_path / "outage" / "active").touch()
    drain(idle.database, Spool(tmp_path / "outage", 10_000_000))
    assert len(idle.events()) == 2


def test_the_file_of_a_dead_process_is_adopted(idle, tmp_path):
    folder = tmp_path / "outage"
    dead = Spool(folder, 10_000_000)
    dead.append([entry(7)])
    import os

    os.close(dead._file)  # its lock ends with the process
    assert drain(idle.database, Spool(folder, 10_000_000)) == 1
    assert not list(folder.glob("*.spool")), "an orphan's file goes"


def test_a_torn_record_costs_nothing_before_it_and_is_kept(idle, tmp_path):
    folder = tmp_path / "outage"
    spool = Spool(folder, 10_000_000)
    spool.append([entry(1), entry(2)])
    path = spool.files()[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert [found.body for found, _ in read_entries(path, 0, len(whole) - 5)] == [b'{"n": 1}']
    drain(idle.database, spool)
    assert bodies(idle) == [b'{"n": 1}']
    assert len(list(folder.glob("*.torn"))) == 1


def test_a_full_spool_says_so_and_takes_no_half_entry(tmp_path):
    spool = Spool(tmp_path / "full", 400)
    spool.append([entry(1)])
    with pytest.raises(Overloaded) as refused:
        spool.append([entry(2)] * 5)
    assert refused.value.retry_after > 0
    path = spool.files()[0]
    assert len(list(read_entries(path, 0, path.stat().st_size))) == 1


def test_one_bad_item_does_not_fail_its_group():
    seen = []

    def commit(items):
        seen.append(list(items))
        if "bad" in items:
            raise ValueError("bad")
        return [item.upper() for item in items]

    group = GroupCommit(commit)
    assert group.submit("a") == "A"
    with pytest.raises(ValueError, match="bad"):
        group.submit("bad")
    assert group.submit("b") == "B"


def test_group_commit_answers_every_thread_once():
    gate = threading.Event()

    def commit(items):
        gate.wait(1)
        return [item * 2 for item in items]

    group = GroupCommit(commit, largest=8)
    with ThreadPoolExecutor(50) as pool:
        answers = pool.map(group.submit, range(1000))
        gate.set()
        assert list(answers) == [number * 2 for number in range(1000)]


@pytest.mark.parametrize("signature", [each for each in Signature if each is not Signature.GOOD])
def test_what_does_not_prove_itself_has_no_effect(portal, signature):
    sent = portal.sandbox.deliveries.send("Forged é 👋", signature=signature)
    assert [answer.status for answer in sent.answers] == [401]
    assert portal.messages() == []
    assert {event.state for event in portal.events()} == {"refused"}


MALFORMED = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"\xff\xfe\x00",
    b"{}" * 3,
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"type":"SMS"}',
    b'{"type":"SMS","locationId":{},"contactId":[],"messageId":7,"message":null}',
    b'{"type":"SMS","locationId":"l","contactId":"c","messageId":"m","message":{"x":1},"phone":"+639175550101"}',
    b'{"type":"SMS","locationId":"\\u0000","contactId":"\\u0000","messageId":"\\u0000","message":"x"}',
    b'{"type":"SMS","locationId":"' + b"l" * 5000 + b'","contactId":"c","messageId":"m","message":"x"}',
    b'{"type":"SMS","locationId":"l:1","contactId":"c","messageId":"m","message":"x","phone":"+639175550101"}',
    b'{"type":"SMS","locationId":"l","contactId":"c","messageId":"m","message":"\\ud83d"}',
    b'{"type":7}',
    b'{"type":"INSTALL"}',
    b'{"type":"INSTALL","companyId":7,"locationId":true}',
    b'{"type":"UNINSTALL"}',
    b'{"type":"OutboundMessage","messageId":"m","locationId":"l"}',
    b'{"type":"' + b"x" * 100_000 + b'"}',
    b'{"type":"SMS","attachments":"x","locationId":"l","contactId":"c","messageId":"m2"}',
    b'{"type":"SMS","attachments":[{}],"locationId":"l","contactId":"c","messageId":"m3","message":"x"}',
    b'{"type":"LocationUpdate","id":"l","name":{"a":1}}',
    b'{"type":"ContactTagUpdate","id":"c","locationId":"l","tags":"x"}',
    b'{"type":"SMS","timestamp":"yesterday","locationId":"l","contactId":"c","messageId":"m4","message":"\\u0000"}',
    b'{"locationId":"l","locationId":"k","contactId":"c","messageId":"m5","message":"x","type":"SMS"}',
    b'{"type":"SMS","locationId":"l","contactId":"c","messageId":"m6","message":"x","phone":"' + b"1" * 3000 + b'"}',
]


def test_signed_nonsense_is_kept_answered_and_sends_nothing(portal):
    for body in MALFORMED:
        headers = {"X-GHL-Signature": portal.sandbox.key.sign(body), "Content-Type": "application/json"}
        answer = requests.post(f"{portal.url}/webhooks/ghl", data=body, headers=headers, timeout=60)
        assert answer.status_code == 200, body[:60]
    import time

    deadline = time.monotonic() + 30
    while any(job.kind == "apply" for job in portal.jobs()) and time.monotonic() < deadline:
        time.sleep(0.1)
    states = {event.state for event in portal.events()}
    assert "pending" not in states
    assert portal.sandbox.records.count("cast.send") == 0
    # The portal still works.
    portal.sandbox.deliveries.send("After the storm")
    from tests.portal import eventually

    eventually(lambda: portal.ghl_statuses().get("delivered") == 1, what="delivered")


def test_too_large_a_body_is_refused_before_it_is_read(portal):
    body = b"x" * (1024 * 1024 + 1)
    headers = {"X-GHL-Signature": portal.sandbox.key.sign(body)}
    assert requests.post(f"{portal.url}/webhooks/ghl", data=body, headers=headers, timeout=60).status_code == 413


def test_an_unknown_webhook_address_is_not_there(portal):
    answer = requests.post(f"{portal.url}/webhooks/sms/simulator/no-such-key/receive", json={}, timeout=60)
    assert answer.status_code == 404
    assert requests.post(f"{portal.url}/webhooks/sms/nonesuch/k/receive", json={}, timeout=60).status_code == 404
    assert portal.events() == []
