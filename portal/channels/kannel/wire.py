"""The calls to a gateway: what is asked, and what its answers mean."""

import re
from collections.abc import Mapping, Sequence
from math import floor
from typing import NoReturn
from urllib.parse import urlencode

from portal.channels import calling
from portal.channels.alphabet import fits, is_gsm7, ucs2
from portal.channels.base import Accepted, Account, ChannelError, Outgoing, Probe
from portal.channels.callbacks import status_url
from portal.channels.calling import said_object
from portal.channels.capabilities import Balance
from portal.channels.kannel import fields
from portal.channels.kannel.codes import NAMES, NO_ADDRESS, NO_ENTRY, REFUSALS, TOO_LONG
from portal.channels.kannel.fields import JASMIN, PATHS, dialect
from portal.channels.outgoing import with_links
from portal.channels.refusals import Refusal, by_status, invalid, refuse
from portal.channels.setup import API_URL, blamed
from portal.channels.values import identifier, number, text
from portal.http import HttpClient, Response

# Delivered, not delivered, taken by the carrier, refused by the carrier (1 + 2 + 8 + 16).
REPORTS_WANTED = "27"
# The one 5xx in which both gateways say that they took nothing.
AWAY = 503
# Kannel fills these in: the report, the carrier's own words and id, the time.
REPORT = "dlr=%d&reply=%A&foreign=%F&at=%T"
_KANNEL_TOOK = re.compile(r"(?:0: |3: |Sent\.)")
_SPLITS = re.compile(r"Message splits: ([0-9]{1,3})", re.ASCII)
_JASMIN_TOOK = re.compile(r'Success "([^"]{1,200})"')
# Jasmin has looked at the password by then: the user alone may not see the balance.
_NO_LOOK = "cannot check balance"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Pairs = Sequence[tuple[str, str | bytes]]


def send(http: HttpClient, account: Account, part: Outgoing) -> Accepted:
    """One call. Kannel gives no id: our key, which its reports bring back, is the id then."""
    body = with_links(part)
    if not fits(body, parts := fields.most_parts(account.credentials)):
        raise invalid(TOO_LONG.format(parts=parts)).error("too_long")
    if dialect(account.credentials) == JASMIN:
        return _by_jasmin(http, account, part, body)
    answer = _call(http, account, _kannel_form(account, part, body), sends=True)
    said = _words(answer)
    if answer.status not in (200, 202) or not _KANNEL_TOOK.match(said):
        refused(account, answer, sends=True)
    splits = _SPLITS.search(said)
    return Accepted(part.idempotency_key, int(splits[1]) if splits else 0, code=said[:40])


def probe(http: HttpClient, account: Account) -> Probe:
    """Jasmin is asked for the balance; Kannel for a message to nobody, which it refuses after the password."""
    name = NAMES[dialect(account.credentials)]
    if not account.api_url:
        return Probe(False, NO_ADDRESS.sentence, field=API_URL)
    if dialect(account.credentials) == JASMIN:
        answer = _ask_balance(http, account)
        known = (answer.status == 200 and "balance" in said_object(answer)) or _NO_LOOK in _words(answer).lower()
        facts = {"balance": text(said_object(answer).get("balance"))[:20]} if known else {}
    else:
        answer = _call(http, account, _login(account), sends=False)
        known, facts = answer.status == 400 and "receiver" in _words(answer).lower(), {}
    if known:
        return Probe(True, f"{name} knows the user.", facts)
    if answer.status in (400, 401, 403, 404):
        found = _meaning(account, answer)
        field = "password" if found and found[0] in NO_ENTRY else blamed(answer.status, "password")
        return Probe(False, (found[1] if found else by_status(name, answer.status)).sentence, field=field)
    refused(account, answer, sends=False)


def balance(http: HttpClient, account: Account) -> Balance:
    """Jasmin's, rounded down; a user without a limit is postpaid. Raises `ChannelError`, for Kannel always."""
    if dialect(account.credentials) != JASMIN:
        raise ChannelError("Kannel keeps no accounts: there is no balance to read.", code="no_balance")
    answer = _ask_balance(http, account)
    if answer.status != 200:
        refused(account, answer, sends=False)
    found = said_object(answer).get("balance")
    if found == "ND":
        return Balance(0, postpaid=True)
    if (left := number(found)) is None:
        raise ChannelError("Jasmin's answer holds no balance.", code="no_balance")
    return Balance(floor(left))


