"""Keys to the API: shown once, narrowed to their tenant, ended at once, counted over all processes."""

import logging
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.accounts import api_keys, api_use
from portal.accounts.api_keys import NewKey
from portal.accounts.api_use import ApiUses
from portal.errors import InvalidInput, NotFound
from portal.models import Agency, ApiKey, Location
from tests.spine.api import OTHER, PLACE, Client, new_key


def stored(portal) -> list[ApiKey]:
    with portal.session() as session:
        return list(session.scalars(select(ApiKey).order_by(ApiKey.id)))


def test_a_key_is_kept_as_a_digest_and_shown_by_its_beginning(idle, caplog):
    caplog.set_level(logging.DEBUG)
    token = new_key(idle, "read")
    (row,) = stored(idle)
    assert token.startswith("sk_live_") and token.startswith(row.prefix) and len(token) - len(row.prefix) >= 32
    columns = [str(getattr(row, column.key)) for column in ApiKey.__table__.columns]
    assert not any(token[len(row.prefix) :] in each for each in columns)
    assert Client(idle, token).get("/key")["prefix"] == row.prefix
    assert Client(idle, token + "x")("GET", "/key").status_code == 401
    assert token not in caplog.text
    assert api_keys.digest("another secret", token) != row.digest


def test_a_revoked_or_ended_key_opens_nothing(idle, time):
    client = Client(idle, new_key(idle, "read"))
    ended = Client(idle, new_key(idle, "read", lasts=timedelta(hours=1)))
    assert client.get("/key") and ended.get("/key")
    with idle.database.write() as session:
        assert api_keys.revoke(session, stored(idle)[0], "somebody")
        assert not api_keys.revoke(session, stored(idle)[0], "somebody else")
    time.forward(hours=1)
    for each in (client, ended, Client(idle, ""), Client(idle, "sk_live_nothing")):
        said = each("GET", "/key")
        assert (said.status_code, said.headers["Content-Type"]) == (401, "application/problem+json")
        assert said.headers["WWW-Authenticate"].startswith("Bearer")
    assert stored(idle)[0].revoked_by == "somebody"


def test_wrong_keys_are_counted_by_address_and_good_ones_are_not_in_their_way(idle):
    good = Client(idle, new_key(idle, "read"))
    answers = [Client(idle, f"sk_live_{n}")("GET", "/key") for n in range(21)]
    assert [each.status_code for each in answers] == [401] * 20 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert good.get("/key")


def test_each_scope_opens_its_own(idle):
    for scope, method, path, body in (
        ("read", "POST", "/messages", {"to": "09171234567", "text": "x"}),
        ("send", "GET", "/conversations", None),
        ("send", "GET", "/webhooks", None),
        ("bulksms", "GET", "/credits", None),
        ("read", "POST", "/webhooks", {"url": "https://example.com"}),
    ):
        said = Client(idle, new_key(idle, scope))(method, path, body)
        assert (said.status_code, "scope" in said.json()["detail"]) == (403, True)


def test_a_key_is_for_an_agency_or_for_chosen_places_of_one(idle):
    idle.install(OTHER)
    with idle.database.write() as session:
        there = session.scalars(select(Location).where(Location.ghl_id == OTHER.id)).one()
        stranger = Agency(company_id="another company", created_at=clock.now())
        session.add(stranger)
        session.flush()
        there.agency_id = stranger.id
    secret = idle.settings.secret_key
    for wanted, fault in (
        (NewKey("x", ["read"], locations=[PLACE.id, OTHER.id]), InvalidInput),
        (NewKey("x", ["read"], "another company", [PLACE.id]), NotFound),
        (NewKey("x", ["read"]), InvalidInput),
        (NewKey("x", ["all"], locations=[PLACE.id]), InvalidInput),
        (NewKey("x", [], locations=[PLACE.id]), InvalidInput),
        (NewKey(" ", ["read"], locations=[PLACE.id]), InvalidInput),
        (NewKey("x", ["read"], locations=["nowhere"]), NotFound),
        (NewKey("x", ["read"], "no company"), NotFound),
    ):
        with idle.database.write() as session, pytest.raises(fault):
            api_keys.create(session, secret, wanted, "a test")
    assert stored(idle) == []


