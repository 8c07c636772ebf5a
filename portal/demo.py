"""The demonstration: the sandbox beside the portal, an agency with two locations and senders, and an admin.

Only `make run` without HighLevel credentials comes here. The portal itself does not know it: the sandbox's keys and
addresses are settings, its installations go through OAuth, its senders through the same code as everybody's.
"""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import requests
from cryptography.fernet import Fernet
from sqlalchemy import select

from portal.accounts.users import create_user, set_one_time_password
from portal.config import ROOT, Settings, ports, sandbox_file
from portal.errors import SettingsError
from portal.installations import grants
from portal.installations.lifecycle import ensure_location
from portal.installations.moves import sync_webhook
from portal.messaging import senders
from portal.models import Location, Sender, User
from portal.sandbox import SigningKey, world
from portal.sandbox.sms.dialects import DIALECTS
from portal.services import Services

ADMIN = "admin@sandbox.local"
# A proxy of the environment knows no way to this machine.
_direct = requests.Session()
_direct.trust_env = False
START_SECONDS = 20.0


def write_settings(environ: Mapping[str, str], instance: Path) -> None:
    """Writes the sandbox's settings file: secrets made once and kept, addresses as the ports are now."""
    instance.mkdir(parents=True, exist_ok=True)
    path = sandbox_file(instance)
    kept = dict(line.partition("=")[::2] for line in path.read_text().splitlines()) if path.exists() else {}
    port, sandbox_port = ports(environ)
    lines = {
        "SECRET_KEY": kept.get("SECRET_KEY") or secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": kept.get("ENCRYPTION_KEYS") or Fernet.generate_key().decode(),
        "APP_URL": f"http://127.0.0.1:{port}",
        "GHL_CLIENT_ID": world.CLIENT_ID,
        "GHL_CLIENT_SECRET": world.CLIENT_SECRET,
        "GHL_SHARED_SECRET": world.SHARED_SECRET,
        "GHL_CONVERSATION_PROVIDER_ID": f"{world.PROVIDER_ID}:sms,{world.CUSTOM_PROVIDER_ID}:custom",
        "GHL_METER_ID": f"{world.METER_ID}:dynamic",
        "GHL_API_URL": f"http://127.0.0.1:{sandbox_port}",
        "GHL_WEBHOOK_PUBLIC_KEYS": SigningKey.load(_key_file(instance)).public_key,
        "WHATSAPP_APP_SECRET": world.CLOUD_APP_SECRET,
        "WHATSAPP_WEBHOOK_TOKEN": world.CLOUD_VERIFY_TOKEN,
        "WHATSAPP_GRAPH_URL": f"http://127.0.0.1:{sandbox_port}/v26.0",
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in lines.items())


def _key_file(instance: Path) -> Path:
    return instance / "sandbox-key.pem"


def start_sandbox(settings: Settings) -> "subprocess.Popen[bytes]":
    """Starts the sandbox in a process of its own and waits until it answers."""
    command = [sys.executable, "-m", "portal.sandbox", "--port", str(settings.sandbox_port)]
    command += ["--portal-url", settings.app_url, "--key-file", str(_key_file(settings.instance_dir)), "--until-eof"]
    # Its stdin is a pipe that nobody writes to: it ends when this process does, however that happens.
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            _direct.get(f"{settings.ghl_api_url}/control/refreshes", timeout=2)
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return process
    process.terminate()
    raise SettingsError([f"The sandbox did not start on port {settings.sandbox_port}: set SANDBOX_PORT to a free one."])


def seed(parts: Services) -> str:
    """Makes or renews the demonstration; returns the admin's one-time password, or "" when it was changed already."""
    told = []
    for place in world.DEMO_LOCATIONS:
        _install(parts, place)
        told += [_described(parts, place, sender) for sender in _senders(parts, place)]
    _direct.post(f"{parts.settings.ghl_api_url}/control/senders", json=told, timeout=5).raise_for_status()
    return _admin(parts)


def _install(parts: Services, place: world.Location) -> None:
    """As a person would: consent gives a code, the code a grant."""
    answer = _direct.post(
        f"{parts.settings.ghl_api_url}/control/codes", json={"location_id": place.id}, timeout=5
    ).json()
    granted = parts.oauth.exchange_code(answer["code"], parts.settings.redirect_uri)
    with parts.database.write() as session:
        grants.save(session, parts.vault, granted, consented=True)
        location = session.scalars(select(Location).where(Location.ghl_id == place.id)).one()
        location.name, location.country = place.name, "PH"


def _senders(parts: Services, place: world.Location) -> list[Sender]:
    with parts.database.write() as session:
        location = ensure_location(session, place.id)
        known = list(session.scalars(select(Sender).where(Sender.location_id == location.id).order_by(Sender.id)))
        for sender in known:
            sender.api_url = _stand_in(parts, sender.channel)
            # The stand-ins forget at every start what was written into them.
            sync_webhook(session, sender.id, sender.channel)
        wanted = [each for each in _wanted(parts, place) if each.channel not in {sender.channel for sender in known}]
        return known + [senders.add(session, parts.vault, location, each) for each in wanted]


def _stand_in(parts: Services, channel: str) -> str:
    """Where the channel's provider is in the sandbox."""
    if channel == "simulator":
        return ""
    return f"{parts.settings.ghl_api_url}/{channel}" if channel in DIALECTS else parts.settings.ghl_api_url


def _wanted(parts: Services, place: world.Location) -> list[senders.NewSender]:
    """The senders of a demo location: by Cast, the simulated one, and the WhatsApp line or number that it has."""
    url = parts.settings.ghl_api_url
    key = {"api_key": world.CAST_API_KEY, "sender_id": place.sender_name}
    found = [
        senders.NewSender("cast", f"Cast {place.sender_name}", key, url, is_default=True, operator=True),
        senders.NewSender("simulator", "Simulated line", {}, operator=True),
    ]
    if place.id == world.demo_line_location():
        instance = {"id_instance": world.GREEN_INSTANCE, "api_token": world.GREEN_TOKEN}
        found.append(senders.NewSender("green_api", "WhatsApp line", instance, url, operator=True))
    if place.id == world.demo_cloud_location():
        number = {"phone_number_id": world.CLOUD_NUMBER_ID, "waba_id": world.CLOUD_ACCOUNT}
        number["access_token"] = world.CLOUD_TOKEN
        found.append(senders.NewSender("whatsapp_cloud", "WhatsApp Cloud", number, url, operator=True))
    return found


def _described(parts: Services, place: world.Location, sender: Sender) -> dict[str, str]:
    return {
        "location": place.id,
        "channel": sender.channel,
        "sender_name": sender.name,
        "webhook_url": senders.shown_webhook_url(parts.settings, sender) or "",
        "number": sender.address,
    }


def _admin(parts: Services) -> str:
    password = secrets.token_urlsafe(12)
    with parts.database.write() as session:
        user = session.scalar(select(User).where(User.email == ADMIN))
        if user is None:
            create_user(session, ADMIN, password, None)
        elif user.must_change_password:
            set_one_time_password(session, user, password)
        else:
            return ""
    return password
