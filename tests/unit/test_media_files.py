"""What a file is, what it may be called, and how an answer that is larger than memory is read."""

import threading
import zipfile
from contextlib import closing
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import http
from portal.http import HttpClient, NotSent, OutcomeUnknown
from portal.media import names, sniffing
from portal.media.fetching import in_words
from portal.media.sniffing import SHOWN, served_as, sniff
from tests.file_server import HTML, JPEG, MP4, PDF, PNG, SVG, FileServer, broken_off, endless, status, trickling, whole


def packed(*entries: str, first: str = "", stored: bytes = b"") -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        if first:
            archive.writestr(first, stored)
        for entry in entries:
            archive.writestr(entry, "x")
    return made.getvalue()


@pytest.mark.parametrize(
    ("head", "claimed", "found"),
    [
        (JPEG, "text/html", "image/jpeg"),
        (PNG, "", "image/png"),
        (b"GIF89a\x01\x00", "", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "", "audio/wav"),
        (MP4, "", "video/mp4"),
        (MP4, "audio/mp4; codecs=x", "audio/mp4"),
        (MP4, "text/html", "video/mp4"),
        (b"\x00\x00\x00\x18ftypM4A ", "", "audio/mp4"),
        (b"\x00\x00\x00\x18ftypheic", "", "image/heic"),
        (b"OggS\x00\x02" + b"\x00" * 22 + b"OpusHead", "audio/ogg; codecs=opus", "audio/ogg"),
        (b"OggS\x00\x02", "audio/opus", "audio/opus"),
        (b"\x1aE\xdf\xa3\x01\x00\x42\x82\x84webm", "", "video/webm"),
        (b"ID3\x04\x00", "", "audio/mpeg"),
        (b"#!AMR\n\x3c", "", "audio/amr"),
        (PDF, "image/png", "application/pdf"),
        (packed("[Content_Types].xml", "word/document.xml"), "", sniffing.DOCX),
        (packed("[Content_Types].xml", "xl/workbook.xml"), "", sniffing.XLSX),
        (packed("a.txt"), "", sniffing.ZIP),
        (packed("a.txt"), "text/html", sniffing.ZIP),
        (packed("x", first="mimetype", stored=b"application/epub+zip"), "", "application/epub+zip"),
        (packed("x", first="mimetype", stored=b"text/html"), "", sniffing.ZIP),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 20, "application/msword", "application/msword"),
        (b"MZ\x90\x00", "application/pdf", "application/x-msdownload"),
        (b"a;b\r\n1;2\r\n", "text/csv", "text/csv"),
        (b"Hello, w\xc3\xb6rld", "text/html", "text/plain"),
        (b"caf\xe9, latin-1", "", sniffing.BYTES),
        (b"BEGIN:VCARD\r\nVERSION:3.0", "", "text/vcard"),
        (HTML, "image/png", "text/html"),
        (b"\xef\xbb\xbf  \n<html>", "text/plain", "text/html"),
        (b"<!-- x --><script>", "", "text/html"),
        (SVG, "image/png", "image/svg+xml"),
        (b"<svg onload=x>", "", "image/svg+xml"),
        (b"", "image/png", sniffing.BYTES),
        (b"\x00\x01\x02", "image/png", sniffing.BYTES),
    ],
)
def test_the_content_decides(head, claimed, found):
    assert sniff(head, claimed) == found


@given(st.binary(max_size=200), st.text(max_size=60))
def test_whatever_it_is_it_is_not_served_as_something_that_runs(head, claimed):
    kind = served_as(sniff(head, claimed))
    assert kind in SHOWN or not any(word in kind for word in ("html", "svg", "script", "xhtml"))


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript", "text/xml"])
def test_what_could_run_is_mere_bytes(kind):
    assert served_as(kind) == sniffing.BYTES


def test_office_documents_keep_their_type():
    assert served_as(sniffing.DOCX) == sniffing.DOCX and served_as("text/csv") == "text/csv; charset=utf-8"