def test_a_place_that_has_moved_to_another_agency_is_out_of_reach(idle):
    chosen = Client(idle, new_key(idle, "read"))
    whole = Client(idle, new_key(idle, "read", places=(), company=PLACE.company_id))
    for each in (chosen, whole):
        assert [place["id"] for place in each.get("/locations")["data"]] == [PLACE.id]
    with idle.database.write() as session:
        stranger = Agency(company_id="another company", created_at=clock.now())
        session.add(stranger)
        session.flush()
        session.execute(update(Location).where(Location.ghl_id == PLACE.id).values(agency_id=stranger.id))
    for each in (chosen, whole):
        assert each.get("/locations")["data"] == []
        assert each("GET", f"/messages?location={PLACE.id}").status_code == 404


def test_the_minute_holds_over_processes_and_the_last_use_is_written_once_in_it(idle, time):
    time.at = time.at.replace(second=5, microsecond=0)
    new_key(idle, "read", per_minute=50)
    key = stored(idle)[0]
    processes = [ApiUses(), ApiUses(), ApiUses()]
    answers = [processes[n % 3].spend(idle.database, key) for n in range(80)]
    good = [each for each in answers if each.allowed]
    assert 44 <= len(good) <= 50  # what one process has taken, another does not know to be left over
    assert all(each.left >= 0 and 0 < each.resets_in <= 60 for each in answers)
    first = stored(idle)[0].last_used_at
    assert first is not None
    time.forward(seconds=10)
    processes[0].spend(idle.database, key)
    assert stored(idle)[0].last_used_at == first
    time.forward(minutes=1)
    assert processes[0].spend(idle.database, key).allowed
    assert stored(idle)[0].last_used_at > first


def test_a_used_up_minute_is_said_in_headers(idle, time):
    time.at = time.at.replace(second=5, microsecond=0)
    client = Client(idle, new_key(idle, "read", per_minute=3))
    answers = [client("GET", "/key") for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each.headers["RateLimit-Remaining"] for each in answers] == ["2", "1", "0", "0"]
    last = answers[-1]
    assert last.headers["RateLimit-Limit"] == "3" and last.headers["Retry-After"] == last.headers["RateLimit-Reset"]
    assert last.json()["status"] == 429
    time.forward(minutes=1)
    assert client.get("/key")


def test_many_threads_of_many_processes_never_pass_the_limit(idle):
    from concurrent.futures import ThreadPoolExecutor

    new_key(idle, "read", per_minute=40)
    key, processes = stored(idle)[0], [ApiUses() for _ in range(4)]
    begins = clock.now()
    with ThreadPoolExecutor(16) as pool:
        allowed = list(pool.map(lambda n: processes[n % 4].spend(idle.database, key).allowed, range(200)))
    minutes = (
        clock.now().replace(second=0, microsecond=0) - begins.replace(second=0, microsecond=0)
    ) // api_use.WINDOW + 1
    assert 0 < sum(allowed) <= 40 * minutes


def test_the_command_line_makes_lists_and_ends_keys(idle):
    import json

    run = idle.app.test_cli_runner()
    made = json.loads(
        run.invoke(
            args=["keys", "create", "--name", "crm", "--location", PLACE.id, "--scope", "read", "--scope", "send"]
        ).output
    )
    assert Client(idle, made["key"]).get("/key")["scopes"] == ["read", "send"]
    listed = run.invoke(args=["keys", "list", "--location", PLACE.id]).output
    assert made["key"] not in listed and json.loads(listed)["name"] == "crm"
    assert json.loads(run.invoke(args=["keys", "list", "--agency", PLACE.company_id]).output)["id"] == made["id"]
    assert json.loads(run.invoke(args=["keys", "revoke", made["id"]]).output) == {"id": made["id"], "revoked": True}
    assert Client(idle, made["key"])("GET", "/key").status_code == 401
    refused = run.invoke(args=["keys", "create", "--name", "x", "--scope", "read"])
    assert refused.exit_code == 1 and "name one" in refused.output


def test_a_key_with_admin_sets_the_sender_id_of_its_own_places(idle):
    import requests

    idle.add_sender("cast")
    for token, place, status in (
        (new_key(idle, "admin"), PLACE.id, 200),
        (new_key(idle, "admin"), OTHER.id, 404),
        (new_key(idle, "read"), PLACE.id, 403),
        (new_key(idle, "admin", test=True), PLACE.id, 403),
        ("sk_live_wrong", PLACE.id, 401),
    ):
        url = f"{idle.url}/api/admin/locations/{place}/sender-id"
        headers = {"Authorization": f"Bearer {token}"}
        said = requests.put(url, json={"sender_id": PLACE.sender_name}, headers=headers, timeout=60)
        assert said.status_code == status, said.text
