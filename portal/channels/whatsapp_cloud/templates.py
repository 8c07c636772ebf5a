"""The templates of an account, as Meta keeps them."""

from collections.abc import Mapping, Sequence
from typing import Any

from portal.channels.base import Account, ChannelError, Scope
from portal.channels.capabilities import Template
from portal.channels.values import block, blocks, identifier, text
from portal.channels.whatsapp_cloud.fields import account_id
from portal.channels.whatsapp_cloud.wire import pages, segment
from portal.http import HttpClient

FIELDS = "id,name,language,status,category,components,quality_score,rejected_reason"
PAGE = "100"
NO_ACCOUNT_YET = "The WhatsApp Business account of the number is not known: enter its ID (waba_id)."


def templates(http: HttpClient, account: Account) -> Sequence[Template]:
    """All of them, page by page. Raises `ChannelError` where that cannot be said."""
    if not account_id(account.credentials):
        raise ChannelError(NO_ACCOUNT_YET, code="no_account", scope=Scope.SENDER)
    path = f"{segment(account_id(account.credentials))}/message_templates"
    listed = pages(http, account, path, {"fields": FIELDS, "limit": PAGE})
    found = [_template(each) for each in listed if text(each.get("name")) and text(each.get("language"))]
    return list({(each.name, each.language): each for each in found}.values())


def _template(said: Mapping[str, Any]) -> Template:
    reason = text(said.get("rejected_reason"))
    score = said.get("quality_score")
    return Template(
        external_id=identifier(said.get("id")),
        name=text(said.get("name")),
        language=text(said.get("language")),
        category=text(said.get("category")).upper(),
        status=text(said.get("status")).upper(),
        components=blocks(said.get("components")),
        quality=(text(block(score).get("score")) or text(score)).upper(),
        detail="" if reason.upper() == "NONE" else reason[:300],
    )
