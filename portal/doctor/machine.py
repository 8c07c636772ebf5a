"""What can be seen on this machine alone: settings, secrets, keys, folders, spool, time zones."""

import shutil
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from portal.config import LOOPBACK
from portal.doctor.findings import Finding, fault, ok, warn
from portal.ghl.signature import DEFAULT_PUBLIC_KEY
from portal.services import Services

MIB = 1024 * 1024
LITTLE_ROOM, NO_ROOM = 1024 * MIB, 100 * MIB


def settings(services: Services) -> Iterator[Finding]:
    """Those that are allowed, but seldom meant."""
    told, name = services.settings, "settings"
    secure = told.app_url.startswith("https://")
    here = urlsplit(told.app_url).hostname in LOOPBACK
    yield ok(name, f"role {told.role}, {told.app_url}" + (", sandbox" if told.sandbox else ""))
    if not secure and not here:
        yield fault(name, "APP_URL is not https: HighLevel calls no such address.", "Put a proxy with TLS in front.")
    if secure and not told.trusted_proxies:
        says = "TRUSTED_PROXIES is 0: behind a proxy all callers share one address, and one throttle of sign-ins."
        yield warn(name, says, "Set it to the number of proxies in front (docs/deploy.md).")
    if told.allow_private_hosts and not told.sandbox:
        says = "ALLOW_PRIVATE_HOSTS is on: addresses that tenants type may lead into your network."
        yield warn(name, says, "Unset it, unless a provider's API really is in there.")
    if not told.ghl_shared_secret:
        says = "GHL_SHARED_SECRET is not set: the custom page inside HighLevel cannot know who looks at it."
        yield warn(name, says, "Copy the Shared Secret from the app's Advanced Settings > Auth.")


def secrets(services: Services) -> Iterator[Finding]:
    """The start refuses missing and short ones; these are weak in other ways."""
    told, name = services.settings, "secrets"
    weak = False
    if len(set(told.secret_key)) < 12:
        weak = True
        remedy = "Generate one: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        yield warn(name, "SECRET_KEY repeats few characters.", remedy)
    if told.secret_key in told.encryption_keys:
        weak = True
        yield warn(name, "SECRET_KEY is one of ENCRYPTION_KEYS: one leak opens both.", "Use a key for each.")
    if told.metrics_token and len(told.metrics_token) < 16:
        weak = True
        yield warn(name, "METRICS_TOKEN is shorter than 16 characters.", "Use a longer one.")
    if not weak:
        yield ok(name, f"strong enough; {len(told.encryption_keys)} encryption key(s)")


def webhook_keys(services: Services) -> Iterator[Finding]:
    """Keys that do not parse stop the start; whose they are is another question."""
    told, name = services.settings, "webhook keys"
    own = DEFAULT_PUBLIC_KEY in told.ghl_public_keys
    if told.sandbox:
        yield ok(name, "the sandbox's")
    elif own:
        yield ok(name, "HighLevel's published key" + (" and others" if len(told.ghl_public_keys) > 1 else ""))
    else:
        says = f"{len(told.ghl_public_keys)} key(s), none of them HighLevel's published one."
        yield warn(name, says, "Unset GHL_WEBHOOK_PUBLIC_KEYS, unless HighLevel has announced a new key.")


def folders(services: Services) -> Iterator[Finding]:
    """Where the portal writes, and how much room there is."""
    told = services.settings
    places = {"INSTANCE_DIR": told.instance_dir, "SPOOL_DIR": told.spool_dir, "MEDIA_DIR": told.media_dir}
    if told.sqlite:
        places["DATABASE_URL"] = Path(told.database_url.removeprefix("sqlite:///")).parent
    for setting, folder in places.items():
        name = f"disk {setting}"
        if not folder.is_dir() or not _writable(folder):
            yield fault(name, f"{folder} cannot be written.", f"Make it writable for this user, or set {setting}.")
            continue
        free = shutil.disk_usage(folder).free
        says = f"{folder}, {free // MIB} MiB free"
        if free < NO_ROOM:
            yield fault(name, says, "Make room: webhooks are refused when neither database nor spool can grow.")
        elif free < LITTLE_ROOM:
            yield warn(name, says, "Make room soon.")
        else:
            yield ok(name, says)


def _writable(folder: Path) -> bool:
    probe = folder / ".doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def spool(services: Services) -> Iterator[Finding]:
    """What waits there, and what was set aside for a person."""
    name, kept = "spool", services.spool
    if kept.in_use():
        says = f"{kept.size()} bytes of webhooks wait for the database."
        yield warn(name, says, "They are replayed by themselves when it answers.")
    else:
        yield ok(name, "empty")
    aside = sorted(path.name for path in kept.folder.glob("*") if path.suffix in (".torn", ".refused"))
    if aside:
        says = f"{len(aside)} file(s) were set aside: {', '.join(aside[:3])}"
        yield warn(name, says, "Look at them, then move them away (docs/operations.md, Logs).")


def time_zones(services: Services) -> Iterator[Finding]:
    """Sub-accounts have time zones by name."""
    name, known = "time zones", zoneinfo.available_timezones()
    if "Asia/Manila" in known:
        yield ok(name, f"{len(known)} known")
    else:
        yield fault(name, "This machine knows no time zones.", "Install its tzdata package.")
