"""`/media/…`: what is served to whom, as what, and when it ends."""

import hashlib
import re
import threading

import pytest
from sqlalchemy import select

from portal import clock
from portal.channels.base import Inbound
from portal.channels.content import File
from portal.media.s3 import S3, parse_bucket
from portal.media.stores import stored_name
from portal.messaging import media, media_upkeep
from portal.messaging.inbound import take_inbound
from portal.models import MediaFile, MediaState, Sender
from portal.web import media as served
from tests.file_server import HTML, JPEG, MP4, PDF, SVG
from tests.s3_stand_in import S3StandIn
from tests.web.conftest import record

BOTH_ENGINES = True


@pytest.fixture
def s3():
    with S3StandIn() as running:
        yield running


@pytest.fixture
def keep(parts, acme):
    """Keeps a file as the job does, and returns its row."""

    def keep(content: bytes = JPEG, kind: str = "image/jpeg", name: str = "beach.jpg", tenant=acme) -> MediaFile:
        number = len(keep.__dict__.setdefault("made", []))
        keep.made.append(name)
        event = record(parts.database, "simulator:x", source="simulator", sender_key=tenant.sender_key)
        with parts.database.write() as session:
            sender = session.get_one(Sender, tenant.sender)
            said = Inbound("+639170000042", "See", f"x-{number}", files=[File("https://a.example/1", name)])
            take_inbound(session, sender, said, event, parts.vault)
            row = session.scalars(select(MediaFile).order_by(MediaFile.id.desc()).limit(1)).one()
            with parts.stores.incoming.place(1) as path:
                path.write_bytes(content)
                parts.stores.first.put(stored_name(row.key), path, hashlib.sha256(content).hexdigest())
            row.state, row.type, row.size, row.name = MediaState.KEPT, kind, len(content), name
            row.sha256, row.kept_at = hashlib.sha256(content).hexdigest(), clock.now()
            row.store, row.stored = parts.stores.first.name, stored_name(row.key)
            return row

    return keep


def test_an_image_is_shown_without_a_cookie_or_a_way_to_run_anything(client, keep) -> None:
    row = keep(name="Zdjęcie 1.jpg")
    answer = client.get(media.path(row))
    assert (answer.status_code, answer.data) == (200, JPEG)
    headers = answer.headers
    assert headers["Content-Type"] == "image/jpeg" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"] == (
        "inline; filename=\"Zdjecie-1.jpg\"; filename*=UTF-8''Zdj%C4%99cie%201.jpg"
    )
    assert headers["Content-Security-Policy"].endswith("; sandbox") and "script-src" not in str(headers)
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin" and headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Length"] == str(len(JPEG)) and headers["Cache-Control"] == "private, no-cache"
    assert "Set-Cookie" not in headers


def test_a_signed_in_browser_gets_no_cookie_either(keep, signed_in) -> None:
    answer = signed_in().get(media.path(keep()))
    assert answer.status_code == 200 and "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("content", "kind", "served", "shown"),
    [
        (HTML, "text/html", "application/octet-stream", "attachment"),
        (SVG, "image/svg+xml", "application/octet-stream", "attachment"),
        (b"MZ", "application/x-msdownload", "application/octet-stream", "attachment"),
        (b"a,b", "text/csv", "text/csv; charset=utf-8", "attachment"),
        (b"PK", "application/zip", "application/zip", "attachment"),
        (PDF, "application/pdf", "application/pdf", "inline"),
        (MP4, "video/mp4", "video/mp4", "inline"),
    ],
)
def test_what_could_run_is_a_download(client, keep, content, kind, served, shown) -> None:
    answer = client.get(media.path(keep(content, kind, "x")))
    assert answer.headers["Content-Type"] == served and answer.data == content
    assert answer.headers["Content-Disposition"].startswith(f"{shown};")


def test_head_and_etag(client, keep) -> None:
    row = keep()
    head = client.head(media.path(row))
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(JPEG)))
    same = client.get(media.path(row), headers={"If-None-Match": head.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"") and same.headers["ETag"] == head.headers["ETag"]
    other = client.get(media.path(row), headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize("where", ["folder", "s3"])
@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, None),
        ("bytes=-50", 206, -50, None),
        (f"bytes=-{10**9}", 200, 0, None),
        (f"bytes=0-{10**9}", 200, 0, None),
        ("bytes=0-1,5-6", 200, 0, None),
        ("chapters=1", 200, 0, None),
        ("bytes=x", 200, 0, None),
    ],
)
def test_ranges(app, parts, client, keep, s3, where, asked, status, start, end) -> None:
    use(parts, s3, where)
    row = keep(MP4, "video/mp4", "x.mp4")
    answer = client.get(media.path(row), headers={"Range": asked})
    wanted = MP4[start:end]
    assert (answer.status_code, answer.data) == (status, wanted)
    assert answer.headers["Content-Length"] == str(len(wanted))
    if status == 206:
        first = start % len(MP4)
        assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(wanted) - 1}/{len(MP4)}"
    assert s3.refused == []


