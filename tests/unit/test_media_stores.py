"""Stores: signatures by the published vectors, files whole or not at all, the same behaviour in a folder and at S3."""

import hashlib
from datetime import UTC, datetime
from time import monotonic

import pytest

from portal.config import load
from portal.errors import SettingsError
from portal.http import LONGEST, HttpClient
from portal.media.folder import Folder, Incoming, StoreError
from portal.media.s3 import S3, TRANSFER_SECONDS, parse_bucket
from portal.media.signing import EMPTY, Credentials, path_of, sign
from portal.media.stores import Stores, stored_name
from portal.sockets import Call, call
from tests.s3_stand_in import REGION, SECRET, S3StandIn

# Amazon S3 API Reference, "Signature Calculations for the Authorization Header", the examples of a single chunk.
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
DAY = datetime(2013, 5, 24, tzinfo=UTC)
HOST = {"Host": "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z"}
WELCOME = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "payload", "signature"),
    [
        (
            *("GET", "/test.txt", {}, {"Range": "bytes=0-9"}, EMPTY),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            *("PUT", path_of("/test$file.text"), {}),
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            WELCOME,
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            *("GET", "/", {"lifecycle": ""}, {}, EMPTY),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            *("GET", "/", {"max-keys": "2", "prefix": "J"}, {}, EMPTY),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["get a range", "put", "a query without value", "a query"],
)
def test_signatures_are_those_that_amazon_publishes(method, path, query, headers, payload, signature):
    assert hashlib.sha256(b"Welcome to Amazon S3.").hexdigest() == WELCOME
    signed = HOST | {"x-amz-content-sha256": payload} | headers
    given = sign(EXAMPLE, method, path, signed, payload, DAY, query)
    assert given.endswith(f"Signature={signature}")
    assert given.startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ")


def test_another_service_and_its_vector():
    """`get-vanilla` of the aws-sig-v4-test-suite."""
    suite = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service")
    headers = {"Host": "example.amazonaws.com", "X-Amz-Date": "20150830T123600Z"}
    given = sign(suite, "GET", "/", headers, EMPTY, datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
    assert given.endswith("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")


@pytest.fixture
def s3():
    with S3StandIn() as running:
        yield running


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path, s3):
    if request.param == "folder":
        return Folder(tmp_path / "media")
    return S3(HttpClient(), parse_bucket(s3.address))


def put(store, tmp_path, name, content):
    incoming = Incoming(tmp_path / "media", spare=0)
    with incoming.place(len(content)) as path:
        path.write_bytes(content)
        store.put(name, path, hashlib.sha256(content).hexdigest())
    assert not list(incoming.folder.glob("*"))


def read(store, name, start, length):
    with store.read(name, start, length) as pieces:
        return b"".join(pieces)


def test_what_is_put_is_read_from_any_place_and_removed(store, tmp_path, s3):
    content = bytes(range(256)) * 4000
    name = stored_name("a key")
    for _ in range(2):
        put(store, tmp_path, name, content)
    assert read(store, name, 0, len(content)) == content
    assert read(store, name, 500_000, 100) == content[500_000:500_100]
    assert read(store, name, len(content) - 1, 1) == content[-1:]
    for _ in range(2):
        store.delete(name)
    with pytest.raises(StoreError) as caught:
        read(store, name, 0, 1)
    assert caught.value.missing and s3.refused == []


def test_a_large_file_has_minutes_and_a_store_that_says_nothing_has_not(s3, tmp_path, monkeypatch):
    """100 MB over a common line take longer than any other call; who waits for a file must not wait for silence."""
    store, asked, start = S3(HttpClient(), parse_bucket(s3.address)), [], Call.start

    def note(self, seconds, private_hosts):
        asked.append(seconds)
        start(self, seconds, private_hosts)

    monkeypatch.setattr(Call, "start", note)
    put(store, tmp_path, "a", b"content")
    with store.read("a", 0, 7) as pieces:
        left = call.ends - monotonic()
        assert b"".join(pieces) == b"content"
        assert call.ends - monotonic() > LONGEST >= left
    assert asked == [TRANSFER_SECONDS, LONGEST]


def test_it_says_where_it_is_and_leaves_nothing(store, tmp_path, s3):
    assert store.check() in (str(tmp_path / "media"), f"s3:{s3.host}/files")
    assert s3.objects == {} and not list(tmp_path.rglob(".probe*"))


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_an_s3_that_refuses_is_named_without_its_secret(s3, tmp_path, status):
    store = S3(HttpClient(), parse_bucket(s3.address))
    s3.faults = [status]
    with pytest.raises(StoreError) as caught:
        put(store, tmp_path, "x", b"content")
    assert str(status) in caught.value.message and SECRET not in repr(caught.value) + caught.value.message
    assert SECRET not in repr(store._bucket)


def test_a_wrong_secret_is_refused(s3, tmp_path):
    store = S3(HttpClient(), parse_bucket(s3.address.replace("s3cr", "s3cx")))
    with pytest.raises(StoreError, match="check key, secret and region"):
        store.check()
    assert s3.refused == ["the signature is wrong"]


def test_an_s3_that_is_away(tmp_path):
    store = S3(HttpClient(), parse_bucket("http://k:s@127.0.0.1:1/b"))
    with pytest.raises(StoreError, match="does not answer"):
        store.check()


def test_a_prefix_is_part_of_the_name_and_of_the_stores(s3, tmp_path):
    store = S3(HttpClient(), parse_bucket(s3.address.replace("/files?", "/files/a b/c?")))
    put(store, tmp_path, "x/y", b"content")
    assert s3.objects == {"files/a b/c/x/y": b"content"} and store.name == f"s3:{s3.host}/files/a b/c"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "media").write_text("a file in its place")
    with pytest.raises(StoreError, match="cannot be written"):
        Folder(tmp_path / "media").check()
    with pytest.raises(StoreError, match="cannot be written"), Incoming(tmp_path / "media", 0).place(1):
        pass