@pytest.mark.parametrize(
    ("given_name", "kind", "name", "address"),
    [
        ("photo.jpg", "image/jpeg", "photo.jpg", "photo.jpg"),
        ("photo.JPEG", "image/jpeg", "photo.JPEG", "photo.jpeg"),
        ("photo.png", "image/jpeg", "photo.jpg", "photo.jpg"),
        ("", "image/jpeg", "image.jpg", "image.jpg"),
        ("", "", "file", "file"),
        ("invoice.pdf", "application/x-msdownload", "invoice.pdf.exe", "invoice-pdf.exe"),
        ("../../etc/passwd", "text/plain", "etc passwd.txt", "etc-passwd.txt"),
        ("a\r\nSet-Cookie: x.pdf", "application/pdf", "a Set-Cookie x.pdf", "a-Set-Cookie-x.pdf"),
        ("gpj.\u202eexe.jpg", "image/jpeg", "gpj. exe.jpg", "gpj-exe.jpg"),
        ("счёт №5.pdf", "application/pdf", "счёт №5.pdf", "No5.pdf"),
        ("...", "application/pdf", "file.pdf", "file.pdf"),
        ("_", "", "_", "file"),
        ("data.csv", "text/plain", "data.csv", "data.csv"),
        ("archive.apk", "application/zip", "archive.apk", "archive.apk"),
        ("x" * 300 + ".pdf", "application/pdf", "x" * 116 + ".pdf", "x" * 80 + ".pdf"),
    ],
)
def test_names(given_name, kind, name, address):
    assert names.clean(given_name, kind) == name
    assert names.in_address(name) == address


@given(st.text(max_size=300), st.sampled_from(["image/jpeg", "text/plain", "", sniffing.BYTES]))
def test_any_name_is_made_harmless(text, kind):
    name = names.clean(text, kind)
    assert name and len(name) <= names.LONGEST and not set(name) & set('/\\:"<>|\r\n\x00') and name not in (".", "..")
    assert names.clean(name, kind) == name
    assert names.in_address(name).replace("-", "").replace("_", "").replace(".", "").isalnum()
    assert names.in_address(name).isascii()


@pytest.mark.parametrize(
    "header", ["a; filename*=; filename*0=x", "a; filename*=''%ff", "a; filename*=hex'e'%zz", 'a; filename="\r\n x']
)
def test_a_header_that_cannot_be_read_names_no_file_and_raises_nothing(header):
    assert names.clean(names.told({"content-disposition": header}, "http://a.example/b.pdf"), "application/pdf")


def test_sizes_in_words():
    assert [in_words(each) for each in (1, 60_000, 5_000_000, 16_500_000)] == ["1 kB", "60 kB", "5 MB", "16.5 MB"]


class TestStream:
    """Answers that are read piece by piece."""

    @pytest.fixture
    def server(self):
        with FileServer() as running:
            yield running

    def read(self, url, **options):
        options = {"private_hosts": True, "deadline": 5.0} | options
        with closing(HttpClient().open("GET", url, **options)) as stream:
            return stream.status, b"".join(stream.pieces())

    def test_a_large_body_comes_whole(self, server):
        body = bytes(range(256)) * 20_000
        server.files["/x"] = whole(body)
        assert self.read(f"{server.url}/x") == (200, body)

    def test_a_redirect_is_an_answer(self, server):
        server.files["/x"] = status(302, Location="/y")
        assert self.read(f"{server.url}/x")[0] == 302 and server.paths() == ["/x"]

    @pytest.mark.parametrize("answer", [broken_off, trickling])
    def test_what_does_not_come_whole_is_an_error(self, server, answer):
        server.files["/x"] = answer
        with pytest.raises(OutcomeUnknown) as caught:
            self.read(f"{server.url}/x?token=secret", deadline=0.4)
        assert "secret" not in f"{caught.value!r} {caught.value.__context__!r} {caught.value.__cause__!r}"

    def test_an_endless_one_is_left(self, server):
        server.files["/x"] = endless
        with closing(HttpClient().open("GET", f"{server.url}/x", private_hosts=True)) as stream:
            assert next(stream.pieces())

    def test_a_beginning_that_does_not_come_is_not_waited_for_as_long_as_the_end(self, server, monkeypatch):
        monkeypatch.setattr(http, "LONGEST", 0.2)
        left = threading.Event()
        server.files["/x"] = lambda _: left.wait(20)
        with pytest.raises(OutcomeUnknown, match="in time"):
            self.read(f"{server.url}/x", deadline=10.0)
        left.set()

    def test_private_addresses_are_refused(self, server):
        with pytest.raises(NotSent):
            self.read(f"{server.url}/x", private_hosts=False)
        assert server.asked == []

    def test_another_thread_may_read_on(self, server):
        """A web server takes the pieces of an answer with whatever thread is free."""
        body = b"x" * 300_000
        server.files["/x"] = whole(body)
        with closing(HttpClient().open("GET", f"{server.url}/x", private_hosts=True)) as stream:
            pieces, found = stream.pieces(), [b""]
            found.append(next(pieces))
            reader = threading.Thread(target=lambda: found.extend(pieces))
            reader.start()
            reader.join()
        assert b"".join(found) == body
