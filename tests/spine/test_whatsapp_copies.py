"""Files that Meta cannot fetch are given to it before the message that names them, which is sent once all the same."""

from types import SimpleNamespace

import pytest
from sqlalchemy import update

from portal.channels import handing
from portal.channels.content import Content, Kind
from portal.media import folder
from portal.messaging import copies, outbound, sending
from portal.models import Attempt, MediaFile, Message, Part
from portal.sandbox import world
from portal.worker.tasks import handlers
from tests import cloudy
from tests.cloudy import APP_SECRET
from tests.file_server import JPEG, PDF, FileServer, one_by_one, status, whole
from tests.hand import settle, work
from tests.portal import Portal
from tests.spine.test_whatsapp_cloud import ANA, Cloud, Graph, serving


@pytest.fixture
def files():
    with FileServer() as running:
        running.files["/a.jpg"] = whole(JPEG, "image/jpeg")
        running.files["/b.pdf"] = whole(PDF, "application/pdf")
        yield running


@pytest.fixture
def cloud(database_url, sandbox, tmp_path, time):
    sandbox.ghl.limit.enforced = False
    graph = Graph()
    with serving(graph) as url:
        more = {"whatsapp_app_secret": APP_SECRET, "whatsapp_graph_url": url, "allow_private_hosts": True}
        running = Portal(database_url, sandbox, tmp_path, **more)
        running.handlers = handlers(running.parts)
        running.install()
        line = Cloud(running, time, graph)
        line.say(line.text("Hello", "m1"))
        yield line
        running.close()


@pytest.fixture
def outside(monkeypatch):
    """The files' server counts as one on the internet, which Meta is left to fetch from."""
    monkeypatch.setattr(handing, "inside", lambda url: False)


def send(cloud, *addresses, body="", **more):
    message = cloudy.send(cloud, body, phone=ANA, attachments=list(addresses), **more)
    settle(cloud.portal, cloud.time, "send")
    return message


def row(cloud, message):
    (found,) = cloud.rows(Message.id == message.id)
    return found


def test_what_is_inside_our_network_is_handed_over(cloud, files):
    message = send(cloud, f"{files.url}/a.jpg", body="Look")
    (call,) = cloud.graph.sent
    assert call["image"] == {"id": "471", "caption": "Look"}
    (form,) = cloud.graph.uploads
    assert JPEG in form and b"image/jpeg" in form and row(cloud, message).status == "accepted"


def test_many_messages_with_one_file_hand_it_over_once(cloud, files):
    for _ in range(3):
        send(cloud, f"{files.url}/a.jpg")
    assert [call["image"] for call in cloud.graph.sent] == [{"id": "471"}] * 3 and len(cloud.graph.uploads) == 1
    cloud.time.forward(hours=2)
    send(cloud, f"{files.url}/a.jpg")
    assert len(cloud.graph.uploads) == 2, "what is behind an address may change"


def test_meta_is_given_a_copy_after_it_could_not_fetch_the_link(cloud, files, outside):
    """The refusal is definite, so the same part is tried again; the copy is no second message."""
    cloud.graph.refuse = [131053]
    message = send(cloud, f"{files.url}/a.jpg")
    (call,) = cloud.graph.sent
    assert call["image"] == {"id": "471"} and len(cloud.graph.uploads) == 1
    assert call["biz_opaque_callback_data"] == f"{message.uuid}:2", "a key of its own after a definite refusal"
    assert row(cloud, message).status == "accepted"
    assert [each.code for each in cloud.everything(Attempt)] == ["131053", ""]


def test_also_when_meta_said_so_by_a_status(cloud, files, outside):
    """However a part comes back into the queue: what was last said of it stands in its row."""
    message = cloudy.send(cloud, "", phone=ANA, attachments=[f"{files.url}/a.jpg"])
    with cloud.portal.database.write() as session:
        session.execute(update(Part).where(Part.message_id == message.id).values(code="131053"))
    settle(cloud.portal, cloud.time, "send")
    assert cloud.graph.sent[0]["image"] == {"id": "471"}


