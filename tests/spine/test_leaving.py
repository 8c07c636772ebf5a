"""Ending an installation from our side, and what the providers and HighLevel are told of it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select

from portal.alerts import notices
from portal.channels import registry
from portal.channels.base import Account, ChannelError
from portal.channels.simulator.client import Simulator
from portal.errors import InvalidInput
from portal.http import HttpClient, NotSent, OutcomeUnknown
from portal.installations import leaving
from portal.installations.lifecycle import ensure_location
from portal.messaging import senders
from portal.models import InstallEvent, InstallState, Job, Sender
from portal.queue.jobs import GHL, SEND
from portal.sandbox import world
from tests.hand import settle, work
from tests.portal import PLACE
from tests.spine.test_installing import COMPANY, alerts, calls, consent, deliver, grant, location, settle_for, tell


def disconnect(portal, who: str = "anna@example.com") -> None:
    with portal.database.write() as session:
        leaving.disconnect(session, PLACE.id, who)


@pytest.fixture
def installed(by_hand, time):
    """A portal with one connected location, whose sandbox posts its webhooks."""
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    return by_hand


def test_disconnecting_ends_it_at_once_tells_highlevel_and_forgets_the_tokens(installed, time):
    installed.add_sender("cast")
    disconnect(installed)
    row = location(installed)
    assert (row.install_state, row.install_event) == (InstallState.NOT_INSTALLED, InstallEvent.DISCONNECT)
    assert "anna@example.com" in row.install_note
    assert deliver(installed, "Hello").status == "held", "from that moment on"
    settle(installed, time)
    told = calls(installed, "uninstall")
    assert [(call.status, call.body) for call in told] == [(200, {"locationId": PLACE.id, "reason": leaving.REASON})], (
        "with the location's own token: an agency's would take the app out of every location"
    )
    assert (grant(installed).access_token, grant(installed).refresh_token) == ("", "")
    assert not installed.sandbox.world.locations[PLACE.id].installed
    assert installed.sandbox.records.count("cast.send") == 0


def test_connecting_again_restores_everything(installed, time):
    sender = installed.add_sender("cast", name="Front desk", is_default=True)
    disconnect(installed)
    settle(installed, time)
    deliver(installed, "Hello")
    consent(installed, COMPANY, PLACE.id)
    settle(installed, time)
    assert location(installed).install_state == InstallState.INSTALLED
    assert [each.text for each in installed.sandbox.cast.accepted()] == ["Hello"]
    with installed.session() as session:
        assert session.get_one(Sender, sender).name == "Front desk"


def test_the_uninstall_event_that_follows_keeps_who_did_it(installed, time):
    disconnect(installed)
    settle(installed, time)
    time.forward(seconds=5)
    assert tell(installed, "UNINSTALL", locationId=PLACE.id) == "location uninstalled"
    assert "anna@example.com" in location(installed).install_note
    assert location(installed).install_state == InstallState.UNINSTALLED


def test_only_once_and_only_what_is_connected(installed):
    disconnect(installed)
    with pytest.raises(InvalidInput):
        disconnect(installed)
    with installed.database.write() as session, pytest.raises(InvalidInput):
        ensure_location(session, "somewhere")
        leaving.disconnect(session, "somewhere", "anna@example.com")


def test_highlevels_trouble_is_waited_out(installed, time):
    installed.sandbox.faults.arm("ghl.uninstall", "status", times=3, status=500)
    disconnect(installed)
    settle(installed, time)
    assert [call.status for call in calls(installed, "uninstall")] == [500, 500, 500, 200]
    assert grant(installed).refresh_token == "" and alerts(installed, notices.NOT_TOLD) == []


def test_when_highlevel_cannot_be_told_the_tokens_are_forgotten_all_the_same(installed, time):
    installed.sandbox.faults.arm("ghl.uninstall", "status", times=None, status=500)
    disconnect(installed)
    settle(installed, time)
    assert 5 < len(calls(installed, "uninstall")) < 20, "bounded"
    assert grant(installed).refresh_token == ""
    assert "uninstall the app there too" in alerts(installed, notices.NOT_TOLD)[0]


def test_a_refusal_for_good_is_told_at_once(by_hand, time):
    by_hand.sandbox.ghl.grants.scope = by_hand.sandbox.ghl.grants.scope.replace(" oauth.write", "")
    consent(by_hand, COMPANY, PLACE.id)
    disconnect(by_hand)
    settle(by_hand, time)
    assert len(calls(by_hand, "uninstall")) == 1
    assert "permission (scope)" in alerts(by_hand, notices.NOT_TOLD)[0]


def test_a_consent_while_highlevel_is_being_told_is_not_undone(installed, time, monkeypatch):
    real = type(installed.parts.oauth).uninstall

    def uninstall(self, *asked):
        real(self, *asked)
        consent(installed, COMPANY, PLACE.id)

    monkeypatch.setattr(type(installed.parts.oauth), "uninstall", uninstall)
    monkeypatch.setattr(installed.sandbox, "later", lambda task: None)  # its clock is not the one that the test moves
    disconnect(installed)
    settle(installed, time)
    assert location(installed).install_state == InstallState.INSTALLED
    assert installed.parts.tokens.for_location(PLACE.id)


def test_the_agencys_list_does_not_bring_back_what_a_person_disconnected(by_hand, time):
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    by_hand.sandbox.faults.arm("ghl.uninstall", "status", times=None, status=500)
    disconnect(by_hand)
    settle(by_hand, time)
    time.forward(hours=1)
    with by_hand.database.write() as session:
        from portal.installations import moves
        from portal.models import Agency

        moves.list_locations(session, session.scalars(select(Agency)).one())
    settle(by_hand, time)
    assert location(by_hand).install_state == InstallState.NOT_INSTALLED
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    assert location(by_hand).install_state == InstallState.INSTALLED, "a new consent of the agency does"


def test_a_token_that_is_renewed_in_the_meantime_brings_nothing_back(installed, time):
    disconnect(installed)
    time.forward(days=1, hours=1)
    with installed.session() as session:
        leaving_job = session.scalars(select(Job.kind)).all()
    assert leaving_job == ["leave_location"]
    installed.parts.tokens.for_location(PLACE.id)
    assert location(installed).install_state == InstallState.NOT_INSTALLED


# Webhooks at providers


class Provider:
    """A provider whose setting holds one webhook address. `answers` are the statuses of the next calls."""

    def __init__(self) -> None:
        self.webhook = ""
        self.asked: list[tuple[str, str]] = []
        self.answers: list[int] = []
        self.url = ""


@contextmanager
def running(provider: Provider) -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = provider.answers.pop(0) if provider.answers else 200
            provider.asked.append((said["webhook"], self.headers.get("Authorization", "")))
            if status == 200:
                provider.webhook = said["webhook"]
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield provider
    server.shutdown()
    server.server_close()


class Registering(Simulator):
    """A channel that keeps our address in its provider's settings."""

    kind = "registering"

    def connect(self, http: HttpClient, account: Account, webhook_url: str) -> None:
        self._set(http, account, webhook_url)

    def disconnect(self, http: HttpClient, account: Account, webhook_url: str) -> None:
        self._set(http, account, "")

    def _set(self, http: HttpClient, account: Account, address: str) -> None:
        try:
            answer = http.request("PUT", account.api_url, json={"webhook": address}, private_hosts=True)
        except (NotSent, OutcomeUnknown) as error:
            raise ChannelError(error.message, retry=True) from None
        if answer.status != 200:
            raise ChannelError(f"The provider answered {answer.status}.", retry=answer.status >= 500)


