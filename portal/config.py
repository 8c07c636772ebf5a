"""Settings from the environment, checked as a whole: every fault is named with its remedy before anything starts."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from cryptography.fernet import Fernet

from portal import mail, sentry_dsn
from portal.environment import PLACEHOLDERS as PLACEHOLDERS
from portal.environment import ROOT as ROOT
from portal.environment import Reader
from portal.errors import SettingsError
from portal.ghl.billing import Meter, parse_meter
from portal.ghl.signature import DEFAULT_PUBLIC_KEY, parse_public_keys
from portal.media.s3 import Bucket, parse_bucket
from portal.sockets import is_public

ROLES = ("all", "web", "worker")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What follows the credentials of a database's address: a host, an IPv6 address in brackets, a port.
_SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^:\[\]/?]*)(?::\d{1,5})?(?:[/?].*)?", re.S)


@dataclass(frozen=True)
class Settings:
    """Every setting of the portal. Secrets never appear in its repr."""

    database_url: str
    app_url: str
    secret_key: str = field(repr=False)
    encryption_keys: tuple[str, ...] = field(repr=False)
    bind_host: str = "127.0.0.1"
    port: int = 8000
    web_processes: int = 1
    role: str = "all"
    sandbox: bool = False
    sandbox_port: int = 8001
    allow_private_hosts: bool = False
    trusted_proxies: int = 0
    ghl_client_id: str = ""
    ghl_client_secret: str = field(default="", repr=False)
    ghl_shared_secret: str = field(default="", repr=False)
    ghl_providers: Mapping[str, str] = field(default_factory=dict)
    ghl_api_url: str = "https://services.leadconnectorhq.com"
    ghl_public_keys: tuple[str, ...] = (DEFAULT_PUBLIC_KEY,)
    ghl_app_id: str = ""
    ghl_meter: Meter | None = None
    metrics_token: str = field(default="", repr=False)
    cast_admin_key: str = field(default="", repr=False)
    ghl_workflow_token: str = field(default="", repr=False)
    whatsapp_app_secret: str = field(default="", repr=False)
    whatsapp_webhook_token: str = field(default="", repr=False)
    whatsapp_graph_url: str = "https://graph.facebook.com/v26.0"
    whatsapp_first: Mapping[str, str] = field(default_factory=dict, repr=False)
    cast_first: Mapping[str, str] = field(default_factory=dict, repr=False)
    cast_api_url: str = ""
    spool_dir: Path = ROOT / "instance" / "spool"
    spool_max_bytes: int = 512 * 1024 * 1024
    media_dir: Path = ROOT / "instance" / "media"
    media_stores: tuple[Bucket | None, ...] = field(default=(), repr=False)
    media_max_bytes: int = 100 * 1000 * 1000
    media_retention_days: int = 0
    media_upload: bool = False
    instance_dir: Path = ROOT / "instance"
    retention_days: int = 90
    sentry_dsn: str = field(default="", repr=False)
    mail_server: mail.MailServer | None = field(default=None, repr=False)

    @property
    def sqlite(self) -> bool:
        """True on the embedded engine, which allows one process only."""
        return self.database_url.startswith("sqlite")

    @property
    def uploads_media(self) -> bool:
        """Are files given to HighLevel, rather than linked? They must be where its users cannot reach the portal."""
        return self.media_upload or not _public(urlsplit(self.app_url).hostname or "")

    @property
    def redirect_uri(self) -> str:
        """The address HighLevel sends the browser back to after consent."""
        return self.app_url.rstrip("/") + "/oauth/callback"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises `SettingsError` with one sentence per fault."""
    given = os.environ if environ is None else environ
    reader = Reader(given)
    sandbox = reader.flag("SANDBOX")
    instance = reader.folder("INSTANCE_DIR", ROOT / "instance")
    if sandbox:
        # The sandbox's own credentials and addresses are settings like any others, from a file of its own.
        reader.environ = {**_sandbox_settings(reader, instance), **given}
    bind_host = _bind_host(reader)
    port, sandbox_port = _ports(reader)
    if sandbox:
        _refuse_sandbox(reader, given, bind_host)
        if sandbox_port == port:
            reader.faults.append("SANDBOX_PORT is the portal's own port: set another, or leave it out.")
    client_id = reader.text("GHL_CLIENT_ID")
    settings = Settings(
        database_url=_database_url(reader, instance),
        app_url=_app_url(reader),
        secret_key=reader.secret("SECRET_KEY", 32, _MAKE_SECRET),
        encryption_keys=_encryption_keys(reader),
        ghl_client_id=client_id,
        ghl_client_secret=reader.secret("GHL_CLIENT_SECRET", 8, _COPY_SECRET),
        ghl_shared_secret=reader.optional("GHL_SHARED_SECRET", 8, _COPY_SHARED),
        ghl_providers=_providers(reader),
        ghl_api_url=_ghl_api_url(reader, sandbox=sandbox),
        ghl_public_keys=_public_keys(reader),
        ghl_app_id=reader.text("GHL_APP_ID", client_id.split("-", 1)[0]),
        ghl_meter=parse_meter(reader.text("GHL_METER_ID"), reader.faults),
        bind_host=bind_host,
        port=port,
        web_processes=reader.number("WEB_PROCESSES", 1, 1, 64),
        role=reader.text("PORTAL_ROLE", "all"),
        sandbox=sandbox,
        sandbox_port=sandbox_port,
        allow_private_hosts=reader.flag("ALLOW_PRIVATE_HOSTS"),
        trusted_proxies=reader.number("TRUSTED_PROXIES", 0, 0, 10),
        metrics_token=reader.text("METRICS_TOKEN"),
        cast_admin_key=reader.optional("CAST_ADMIN_KEY", 32, _MAKE_SECRET),
        ghl_workflow_token=reader.optional("GHL_WORKFLOW_TOKEN", 32, _MAKE_SECRET),
        whatsapp_app_secret=reader.optional("WHATSAPP_APP_SECRET", 8, _COPY_APP_SECRET),
        whatsapp_webhook_token=reader.optional("WHATSAPP_WEBHOOK_TOKEN", 8, _MAKE_SECRET),
        whatsapp_graph_url=_whatsapp_graph_url(reader),
        whatsapp_first=_whatsapp_first(reader),
        cast_first=_cast_first(reader),
        cast_api_url=_cast_api_url(reader),
        spool_dir=reader.folder("SPOOL_DIR", instance / "spool"),
        spool_max_bytes=reader.number("SPOOL_MAX_MB", 512, 1, 1_000_000) * 1024 * 1024,
        media_dir=reader.folder("MEDIA_DIR", instance / "media"),
        media_stores=_media_stores(reader),
        media_max_bytes=reader.number("MEDIA_MAX_MB", 100, 1, 2000) * 1000 * 1000,
        media_retention_days=reader.number("MEDIA_RETENTION_DAYS", 0, 0, 36500),
        media_upload=reader.flag("MEDIA_UPLOAD"),
        instance_dir=instance,
        retention_days=reader.number("RETENTION_DAYS", 90, 1, 3650),
        sentry_dsn=sentry_dsn.read(reader.text("SENTRY_DSN"), reader.faults),
        mail_server=mail.read(reader.text("SMTP_URL"), reader.text("SMTP_FROM"), reader.faults),
    )
    if not client_id:
        reader.faults.append("GHL_CLIENT_ID is missing: copy it from the app's Client Keys in HighLevel's marketplace.")
    _check_role(reader, settings)
    if reader.faults:
        raise SettingsError(reader.faults)
    return settings


