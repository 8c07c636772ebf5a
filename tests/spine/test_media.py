"""Files in and out: fetched with limits, kept whole or not at all, in order into HighLevel, judged before a send."""

import errno
import json
import logging
import os
import signal
import time as clockwork
from datetime import timedelta

import pytest
import requests
from sqlalchemy import select

from portal import create_app
from portal.channels import registry
from portal.channels.base import Outgoing
from portal.doctor.media import media_files, media_stores
from portal.media import fetching
from portal.media.folder import Folder
from portal.media.s3 import parse_bucket
from portal.media.stores import Stores
from portal.messaging import ghl_files, keeping, looking, media
from portal.models import Alert, Job, MediaFile, Message, Sender
from portal.queue.claim import Limits, claim
from portal.queue.jobs import MEDIA
from portal.sandbox import world
from portal.worker.tasks import handlers
from tests.file_server import (
    HTML,
    JPEG,
    MP4,
    PDF,
    PNG,
    FileServer,
    Pigeon,
    broken_off,
    endless,
    one_by_one,
    status,
    trickling,
    whole,
)
from tests.hand import settle, work
from tests.portal import Portal, eventually
from tests.s3_stand_in import S3StandIn

PUBLIC = "https://sms.example.com"
THEM = "+639175550777"


@pytest.fixture
def server():
    with FileServer() as running:
        yield running


@pytest.fixture
def pigeon(monkeypatch):
    channel = Pigeon()
    monkeypatch.setitem(registry._BY_KIND, "pigeon", channel)
    return channel


@pytest.fixture
def portal(database_url, sandbox, tmp_path, time, pigeon):
    """Worked by hand on a clock of the test's, reachable under a public name, with one sender that knows files."""
    sandbox.ghl.limit.enforced = False
    running = Portal(database_url, sandbox, tmp_path, app_url=PUBLIC, allow_private_hosts=True, media_max_bytes=60_000)
    running.handlers = handlers(running.parts)
    running.install()
    running.sender = running.add_sender("pigeon")
    yield running
    running.close()


@pytest.fixture
def strict(database_url, sandbox, tmp_path, time, pigeon):
    """The same, where only one sender has the operator's leave to reach private addresses."""
    sandbox.ghl.limit.enforced = False
    running = Portal(database_url, sandbox, tmp_path, app_url=PUBLIC, media_max_bytes=60_000)
    running.handlers = handlers(running.parts)
    running.install()
    running.sender = running.add_sender("pigeon")
    with running.database.write() as session:
        session.get_one(Sender, running.sender).private_hosts = True
    yield running
    running.close()


def write(portal, *files, text="Look", id="m1", sender=None):
    """A customer writes."""
    key = portal.sender_key(sender or portal.sender)
    body = {"id": id, "from": THEM, "text": text, "files": list(files)}
    answer = requests.post(f"{portal.url}/webhooks/sms/pigeon/{key}/receive", json=body, timeout=60)
    assert answer.status_code == 200
    while work(portal, "apply"):
        pass


def rows(portal):
    with portal.session() as session:
        return list(session.scalars(select(MediaFile).order_by(MediaFile.message_id, MediaFile.place)))


def in_ghl(portal):
    return [(one.text, one.attachments) for one in portal.sandbox.ghl.mailbox.messages(direction="inbound")]


def get(portal, address, **headers):
    """A file by its public address, as the world would ask for it."""
    assert address.startswith(f"{PUBLIC}/media/") and "?" not in address
    return requests.get(address.replace(PUBLIC, portal.url), headers=headers, timeout=10, allow_redirects=False)


def into_ghl(portal):
    """The first job of each lane that is due, as a worker takes them: one that is put off keeps back what follows."""
    lanes = claim(portal.database, "ghl", "a test", Limits(100, 1, 100), {}).lanes
    for [due] in lanes:
        portal.handlers[due.kind](due)
    return len(lanes)


def kept_files(portal):
    return [path for path in portal.settings.media_dir.rglob("*") if path.is_file()]