def refused(account: Account, answer: Response, *, sends: bool) -> NoReturn:
    """Raises what the answer means. What stands in a 5xx does not say whether the message was taken, but for a 503."""
    code, known = _meaning(account, answer) or ("", None)
    refuse(NAMES[dialect(account.credentials)], answer, code, known, sends=sends)


def _by_jasmin(http: HttpClient, account: Account, part: Outgoing, body: str) -> Accepted:
    answer = _call(http, account, _jasmin_form(account, part, body), sends=True)
    took = _JASMIN_TOOK.match(_words(answer))
    found = identifier(took[1]) if took else ""
    if answer.status != 200 or not found:
        refused(account, answer, sends=True)
    return Accepted(found)


def _login(account: Account) -> Pairs:
    return [(name, account.credentials.get(name, "")) for name in ("username", "password")]


def _kannel_form(account: Account, part: Outgoing, body: str) -> Pairs:
    known = account.credentials
    form = [*_login(account), ("from", known.get("from", "")), ("to", fields.number(known, part.to))]
    # Both are said always: older Kannels take Latin-1 for granted, newer ones UTF-8.
    form += (
        [("coding", "0"), ("charset", "UTF-8"), ("text", body)]
        if is_gsm7(body)
        else [("coding", "2"), ("charset", "UTF-16BE"), ("text", ucs2(body))]
    )
    form += _more(known, smsc="smsc", validity="validity")
    if reports := status_url(account, part, REPORT):
        form += [("dlr-mask", REPORTS_WANTED), ("dlr-url", reports)]
    return form


def _jasmin_form(account: Account, part: Outgoing, body: str) -> Pairs:
    known = account.credentials
    form = [*_login(account), ("from", known.get("from", "")), ("to", fields.number(known, part.to))]
    form += [("coding", "0"), ("content", body)] if is_gsm7(body) else [("coding", "8"), ("hex-content", _hex(body))]
    form += _more(known, smsc="tags", validity="validity-period")
    if reports := status_url(account, part):
        form += [("dlr", "yes"), ("dlr-level", "3"), ("dlr-method", "GET"), ("dlr-url", reports)]
    return form


def _hex(body: str) -> str:
    return ucs2(body).hex()


def _more(known: Mapping[str, str], **names: str) -> Pairs:
    return [(theirs, known[ours]) for ours, theirs in names.items() if known.get(ours)]


def _call(http: HttpClient, account: Account, form: Pairs, *, sends: bool) -> Response:
    """Kannel reads a form from the address alone (`smsbox.c`); Jasmin's goes into the body, which no log keeps."""
    if not account.api_url:
        raise NO_ADDRESS.error("no_address")
    kind = dialect(account.credentials)
    url, encoded = fields.address(account, PATHS[kind]), urlencode(form, errors="replace")
    if kind == JASMIN:
        return calling.call(http, account, "POST", url, sends=sends, headers=_FORM, data=encoded)
    return calling.call(http, account, "GET", f"{url}?{encoded}", sends=sends)


def _ask_balance(http: HttpClient, account: Account) -> Response:
    if not account.api_url:
        raise NO_ADDRESS.error("no_address")
    url = f"{fields.address(account, fields.BALANCE)}?{urlencode(_login(account), errors='replace')}"
    return calling.call(http, account, "GET", url, sends=False)


def _words(answer: Response) -> str:
    return answer.body[:2000].decode("utf-8", "replace").strip()


def _meaning(account: Account, answer: Response) -> tuple[str, Refusal] | None:
    if answer.status < 400 or (answer.status >= 500 and answer.status != AWAY):
        return None
    said = _words(answer).lower()
    table = REFUSALS[dialect(account.credentials)]
    found = next(((code, meaning) for words, code, meaning in table if words in said), None)
    # The other words in a 503 may be those of a proxy's page.
    return None if found and answer.status == AWAY and found[1].retry_after is None else found
