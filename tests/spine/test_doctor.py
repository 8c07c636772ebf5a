"""`flask doctor` finds what is wrong, says what to do, and fails only for what does not work."""

import fcntl
import json
from datetime import timedelta
from itertools import chain

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from portal import clock, create_app
from portal.doctor import database as looks
from portal.doctor.outside import judged_skew
from portal.messaging import senders
from portal.migrate import upgrade
from portal.models import Grant, GrantState
from portal.queue import gates
from portal.queue.jobs import enqueue, job
from tests.portal import Portal, eventually, settings_for
from tests.processes.harness import free_port


def doctor(app, *words):
    """Exit code, and the findings by check."""
    answer = app.test_cli_runner().invoke(args=["doctor", "--json", *words])
    report = json.loads(answer.output.splitlines()[-1])
    found = {}
    for finding in report["checks"]:
        found.setdefault(finding["check"], []).append(finding)
    assert report["faults"] == sum(each["level"] == "fault" for each in report["checks"])
    return answer.exit_code, found


def levels(found, check):
    return [finding["level"] for finding in found[check]]


@pytest.fixture
def well(empty_url, sandbox, tmp_path):
    """A portal in good health, migrated as at a start, and on SQLite with its lock held."""
    upgrade(settings_for(empty_url, sandbox, tmp_path))
    (tmp_path / "media").mkdir()
    running = Portal(empty_url, sandbox, tmp_path, allow_private_hosts=True)
    running.install()
    running.line = running.add_sender("cast")
    running.start()
    with (tmp_path / "portal.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        eventually(lambda: doctor(running.app)[0] == 0, what="in good health")
        yield running
    running.close()


def test_a_healthy_portal_has_no_fault(well):
    code, found = doctor(well.app)
    assert code == 0
    assert {"settings", "secrets", "webhook keys", "spool", "time zones", "HighLevel", "database"} <= set(found)
    assert {"durability", "migrations", "encryption keys", "workers", "queue", "senders", "grants", "alerts"} <= set(
        found
    )
    for check in ("durability", "migrations", "encryption keys", "workers", "queue", "senders", "spool", "time zones"):
        assert levels(found, check) == ["ok"], found[check]
    for finding in chain.from_iterable(found.values()):
        assert finding["says"] and bool(finding["remedy"]) == (finding["level"] != "ok"), finding
    assert levels(found, "webhook keys") == ["warn"], "the sandbox's key is not HighLevel's"


def test_the_lines_for_people_say_the_same(well):
    answer = well.app.test_cli_runner().invoke(args=["doctor"])
    assert answer.exit_code == 0
    lines = answer.output.splitlines()
    assert any(line.startswith("ok     workers: 1 alive") for line in lines)
    assert lines[-1].startswith("0 fault(s)")


def test_it_names_senders_whom_no_provider_can_call_back(well):
    assert levels(doctor(well.app)[1], "callbacks") == ["ok"]
    credentials = {"account_sid": "AC" + "0" * 32, "auth_token": "t", "from": "+15005550006"}
    well.add_sender("twilio", credentials=credentials, api_url=f"{well.sandbox.url}/twilio")
    assert levels(doctor(well.app)[1], "callbacks") == ["ok"], "a provider on this machine reaches it"
    well.add_sender("twilio", name="far away", credentials=credentials)
    code, found = doctor(well.app)
    assert code == 0 and levels(found, "callbacks") == ["warn"]
    assert "far away" in found["callbacks"][0]["says"] and "APP_URL" in found["callbacks"][0]["remedy"]


def test_it_finds_senders_grants_and_a_queue_in_trouble(well):
    other = well.add_sender("cast", name="other")
    with well.database.write() as session:
        for _ in range(3):
            gates.count_fault(session, gates.sender_gate(well.line), "no answer")
        senders.pause(session, other, "holidays")
        session.query(Grant).update({"state": GrantState.DEAD})
        late = clock.now() - timedelta(hours=1)
        enqueue(session, [job("nobody's", "send", 999, "out:999", run_at=late)])
    code, found = doctor(well.app)
    assert code == 1
    assert levels(found, "queue") == ["fault"]
    assert levels(found, "senders") == ["warn", "warn"] and levels(found, "grants") == ["warn"]
    said = " ".join(finding["says"] + finding["remedy"] for finding in found["senders"])
    assert "no answer" in said and "holidays" in said and f"flask sender resume {other}" in said


def test_it_finds_that_nobody_works(well, tmp_path):
    well.stop_worker()
    if well.database.sqlite:
        (tmp_path / "portal.db.lock").unlink()
    eventually(lambda: levels(doctor(well.app)[1], "workers") == ["fault"])


def test_it_finds_keys_that_do_not_open_and_keys_to_rotate(well):
    def found_with(*keys):
        app = create_app(
            settings_for(
                str(well.settings.database_url), well.sandbox, well.settings.instance_dir, encryption_keys=keys
            )
        )
        return doctor(app)[1]["encryption keys"][0]

    own, new = well.settings.encryption_keys[0], Fernet.generate_key().decode()
    assert found_with(own)["level"] == "ok"
    assert found_with(new)["level"] == "fault"
    old_behind = found_with(new, own)
    assert old_behind["level"] == "warn" and "rotate" in old_behind["remedy"]
    assert "Drop them" in found_with(own, new)["remedy"]


def test_it_finds_what_is_not_durable(well, monkeypatch):
    if well.database.sqlite:
        with well.app.app_context():
            monkeypatch.setattr(looks, "text", lambda words: text(words.replace("journal_mode", "application_id")))
            assert levels(doctor(well.app)[1], "durability") == ["fault"]
        return
    monkeypatch.setattr(looks, "DURABLE", {"fsync": ("on",), "wal_compression": ("impossible",)})
    _, found = doctor(well.app)
    assert levels(found, "durability") == ["fault"] and "wal_compression" in found["durability"][0]["says"]


def test_it_finds_what_is_wrong_on_the_machine(well, tmp_path):
    (tmp_path / "spool" / "x.torn").touch()
    settings = settings_for(
        str(well.settings.database_url),
        well.sandbox,
        tmp_path,
        app_url="http://sms.example.com",
        secret_key="ab" * 20,
        ghl_api_url=f"http://127.0.0.1:{free_port()}",
        media_dir=tmp_path / "not-there",
        metrics_token="short",
        allow_private_hosts=True,
        ghl_shared_secret="",
        encryption_keys=well.settings.encryption_keys,
    )
    code, found = doctor(create_app(settings))
    assert code == 1
    assert levels(found, "HighLevel") == ["fault"]
    assert levels(found, "disk MEDIA_DIR") == ["fault"]
    assert levels(found, "secrets") == ["warn", "warn"]
    assert sorted(levels(found, "settings")) == ["fault", "ok", "warn", "warn"]
    assert "x.torn" in found["spool"][-1]["says"]


def test_it_finds_a_database_that_was_never_migrated(empty_url, sandbox, tmp_path):
    app = create_app(settings_for(empty_url, sandbox, tmp_path, allow_private_hosts=True))
    code, found = doctor(app)
    assert code == 1 and "empty" in found["migrations"][0]["says"]


def test_it_is_of_use_while_the_database_is_away(sandbox, tmp_path):
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    code, found = doctor(create_app(settings_for(url, sandbox, tmp_path, allow_private_hosts=True)))
    assert code == 1
    assert levels(found, "database") == ["fault", "warn"] and "workers" in found["database"][1]["says"]
    assert levels(found, "HighLevel") == ["ok"] and levels(found, "time zones") == ["ok"]


def test_clocks_that_disagree():
    assert [judged_skew("clock", seconds).level for seconds in (1, 10, 600)] == ["ok", "warn", "fault"]
