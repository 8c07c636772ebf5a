"""The spool under ill luck: damaged files, a tidied folder, a full disk, a standby, and what the database refuses."""

import os
import resource
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
import requests
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from portal.errors import Overloaded
from portal.journal.entry import Entry
from portal.journal.replay import drain
from portal.journal.spool import Spool, read_entries
from portal.journal.store import Kept
from portal.models import Alert
from tests.portal import eventually

ROOM = 10_000_000


def entry(number, **more):
    return Entry("ghl", "ghl:a:b", b'{"n": %d}' % number, dedupe_key=f"delivery:a:{number}", **more)


def refused(number):
    """One that the database refuses for what is in it: its source is missing."""
    return Entry(None, "ghl:a:b", b'{"n": %d}' % number)


def numbers(portal):
    return [int(event.body.split()[1][:-1]) for event in portal.events()]


def alerts(portal):
    with portal.session() as session:
        return [(row.kind, row.text) for row in session.scalars(select(Alert).where(Alert.closed_at.is_(None)))]


def records(path):
    """The offsets at which the records of a spool file begin."""
    raw, found, offset = path.read_bytes(), [], 0
    while offset < len(raw):
        found.append(offset)
        offset += 8 + struct.unpack_from("<I", raw, offset)[0]
    return found


@contextmanager
def away(portal, monkeypatch, error=None):
    """The database does not answer, or answers with an error."""

    def fails(*_asked, **_more):
        raise error or OperationalError("INSERT", {}, Exception("server closed the connection"))

    with monkeypatch.context() as patch:
        patch.setattr(type(portal.database), "write", fails)
        patch.setattr(type(portal.database), "read", fails)
        yield


# Damaged files


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda raw, at: raw[: at + 20] + b"\x00" + raw[at + 21 :], id="a byte that fell over"),
        pytest.param(lambda raw, at: raw[:at] + b"\xff\xff\xff\x7f" + raw[at + 4 :], id="a length beyond the end"),
        pytest.param(lambda raw, at: raw[:at] + b"\x00" * 64 + raw[at + 64 :], id="a hole"),
        pytest.param(lambda raw, at: raw[:at] + b"junk" + raw[at:], id="bytes that belong nowhere"),
    ],
)
def test_what_follows_a_damaged_record_is_not_lost(idle, tmp_path, damage):
    spool = Spool(tmp_path / "outage", ROOM)
    spool.append([entry(number) for number in range(1, 6)])
    path = spool.files()[0]
    path.write_bytes(damage(path.read_bytes(), records(path)[2]))
    drain(idle.database, spool)
    assert [number for number in numbers(idle) if number != 3] == [1, 2, 4, 5], "answered 200, and not in the journal"
    assert [each.name for each in spool.folder.glob("*.torn")] == [path.with_suffix(".torn").name]
    assert [kind for kind, _ in alerts(idle)] == ["spool_damaged"] and path.stem in alerts(idle)[0][1]
    # The process lives on: what it spools next is found.
    spool.append([entry(6)])
    drain(idle.database, spool)
    assert numbers(idle)[-1] == 6 and not spool.in_use()


def test_an_entry_of_another_version_stops_nothing(idle, tmp_path):
    spool = Spool(tmp_path / "outage", ROOM)

    class Newer(Entry):
        def dump(self):
            return super().dump().replace(b'"verified":', b'"invented_later":1,"verified":')

    spool.append([entry(1), Newer("ghl", "ghl:a:b", b'{"n": 2}'), entry(3)])
    drain(idle.database, spool)
    assert numbers(idle) == [1, 3]
    assert not spool.in_use(), "every webhook goes to the spool for ever"
    assert len(list(spool.folder.glob("*.torn"))) == 1, "the newer version can still read it"


@pytest.mark.parametrize("tidy", [os.unlink, lambda path: path.rename(path.with_suffix(".bak"))])
def test_a_file_that_was_taken_away_takes_nothing_more(idle, tmp_path, tidy):
    spool = Spool(tmp_path / "outage", ROOM)
    spool.append([entry(1)])
    drain(idle.database, spool)
    tidy(spool.files()[0])
    spool.append([entry(2)])
    drain(idle.database, spool)
    assert numbers(idle) == [1, 2], "answered 200, and written to a file without a name"


def test_a_folder_that_was_removed_is_made_again(idle, monkeypatch):
    spool = idle.parts.spool
    spool.folder.rmdir()
    with away(idle, monkeypatch):
        assert idle.sandbox.deliveries.send("Hello").answers[0].status == 200
    drain(idle.database, spool)
    assert len(idle.events()) == 1