def test_a_range_beyond_the_end_and_one_of_an_older_file(client, keep) -> None:
    path = media.path(keep(MP4, "video/mp4", "x.mp4"))
    beyond = client.get(path, headers={"Range": f"bytes={len(MP4)}-"})
    assert beyond.status_code == 416 and beyond.headers["Content-Range"] == f"bytes */{len(MP4)}"
    older = client.get(path, headers={"Range": "bytes=0-9", "If-Range": '"older"'})
    assert older.status_code == 200 and older.data == MP4
    etag = older.headers["ETag"]
    assert client.get(path, headers={"Range": "bytes=0-9", "If-Range": etag}).data == MP4[:10]


def use(parts, s3, where: str) -> None:
    if where == "s3":
        store = S3(parts.http, parse_bucket(s3.address))
        parts.stores.known[store.name] = parts.stores.first = store


def test_files_stay_readable_when_the_store_changes(parts, client, keep, s3) -> None:
    before = keep()
    use(parts, s3, "s3")
    after = keep(PDF, "application/pdf", "a.pdf")
    assert client.get(media.path(before)).data == JPEG and client.get(media.path(after)).data == PDF
    assert len(s3.objects) == 1 and not any(after.key in name for name in s3.objects), "a listing tells no address"


def test_a_store_that_is_away_is_no_half_answer(parts, client, keep, s3) -> None:
    use(parts, s3, "s3")
    row = keep()
    s3.faults = [500]
    answer = client.get(media.path(row))
    assert answer.status_code == 503 and s3.host not in answer.text
    assert client.get(media.path(row)).status_code == 200


def test_large_files_leave_threads_for_others(client, keep, monkeypatch) -> None:
    monkeypatch.setattr(served, "LARGE", 1000)
    monkeypatch.setattr(served, "large_bodies", threading.BoundedSemaphore(2))
    film, photo = keep(MP4, "video/mp4", "x.mp4"), keep()
    watched = [client.get(media.path(film), buffered=False) for _ in range(2)]
    full = client.get(media.path(film))
    assert full.status_code == 429 and full.headers["Retry-After"] == "5"
    assert client.get(media.path(photo)).status_code == 200
    assert client.get(media.path(film), headers={"Range": "bytes=0-99"}).status_code == 206
    for each in watched:
        each.close()
    for _ in range(3):
        assert client.get(media.path(film)).data == MP4


def test_a_revoked_file_is_gone_at_once(app, client, keep) -> None:
    row = keep()
    etag = client.get(media.path(row)).headers["ETag"]
    said = app.test_cli_runner().invoke(args=["media", "revoke", str(row.id)])
    assert said.exit_code == 0, said.output
    for headers in ({}, {"If-None-Match": etag}, {"Range": "bytes=0-1"}):
        assert client.get(media.path(row), headers=headers).status_code == 410
    with app.app_context():
        seen = client.get(media.view_path(app.config["SECRET_KEY"], row))
    assert seen.status_code == 200 and seen.headers["Cache-Control"] == "no-store", "our own pages still show it"


def test_a_removed_file_says_so_and_is_out_of_its_store(app, parts, client, keep) -> None:
    row, other = keep(), keep(PDF, "application/pdf", "b.pdf")
    said = app.test_cli_runner().invoke(args=["media", "purge", str(row.id)])
    assert said.exit_code == 0 and '"removed": 1' in said.output
    answer = client.get(media.path(row))
    assert answer.status_code == 410 and media_upkeep.BY_HAND in answer.text
    assert client.get(media.view_path(parts.settings.secret_key, row)).status_code == 410
    assert client.get(media.path(other)).status_code == 200
    assert len([path for path in parts.settings.media_dir.rglob("*") if path.is_file()]) == 1
    with parts.database.read() as session:
        now = session.get_one(MediaFile, row.id)
    assert (now.state, now.stored) == ("removed", "") and now.removed_at is not None


def test_retention_removes_what_is_older(parts, client, keep, monkeypatch) -> None:
    from dataclasses import replace
    from datetime import timedelta

    row = keep()
    told = replace(parts.settings, media_retention_days=30)
    assert media_upkeep.purge(parts.database, parts.settings, parts.stores) == 0, "by default all is kept"
    assert media_upkeep.purge(parts.database, told, parts.stores) == 0
    with parts.database.write() as session:
        session.get_one(MediaFile, row.id).kept_at = clock.now() - timedelta(days=31)
    assert media_upkeep.purge(parts.database, told, parts.stores) == 1
    answer = client.get(media.path(row))
    assert answer.status_code == 410 and "after 30 days" in answer.text


def test_a_store_that_cannot_remove_is_asked_again(parts, keep, s3) -> None:
    use(parts, s3, "s3")
    row = keep()
    with parts.database.write() as session:
        media_upkeep.remove(session, row.id)
    s3.faults = [500]
    assert media_upkeep.delete_removed(parts.database, parts.stores) == 0 and len(s3.objects) == 1
    assert media_upkeep.delete_removed(parts.database, parts.stores) == 1 and s3.objects == {}