def is_on(environ: Mapping[str, str], name: str) -> bool:
    """Is this switch on? As `load` reads it, for those who must know before."""
    return Reader(environ).flag(name)


def ports(environ: Mapping[str, str]) -> tuple[int, int]:
    """The portal's port and the sandbox's, their defaults in place of what is none: `load` names the fault."""
    return _ports(Reader(environ))


def _ports(reader: Reader) -> tuple[int, int]:
    port = reader.number("PORT", 8000, 1, 65535)
    return port, reader.number("SANDBOX_PORT", port + 1 if port < 65535 else 8001, 1, 65535)


def _bind_host(reader: Reader) -> str:
    host = reader.text("BIND_HOST", "127.0.0.1")
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        reader.faults.append(
            "BIND_HOST is not an IP address: set one of this machine, 0.0.0.0 for all, or leave it out."
        )
        return host


def _database_url(reader: Reader, instance: Path) -> str:
    url = reader.text("DATABASE_URL") or f"sqlite:///{instance / 'portal.db'}"
    if url.startswith(("postgres://", "postgresql://", "postgresql+psycopg://")):
        where = url.split("://", 1)[1]
        if not _SERVER.fullmatch(where.rpartition("@")[2]):
            reader.faults.append("DATABASE_URL names no host and port that can be read: correct it.")
        return f"postgresql+psycopg://{where}"
    if url.startswith("sqlite:////"):
        return url
    if url.startswith("sqlite:///") and url != "sqlite:///:memory:" and len(url) > len("sqlite:///"):
        return f"sqlite:///{ROOT / url.removeprefix('sqlite:///')}"
    reader.faults.append("DATABASE_URL must start with postgresql:// or sqlite:/// and name a file: correct it.")
    return url


