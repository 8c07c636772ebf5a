"""Calls to Infobip's API, and what its refusals mean: by HTTP status, or with 200 and a status in the body."""

from collections.abc import Mapping
from typing import Any, NoReturn

from portal.channels import calling
from portal.channels.base import Account
from portal.channels.calling import said_object
from portal.channels.infobip.codes import (
    ERRORS,
    EXCEPTIONS,
    GROUPS,
    NAME,
    REFUSED_FOR,
    TAKEN,
    UNREAD,
    VIOLATIONS,
)
from portal.channels.refusals import Refusal, invalid, refuse
from portal.channels.values import block, blocks, number, text
from portal.http import HttpClient, Response

# Each account has an address of its own, `<code>.api.infobip.com`, which a sender's `api_url` names.
PUBLIC_URL = "https://api.infobip.com"


def call(
    http: HttpClient, account: Account, path: str, *, json: Any = None, params: Mapping[str, str] | None = None
) -> Response:
    """POST of JSON, which sends, or GET. Raises `ChannelError` when there is no whole answer."""
    headers = {"Authorization": f"App {account.credentials.get('api_key', '')}", "Accept": "application/json"}
    url = f"{calling.base(account, PUBLIC_URL)}{path}"
    method = "GET" if json is None else "POST"
    return calling.call(
        http, account, method, url, sends=json is not None, headers=headers, json=json, params=params or None
    )


def ask(http: HttpClient, account: Account, path: str, params: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    """A GET's answer. Raises `ChannelError` for anything but success."""
    answer = call(http, account, path, params=params)
    said = said_object(answer)
    if answer.status != 200 or not said:
        refused(answer, sends=False)
    return said


def taken(answer: Response) -> Mapping[str, Any]:
    """The one message that Infobip has taken. Raises `ChannelError` for everything else."""
    told = blocks(said_object(answer).get("messages"))
    if answer.status not in (200, 201, 202) or not told:
        refused(answer, sends=True)
    status = block(told[0].get("status"))
    if group_of(status) in TAKEN:
        return told[0]
    refused(answer, sends=True, status=status)


def group_of(status: Mapping[str, Any]) -> int | None:
    """The group of a status by its number or by its name, None for one that nobody knows."""
    found = number(status.get("groupId"))
    if found is None:
        return GROUPS.get(text(status.get("groupName")).upper())
    return int(found) if found in GROUPS.values() else None


def id_of(status: Mapping[str, Any]) -> int:
    """The status itself, 0 for none."""
    return int(number(status.get("id")) or 0)


def refused(answer: Response, *, sends: bool, status: Mapping[str, Any] | None = None) -> NoReturn:
    """Raises what the answer means. What a 5xx says does not tell whether the message was taken."""
    if status is not None:
        found = id_of(status)
        # Of a group that nobody knows it cannot be said whether it went out.
        lost = invalid(REFUSED_FOR.format(code=found)) if group_of(status) is not None else None
        refuse(NAME, answer, str(found or ""), ERRORS.get(found) or lost, sends=sends)
    said = said_object(answer)
    code = text(said.get("errorCode")) or text(_exception(said).get("messageId"))
    refuse(NAME, answer, code[:60], _meaning(answer, said) if answer.status < 500 else None, sends=sends)


def _meaning(answer: Response, said: Mapping[str, Any]) -> Refusal | None:
    if answer.status == 401:
        return EXCEPTIONS["UNAUTHORIZED"]
    if answer.status == 403:
        return EXCEPTIONS["FORBIDDEN"]
    if known := EXCEPTIONS.get(text(_exception(said).get("messageId"))):
        return known
    if answer.status != 400:
        return None
    named = " ".join(text(each.get("property")) for each in blocks(said.get("violations")))
    return next((meaning for word, meaning in VIOLATIONS if word in named), UNREAD)


def _exception(said: Mapping[str, Any]) -> Mapping[str, Any]:
    return block(block(said.get("requestError")).get("serviceException"))
