"""What every channel that is called back owes the portal: the proof, each item once, and no word of a secret."""

import logging
from dataclasses import fields, replace

import pytest

from portal.channels import registry
from portal.channels.base import ChannelError, Receipt, Unread, WebhookRequest
from portal.logs import JsonFormatter
from tests.contract.cases import Case, Heard, collected
from tests.contract.standin import everything

CASES = [case for case in collected() if case.heard or case.odd or case.broken]
HEARD = [pytest.param(case, each, id=f"{case.kind} {each.name}") for case in CASES for each in case.heard]
ODD = [pytest.param(case, each, id=f"{case.kind} {place}") for case in CASES for place, each in enumerate(case.odd)]
BROKEN = [
    pytest.param(case, each, id=f"{case.kind} {place}") for case in CASES for place, each in enumerate(case.broken)
]


def account(case: Case):
    return case.account("https://api.test")


def signed(case: Case, request: WebhookRequest) -> WebhookRequest:
    return case.sign(request) if case.sign else request


def agrees(found: object, wanted: object) -> bool:
    """Are they of one class, and equal in every field that is set in the wanted one?"""
    if type(found) is not type(wanted) or isinstance(wanted, Unread):
        return type(found) is type(wanted)
    told = {each.name: getattr(wanted, each.name) for each in fields(wanted)}
    return all(
        getattr(found, name) == value
        for name, value in told.items()
        if value or name in ("external_id", "outcome", "sender", "text")
    )


@pytest.fixture(params=CASES, ids=lambda case: case.kind)
def case(request) -> Case:
    return request.param


@pytest.mark.parametrize(("case", "heard"), HEARD)
def test_what_a_request_says(case: Case, heard: Heard):
    channel = registry.get(case.kind)
    found = list(channel.parse(heard.request))
    assert len(found) == len(heard.expected), found
    for each, wanted in zip(found, heard.expected, strict=True):
        assert agrees(each, wanted), (each, wanted)
    assert list(channel.parse(heard.request)) == found, "the same request says the same twice"
    for each in found:
        if isinstance(each, Receipt) and each.outcome in ("failed", "expired"):
            assert each.detail.endswith(".") and each.code, "a person reads why"


@pytest.mark.parametrize(("case", "heard"), HEARD)
def test_a_request_proves_itself(case: Case, heard: Heard):
    channel = registry.get(case.kind)
    genuine = signed(case, heard.request)
    assert channel.verify(account(case), genuine)
    assert isinstance(channel.lane(genuine), str)
    body, content_type = channel.answer(genuine)
    assert content_type and all(secret not in body for secret in case.secrets)
    if case.sign is None:
        return
    assert not channel.verify(account(case), heard.request), "without the proof"
    assert not channel.verify(account(case), replace(genuine, body=genuine.body + b"x", query=genuine.query + "x"))
    other = replace(account(case), credentials={name: f"{value}x" for name, value in case.credentials.items()})
    assert not channel.verify(other, genuine), "with another secret"
    assert not channel.verify(replace(account(case), credentials={}), genuine), "without any secret"


@pytest.mark.parametrize(("case", "request_"), ODD)
def test_what_cannot_be_mapped_is_kept_and_costs_nothing_else(case: Case, request_: WebhookRequest):
    found = registry.get(case.kind).parse(request_)
    odd = [each for each in found if isinstance(each, Unread)]
    assert odd and all(each.detail.endswith(".") for each in odd)


@pytest.mark.parametrize(("case", "request_"), BROKEN)
def test_what_cannot_be_read_is_parked(case: Case, request_: WebhookRequest):
    with pytest.raises(ChannelError) as caught:
        registry.get(case.kind).parse(request_)
    assert caught.value.message.endswith(".") and not caught.value.retry


def test_the_lanes_of_receipts_and_messages_differ(case):
    """A receipt never waits behind what a customer writes, whose files may take long."""
    lanes = {"status": set(), "receive": set()}
    for heard in case.heard:
        lane = registry.get(case.kind).lane(heard.request)
        if lane and heard.request.action in lanes:
            lanes[heard.request.action].add(lane)
    assert not lanes["status"] & lanes["receive"] or case.kind == "toy"


def test_webhooks_leave_no_secret_in_a_log(case, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(JsonFormatter())
    channel = registry.get(case.kind)
    told = ""
    for request in [*(each.request for each in case.heard), *case.odd, *case.broken]:
        channel.verify(account(case), signed(case, request))
        try:
            told += repr(channel.parse(request))
        except ChannelError as error:
            logging.getLogger("portal").error("a webhook failed", exc_info=error)
            told += everything(error)
    assert not any(secret in told + caplog.text for secret in case.secrets)