_MAKE_SECRET = "generate one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
_COPY_SECRET = "copy it from the app's Client Keys in HighLevel's marketplace."


def _app_url(reader: Reader) -> str:
    app_url = reader.text("APP_URL").rstrip("/")
    if not app_url:
        reader.faults.append(
            "APP_URL is missing: set it to the public address of this portal, like https://sms.example.com"
        )
    elif _address(app_url) is None:
        reader.faults.append("APP_URL is not an http(s) address: set it to the public address of this portal.")
    return app_url


def _ghl_api_url(reader: Reader, *, sandbox: bool) -> str:
    url = reader.text("GHL_API_URL", Settings.ghl_api_url).rstrip("/")
    address = _address(url)
    if address is None:
        reader.faults.append("GHL_API_URL is not an http(s) address: correct it or leave it out.")
    elif sandbox and address.hostname not in LOOPBACK:
        reader.faults.append("GHL_API_URL is not the sandbox's: unset it, or unset SANDBOX to run for real.")
    return url


def _address(url: str) -> SplitResult | None:
    """The parts of an http(s) address without credentials or query; None for anything else."""
    try:
        parts = urlsplit(url)
        readable = parts.port is None or parts.port > 0
    except ValueError:
        return None
    good = parts.scheme in ("http", "https") and bool(parts.hostname) and readable
    plain = not set(url) & set(' \t\r\n@?#\\<>"')
    return parts if good and plain else None


_COPY_SHARED = "copy the Shared Secret from the app's Advanced Settings > Auth."
_COPY_APP_SECRET = "copy it from the Meta app's Settings > Basic."


def _whatsapp_graph_url(reader: Reader) -> str:
    url = reader.text("WHATSAPP_GRAPH_URL", Settings.whatsapp_graph_url).rstrip("/")
    if _address(url) is None:
        reader.faults.append("WHATSAPP_GRAPH_URL is not an http(s) address: correct it or leave it out.")
    return url


def _whatsapp_first(reader: Reader) -> dict[str, str]:
    """The credentials of a first WhatsApp Cloud sender, as far as they are set."""
    found = {
        "access_token": reader.optional("WHATSAPP_TOKEN", 8, "copy a system user's token from Meta."),
        "phone_number_id": reader.text("WHATSAPP_PHONE_NUMBER_ID"),
        "waba_id": reader.text("WHATSAPP_WABA_ID"),
    }
    return {name: value for name, value in found.items() if value}


def _cast_first(reader: Reader) -> dict[str, str]:
    """The same of Cast senders: the account that all of the Cast plugin's sub-accounts wrote from."""
    found = {
        "api_key": reader.optional("CAST_API_KEY", 8, "copy the key from Cast's dashboard: it starts with cast_."),
        "sender_id": reader.text("CAST_SENDER_ID"),
    }
    return {name: value for name, value in found.items() if value}