def test_what_lies_in_the_folder_without_its_marker_is_found(idle, tmp_path):
    spool = Spool(tmp_path / "outage", ROOM)
    spool.append([entry(1)])
    (spool.folder / "active").unlink()  # restored from a backup, or tidied
    drain(idle.database, spool)
    assert numbers(idle) == [1]


def test_a_file_that_is_drained_meanwhile_has_no_size(idle, monkeypatch):
    gone = idle.parts.spool.folder / "1-gone.spool"
    monkeypatch.setattr(Spool, "files", lambda self: [gone])
    assert idle.parts.spool.size() == 0
    assert requests.get(f"{idle.url}/readyz", timeout=60).status_code == 200


# Full and closed


def test_a_full_disk_takes_no_half_entry_and_the_next_one_fits(tmp_path):
    spool = Spool(tmp_path / "outage", ROOM)
    spool.append([entry(1)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (spool.size() + 100, before[1]))
    try:
        with pytest.raises(Overloaded):
            spool.append([entry(2)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    spool.append([entry(3)])
    path = spool.files()[0]
    assert [found.body for found, _ in read_entries(path, 0, spool.size())] == [b'{"n": 1}', b'{"n": 3}']


def test_neither_database_nor_spool_asks_the_caller_to_come_back(idle, monkeypatch):
    spool = idle.parts.spool
    spool.folder.rmdir()
    spool.folder.write_text("in the way")
    body = b'{"type":"INSTALL"}'
    headers = {"X-GHL-Signature": idle.sandbox.key.sign(body)}
    with away(idle, monkeypatch):
        answer = requests.post(f"{idle.url}/webhooks/ghl", data=body, headers=headers, timeout=60)
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0


# What the database refuses


def test_an_entry_that_the_database_refuses_is_kept_on_disk_and_a_person_is_told(idle, tmp_path, monkeypatch):
    spool = Spool(tmp_path / "outage", ROOM)
    spool.append([entry(1), refused(2), entry(3)])
    synced, real = set(), os.fsync

    def fsync(descriptor):
        synced.add(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    drain(idle.database, spool)
    assert numbers(idle) == [1, 3] and not spool.in_use()
    kept = list(spool.folder.glob("*.refused"))
    assert [Entry.read(each.read_bytes()).body for each in kept] == [b'{"n": 2}']
    assert {kept[0].stat().st_ino, spool.folder.stat().st_ino} <= synced, "a power cut takes it"
    assert [kind for kind, _ in alerts(idle)] == ["spool_damaged"] and kept[0].name in alerts(idle)[0][1]


def test_one_bad_entry_costs_its_group_nothing(idle):
    given = [refused(n) if n == 40 else entry(n) for n in range(80)]
    with ThreadPoolExecutor(32) as pool:
        kept = list(pool.map(idle.parts.journal.append, given))
    assert set(kept) <= {Kept.STORED, Kept.SPOOLED} and kept[40] is Kept.SPOOLED, "it was authentic: it is on disk"
    drain(idle.database, idle.parts.spool)
    assert sorted(numbers(idle)) == [n for n in range(80) if n != 40]
    assert len(list(idle.parts.spool.folder.glob("*.refused"))) == 1


def test_a_database_that_takes_nothing_at_all_loses_nothing(idle, monkeypatch):
    """A table that is missing, a right that was taken away: no row is at fault, so no row is set aside."""
    with away(idle, monkeypatch, ProgrammingError("INSERT", {}, Exception("permission denied for table event"))):
        assert idle.sandbox.deliveries.send("Hello").answers[0].status == 200
        with pytest.raises(ProgrammingError):
            drain(idle.database, idle.parts.spool)
    assert idle.parts.spool.in_use() and not list(idle.parts.spool.folder.glob("*.refused"))
    drain(idle.database, idle.parts.spool)
    assert len(idle.events()) == 1 and not idle.parts.spool.in_use()


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_a_primary_that_became_a_standby_is_left(idle, database_url):
    """After a failover the old primary answers, and only reads. Its connections must not be kept."""

    def read_only(on):
        with psycopg.connect(database_url, autocommit=True, options="-c default_transaction_read_only=off") as admin:
            name = admin.execute("SELECT current_database()").fetchone()[0]
            admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {on}')

    read_only("on")
    idle.database.engine.dispose()
    assert idle.parts.journal.append(entry(1)) is Kept.SPOOLED
    read_only("off")
    eventually(lambda: _drained(idle), what="drained")
    with idle.database.write() as session:
        session.execute(text("UPDATE event SET note = 'seen'"))
    assert numbers(idle) == [1]


def _drained(idle):
    try:
        drain(idle.database, idle.parts.spool)
    except OperationalError:
        return False
    return not idle.parts.spool.in_use()
