"""The settings of WhatsApp Cloud: what is refused at the start, where senders call, and the first sender."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from portal import config
from portal.channels.base import Probe
from portal.errors import SettingsError
from portal.messaging import first_sender, senders
from portal.models import Sender, SenderState
from portal.sandbox import world
from portal.worker.scheduler import Clockwork
from tests import cloudy
from tests.spine.test_doctor import doctor

FIRST = {"access_token": "a token of the settings", "phone_number_id": "7007", "waba_id": "W7"}
BASIC = {
    "APP_URL": "https://sms.example.com",
    "SECRET_KEY": "a test's secret key of forty characters!",
    "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "GHL_CLIENT_ID": "65fe-1",
    "GHL_CLIENT_SECRET": "a-client-secret",
    "GHL_CONVERSATION_PROVIDER_ID": "65ff",
}


def load(**given):
    return config.load({**BASIC, **given})


def test_settings_are_read():
    told = load(
        WHATSAPP_APP_SECRET="0123456789abcdef0123",
        WHATSAPP_WEBHOOK_TOKEN="a verify token",
        WHATSAPP_TOKEN="EAAG0123456789abcdef",
        WHATSAPP_PHONE_NUMBER_ID="1066",
        WHATSAPP_GRAPH_URL="https://graph.facebook.com/v27.0/",
    )
    assert told.whatsapp_graph_url == "https://graph.facebook.com/v27.0"
    assert told.whatsapp_first == {"access_token": "EAAG0123456789abcdef", "phone_number_id": "1066"}
    assert "0123456789abcdef" not in repr(told) and "verify token" not in repr(told)
    assert load().whatsapp_graph_url == "https://graph.facebook.com/v26.0" and load().whatsapp_app_secret == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHATSAPP_APP_SECRET", "ab12"),
        ("WHATSAPP_APP_SECRET", "changeme-changeme-changeme"),
        ("WHATSAPP_WEBHOOK_TOKEN", "aaaaaaaaaaaa"),
        ("WHATSAPP_WEBHOOK_TOKEN", "abc"),
        ("WHATSAPP_TOKEN", "your_access_token_here"),
        ("WHATSAPP_GRAPH_URL", "graph.facebook.com/v26.0"),
        ("WHATSAPP_GRAPH_URL", "https://user:secret@graph.facebook.com"),
    ],
)
def test_what_cannot_be_meant_stops_the_start(name, value):
    with pytest.raises(SettingsError) as refused:
        load(**{name: value})
    (fault,) = refused.value.faults
    assert fault.startswith(name) and value not in fault


@pytest.fixture
def first(cloud):
    """A portal whose settings name a first sender, and that has none yet."""
    with cloud.portal.database.write() as session:
        senders.remove(session, cloud.sender)
        session.get_one(Sender, cloud.sender).channel = "simulator"
    parts = cloud.portal.parts
    object.__setattr__(parts, "settings", replace(parts.settings, whatsapp_first=FIRST))
    cloud.portal.app.extensions["portal"] = parts
    return cloud


def found(first):
    with first.portal.session() as session:
        rows = session.scalars(select(Sender).where(Sender.channel == "whatsapp_cloud").order_by(Sender.id))
        return [(row.location.ghl_id, row.address, row.webhook_group, row.state) for row in rows]


HERE = world.DEMO_LOCATIONS[0].id


def test_it_is_added_to_the_only_sub_account_once(first):
    clock = Clockwork(first.portal.parts)
    for _ in range(3):
        clock.add_first_sender()
    assert found(first) == [(HERE, "7007", "W7", SenderState.ACTIVE)]
    with first.portal.session() as session:
        sender_id = session.scalars(select(Sender.id).where(Sender.address == "7007")).one()
    account = first.portal.parts.accounts.get(sender_id).account
    assert account.credentials == FIRST
    assert (account.api_url, account.private_hosts) == ("https://graph.facebook.com/v26.0", False)
    with first.portal.database.write() as session:
        senders.remove(session, sender_id)
    clock.add_first_sender()
    assert [state for *_, state in found(first)] == [SenderState.REMOVED], "who removed it does not get it back"


def test_any_number_of_processes_add_one(first):
    parts = first.portal.parts
    with ThreadPoolExecutor(8) as pool:
        tries = [pool.submit(first_sender.add_missing, parts.database, parts.vault, parts.settings) for _ in range(16)]
        assert sum(each.result() for each in tries) == 1
    assert len(found(first)) == 1


def test_a_sub_account_that_comes_at_the_same_moment_is_a_doubt(first, monkeypatch):
    told = iter([[HERE], [HERE], [HERE, world.DEMO_LOCATIONS[1].id]])
    monkeypatch.setattr(first_sender, "waits_for", lambda session: next(told))
    parts = first.portal.parts
    assert first_sender.add_missing(parts.database, parts.vault, parts.settings) is False
    assert found(first) == []


def test_nobody_guesses_between_several_sub_accounts(first):
    first.portal.install(world.DEMO_LOCATIONS[1])
    Clockwork(first.portal.parts).add_first_sender()
    assert found(first) == []
    _, report = doctor(first.portal.app)
    (said,) = report["whatsapp cloud"]
    assert f"--location {HERE} --channel whatsapp_cloud" in said["remedy"]


def test_the_command_takes_from_the_settings_what_it_is_not_given(first):
    run = first.portal.app.test_cli_runner().invoke
    said = run(args=["sender", "add", "--location", HERE, "--channel", "whatsapp_cloud", "--set", "waba_id=W8"])
    assert said.exit_code == 0, said.output
    assert found(first) == [(HERE, "7007", "W8", SenderState.ACTIVE)]
    assert f"{first.portal.settings.app_url}/webhooks/whatsapp" in said.output
    assert "a token of the settings" not in said.output


def test_the_probe_asks_at_the_address_of_the_settings(first, monkeypatch):
    asked = []

    def probe(self, http, account):
        asked.append((account.api_url, account.private_hosts))
        return Probe(True, "Good.")

    monkeypatch.setattr(cloudy.Cloudy, "probe", probe)
    parts = first.portal.parts
    wanted = senders.NewSender("whatsapp_cloud", "x", FIRST)
    senders.check(parts.http, wanted, parts.settings)
    senders.check(parts.http, wanted, replace(parts.settings, whatsapp_graph_url="http://127.0.0.1:9/v26.0"))
    own = replace(wanted, api_url="https://graph.example.com/v25.0")
    senders.check(parts.http, own, parts.settings)
    assert asked == [
        ("https://graph.facebook.com/v26.0", False),
        ("http://127.0.0.1:9/v26.0", True),
        ("https://graph.example.com/v25.0", False),
    ]


def test_the_doctor_says_who_hears_nothing(cloud):
    _, report = doctor(cloud.portal.app)
    (said,) = report["whatsapp cloud"]
    assert said["level"] == "warn" and "Nothing has been heard from Meta yet" in said["says"]
    cloud.hear("Hi", "m1")
    cloud.apply()
    _, report = doctor(cloud.portal.app)
    assert report["whatsapp cloud"][0]["level"] == "ok"
    parts = cloud.portal.parts
    for settings, name in (
        (replace(parts.settings, whatsapp_webhook_token=""), "WHATSAPP_WEBHOOK_TOKEN"),
        (replace(parts.settings, whatsapp_app_secret=""), "WHATSAPP_APP_SECRET"),
    ):
        object.__setattr__(parts, "settings", settings)
        _, report = doctor(cloud.portal.app)
        (said,) = report["whatsapp cloud"]
        assert said["level"] == "fault" and name in said["says"]
    cloudy.app_senders._kept.clear()
    assert cloudy.post(cloud.portal, [], secret="").status_code == 401, "without a secret nobody is believed"


def test_the_cast_plugin_s_environment_is_understood():
    key = "an operator's key of more than 32 characters"
    there = {name: value for name, value in BASIC.items() if name != "APP_URL"}
    told = config.load(
        {
            **there,
            "BASE_URL": "https://hl.example.com/",
            "INBOUND_API_KEY": key,
            "CAST_API_KEY": "cast_test_0123456789abcdef",
            "CAST_SENDER_ID": "SHOP",
            "CAST_API_URL": "https://cast.example.com/",
        }
    )
    assert (told.app_url, told.cast_admin_key) == ("https://hl.example.com", key)
    assert told.cast_first == {"api_key": "cast_test_0123456789abcdef", "sender_id": "SHOP"}
    assert told.cast_api_url == "https://cast.example.com" and "0123456789abcdef" not in repr(told)
    both = load(BASE_URL="https://hl.example.com", CAST_ADMIN_KEY=key, INBOUND_API_KEY="short")
    assert (both.app_url, both.cast_admin_key) == ("https://sms.example.com", key), "our own names count before others"
    assert load().cast_first == {} and load().cast_admin_key == ""


@pytest.mark.parametrize(("name", "value"), [("CAST_API_KEY", "abc"), ("CAST_API_URL", "cast.example.com")])
def test_a_cast_account_that_cannot_be_meant_stops_the_start(name, value):
    with pytest.raises(SettingsError) as refused:
        load(**{name: value})
    assert refused.value.faults[0].startswith(name) and value not in refused.value.faults[0]


def test_a_wrong_key_of_the_plugin_s_is_named(tmp_path):
    with pytest.raises(SettingsError) as refused:
        load(INBOUND_API_KEY="too short")
    assert refused.value.faults[0].startswith("CAST_ADMIN_KEY")
    (tmp_path / "key").write_text("a key from a file of more than 32 letters\n")
    assert load(INBOUND_API_KEY_FILE=str(tmp_path / "key")).cast_admin_key.startswith("a key from a file")