def test_a_file_is_fetched_kept_and_reaches_highlevel_under_our_address(portal, server, time):
    server.files["/x"] = whole(JPEG, "text/html")
    write(portal, {"url": f"{server.url}/x?token=secret", "name": "Beach pięć.png", "mime": "image/png"})
    settle(portal, time)
    [(text, [address])] = in_ghl(portal)
    assert text == "Look" and address.endswith("/Beach-piec.jpg"), "the type by its content, the ending by the type"
    answer = get(portal, address)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, JPEG, "image/jpeg")
    [row] = rows(portal)
    assert (row.state, row.size, row.type, row.host) == ("kept", len(JPEG), "image/jpeg", "127.0.0.1")
    assert row.source == "" and row.name == "Beach pięć.jpg"
    assert server.asked[0][1]["x-pigeon"] == "coo", "the channel's own way in"
    assert len(kept_files(portal)) == 1 and not portal.jobs()


def test_an_address_that_carries_a_secret_is_sealed_and_never_logged(portal, server, caplog, time):
    caplog.set_level(logging.INFO)
    server.files["/x"] = status(503)
    write(portal, {"url": f"{server.url}/x?token=geheim"})
    work(portal, MEDIA)
    [row] = rows(portal)
    assert row.state == "wanted" and "503" in row.reason
    assert "geheim" not in row.source and portal.parts.vault.open(row.source).endswith("geheim")
    shown = json.dumps([vars(each) for each in caplog.records if each.name.startswith("portal")], default=str)
    with portal.session() as session:
        shown += str(session.execute(select(Job.note)).all()) + str(session.execute(select(Message.attachments)).all())
    assert "geheim" not in shown and "503" in shown


def test_several_files_stay_in_their_order_and_a_refused_one_is_said_in_words(portal, server, time):
    server.files |= {"/1": whole(PNG), "/3": whole(PDF)}
    gone = {"url": "", "name": "film.mp4", "fault": "The file is larger than 100 MB: ask for a smaller one."}
    write(portal, {"url": f"{server.url}/1"}, gone, {"url": f"{server.url}/3", "name": "Bill"})
    settle(portal, time)
    [(text, addresses)] = in_ghl(portal)
    assert text == "Look\n[film.mp4 could not be received. The file is larger than 100 MB: ask for a smaller one.]"
    assert [address.rpartition("/")[2] for address in addresses] == ["1.png", "Bill.pdf"]
    assert [row.state for row in rows(portal)] == ["kept", "refused", "kept"]
    assert len(portal.messages("in")[0].attachments) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (endless, "larger than 60 kB"),
        (whole(b"x" * 60_001), "larger than 60 kB"),
        (status(302, Location="http://169.254.169.254/latest/meta-data"), "private or reserved"),
        (status(302, Location="http://[::1]:1/"), "private or reserved"),
        (status(302, Location="file:///etc/passwd"), "http"),
    ],
    ids=["endless", "too large", "redirect to link-local", "redirect to loopback", "redirect to a file"],
)
def test_what_is_refused_for_good_is_asked_for_once(strict, server, time, answer, words):
    """The operator's leave for a provider in the own network is none for where it sends us."""
    server.files["/x"] = answer
    write(strict, {"url": f"{server.url}/x", "name": "x.bin"})
    settle(strict, time)
    [row] = rows(strict)
    assert row.state == "refused" and words in row.reason and row.source == ""
    assert in_ghl(strict) == [(f"Look\n[x.bin could not be received. {row.reason}]", [])]
    assert server.paths() == ["/x"] and kept_files(strict) == []


def test_a_sender_without_leave_reaches_no_private_address(strict, server):
    server.files["/x"] = whole(PNG)
    strict.sender = strict.add_sender("pigeon", name="another")
    write(strict, {"url": f"{server.url}/x"})
    work(strict, MEDIA)
    [row] = rows(strict)
    assert row.state == "refused" and "private" in row.reason and server.asked == []


def test_the_channels_way_in_does_not_follow_a_redirect_elsewhere(portal, server, time):
    with FileServer() as other:
        other.files["/there"] = whole(PNG)
        server.files["/here"] = whole(PNG)
        server.files["/x"] = status(302, Location=f"{other.url}/there")
        server.files["/y"] = status(302, Location="/here")
        write(portal, {"url": f"{server.url}/x"}, {"url": f"{server.url}/y"})
        work(portal, MEDIA)
        assert [row.state for row in rows(portal)] == ["kept", "kept"]
        assert "x-pigeon" not in other.asked[0][1]
        assert dict(server.asked)["/here"]["x-pigeon"] == "coo"


