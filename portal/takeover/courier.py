"""courier's table `channels_channel` (PostgreSQL, RapidPro's): a channel becomes a sender, its uuid the sender's key.

`config` is a JSON object; the names in it are those of courier's handlers. Which sub-account an organisation is, the
export has to say.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from portal.channels import registry
from portal.takeover import courier_external
from portal.takeover.exports import Line, Unusable
from portal.takeover.wishes import Given, Left, SenderWish, Wish

NATIONAL = "It wrote numbers as they are dialled in their country; here they have their country's code."

# What a handler's channel is here: credentials, API address, and a word for the report.
Made = tuple[dict[str, str], str, str]


@dataclass(frozen=True, slots=True)
class _Type:
    """A channel type that both know: our channel, and its credentials out of the row and its `config`."""

    channel: str
    make: Callable[[Line, Line], Made]


def wishes(line: Line, given: Given) -> Iterator[Wish | Left]:
    """Its sender. Raises `Unusable`."""
    code = line.text("channel_type", "type").upper()
    if not code:
        raise Unusable("A channel has a channel_type.")
    if not line.flag("is_active", True):
        raise Unusable("It was turned off there.")
    known = TYPES.get(code)
    if known is None:
        raise Unusable(f"This portal has no channel for the type {code[:8]}.")
    place = line.place(given.location, "location")
    credentials, api_url, note = known.make(line, line.table("config"))
    fields = frozenset(field.name for field in registry.get(known.channel).fields)
    filled = given.fill(fields, credentials)
    name = line.text("name") or f"{registry.get(known.channel).name} {line.text('address')}".strip()
    new = given.sender(known.channel, name, filled, api_url)
    # Meta's webhook is one for all numbers: its channels have no address of their own.
    yield SenderWish(place, new, "" if known.channel == "whatsapp_cloud" else line.text("uuid"), note)


def _africastalking(line: Line, config: Line) -> Made:
    shared = config.flag("is_shared", False)
    username = config.text("username")
    return {"username": username, "api_key": config.text("api_key"), "from": "" if shared else _number(line)}, "", ""


def _clickatell(line: Line, config: Line) -> Made:
    return {"api_key": config.text("api_key"), "from": _number(line)}, "", ""


def _globe(line: Line, config: Line) -> Made:
    names = ("app_id", "app_secret", "passphrase")
    return {name: config.text(name) for name in names} | {"shortcode": _number(line)}, "", ""


def _infobip(line: Line, config: Line) -> Made:
    if not config.text("api_key") and config.text("username"):
        raise Unusable("It signs in with a user name: make an API key at Infobip, and give --set api_key=…")
    return {"api_key": config.text("api_key"), "from": _number(line)}, config.text("base_url"), ""


def _kannel(line: Line, config: Line) -> Made:
    return _gateway(line, config, "kannel", "/cgi-bin/sendsms")


def _jasmin(line: Line, config: Line) -> Made:
    return _gateway(line, config, "jasmin", "/send")


def _gateway(line: Line, config: Line, dialect: str, path: str) -> Made:
    url = config.text("send_url").rstrip("/")
    if not url.endswith(path):
        raise Unusable(f"Its send_url does not end in {path}: add this sender by hand.")
    credentials = {
        "username": config.text("username"),
        "password": config.text("password"),
        "from": line.text("address"),
        "dialect": dialect,
        "numbers": "plus" if dialect == "kannel" else "digits",
    }
    return credentials, url.removesuffix(path), NATIONAL if config.flag("use_national", False) else ""


def _vonage(line: Line, config: Line) -> Made:
    credentials = {
        "api_key": config.text("nexmo_api_key", "api_key"),
        "api_secret": config.text("nexmo_api_secret", "api_secret"),
        "from": _number(line),
        "signature": "none",
    }
    return credentials, "", "courier checked no signature: set signature_secret where Vonage signs."


def _twilio(line: Line, config: Line) -> Made:
    credentials = {
        "account_sid": config.text("account_sid"),
        "auth_token": config.text("auth_token"),
        "messaging_service_sid": config.text("messaging_service_sid"),
    }
    if not credentials["messaging_service_sid"]:
        credentials["from"] = line.text("address")
    url = urlsplit(config.text("send_url"))
    return credentials, f"{url.scheme}://{url.netloc}" if url.netloc else "", ""


def _cloud(line: Line, config: Line) -> Made:
    credentials = {"phone_number_id": line.text("address"), "waba_id": config.text("wa_waba_id")}
    token = config.text("auth_token")
    return credentials | ({"access_token": token} if token else {}), "", ""


def _external(line: Line, config: Line) -> Made:
    return courier_external.credentials(line, config), "", courier_external.note(config)


def _number(line: Line) -> str:
    return line.text("address")


TYPES: Mapping[str, _Type] = {
    "AT": _Type("africastalking", _africastalking),
    "CT": _Type("clickatell", _clickatell),
    "EX": _Type("generic_http", _external),
    "GL": _Type("globe", _globe),
    "IB": _Type("infobip", _infobip),
    "JS": _Type("kannel", _jasmin),
    "KN": _Type("kannel", _kannel),
    "NX": _Type("vonage", _vonage),
    "T": _Type("twilio", _twilio),
    "TMS": _Type("twilio", _twilio),
    "TW": _Type("twilio", _twilio),
    "WAC": _Type("whatsapp_cloud", _cloud),
}
