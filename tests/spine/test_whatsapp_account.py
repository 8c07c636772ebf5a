"""A WhatsApp Cloud number whose business account nobody has entered: Meta is asked for it and what hangs on it."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from portal.channels.whatsapp_cloud import account
from portal.messaging import first_sender, registrations, senders
from portal.models import Alert, Sender, TemplateRow
from portal.sandbox import world
from portal.sandbox.whatsapp_cloud import nodes
from portal.worker.tasks import handlers
from tests.hand import settle, work
from tests.portal import Portal
from tests.spine.test_whatsapp_cloud_journeys import numbered


@pytest.fixture
def portal(database_url, sandbox, tmp_path, time):
    sandbox.ghl.limit.enforced = False
    secrets = {"whatsapp_app_secret": world.CLOUD_APP_SECRET, "whatsapp_webhook_token": world.CLOUD_VERIFY_TOKEN}
    running = Portal(database_url, sandbox, tmp_path, whatsapp_graph_url=f"{sandbox.url}/v26.0", **secrets)
    running.handlers = handlers(running.parts)
    running.install()
    sandbox.cloud.accounts[world.CLOUD_ACCOUNT].subscribed = False
    yield running
    running.close()


def the(portal) -> Sender:
    with portal.session() as session:
        return session.scalars(select(Sender).where(Sender.channel == "whatsapp_cloud")).one()


def templates(portal) -> int:
    with portal.session() as session:
        return len(session.scalars(select(TemplateRow)).all())


def test_three_settings_are_enough_for_a_first_sender(portal, sandbox, time):
    number = numbered(sandbox)
    first = {"phone_number_id": number.id, "access_token": world.CLOUD_TOKEN}
    settings = replace(portal.settings, whatsapp_first=first)
    assert first_sender.is_set(settings)
    assert first_sender.add_missing(portal.database, portal.parts.vault, settings)
    settle(portal, time, "send")
    sender = the(portal)
    opened = portal.parts.accounts.get(sender.id, fresh=True).account
    assert opened.credentials == first | {"waba_id": world.CLOUD_ACCOUNT}
    assert sender.webhook_group == world.CLOUD_ACCOUNT and sender.webhook_at is not None
    assert sandbox.cloud.accounts[world.CLOUD_ACCOUNT].subscribed and templates(portal)


@pytest.fixture
def silent(monkeypatch):
    """A Graph that tells nobody which account a number belongs to."""
    whole = nodes.number_fields

    def fields(number):
        return {name: value for name, value in whole(number).items() if name != "whatsapp_business_account"}

    monkeypatch.setattr(nodes, "number_fields", fields)


def add(portal, sandbox) -> int:
    return portal.add_sender("whatsapp_cloud", credentials={"phone_number_id": numbered(sandbox).id, "waba_id": ""})


def test_the_tokens_own_description_tells_it_too(portal, sandbox, silent, time):
    add(portal, sandbox)
    settle(portal, time, "send")
    assert the(portal).webhook_group == world.CLOUD_ACCOUNT and templates(portal)


def test_what_nobody_tells_is_asked_again_and_costs_the_sending_nothing(portal, sandbox, silent, time, monkeypatch):
    with monkeypatch.context() as nothing:
        nothing.setattr(account, "SCOPES", ())
        sender_id = add(portal, sandbox)
        settle(portal, time, "send")
    sender = the(portal)
    assert sender.webhook_group == "" and not templates(portal) and "waba_id" in sender.templates_failure
    assert sender.state == "active" and sender.next_webhook_at is not None
    with portal.session() as session:
        assert not session.scalars(select(Alert).where(Alert.kind == "webhook_left")).all()
    time.forward(days=2)
    with portal.database.write() as session:
        assert registrations.enqueue_due(session) == 1
    settle(portal, time, "send")
    assert the(portal).id == sender_id and the(portal).webhook_group == world.CLOUD_ACCOUNT and templates(portal)


def test_what_a_person_enters_during_the_question_stays(portal, sandbox, time, monkeypatch):
    sender_id = add(portal, sandbox)
    channel = senders.registry.get("whatsapp_cloud")
    find = type(channel).find

    def slow(self, http, account):
        found = find(self, http, account)
        with portal.database.write() as session:
            senders.change(session, portal.parts.vault, sender_id, {"waba_id": "77777777", "mark_read": "never"})
        return found

    monkeypatch.setattr(type(channel), "find", slow)
    work(portal, "send")
    assert portal.parts.accounts.get(sender_id, fresh=True).account.credentials["waba_id"] == "77777777"
    assert the(portal).webhook_group == "77777777"