@pytest.fixture
def provider(monkeypatch):
    monkeypatch.setitem(registry._BY_KIND, "registering", Registering())
    with running(Provider()) as provider:
        yield provider


def add_line(portal, provider: Provider) -> int:
    wanted = senders.NewSender("registering", "Line", {}, provider.url, operator=True)
    with portal.database.write() as session:
        return senders.add(session, portal.parts.vault, ensure_location(session, PLACE.id), wanted).id


def test_uninstalling_clears_the_webhook_and_installing_again_writes_it(by_hand, time, provider):
    sender = add_line(by_hand, provider)
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    assert provider.webhook.endswith(f"/{by_hand.sender_key(sender)}/receive")
    time.forward(seconds=1)
    tell(by_hand, "UNINSTALL", locationId=PLACE.id)
    settle(by_hand, time)
    assert provider.webhook == ""
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    assert provider.webhook != ""
    disconnect(by_hand)
    settle(by_hand, time)
    assert provider.webhook == ""


def test_a_sender_that_is_added_later_has_its_webhook_written(by_hand, time, provider):
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    add_line(by_hand, provider)
    settle(by_hand, time)
    assert provider.webhook != ""


def test_removing_a_sender_clears_its_webhook(by_hand, time, provider):
    consent(by_hand, COMPANY, PLACE.id)
    sender = add_line(by_hand, provider)
    provider.webhook = "ours"
    with by_hand.database.write() as session:
        senders.remove(session, sender)
    settle(by_hand, time)
    assert provider.webhook == "" and len(provider.asked) == 1


