"""One call to an account's API, and what its refusals mean."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from portal.channels import calling
from portal.channels.base import Account
from portal.channels.calling import said_object
from portal.channels.refusals import invalid, refuse
from portal.channels.twilio.codes import ERRORS, NAME, REFUSED_FOR
from portal.channels.values import text
from portal.http import HttpClient, Response

PUBLIC_URL = "https://api.twilio.com"
VERSION = "2010-04-01"
_CODE = re.compile(r"[0-9]{3,6}", re.ASCII)


def call(
    http: HttpClient, account: Account, path: str, form: Sequence[tuple[str, str]] | None = None, *, sends: bool = False
) -> Response:
    """GET, or POST of a form. `path` follows the account's own. Raises `ChannelError` when there is no whole answer."""
    sid = quote(account.credentials.get("account_sid", ""), safe="")
    url = f"{calling.base(account, PUBLIC_URL)}/{VERSION}/Accounts/{sid}{path}.json"
    headers = dict(authorization(account.credentials))
    data = None
    if form is not None:
        data = urlencode(form, errors="replace")
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return calling.call(http, account, "GET" if form is None else "POST", url, sends=sends, headers=headers, data=data)


def authorization(credentials: Mapping[str, str]) -> Mapping[str, str]:
    """Basic, with the account and its token."""
    pair = f"{credentials.get('account_sid', '')}:{credentials.get('auth_token', '')}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def ask(http: HttpClient, account: Account, path: str) -> Mapping[str, Any]:
    """A GET's answer. Raises `ChannelError` for anything but success."""
    answer = call(http, account, path)
    said = said_object(answer)
    if answer.status != 200 or not said:
        refused(answer, sends=False)
    return said


def code_of(answer: Response) -> str:
    """Twilio's own code of an error, "" where the answer has none."""
    found = text(said_object(answer).get("code"))
    return found if _CODE.fullmatch(found) else ""


def refused(answer: Response, *, sends: bool) -> NoReturn:
    """Raises what the answer means. A code in a 5xx does not say whether the message was taken."""
    code = code_of(answer)
    known = ERRORS.get(code) if answer.status < 500 else None
    if known is None and code and answer.status == 400:
        known = invalid(REFUSED_FOR.format(code=code))
    refuse(NAME, answer, code, known, sends=sends)
