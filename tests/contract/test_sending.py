"""What every channel that speaks HTTP owes the sender of messages: one call, and the truth about it."""

import logging

import pytest

from portal.channels import capabilities, registry
from portal.channels.base import ChannelError, Scope
from portal.http import HttpClient
from portal.logs import JsonFormatter
from tests.contract.cases import PART, Case, Expected, collected
from tests.contract.standin import (
    StandIn,
    answer,
    close_after,
    closed_port,
    everything,
    head,
    raw,
    reset_after,
    silent,
    trickled_body,
    trickled_head,
)

BROKEN = {
    "reset after the request": reset_after,
    "closed after the request": close_after,
    "half a status line": raw(b"HTTP/1.1 2"),
    "half a head": raw(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "half a body": raw(head(200, "Content-Length: 100") + b'{"success": tr'),
    "half a chunk": raw(head(200, "Transfer-Encoding: chunked") + b"40\r\n{"),
    "silence": silent,
    "a trickled head": trickled_head,
    "a trickled body": trickled_body,
}
ENDLESS = (silent, trickled_head, trickled_body)
THROTTLED = [("3", 3.0), ("0", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None), ("-1", None)]


CASES = collected()


class HastyClient(HttpClient):
    """The real client, in a hurry where the server would keep it for ever."""

    def request(self, method, url, **options):
        return super().request(method, url, **options | {"deadline": 0.4})


@pytest.fixture
def server():
    with StandIn() as standin:
        yield standin


def send(case, url, http=None):
    return registry.get(case.kind).send(http or HttpClient(), case.account(url), PART)


def refused(case, url, http=None):
    with pytest.raises(ChannelError) as caught:
        send(case, url, http)
    return caught.value


@pytest.fixture(params=CASES, ids=lambda case: case.kind)
def case(request) -> Case:
    return request.param


def test_success(case, server):
    server.script(case.accepts)
    assert send(case, server.url).external_id == case.external_id
    assert len(server.calls) == 1


def test_a_slash_at_the_end_of_the_address_changes_nothing(case, server):
    server.script(case.accepts)
    send(case, server.url)
    send(case, server.url + "/")
    assert server.calls[0].target == server.calls[1].target


@pytest.mark.parametrize(
    ("case", "step", "expected"),
    [
        pytest.param(case, step, expected, id=f"{case.kind} {name}")
        for case in CASES
        for name, step, expected in case.refusals
    ],
)
def test_refusals(case: Case, step, expected: Expected, server):
    server.script(step)
    error = refused(case, server.url)
    got = (error.scope, error.retry, error.unknown, error.cached, error.retry_after)
    assert got == (expected.scope, expected.retry, expected.unknown, expected.cached, expected.retry_after)
    assert len(server.calls) == 1
    assert error.code
    assert error.message.endswith(".")


@pytest.mark.parametrize("fault", BROKEN)
def test_an_answer_that_breaks_off_leaves_the_outcome_unknown(case, server, fault):
    step = BROKEN[fault]
    server.script(step)
    error = refused(case, server.url, HastyClient() if step in ENDLESS else HttpClient())
    assert (error.unknown, error.scope) == (True, Scope.SENDER)
    assert error.retry == registry.get(case.kind).idempotent
    assert len(server.calls) == 1


def test_nobody_listens(case):
    error = refused(case, f"http://127.0.0.1:{closed_port()}")
    assert (error.unknown, error.retry, error.scope) == (False, True, Scope.SENDER)


def test_a_reset_before_the_request_is_read_is_never_called_definite_wrongly(case, server):
    server.reset_at_once = True
    error = refused(case, server.url)
    may_repeat = registry.get(case.kind).idempotent or not error.unknown
    assert (error.retry, error.scope) == (may_repeat, Scope.SENDER)
    assert not server.calls


@pytest.mark.parametrize(("header", "seconds"), THROTTLED)
def test_throttled(case, server, header, seconds):
    server.script(answer(case.throttles, {}, headers=(f"Retry-After: {header}",)))
    error = refused(case, server.url)
    assert (error.scope, error.retry, error.unknown, error.retry_after) == (Scope.SENDER, True, False, seconds)


def test_throttled_without_a_time(case, server):
    server.script(answer(case.throttles, body=b""))
    assert refused(case, server.url).retry_after is None


@pytest.mark.parametrize("step", [*BROKEN.values(), answer(401, {}), answer(500, {}), answer(200, body=b"<html>")])
def test_secrets_appear_in_no_error_and_no_log(case, server, caplog, step):
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(JsonFormatter())
    server.script(step)
    error = refused(case, server.url, HastyClient() if step in ENDLESS else HttpClient())
    logging.getLogger("portal").error("a send failed", exc_info=error)
    told = caplog.text + everything(error)
    assert caplog.records
    for secret in case.secrets:
        assert secret not in told


def test_an_account_hides_its_secrets(case):
    assert not any(secret in repr(case.account("https://api.test")) for secret in case.secrets)


def test_addresses_of_the_inside_are_refused_unless_the_operator_allows_them(case, server):
    server.script(case.accepts)
    account = case.account(server.url)
    guarded = type(account)(account.sender_id, account.credentials, account.api_url, private_hosts=False)
    with pytest.raises(ChannelError) as caught:
        registry.get(case.kind).send(HttpClient(), guarded, PART)
    assert (caught.value.retry, caught.value.unknown, caught.value.scope) == (True, False, Scope.SENDER)
    assert server.accepted == 0


@pytest.mark.parametrize("step", [answer(500, {}), answer(200, []), answer(200, body=b"<html>"), reset_after])
def test_status_and_probe_raise_channel_errors_only(case, server, step):
    channel = registry.get(case.kind)
    server.script(step)
    for ask in (
        lambda: channel.status(HttpClient(), case.account(server.url), "some/id?x=1"),
        lambda: channel.probe(HttpClient(), case.account(server.url)),
    ):
        try:
            ask()
        except ChannelError as error:
            assert not error.unknown


@pytest.mark.parametrize(
    "step",
    [answer(500, {}), answer(401, {}), answer(200, []), answer(200, body=b"<html>"), answer(200, {}), reset_after],
)
def test_questions_about_the_account_raise_channel_errors_only(case, server, step):
    channel = registry.get(case.kind)
    server.script(step)
    asking = {
        capabilities.HasBalance: "balance",
        capabilities.ListsOptOuts: "opt_outs",
        capabilities.ListsSenderIds: "sender_ids",
    }
    for capability, name in asking.items():
        if isinstance(channel, capability):
            with pytest.raises(ChannelError) as caught:
                getattr(channel, name)(HttpClient(), case.account(server.url))
            assert not caught.value.unknown
            assert caught.value.message.endswith(".")


@pytest.mark.parametrize("step", [answer(500, {}), answer(200, []), answer(200, body=b"<html>"), reset_after])
def test_a_bulk_that_is_not_answered_is_in_doubt_as_a_whole(case, server, step):
    channel = registry.get(case.kind)
    if not capabilities.bulk_limit(channel, case.credentials):
        return
    server.script(step)
    with pytest.raises(ChannelError) as caught:
        channel.send_bulk(HttpClient(), case.account(server.url), [PART.to], "Kumusta", "b:1")
    assert caught.value.unknown
    assert len(server.calls) == 1
    assert not any(secret in everything(caught.value) for secret in case.secrets)