def test_a_provider_in_trouble_is_asked_again_and_a_person_told_in_the_end(by_hand, time, provider):
    sender = add_line(by_hand, provider)
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    provider.answers = [503, 503]
    tell(by_hand, "UNINSTALL", locationId=PLACE.id)
    settle(by_hand, time)
    assert provider.webhook == "" and len(provider.asked) == 4
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    provider.answers = [503] * 100
    disconnect(by_hand)
    settle(by_hand, time)
    assert 8 < 100 - len(provider.answers) < 15, "bounded"
    told = alerts(by_hand, notices.WEBHOOK_LEFT)
    assert "Line could not be taken away" in told[0] and by_hand.sender_key(sender) not in told[0]
    provider.answers = []
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    assert alerts(by_hand, notices.WEBHOOK_LEFT) == []


def test_a_refusal_is_told_at_once(by_hand, time, provider):
    add_line(by_hand, provider)
    provider.answers = [403]
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    assert len(provider.asked) == 1
    assert "could not be written at the provider: nothing comes in" in alerts(by_hand, notices.WEBHOOK_LEFT)[0]


def test_what_changes_during_the_call_is_not_lost(by_hand, time, provider, monkeypatch):
    add_line(by_hand, provider)
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    real, once = Registering.disconnect, []

    def slow(self, *asked):
        real(self, *asked)
        if not once:
            once.append(True)
            consent(by_hand, COMPANY, PLACE.id)  # the job is there already, so this adds none

    monkeypatch.setattr(Registering, "disconnect", slow)
    tell(by_hand, "UNINSTALL", locationId=PLACE.id)
    settle(by_hand, time)
    assert provider.webhook != ""


def test_channels_without_webhooks_have_nothing_to_do(by_hand, time):
    by_hand.add_sender("cast")
    by_hand.add_sender("simulator")
    consent(by_hand, COMPANY, PLACE.id)
    tell(by_hand, "UNINSTALL", locationId=PLACE.id)
    assert [job.kind for job in by_hand.jobs() if job.kind == "sync_webhook"] == []
    assert registry.registrar("cast") is None and registry.registrar("nobody") is None


# By the command line


def run(portal, *words: str):
    return portal.app.test_cli_runner().invoke(args=["installation", *words])


def test_the_command_line_lists_checks_and_disconnects(installed, time):
    listed = [json.loads(line) for line in run(installed, "list").output.splitlines()]
    assert [(row["location"], row["stands"], row["agency"]) for row in listed] == [(PLACE.id, "connected", COMPANY)]
    assert run(installed, "list", "--location", "nobody").output == ""
    checked = run(installed, "check", "--location", PLACE.id)
    assert checked.exit_code == 0 and [job.kind for job in installed.jobs()] == ["check_location"]
    settle(installed, time)
    gone = json.loads(run(installed, "disconnect", "--location", PLACE.id).output)
    assert (gone["state"], gone["stands"]) == ("not_installed", "disconnected")
    settle(installed, time)
    assert len(calls(installed, "uninstall")) == 1
    again = run(installed, "disconnect", "--location", PLACE.id)
    assert again.exit_code == 1 and "nothing to disconnect" in again.output
    assert "no sub-account" in run(installed, "disconnect", "--location", "nobody").output


def test_nothing_of_it_is_secret(installed, time, caplog):
    disconnect(installed)
    settle(installed, time)
    shown = run(installed, "list").output + caplog.text
    for secret in (world.CLIENT_SECRET, "eyJ"):
        assert secret not in shown
    work(installed, GHL, SEND)
    settle_for(installed, time, minutes=1)