def _cast_api_url(reader: Reader) -> str:
    url = reader.text("CAST_API_URL").rstrip("/")
    if url and _address(url) is None:
        reader.faults.append("CAST_API_URL is not an http(s) address: correct it or leave it out.")
    return url


def _encryption_keys(reader: Reader) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in reader.text("ENCRYPTION_KEYS").split(",") if key.strip())
    remedy = (
        "generate one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
    )
    if not keys:
        reader.faults.append(f"ENCRYPTION_KEYS is missing: {remedy}")
    for place, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            reader.faults.append(f"ENCRYPTION_KEYS: key {place} is not a Fernet key: {remedy}")
    return keys


def _providers(reader: Reader) -> dict[str, str]:
    """Conversation provider id → "sms" (replaces the location's default SMS) or "custom" (an extra channel)."""
    providers: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in reader.text("GHL_CONVERSATION_PROVIDER_ID").split(","))):
        provider, _, kind = entry.partition(":")
        if kind not in ("", "sms", "custom"):
            reader.faults.append("GHL_CONVERSATION_PROVIDER_ID: after the colon comes sms or custom: correct it.")
        if not provider:
            reader.faults.append("GHL_CONVERSATION_PROVIDER_ID: an id is missing before the colon: correct it.")
        providers[provider] = kind or "sms"
    if not providers:
        reader.faults.append(
            "GHL_CONVERSATION_PROVIDER_ID is missing: copy the id from the app's Conversation Providers."
        )
    return providers


def _public_keys(reader: Reader) -> tuple[str, ...]:
    try:
        return parse_public_keys(reader.text("GHL_WEBHOOK_PUBLIC_KEYS", DEFAULT_PUBLIC_KEY))
    except ValueError as error:
        reader.faults.append(f"GHL_WEBHOOK_PUBLIC_KEYS: {error}")
        return ()


def _media_stores(reader: Reader) -> tuple[Bucket | None, ...]:
    """The buckets, None for the folder, in their order: the first takes new files, all give back what they have."""
    found: list[Bucket | None] = []
    for place, entry in enumerate(reader.text("MEDIA_S3").split(), start=1):
        try:
            found.append(None if entry == "folder" else parse_bucket(entry))
        except ValueError as error:
            reader.faults.append(f"MEDIA_S3: address {place}: {error}.")
    return tuple(found)


def _public(host: str) -> bool:
    """May others reach this host? Of a name nobody can say, so it counts as public unless it says otherwise."""
    try:
        return is_public(host)
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".local", ".internal", ".test"))


def sandbox_file(instance: Path) -> Path:
    """Where the sandbox keeps its settings, one NAME=value a line."""
    return instance / "sandbox.env"


def _sandbox_settings(reader: Reader, instance: Path) -> dict[str, str]:
    try:
        lines = sandbox_file(instance).read_text(encoding="utf-8").splitlines()
    except OSError:
        reader.faults.append("SANDBOX is on, and the sandbox has never run here: start it with make run.")
        return {}
    return {name: value for name, _, value in (line.partition("=") for line in lines) if value}


def _refuse_sandbox(reader: Reader, given: Mapping[str, str], bind_host: str) -> None:
    credentials = ("GHL_CLIENT_ID", "GHL_CLIENT_SECRET")
    if any(given.get(name) or given.get(f"{name}_FILE") for name in credentials):
        reader.faults.append("SANDBOX is on beside GHL credentials: unset SANDBOX to run for real, or the credentials.")
    address = _address(reader.text("APP_URL"))
    if address is None or address.hostname not in LOOPBACK or bind_host not in LOOPBACK:
        reader.faults.append("SANDBOX works on loopback only: unset APP_URL and BIND_HOST, or unset SANDBOX.")


def _check_role(reader: Reader, settings: Settings) -> None:
    if settings.role not in ROLES:
        reader.faults.append("PORTAL_ROLE must be all, web or worker: correct it.")
    elif settings.sqlite and (settings.role != "all" or settings.web_processes > 1):
        reader.faults.append(
            "SQLite allows one process only: set DATABASE_URL to PostgreSQL for the roles web and worker"
            " and for WEB_PROCESSES above 1."
        )
