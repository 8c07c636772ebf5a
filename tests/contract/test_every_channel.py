"""What every channel owes the portal, whether it speaks HTTP or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.channels import registry
from portal.channels.base import Account, ChannelError, Family, Inbound, Receipt, WebhookRequest
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
    for flag in (channel.idempotent, channel.polls, channel.separate_attachments, channel.confirms_delivery):
        assert isinstance(flag, bool)
    names = [field.name for field in channel.fields]
    assert len(set(names)) == len(names)
    for field in channel.fields:
        assert field.label
        assert field.secret or not any(word in field.name for word in ("key", "token", "secret", "password"))


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
        assert all(isinstance(event, Inbound | Receipt) for event in events)