@pytest.mark.parametrize("leads_to", ["http://[", "//[::1", "http://a]b/x"])
def test_a_redirect_to_nothing_that_is_an_address_is_given_up_like_a_missing_file(portal, server, time, leads_to):
    """It would raise in the middle of the job otherwise, which would then come again for ever."""
    server.files["/x"] = status(302, Location=leads_to)
    write(portal, {"url": f"{server.url}/x", "name": "x.bin"})
    work(portal, MEDIA)
    assert "no address" in rows(portal)[0].reason
    settle(portal, time)
    assert rows(portal)[0].state in ("failed", "refused") and kept_files(portal) == []


@pytest.mark.parametrize("answer", [status(404), broken_off, status(500), status(429)])
def test_what_fails_for_now_is_fetched_again(portal, server, time, answer):
    server.files["/x"] = one_by_one(answer, whole(PNG))
    write(portal, {"url": f"{server.url}/x"})
    work(portal, MEDIA)
    assert rows(portal)[0].state == "wanted" and kept_files(portal) == []
    settle(portal, time)
    assert rows(portal)[0].state == "kept" and server.paths() == ["/x", "/x"]


def test_a_slow_server_is_left_after_a_time(portal, server, monkeypatch, time):
    monkeypatch.setattr(keeping, "FETCH_SECONDS", 0.3)
    server.files["/x"] = trickling
    write(portal, {"url": f"{server.url}/x"})
    work(portal, MEDIA)
    assert "did not answer in time" in rows(portal)[0].reason and kept_files(portal) == []


@pytest.mark.parametrize(("answer", "hours"), [(status(404), 2), (status(500), 80)])
def test_in_the_end_it_is_given_up_and_a_person_may_ask_again(portal, server, time, answer, hours):
    server.files["/x"] = answer
    write(portal, {"url": f"{server.url}/x", "name": "x"})
    work(portal, MEDIA)
    time.forward(hours=hours)
    settle(portal, time)
    [row] = rows(portal)
    assert row.state == "failed" and str(404 if hours == 2 else 500) in row.reason
    assert in_ghl(portal)[0][1] == []
    server.files["/x"] = whole(PNG)
    with portal.app.app_context():
        said = portal.app.test_cli_runner().invoke(args=["media", "fetch", str(row.id)])
    assert said.exit_code == 0, said.output
    settle(portal, time)
    assert rows(portal)[0].state == "kept"
    assert [text for text, _ in in_ghl(portal)] == [
        "Look\n[x follows]",
        f"[x could not be received. {row.reason}]",
        "x.png",
    ]
    assert [len(addresses) for _, addresses in in_ghl(portal)] == [0, 0, 1], "what is late is a message of its own"


def test_a_slow_file_holds_its_conversation_for_a_minute_at_most_and_comes_once(portal, server, time):
    server.files["/slow"] = one_by_one(status(503), status(503), whole(PDF))
    write(portal, {"url": f"{server.url}/slow", "name": "Bill.pdf"}, text="See", id="m1")
    write(portal, text="And?", id="m2")
    work(portal, MEDIA)
    for _ in range(3):
        into_ghl(portal)
    assert in_ghl(portal) == [], "the second waits behind the first"
    time.forward(seconds=46)
    while into_ghl(portal):
        pass
    assert in_ghl(portal) == [("See\n[Bill.pdf follows]", []), ("And?", [])]
    settle(portal, time)
    [_, _, (text, [address])] = in_ghl(portal)
    assert text == "Bill.pdf" and get(portal, address).content == PDF
    [row] = rows(portal)
    assert row.ghl_message_id and row.echo_state == "done" and row.late
    portal.handlers["post_files"](_due(portal, "post_files", row.message_id))
    assert len(in_ghl(portal)) == 3


def _due(portal, kind, subject):
    from portal import clock
    from portal.queue.jobs import Due

    return Due(0, kind, subject, "x", "", 10, 0, clock.now())


def test_a_file_that_comes_in_time_wakes_its_message(portal, server, time):
    server.files["/x"] = one_by_one(status(503), whole(PNG))
    write(portal, {"url": f"{server.url}/x"})
    work(portal)
    work(portal, "ghl")
    [post] = [job for job in portal.jobs() if job.kind == "post_message"]
    assert post.run_at > time.at + timedelta(seconds=20)
    time.forward(seconds=10)
    work(portal, MEDIA)
    work(portal, "ghl")
    assert len(in_ghl(portal)[0][1]) == 1