def test_the_first_takes_new_files_and_the_folder_is_always_known(tmp_path, s3):
    http, bucket = HttpClient(), parse_bucket(s3.address)
    assert Stores(http, tmp_path).first.name == "folder"
    assert Stores(http, tmp_path, [bucket]).first.name == f"s3:{s3.host}/files"
    back = Stores(http, tmp_path, [None, bucket])
    assert back.first.name == "folder" and set(back.known) == {"folder", f"s3:{s3.host}/files"}
    with pytest.raises(StoreError, match="add it at the end"):
        back.get("s3:elsewhere/x")


def settings(**more):
    environ = {
        "APP_URL": "https://sms.example.com",
        "SECRET_KEY": "0123456789abcdef0123456789abcdef!",
        "ENCRYPTION_KEYS": "x" * 43 + "=",
        "GHL_CLIENT_ID": "a-b",
        "GHL_CLIENT_SECRET": "abcdefgh12",
        "GHL_CONVERSATION_PROVIDER_ID": "p",
    }
    return load(environ | more)


def test_the_setting_names_one_bucket_or_more(s3):
    told = settings(MEDIA_S3=f"{s3.address} folder https://k:s@b.example/old").media_stores
    assert [each and each.name for each in told] == [f"s3:{s3.host}/files", None, "s3:b.example/old"]
    assert (told[0].credentials.secret, told[0].credentials.region) == (SECRET, REGION)
    assert SECRET not in repr(settings(MEDIA_S3=s3.address))


@pytest.mark.parametrize(
    "address",
    [
        "ftp://k:s3cr3t@h/b",
        "https://k:s3cr3t@h",
        "https://h/b",
        "https://k:s3cr3t@h/b?secret=1",
        "https://k:s3cr3t@h:99999/b",
        "https://k:s3cr3t@[::1/b",
        "b",
    ],
)
def test_an_address_that_is_none_is_told_without_its_secret(address):
    with pytest.raises(SettingsError) as caught:
        settings(MEDIA_S3=address)
    [fault] = caught.value.faults
    assert fault.startswith("MEDIA_S3: address 1: ") and "s3cr3t" not in fault
    assert caught.value.__cause__ is None
