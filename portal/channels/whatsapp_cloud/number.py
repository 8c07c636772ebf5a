"""The number behind a sender: how it stands at Meta, and whether the credentials fit together."""

from collections.abc import Mapping
from typing import Any

from portal.channels.base import Account, ChannelError, Line, LineState, Probe, Scope
from portal.channels.values import block, text
from portal.channels.whatsapp_cloud.account import find, has_number, refusal_is_an_answer
from portal.channels.whatsapp_cloud.addresses import phone
from portal.channels.whatsapp_cloud.codes import NO_ACCOUNT
from portal.channels.whatsapp_cloud.fields import account_id, number_id, own_app
from portal.channels.whatsapp_cloud.states import STATES, WARNINGS
from portal.channels.whatsapp_cloud.wire import ask, segment
from portal.http import HttpClient

Data = Mapping[str, Any]

LINE_FIELDS = "display_phone_number,status,quality_rating,is_on_biz_app"
FACTS = (
    "display_phone_number,verified_name,quality_rating,code_verification_status,status,throughput,"
    "messaging_limit_tier,platform_type,is_on_biz_app"
)
# Messages a second, in and out (Meta, "Throughput"; numbers that are in the app too have no more).
PACE, PHONE_PACE = 80.0, 20.0
NO_VERIFY_TOKEN = "An app of the sender's own needs both: the app secret and the verify token."
NO_ACCOUNT_FOUND = (
    "Meta does not tell which WhatsApp Business account it belongs to: it sends and receives, but knows no templates "
    "until that account's ID is entered."
)


def line(http: HttpClient, account: Account) -> Line:
    """How the number stands, and its digits. Raises `ChannelError`."""
    return _line(_asked(http, account, LINE_FIELDS))


def probe(http: HttpClient, account: Account) -> Probe:
    """Does the token know the number and its account, and do the two belong together? A refusal is an answer."""
    if (secret := own_app(account.credentials)) and any(secret) and not all(secret):
        return Probe(False, NO_VERIFY_TOKEN, field="app_secret" if secret[1] else "verify_token")
    facts: dict[str, str] = {}
    try:
        said = _asked(http, account, FACTS)
        facts = _facts(said)
        above = account_id(account.credentials)
        belongs = has_number(http, account, above) if above else True
        found_above = above or find(http, account)
    except ChannelError as error:
        if not refusal_is_an_answer(error):
            raise
        # What is known of the number by then was told with this token: it is the account's ID that is wrong.
        wrong_account = bool(facts) and error.code == "100"
        return Probe(False, NO_ACCOUNT if wrong_account else error.message, facts, _blamed(error, wrong_account))
    if not belongs:
        text_ = "The number belongs to another WhatsApp Business account: correct the account's ID, or the number's."
        return Probe(False, text_, facts, "waba_id")
    found = _line(said)
    known = f"Meta knows the number {found.address or ''} ({facts.get('name', 'without a name')})."
    if found.state in (LineState.GONE, LineState.BLOCKED):
        return Probe(False, found.detail, facts)
    words = known, found.detail, WARNINGS.get(found.code, ""), "" if found_above else NO_ACCOUNT_FOUND
    told = {"account": found_above} if found_above and not above else {}
    return Probe(True, " ".join(filter(None, words)), facts | told)


def _blamed(error: ChannelError, wrong_account: bool) -> str:
    """190 speaks of the token, 100 and 33 of an id that it does not open (Graph API, error codes)."""
    if wrong_account:
        return "waba_id"
    return {"190": "access_token", "401": "access_token", "100": "phone_number_id"}.get(error.code, "")


def _asked(http: HttpClient, account: Account, fields: str) -> Data:
    return ask(http, account, segment(number_id(account.credentials)), params={"fields": fields})


def _line(said: Data) -> Line:
    """A number of which no status is told works, as far as Meta says. Raises `ChannelError` for an unknown word."""
    word = text(said.get("status")) or "CONNECTED"
    if word not in STATES:
        raise ChannelError(
            f"Meta tells a state of the number that is not known here: {word[:40]!r}.",
            code="unknown_state",
            scope=Scope.SENDER,
            retry=True,
        )
    state, sentence = STATES[word]
    return Line(state, word, sentence, phone(said.get("display_phone_number")), _pace(said))


def _pace(said: Data) -> float | None:
    """None where Meta does not tell whether the number is in the WhatsApp Business app too."""
    both = said.get("is_on_biz_app")
    return (PHONE_PACE if both else PACE) if isinstance(both, bool) else None


def _facts(said: Data) -> dict[str, str]:
    """What Meta tells, under our names, where it tells it."""
    both = said.get("is_on_biz_app") is True
    beside = f"{PHONE_PACE:.0f} a second: the number is in the WhatsApp Business app too"
    told = {
        "number": phone(said.get("display_phone_number")),
        "name": text(said.get("verified_name"))[:120],
        "state": text(said.get("status")),
        "quality": text(said.get("quality_rating")),
        "verification": text(said.get("code_verification_status")),
        "limit": text(said.get("messaging_limit_tier")),
        "throughput": text(block(said.get("throughput")).get("level")),
        "platform": text(said.get("platform_type")),
        "pace": beside if both else f"{PACE:.0f} a second",
    }
    return {name: value[:120] for name, value in told.items() if value}
