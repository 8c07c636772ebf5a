"""What balancers and monitors are told, and who may see the figures."""

import os

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError, TimeoutError

from portal.database import Database
from tests.web.conftest import parts_of

FAULTS = [OperationalError("SELECT 1", {}, Exception("gone")), TimeoutError("the pool is used up")]


@pytest.fixture(params=FAULTS, ids=["gone", "pool used up"])
def away(request, app: Flask, monkeypatch) -> None:
    def fails(*_asked: object, **_more: object) -> None:
        raise request.param

    monkeypatch.setattr(Database, "read", fails)
    monkeypatch.setattr(Database, "write", fails)
    monkeypatch.setattr(parts_of(app).database.engine, "connect", fails)


def statuses(client: FlaskClient) -> list[int]:
    return [client.get(path).status_code for path in ("/livez", "/readyz", "/readyz/webhooks")]


def test_all_is_well(client: FlaskClient) -> None:
    assert statuses(client) == [200, 200, 200]


def test_without_a_database_webhooks_go_on(client: FlaskClient, away) -> None:
    assert statuses(client) == [200, 503, 200]
    assert b"sendero_database_up 0" in client.get("/metrics").data


class Full:
    f_bavail, f_frsize = 3, 4096


def test_without_a_database_and_with_a_full_disk_nobody_sends_webhooks_here(client, away, monkeypatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: Full)
    assert statuses(client) == [200, 503, 503]


def test_with_a_full_disk_the_database_is_enough(client: FlaskClient, monkeypatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: Full)
    assert statuses(client) == [200, 200, 200]


def test_a_folder_that_is_gone_is_no_fault_of_ours(app: Flask, client: FlaskClient, away) -> None:
    parts_of(app).spool.folder.rmdir()
    assert statuses(client) == [200, 503, 503]


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via", "X-Forwarded-Proto"])
def test_figures_are_for_this_machine(client: FlaskClient, name: str) -> None:
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", environ_overrides={"REMOTE_ADDR": "192.0.2.1"}).status_code == 404
    assert client.get("/metrics", headers={name: "anything"}).status_code == 404


@pytest.mark.parametrize(
    ("given", "status"),
    [("", 401), ("Bearer", 401), ("Bearer wrong", 401), ("Bearer \xff", 401), ("Bearer the token of a test", 200)],
)
def test_figures_by_token_are_for_anybody_who_has_it(app: Flask, client: FlaskClient, given: str, status: int) -> None:
    object.__setattr__(parts_of(app).settings, "metrics_token", "the token of a test")
    for address in ("127.0.0.1", "192.0.2.1"):
        headers = {"Authorization": given}
        answer = client.get("/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": address})
        assert answer.status_code == status