def test_a_late_file_whose_call_got_no_answer_is_looked_up_first(portal, server, sandbox, time):
    server.files["/x"] = one_by_one(status(503), whole(PNG))
    write(portal, {"url": f"{server.url}/x"})
    work(portal, MEDIA)
    time.forward(seconds=46)
    while work(portal, "ghl"):
        pass
    work(portal, MEDIA)
    sandbox.faults.arm("ghl.add_inbound", "half_answer")
    settle(portal, time)
    assert [len(addresses) for _, addresses in in_ghl(portal)] == [0, 1]
    assert rows(portal)[0].ghl_message_id == portal.sandbox.ghl.mailbox.messages(direction="inbound")[1].id


@pytest.mark.parametrize("then", [whole(PNG), whole(b"x" * 60_001)], ids=["comes", "is refused"])
@pytest.mark.parametrize("name", ["", "x"])
def test_a_message_says_the_same_again_whatever_became_of_its_file(portal, server, sandbox, time, then, name):
    """HighLevel does not promise to tell our own id back: then a message is known by its words alone."""
    server.files["/y"] = one_by_one(status(503), then)
    write(portal, {"url": f"{server.url}/y", "name": name}, text="")
    work(portal, MEDIA)
    time.forward(seconds=46)
    sandbox.faults.arm("ghl.add_inbound", "half_answer")
    into_ghl(portal)
    [there] = sandbox.ghl.mailbox.messages(direction="inbound")
    there.alt_id = ""
    work(portal, MEDIA)
    assert rows(portal)[0].state != "wanted"
    settle(portal, time)
    assert len(in_ghl(portal)) == 2, in_ghl(portal)
    with portal.session() as session:
        assert session.scalars(select(Message.ghl_message_id)).one() == there.id


def test_a_late_file_of_a_message_that_was_put_aside_keeps_nothing_back(portal, server, sandbox, time):
    """HighLevel refuses the message for its own sake; whoever writes next must be heard all the same."""
    server.files["/x"] = one_by_one(status(503), whole(PNG))
    sandbox.faults.arm("ghl.add_inbound", "status", status=422, times=1000)
    write(portal, {"url": f"{server.url}/x", "name": "x.png"}, text="Refused", id="m1")
    work(portal, MEDIA)
    for _ in range(20):
        time.forward(minutes=2)
        into_ghl(portal)
    work(portal, MEDIA)
    assert rows(portal)[0].state == "kept" and rows(portal)[0].late
    sandbox.faults.clear()
    waiting = [job for job in portal.jobs() if job.kind == "post_message"]
    assert [job.lane for job in waiting] == [f"aside:in:{rows(portal)[0].message_id}"]
    time.forward(seconds=1)
    into_ghl(portal)  # the late file finds that its message is not there
    write(portal, text="Next", id="m2")
    into_ghl(portal)
    assert [text for text, _ in in_ghl(portal)] == ["Next"]
    settle(portal, time)
    assert [text for text, _ in in_ghl(portal)] == ["Next", "Refused\n[x.png follows]", "x.png"]


def test_a_late_file_of_a_mirrored_message_is_no_echo(portal, server, sandbox, time):
    """HighLevel may deliver what we log there as outbound: until its id is known, deliveries of the contact wait."""
    server.files["/x"] = one_by_one(status(503), whole(PNG))
    write(portal, {"url": f"{server.url}/x"})
    work(portal, MEDIA)
    time.forward(seconds=46)
    while work(portal, "ghl"):
        pass
    with portal.database.write() as session:
        message = session.scalars(select(Message)).one()
        message.direction, message.echo_state = "out", "done"
    sandbox.faults.arm("ghl.add_inbound", "half_answer")
    work(portal, MEDIA)
    work(portal, "ghl")
    [added] = portal.sandbox.ghl.mailbox.messages(direction="outbound")
    assert portal.messages()[0].echo_state == "open" and rows(portal)[0].ghl_message_id == ""
    contact = portal.sandbox.ghl.directory.get(added.contact_id)
    portal.sandbox.deliveries.send("x.png", contact=contact, fields={"messageId": added.id})
    work(portal, "apply")
    assert portal.events()[-1].state == "pending"
    settle(portal, time)
    assert rows(portal)[0].ghl_message_id == added.id and portal.messages()[0].echo_state == "done"
    assert portal.events()[-1].state == "ignored" and len(portal.messages()) == 1
    assert len(portal.sandbox.ghl.mailbox.messages(direction="outbound")) <= 2


