"""What every channel owes the portal, whether it speaks HTTP or not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.channels import capabilities, registry
from portal.channels.base import Account, ChannelError, ChannelEvent, Family, WebhookRequest
from portal.channels.setup import Guided, guide_of
from portal.errors import InvalidInput

CHANNELS = registry.all()
ACCOUNT = Account(sender_id=1, credentials={})

requests = st.builds(
    WebhookRequest,
    action=st.sampled_from(["receive", "status", "", "other"]),
    body=st.binary()
    | st.sampled_from([b"{}", b"[]", b"[1]", b'{"from": {}}', b"[" * 50_000, b"a=1&a=2", b'{"id": 1e999}']),
    content_type=st.sampled_from(["", "application/json", "application/x-www-form-urlencoded"]),
    query=st.text(),
)


@pytest.fixture(params=CHANNELS, ids=lambda channel: channel.kind)
def channel(request):
    return request.param


def test_the_registry_knows_it_by_its_kind(channel):
    assert registry.get(channel.kind) is channel


def test_the_registry_names_the_kinds_it_knows():
    with pytest.raises(InvalidInput) as caught:
        registry.get("pigeon")
    assert all(channel.kind in caught.value.message for channel in CHANNELS)


def test_kinds_are_unique():
    assert len({channel.kind for channel in CHANNELS}) == len(CHANNELS)


def test_it_describes_itself(channel):
    assert channel.name
    assert isinstance(channel.family, Family)
    for name in ("idempotent", "polls", "separate_attachments", "confirms_delivery", "calls_back"):
        flag = getattr(channel, name)
        assert isinstance(flag, bool)
    names = [field.name for field in channel.fields]
    assert len(set(names)) == len(names)
    for field in channel.fields:
        assert field.label
        assert field.secret or not any(word in field.name for word in ("key", "token", "secret", "password"))
        assert not (field.choices and field.pattern)
        if field.pattern:
            re.compile(field.pattern)
            assert field.help.endswith("."), "the help says what the pattern wants"


def test_its_guide_speaks_of_its_fields(channel):
    if not isinstance(channel, Guided):
        return
    guide = guide_of(channel)
    optional = {field.name for field in channel.fields if not field.required}
    assert guide.summary.endswith(".")
    assert set(guide.shown) <= optional and set(guide.lines) <= {field.name for field in channel.fields}
    assert all(step.endswith(".") for step in (*guide.steps, guide.after, guide.address) if step)
    assert bool(guide.steps) == bool(channel.fields)
    assert bool(guide.after) == (channel.calls_back and bool(channel.fields)), "who calls back is told the address"


def test_it_answers_every_question_of_the_capabilities(channel):
    asked = {field.name: field.choices[0] if field.choices else "1" for field in channel.fields}
    for credentials in ({}, asked):
        assert isinstance(capabilities.family_of(channel, credentials), Family)
        assert isinstance(capabilities.is_sandbox(channel, credentials), bool)
        assert capabilities.bulk_limit(channel, credentials) >= 0
        key = capabilities.account_key(channel, credentials, "https://api.test")
        assert key == "" or (len(key) == 32 and set(key) <= set("0123456789abcdef"))


def test_no_two_capabilities_share_a_name():
    """A class is taken for a capability by the names it has: Cast's list of opt-outs once passed for a line."""
    protocols = [each for each in vars(capabilities).values() if getattr(each, "_is_runtime_protocol", False)]
    own = [name for each in protocols for name in vars(each) | vars(each).get("__annotations__", {})]
    names = [name for name in own if not name.startswith("_")]
    assert len(protocols) > 5 and sorted(names) == sorted(set(names))


def test_senders_of_one_account_share_a_key_that_does_not_tell_it(channel):
    if not isinstance(channel, capabilities.SharesAccount):
        return
    assert channel.account_pace > 0 and channel.account_poll_pace > 0
    secret = {field.name: f"{field.name}-one" for field in channel.fields}
    other = {field.name: f"{field.name}-two" for field in channel.fields}
    key = capabilities.account_key(channel, secret, "https://api.test")
    assert key == capabilities.account_key(channel, secret, "https://api.test/")
    assert key != capabilities.account_key(channel, other, "https://api.test")
    assert key != capabilities.account_key(channel, secret, "https://elsewhere.test")
    assert "one" not in key


def test_what_has_a_balance_can_be_warned_of(channel):
    if isinstance(channel, capabilities.HasBalance):
        assert channel.low_balance >= 0
        assert "low_balance" in {field.name for field in channel.fields}


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.kind)
@given(request=requests)
def test_no_webhook_can_break_it(channel, request):
    assert isinstance(channel.lane(request), str)
    assert isinstance(channel.verify(ACCOUNT, request), bool)
    body, content_type = channel.answer(request)
    assert isinstance(body, str)
    assert content_type
    try:
        events = channel.parse(request)
    except ChannelError as error:
        assert error.message.endswith(".")
        assert not error.retry
    else:
        assert all(isinstance(event, ChannelEvent) for event in events)