@pytest.mark.parametrize(
    "path", ["/media/x/y", "/media/view/x", "/media/" + "a" * 32 + "/x.jpg", "/media/x", "/media/"]
)
def test_what_is_guessed_is_not_there(client, path) -> None:
    assert client.get(path).status_code == 404


def test_a_key_opens_one_file_under_any_name_and_takes_no_writing(client, keep) -> None:
    row = keep()
    assert len(row.key) == 32
    assert client.get(f"/media/{row.key}/another-name.html").headers["Content-Type"] == "image/jpeg"
    for method in ("POST", "PUT", "DELETE"):
        assert client.open(media.path(row), method=method).status_code in (400, 405)


def test_a_view_ends_and_is_for_one_file(parts, client, keep, monkeypatch) -> None:
    row, other = keep(), keep(PDF, "application/pdf", "b.pdf")
    secret = parts.settings.secret_key
    path = media.view_path(secret, row)
    assert client.get(path).data == JPEG
    assert client.get(media.view_path("another secret", row)).status_code == 404
    mixed = path.rpartition("/")[2].split(".", 1)[1]
    other_head = media.view_path(secret, other).rpartition("/")[2].split(".", 1)[0]
    assert client.get(f"/media/view/{other_head}.{mixed}").status_code == 404
    assert media.VIEW_SECONDS <= 600
    monkeypatch.setattr(media, "VIEW_SECONDS", -1)
    assert client.get(path).status_code == 404


def test_what_has_not_arrived_is_not_there(parts, acme, client) -> None:
    event = record(parts.database, "simulator:x", source="simulator", sender_key=acme.sender_key)
    with parts.database.write() as session:
        said = Inbound("+639170000042", "See", "x-1", files=[File("https://a.example/1", "a.jpg")])
        take_inbound(session, session.get_one(Sender, acme.sender), said, event, parts.vault)
        row = session.scalars(select(MediaFile)).one()
    assert client.get(media.path(row)).status_code == 404


def test_the_list_and_its_filters(app, parts, keep, acme, rival) -> None:
    keep()
    keep(PDF, "application/pdf", "b.pdf", rival)
    listing = app.test_cli_runner().invoke(args=["media", "list", "--location", rival.ghl_id]).output
    assert listing.count("\n") == 1 and "b.pdf" in listing and "http://localhost/media/" in listing
    assert app.test_cli_runner().invoke(args=["media", "list", "--state", "failed"]).output == ""
    for wrong in (["purge"], ["purge", "--location", "x"], ["revoke", "999"], ["fetch", "999"]):
        assert app.test_cli_runner().invoke(args=["media", *wrong]).exit_code != 0
    mine = app.test_cli_runner().invoke(args=["media", "purge", "--older-than", "0", "--location", acme.ghl_id])
    assert '"removed": 1' in mine.output
    with parts.database.read() as session:
        assert set(session.scalars(select(MediaFile.state))) == {"kept", "removed"}


def test_sealed_sources_are_resealed(app, parts, acme) -> None:
    event = record(parts.database, "simulator:x", source="simulator", sender_key=acme.sender_key)
    with parts.database.write() as session:
        said = Inbound("+639170000042", "See", "x-1", files=[File("https://a.example/1?t=1", "a.jpg")])
        take_inbound(session, session.get_one(Sender, acme.sender), said, event, parts.vault)
        before = session.scalars(select(MediaFile.source)).one()
    assert app.test_cli_runner().invoke(args=["keys", "rotate"]).exit_code == 0
    with parts.database.read() as session:
        after = session.scalars(select(MediaFile.source)).one()
    assert after != before and parts.vault.open(after) == "https://a.example/1?t=1"


def test_a_messages_page_shows_its_files_to_its_own_people(database, client, keep, acme, rival, signed_in) -> None:
    row, document = keep(name="<b>beach</b>.jpg"), keep(HTML, "text/html", "page.html")
    with database.write() as session:
        uuid = session.get_one(MediaFile, row.id).message.uuid
        session.get_one(MediaFile, document.id).state = MediaState.FAILED
        session.get_one(MediaFile, document.id).reason = "Its server answered with status 500."
        other = session.get_one(MediaFile, document.id).message.uuid
    browser = signed_in(acme.agency)
    page = browser.get(f"/admin/messages/{uuid}").text
    [address] = set(re.findall(r'href="(/media/view/[^"]+)"', page))
    assert client.get(address).data == JPEG and '<img class="thumb"' in page and "<b>beach" not in page
    assert row.key not in page
    failed = browser.get(f"/admin/messages/{other}").text
    assert "could not be had" in failed and "status 500" in failed and "/media/" not in failed.split("Files", 1)[1]
    assert signed_in(rival.agency).get(f"/admin/messages/{uuid}").status_code == 404
