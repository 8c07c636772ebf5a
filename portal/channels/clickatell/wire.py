"""Calls to Clickatell's One API, and what its refusals mean: `error` of a message, or of the whole answer."""

from collections.abc import Mapping
from typing import Any, NoReturn

from portal.channels import calling
from portal.channels.base import Account
from portal.channels.calling import said_object
from portal.channels.clickatell.codes import ERRORS, NAME, REFUSED_FOR
from portal.channels.refusals import Refusal, invalid, refuse
from portal.channels.values import block, blocks, text
from portal.http import HttpClient, Response

PUBLIC_URL = "https://platform.clickatell.com"
# 207: some messages of a call were taken, some refused. Ours holds one.
ANSWERED = (200, 201, 202, 207)
# The one that says of a 5xx that nothing was taken.
AGAIN = "19"


def call(http: HttpClient, account: Account, path: str, *, json: Any = None) -> Response:
    """POST of JSON, which sends, or GET. Raises `ChannelError` when there is no whole answer.

    The key stands in the header as it is, without a word before it.
    """
    headers = {"Authorization": account.credentials.get("api_key", ""), "Accept": "application/json"}
    url = f"{calling.base(account, PUBLIC_URL)}{path}"
    method = "GET" if json is None else "POST"
    return calling.call(http, account, method, url, sends=json is not None, headers=headers, json=json)


def taken(answer: Response) -> Mapping[str, Any]:
    """The one message that Clickatell has taken. Raises `ChannelError` for everything else."""
    told = blocks(said_object(answer).get("messages"))
    if answer.status not in ANSWERED or not told or told[0].get("accepted") is False or code_of(told[0]):
        refused(answer, sends=True)
    return told[0]


def code_of(said: Mapping[str, Any]) -> str:
    """The code of an error, "" where there is none."""
    return text(block(said.get("error")).get("code"))[:10]


def refused(answer: Response, *, sends: bool) -> NoReturn:
    """Raises what the answer means. A code in a 5xx does not say whether the message was taken, but for one."""
    said = said_object(answer)
    first = next(iter(blocks(said.get("messages"))), {})
    code = code_of(first) or code_of(said) or text(said.get("code"))[:10]
    refuse(NAME, answer, code, _meaning(answer.status, code, first), sends=sends)


def _meaning(status: int, code: str, message: Mapping[str, Any]) -> Refusal | None:
    if status >= 500 and code != AGAIN:
        return None
    if code in ERRORS:
        return ERRORS[code]
    lost = status in (*ANSWERED, 400)
    if code and lost:
        return invalid(REFUSED_FOR.format(code=code))
    # Not taken, and it does not say why.
    return invalid(f"{NAME} refused it and gives no reason.") if lost and message.get("accepted") is False else None