def test_a_drain_breaks_a_download_off(portal, server, time):
    server.files["/x"] = one_by_one(trickling, whole(PNG))
    write(portal, {"url": f"{server.url}/x"})
    portal.parts.keeper.stop()
    work(portal, MEDIA)
    assert rows(portal)[0].state == "wanted" and "stopped" in rows(portal)[0].reason and kept_files(portal) == []


def test_an_address_that_no_browser_would_mind(portal, server, time):
    server.files["/a%20b/%C3%BC.png"] = whole(PNG)
    write(portal, {"url": f"{server.url}/a b/ü.png?x=1 2#part"}, {"url": f"{server.url}/a%20b/%C3%BC.png"})
    work(portal, MEDIA)
    assert [row.state for row in rows(portal)] == ["kept", "kept"]
    assert server.paths() == ["/a%20b/%C3%BC.png?x=1%202", "/a%20b/%C3%BC.png"]


def test_a_kill_in_the_middle_leaves_nothing_that_is_served(portal, server, time):
    """The child dies with the first bytes on disk; the next run begins anew."""
    server.files["/x"] = one_by_one(trickling, whole(PNG))
    write(portal, {"url": f"{server.url}/x"})
    [row] = rows(portal)
    child = os.fork()
    if child == 0:
        try:
            app = create_app(portal.settings)
            handlers(app.extensions["portal"])["fetch_media"](_due(portal, "fetch_media", row.id))
        finally:
            os._exit(1)
    eventually(lambda: any(path.stat().st_size for path in kept_files(portal)), what="first bytes")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    [left] = kept_files(portal)
    assert left.parent.name == "incoming" and rows(portal)[0].state == "wanted"
    assert get(portal, PUBLIC + media.path(row)).status_code == 404
    settle(portal, time)
    [(_, [address])] = in_ghl(portal)
    assert get(portal, address).content == PNG
    os.utime(left, (clockwork.time() - 7200,) * 2)
    assert portal.parts.stores.incoming.sweep() == 1 and len(kept_files(portal)) == 1


def test_a_death_between_store_and_row_is_made_good(portal, server, monkeypatch, time):
    class Death(BaseException):
        pass

    server.files["/x"] = whole(PNG)
    write(portal, {"url": f"{server.url}/x"})

    def dies(self, name, path, digest, put=Folder.put):
        put(self, name, path, digest)
        raise Death

    with monkeypatch.context() as patch, pytest.raises(Death):
        patch.setattr(Folder, "put", dies)
        work(portal, MEDIA)
    assert rows(portal)[0].state == "wanted" and len(kept_files(portal)) == 1
    assert get(portal, PUBLIC + media.path(rows(portal)[0])).status_code == 404
    time.forward(minutes=2)
    settle(portal, time)
    assert rows(portal)[0].state == "kept" and len(kept_files(portal)) == 1


def test_a_full_disk_is_told_and_loses_nothing(portal, server, monkeypatch, time):
    server.files["/x"] = whole(PNG)
    monkeypatch.setattr(portal.parts.stores.incoming, "spare", 10**18)
    write(portal, {"url": f"{server.url}/x"})
    work(portal, MEDIA)
    with portal.session() as session:
        [alert] = session.scalars(select(Alert).where(Alert.kind == "media_store"))
    assert "no room" in alert.text and rows(portal)[0].state == "wanted" and server.asked == []
    monkeypatch.setattr(portal.parts.stores.incoming, "spare", 0)
    settle(portal, time)
    with portal.session() as session:
        assert session.scalars(select(Alert.closed_at).where(Alert.kind == "media_store")).one() is not None
    assert rows(portal)[0].state == "kept"