def test_other_refusals_are_no_reason_for_a_copy(cloud, files, outside):
    cloud.graph.refuse = [131000]
    send(cloud, f"{files.url}/a.jpg")
    (call,) = cloud.graph.sent
    assert call["image"] == {"link": f"{files.url}/a.jpg"} and cloud.graph.uploads == []


def test_a_lost_answer_is_in_doubt_and_a_lost_copy_is_not(cloud, files, monkeypatch):
    told = iter([None, {"id": "900"}])
    monkeypatch.setattr(cloud.graph, "upload", lambda form: next(told))
    cloud.graph.lose = 1
    message = send(cloud, f"{files.url}/a.jpg")
    assert row(cloud, message).status == "unknown" and len(cloud.graph.sent) == 1
    assert cloud.graph.sent[0]["image"] == {"id": "900"}


def test_while_it_is_handed_over_the_message_is_still_queued(cloud, files, monkeypatch):
    """A process that is killed then leaves nothing in doubt."""
    seen = []

    def upload(form):
        seen.extend((each.status, [part.status for part in cloud.portal.parts_of(each)]) for each in cloud.rows())
        return {"id": "1"}

    monkeypatch.setattr(cloud.graph, "upload", upload)
    send(cloud, f"{files.url}/a.jpg")
    assert seen == [("received", []), ("queued", ["queued"])]


def test_our_own_files_come_out_of_their_store(cloud, files, monkeypatch):
    """Nobody can reach the portal's address here, itself included."""
    with cloud.portal.session() as session:
        message_id = session.query(Message.id).scalar()
    stored = copies.Path(cloud.portal.settings.media_dir) / "kept"
    stored.parent.mkdir(parents=True, exist_ok=True)
    stored.write_bytes(PDF)
    with cloud.portal.database.write() as session:
        more = {"state": "kept", "store": "folder", "stored": "kept", "type": "application/pdf", "size": len(PDF)}
        told = {"key": "k" * 32, "name": "bill.pdf", "host": "", "location_id": 1, "message_id": message_id, **more}
        session.add(MediaFile(**told, sender_id=cloud.sender, place=1, direction="in", created_at=cloud.time.now()))
    send(cloud, f"/media/{'k' * 32}/bill.pdf")
    assert cloud.graph.sent[0]["document"] == {"id": "471", "filename": "bill.pdf"} and PDF in cloud.graph.uploads[0]
    assert files.asked == []


def test_a_file_that_is_gone_by_then_is_tried_again_and_never_sent_half(cloud, files):
    files.files["/c.jpg"] = one_by_one(whole(JPEG, "image/jpeg"), status(503), whole(JPEG, "image/jpeg"))
    message = cloudy.send(cloud, phone=ANA, body="", attachments=[f"{files.url}/c.jpg"])
    work(cloud.portal, "send")
    assert cloud.graph.sent == [] and row(cloud, message).status == "queued"
    settle(cloud.portal, cloud.time, "send")
    assert len(cloud.graph.sent) == len(cloud.graph.uploads) == 1


def test_a_file_that_meta_takes_in_no_way_fails_in_the_end(cloud, files, monkeypatch):
    asked = []

    def upload(form):
        asked.append(form)
        return {
            "error": {"code": 131053, "message": "(#131053) Media upload error", "error_data": {"details": "Codec"}}
        }

    monkeypatch.setattr(cloud.graph, "upload", upload)
    message = send(cloud, f"{files.url}/a.jpg")
    assert row(cloud, message).status == "failed" and "Codec" in row(cloud, message).reason
    assert len(asked) == copies.COPY_TRIES + 1 and cloud.graph.sent == []


