"""`flask import --check` asks the providers; and what was brought over sends, through the whole portal."""

import json

import pytest
import requests
from sqlalchemy import select

from portal.models import Sender
from portal.sandbox import world
from tests.portal import PLACE, Portal, eventually
from tests.spine.api import Client, new_key


@pytest.fixture
def empty(database_url, sandbox, tmp_path):
    """A portal that is installed, and has no sender yet."""
    portal = Portal(database_url, sandbox, tmp_path)
    try:
        portal.install()
        yield portal
    finally:
        portal.close()


def bring(portal, folder, rows, *more):
    file = folder / "export.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    given = ["import", "cast", str(file), "--api-url", portal.sandbox.url, *more]
    done = portal.app.test_cli_runner().invoke(args=given)
    assert done.exit_code == 0, (done.output, done.exception)
    return [json.loads(line) for line in done.output.splitlines() if line.startswith('{"row"')]


def test_a_key_that_cast_refuses_is_left_out_and_a_good_one_sends(empty, tmp_path):
    row = {"location_id": PLACE.id, "sender_id": PLACE.sender_name}
    asked = empty.sandbox.records.count("cast.balance")
    bring(empty, tmp_path, [row], "--set", f"api_key={world.CAST_API_KEY}")
    assert empty.sandbox.records.count("cast.balance") == asked, "without --check nobody is asked"
    (wrong,) = bring(empty, tmp_path, [row], "--check", "--apply", "--set", "api_key=cast_" + "0" * 64)
    assert wrong["outcome"] == "left out" and "does not accept" in wrong["reason"] and "000000" not in wrong["reason"]
    (good,) = bring(empty, tmp_path, [row], "--check", "--apply", "--set", f"api_key={world.CAST_API_KEY}")
    assert good["outcome"] == "made" and empty.sandbox.records.count("cast.balance") > asked
    empty.start()
    api = Client(empty, new_key(empty))
    sent = api.post("/messages", {"to": "+639171234567", "text": "Hello"})
    eventually(lambda: api.get(f"/messages/{sent['id']}")["status"] == "delivered", what="delivered by Cast")


def test_a_provider_that_cannot_be_asked_leaves_it_out_with_words(empty, tmp_path):
    empty.sandbox.faults.arm("cast.balance", "status", status=503)
    row = {"location_id": PLACE.id, "sender_id": PLACE.sender_name}
    (told,) = bring(empty, tmp_path, [row], "--check", "--apply", "--set", f"api_key={world.CAST_API_KEY}")
    assert told["outcome"] == "left out" and "could not be asked" in told["reason"]
    with empty.session() as session:
        assert session.scalars(select(Sender)).all() == []
    assert requests.get(f"{empty.url}/livez", timeout=30).status_code == 200