def test_a_disk_that_fills_up_during_a_download_is_told_and_loses_nothing(portal, server, monkeypatch, time):
    server.files["/x"] = whole(PNG)
    with monkeypatch.context() as full:

        def no_space(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        full.setattr(fetching.os, "fsync", no_space)
        write(portal, {"url": f"{server.url}/x"})
        work(portal, MEDIA)
    with portal.session() as session:
        [alert] = session.scalars(select(Alert).where(Alert.kind == "media_store"))
    assert "No space left" in alert.text and rows(portal)[0].state == "wanted" and kept_files(portal) == []
    settle(portal, time)
    assert rows(portal)[0].state == "kept"


def test_a_repeated_webhook_has_no_second_file(portal, server, time):
    server.files["/x"] = whole(PNG)
    for _ in range(3):
        write(portal, {"url": f"{server.url}/x"})
    settle(portal, time)
    assert len(rows(portal)) == 1 and server.paths() == ["/x"] and len(in_ghl(portal)) == 1


def test_a_forgotten_file_is_found(portal, server, time):
    server.files["/x"] = whole(PNG)
    write(portal, {"url": f"{server.url}/x"})
    with portal.database.write() as session:
        session.query(Job).filter(Job.kind == "fetch_media").delete()
        assert media.enqueue_forgotten(session) == 0
    time.forward(minutes=6)
    with portal.database.write() as session:
        assert media.enqueue_forgotten(session) == 1
    settle(portal, time)
    assert rows(portal)[0].state == "kept"


def test_a_bucket_keeps_what_the_folder_would(database_url, sandbox, tmp_path, time, pigeon, server):
    sandbox.ghl.limit.enforced = False
    with S3StandIn() as s3:
        bucket = parse_bucket(s3.address)
        running = Portal(
            database_url, sandbox, tmp_path, app_url=PUBLIC, allow_private_hosts=True, media_stores=(bucket,)
        )
        try:
            running.handlers = handlers(running.parts)
            running.install()
            running.sender = running.add_sender("pigeon")
            server.files["/x"] = whole(MP4)
            s3.faults = [503]
            write(running, {"url": f"{server.url}/x", "name": "film.mp4"})
            work(running, MEDIA)
            with running.session() as session:
                [alert] = session.scalars(select(Alert).where(Alert.kind == "media_store"))
            assert "503" in alert.text and rows(running)[0].state == "wanted" and kept_files(running) == []
            time.forward(seconds=10)
            work(running, MEDIA)
            settle(running, time)
            assert list(s3.objects.values()) == [MP4] and kept_files(running) == [] and s3.refused == []
            [(_, [address])] = in_ghl(running)
            assert get(running, address).content == MP4
            assert get(running, address, Range="bytes=5-9").content == MP4[5:10]
            assert [each.level for each in media_stores(running.parts)] == ["ok", "ok"]
            assert [each.level for each in media_files(running.parts)] == ["ok"]
            forgot = Stores(running.parts.http, running.settings.media_dir)
            running.parts.stores.known = forgot.known
            assert [each.level for each in media_files(running.parts)] == ["fault"]
            assert get(running, address).status_code == 503
        finally:
            running.close()


def test_a_way_in_that_is_denied_is_the_files_end(portal, server, time):
    write(portal, {"url": "denied:7", "name": "x.jpg"})
    work(portal, MEDIA)
    assert rows(portal)[0].state == "wanted"
    time.forward(hours=1)
    settle(portal, time)
    assert rows(portal)[0].state == "failed" and rows(portal)[0].reason == "The pigeon has lost it."


class TestIntoHighLevel:
    """What is given to HighLevel, and what is linked."""

    @pytest.fixture
    def portal(self, database_url, sandbox, tmp_path, time, pigeon):
        sandbox.ghl.limit.enforced = False
        running = Portal(database_url, sandbox, tmp_path, app_url=PUBLIC, allow_private_hosts=True, media_upload=True)
        running.handlers = handlers(running.parts)
        running.install()
        running.sender = running.add_sender("pigeon")
        yield running
        running.close()

    def test_what_it_takes_is_uploaded_once(self, portal, server, time):
        server.files |= {"/x": whole(JPEG), "/y": whole(HTML)}
        write(portal, {"url": f"{server.url}/x", "name": "a b.jpg"}, {"url": f"{server.url}/y", "name": "page.html"})
        settle(portal, time)
        [(_, [theirs, ours])] = in_ghl(portal)
        assert theirs.startswith(portal.sandbox.url) and requests.get(theirs, timeout=60).content == JPEG
        assert ours.startswith(f"{PUBLIC}/media/"), "it takes no web pages: a link is what is left"
        assert [row.ghl_url for row in rows(portal)] == [theirs, ""]

    @pytest.mark.parametrize("code", [415, 413, 500])
    def test_a_refused_upload_becomes_a_link(self, portal, server, sandbox, time, code):
        server.files["/x"] = whole(JPEG)
        sandbox.faults.arm("ghl.upload_files", "status", status=code)
        write(portal, {"url": f"{server.url}/x"})
        settle(portal, time)
        assert in_ghl(portal)[0][1][0].startswith(f"{PUBLIC}/media/")

    def test_a_portal_that_nobody_can_reach_uploads(self, portal):
        for url, uploads in (
            ("http://127.0.0.1:8000", True),
            ("http://localhost", True),
            ("http://10.0.0.3", True),
            ("https://sms.example.com", False),
        ):
            from dataclasses import replace

            assert replace(portal.settings, app_url=url, media_upload=False).uploads_media is uploads


class TestOut:
    """Before a call each file is looked at, and judged by the channel's limits."""

    def send(self, portal, *addresses, text="Hello"):
        portal.sandbox.deliveries.send(text, attachments=list(addresses))

    def test_name_type_and_size_are_told_to_the_channel(self, portal, server, pigeon, time):
        server.files["/get/photo"] = whole(JPEG, "image/jpeg")
        server.files["/bill"] = whole(PDF, Content_Disposition="attachment; filename*=UTF-8''Rechnung%20%C3%A4.pdf")
        self.send(portal, f"{server.url}/get/photo?sig=1", f"{server.url}/bill")
        settle(portal, time, "apply", "send")
        texts = [part.text for part in pigeon.sent]
        files = [(file.name, file.mime, file.size) for part in pigeon.sent for file in part.files]
        assert texts == ["Hello", "", ""]
        assert files == [("photo.jpg", "image/jpeg", len(JPEG)), ("Rechnung ä.pdf", "application/pdf", len(PDF))]
        assert all(headers["range"] for _, headers in server.asked)

    @pytest.mark.parametrize(
        ("body", "words"),
        [(PNG + b"\x00" * 60_000, "is too large: it has 60 kB"), (HTML, "text/html"), (b"PK\x03\x04xx", "zip")],
    )
    def test_what_the_channel_would_not_take_is_refused_before_it_is_sent(
        self, portal, server, pigeon, time, body, words
    ):
        server.files["/x"] = whole(body)
        self.send(portal, f"{server.url}/x", text="")
        settle(portal, time)
        [message] = portal.messages()
        assert message.status == "failed" and words in message.reason and pigeon.sent == []
        with portal.session() as session:
            from portal.models import Wallet

            wallet = session.query(Wallet).one()
        assert (wallet.held, wallet.spent) == (0, 0), "what did not go out is free"
        [told] = portal.sandbox.ghl.mailbox.messages(direction="outbound")
        assert told.status == "failed" and words in told.error["message"]

    def test_a_file_that_cannot_be_had_now_is_the_messages_fault_not_the_senders(self, portal, server, pigeon, time):
        server.files["/x"] = one_by_one(status(404), status(503), whole(PNG))
        self.send(portal, f"{server.url}/x", text="")
        while work(portal, "apply"):
            pass
        work(portal, "send")
        [part] = portal.parts_of(portal.messages()[0])
        assert part.status == "queued" and "404" in part.detail
        with portal.session() as session:
            from portal.models import Gate

            gates = session.scalars(select(Gate).where(Gate.key == f"sender:{portal.sender}")).all()
        assert all(gate.failures == 0 and gate.blocked_until is None for gate in gates)
        settle(portal, time, "send")
        assert len(pigeon.sent) == 1 and portal.messages()[0].status == "accepted"

    def test_while_its_files_are_looked_at_a_message_is_still_queued(self, portal, server, pigeon, time):
        """A process that is killed then leaves nothing in doubt: nothing has been handed to anybody."""
        seen = []

        def look(handler):
            [message] = portal.messages()
            seen.append((message.status, [part.status for part in portal.parts_of(message)]))
            whole(PNG)(handler)

        server.files["/x"] = look
        self.send(portal, f"{server.url}/x", text="")
        settle(portal, time, "apply", "send")
        assert seen == [("queued", ["queued"])]
        assert len(pigeon.sent) == 1 and portal.messages()[0].status == "accepted"

    def test_a_file_that_is_not_there_fails_after_some_tries(self, portal, server, pigeon, time):
        self.send(portal, f"{server.url}/nothing", text="")
        settle(portal, time, "apply", "send")
        [message] = portal.messages()
        assert message.status == "failed" and "404" in message.reason and pigeon.sent == []
        assert len(server.asked) == looking.GONE_TRIES + 1

    @pytest.mark.parametrize("length", [20, 5000])
    def test_a_size_that_cannot_be_is_no_size(self, portal, server, pigeon, time, length):
        def lies(handler):
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes 0-{len(PNG) - 1}/{'9' * length}")
            handler.send_header("Content-Length", str(len(PNG)))
            handler.end_headers()
            handler.wfile.write(PNG)

        server.files["/x"] = lies
        self.send(portal, f"{server.url}/x", text="")
        settle(portal, time, "apply", "send")
        assert [part.files[0].size for part in pigeon.sent] == [None] and server.paths() == ["/x"]

    def test_a_redirect_to_nothing_that_is_an_address_fails_the_message(self, portal, server, pigeon, time):
        server.files["/x"] = status(302, Location="http://[")
        self.send(portal, f"{server.url}/x", text="")
        settle(portal, time, "apply", "send")
        [message] = portal.messages()
        assert message.status == "failed" and "no address" in message.reason and pigeon.sent == []

    def test_a_private_address_is_refused(self, strict, server, pigeon, time):
        """Whoever writes the message chose the address: the sender's own leave is not meant for it."""
        server.files["/x"] = whole(PNG)
        self.send(strict, f"{server.url}/x", text="")
        settle(strict, time)
        assert strict.messages()[0].status == "failed" and "private" in strict.messages()[0].reason
        assert server.asked == [] and pigeon.sent == []

    def test_a_repetition_asks_the_files_server_no_second_time(self, portal, server, pigeon, monkeypatch, time):
        from portal.channels.base import ChannelError

        server.files["/x"] = whole(PNG)
        fly = Pigeon.send
        tries = []

        def stumbles(self, http, account, part: Outgoing):
            tries.append(part)
            if len(tries) < 3:
                raise ChannelError("Wind.", retry=True)
            return fly(self, http, account, part)

        monkeypatch.setattr(Pigeon, "send", stumbles)
        self.send(portal, f"{server.url}/x", text="")
        settle(portal, time, "apply", "send")
        assert len(tries) == 3 and server.paths() == ["/x"] and tries[2].files[0].size == len(PNG)

    def test_a_file_of_ours_is_forwarded_without_a_call(self, portal, server, pigeon, time):
        server.files["/x"] = whole(JPEG)
        write(portal, {"url": f"{server.url}/x", "name": "cat.jpg"})
        settle(portal, time)
        [(_, [address])] = in_ghl(portal)
        self.send(portal, address, text="")
        settle(portal, time, "apply", "send")
        [file] = pigeon.sent[0].files
        assert (file.url, file.name, file.mime, file.size) == (address, "cat.jpg", "image/jpeg", len(JPEG))
        assert server.paths() == ["/x"]

    def test_another_tenants_file_is_not_sent(self, portal, server, pigeon, time):
        """Whoever has the address can open it; but the portal says nothing of it to another sub-account."""
        server.files["/x"] = whole(JPEG)
        write(portal, {"url": f"{server.url}/x", "name": "private.jpg"})
        settle(portal, time)
        [(_, [address])] = in_ghl(portal)
        other = world.DEMO_LOCATIONS[1]
        portal.install(other)
        portal.add_sender("pigeon", place=other)
        contact = portal.sandbox.ghl.directory.of_location(other.id)[0]
        portal.sandbox.deliveries.send("", contact=contact, attachments=[address])
        settle(portal, time)
        [message] = portal.messages()
        assert message.status == "failed" and "not one of this sub-account" in message.reason
        assert "private" not in message.reason and pigeon.sent == []

    def test_a_revoked_file_is_not_forwarded(self, portal, server, pigeon, time):
        server.files["/x"] = whole(JPEG)
        write(portal, {"url": f"{server.url}/x"})
        settle(portal, time)
        [(_, [address])] = in_ghl(portal)
        said = portal.app.test_cli_runner().invoke(args=["media", "revoke", str(rows(portal)[0].id)])
        assert said.exit_code == 0, said.output
        assert get(portal, address).status_code == 410
        self.send(portal, address, text="")
        settle(portal, time)
        assert portal.messages()[0].status == "failed" and pigeon.sent == []


def test_a_video_of_ours_plays_from_the_middle(portal, server, time):
    server.files["/x"] = whole(MP4)
    write(portal, {"url": f"{server.url}/x"})
    settle(portal, time)
    [(_, [address])] = in_ghl(portal)
    part = get(portal, address, Range="bytes=1000-1999")
    assert (part.status_code, part.content) == (206, MP4[1000:2000])
    assert (
        part.headers["Content-Range"] == f"bytes 1000-1999/{len(MP4)}" and part.headers["Content-Type"] == "video/mp4"
    )


def test_patience_is_under_a_minute():
    assert timedelta(minutes=1) > ghl_files.PATIENCE