def test_a_copy_that_meta_cannot_use_is_made_anew(cloud, files):
    send(cloud, f"{files.url}/a.jpg")
    cloud.graph.refuse = [131053, 131053, 131053]
    send(cloud, f"{files.url}/a.jpg")
    assert len(cloud.graph.uploads) > 1 and cloud.graph.sent[-1]["image"]["id"] == f"47{len(cloud.graph.uploads)}"


def test_a_copy_and_its_form_leave_the_disk_its_room(cloud, files, monkeypatch):
    """The form is built beside the file: both together must not take what the database and the spool are left."""
    incoming = cloud.portal.parts.outbox._looker._copies._stores.incoming
    room = SimpleNamespace(free=incoming.spare + len(JPEG) * 3 // 2)
    monkeypatch.setattr(folder.shutil, "disk_usage", lambda path: room)
    message = cloudy.send(cloud, "", phone=ANA, attachments=[f"{files.url}/a.jpg"])
    work(cloud.portal, "send")
    assert cloud.graph.uploads == [] and row(cloud, message).status == "queued"
    room.free += len(JPEG)
    settle(cloud.portal, cloud.time, "send")
    assert len(cloud.graph.uploads) == 1 and row(cloud, message).status == "accepted"


def test_a_copy_of_one_sender_is_nothing_to_another(cloud, files, monkeypatch):
    """The message goes over to another number while the file is handed over."""
    second = cloud.add("105540352242999", "30001", world.DEMO_LOCATIONS[0])
    whole = cloud.graph.upload

    def upload(form):
        if not cloud.graph.uploads:
            with cloud.portal.database.write() as session:
                session.execute(update(Message).where(Message.direction == "out").values(sender_id=second))
        return whole(form)

    monkeypatch.setattr(cloud.graph, "upload", upload)
    message = send(cloud, f"{files.url}/a.jpg")
    assert row(cloud, message).sender_id == second and len(cloud.graph.uploads) == 2
    assert [call["image"] for call in cloud.graph.sent] == [{"id": "472"}]


BILL = {"name": "bill", "language": "en", "category": "UTILITY"}


def headed(url):
    media = {"kind": "document", "url": url}
    return Content(Kind.BUTTONS, {"media": media, "buttons": [{"id": "1", "text": "Paid", "type": "reply"}]})


def test_the_file_above_buttons_is_handed_over_too(cloud, files):
    send(cloud, body="Your bill", content=headed(f"{files.url}/b.pdf"))
    (call,) = cloud.graph.sent
    assert call["interactive"]["header"] == {"type": "document", "document": {"id": "471", "filename": "b.pdf"}}


def test_a_header_that_meta_can_fetch_is_not_looked_at(cloud, files, outside):
    send(cloud, body="Your bill", content=headed(f"{files.url}/b.pdf"))
    (call,) = cloud.graph.sent
    assert call["interactive"]["header"]["document"]["link"] == f"{files.url}/b.pdf" and files.asked == []
    cloud.graph.refuse = [131053]
    send(cloud, body="Your bill", content=headed(f"{files.url}/b.pdf"))
    assert cloud.graph.sent[1]["interactive"]["header"]["document"]["id"] == "471" and len(cloud.graph.uploads) == 1


@pytest.mark.parametrize("kind", ["image", "video", "document"])
def test_the_file_above_a_template_is_handed_over_too(cloud, files, kind, monkeypatch):
    # Whether the account has such a template is another test's matter.
    monkeypatch.setattr(outbound, "refusal", lambda *_: "")
    monkeypatch.setattr(sending.template_sending, "refusal", lambda *_: "")
    header = {"type": "header", "parameters": [{"type": kind, kind: {"link": f"{files.url}/b.pdf"}}]}
    send(cloud, body="Your bill", content=Content(Kind.TEMPLATE, {**BILL, "components": [header]}))
    (call,) = cloud.graph.sent
    assert call["template"]["components"] == [{"type": "header", "parameters": [{"type": kind, kind: {"id": "471"}}]}]
