"""What Graph tells of numbers, accounts and lists: the `fields` that are asked for, page by page."""

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import request

from portal.sandbox.context import sandbox
from portal.sandbox.whatsapp_cloud.errors import GraphError
from portal.sandbox.whatsapp_cloud.numbers import Account, Body, Number

NUMBER_TYPE = "WhatsAppBusinessPhoneNumber"
# What is told when no `fields` are asked for.
NUMBER_FIELDS = (
    "verified_name",
    "code_verification_status",
    "display_phone_number",
    "quality_rating",
    "platform_type",
    "throughput",
    "webhook_configuration",
    "id",
)
TEMPLATE_FIELDS = ("name", "parameter_format", "components", "language", "status", "category", "id")
FILTERS = ("name", "status", "language", "category")
PAGE, MOST = 25, 100


def missing(node: str) -> GraphError:
    """What is not there, or belongs to somebody else: Graph does not tell which."""
    words = f"Unsupported get request. Object with ID '{node}' does not exist, cannot be loaded due to missing "
    return GraphError(100, subcode=33, message=words + "permissions, or does not support this operation")


def number_fields(number: Number) -> Body:
    """Everything that can be asked of a number."""
    here = sandbox().cloud
    account = here.accounts[number.account_id]
    callback = here.apps[account.app_id].callback or f"{here.portal_url()}/webhooks/whatsapp"
    own = {"phone_number": number.override} if number.override else {}
    whole = {"whatsapp_business_account": account.override} if account.override else {}
    return {
        "id": number.id,
        "verified_name": number.name,
        "display_phone_number": number.phone,
        "quality_rating": number.quality,
        "code_verification_status": "VERIFIED",
        "platform_type": "CLOUD_API",
        "throughput": {"level": "STANDARD"},
        "webhook_configuration": own | whole | {"application": callback},
        "status": "CONNECTED",
        "name_status": "APPROVED",
        "account_mode": "LIVE",
        "messaging_limit_tier": "TIER_1K",
        "whatsapp_business_manager_messaging_limit": "TIER_1K",
        # Meta does not describe this one.
        "whatsapp_business_account": {"id": account.id},
        "is_official_business_account": False,
        "is_on_biz_app": number.coexists,
        "is_pin_enabled": False,
        "health_status": {
            "can_send_message": "AVAILABLE",
            "entities": [{"entity_type": "PHONE_NUMBER", "id": number.id, "can_send_message": "AVAILABLE"}],
        },
    }


def account_fields(account: Account) -> Body:
    """Everything that can be asked of an account."""
    return {
        "id": account.id,
        "name": account.name,
        "currency": "PHP",
        "timezone_id": "1",
        "message_template_namespace": "sandbox",
        "account_review_status": "APPROVED",
        "country": "PH",
    }


def chosen(known: Body, kind: str, default: Sequence[str]) -> Body:
    """The fields that the request asks for, `default` when it names none. Raises `GraphError` for an unknown one."""
    asked = [name.strip() for name in request.args.get("fields", "").split(",") if name.strip()]
    for name in asked:
        if name not in known:
            raise GraphError(100, message=f"(#100) Tried accessing nonexisting field ({name}) on node type ({kind})")
    return {name: known[name] for name in dict.fromkeys([*(asked or default), "id"])}


def page(listed: Sequence[Any]) -> Body:
    """One page of a list, by `limit` and the cursor `after`. `next` holds the token, as Graph's own does."""
    limit = min(max(request.args.get("limit", PAGE, int), 1), MOST)
    start = _place(request.args.get("after", ""))
    shown = list(listed[start : start + limit])
    if not shown:
        return {"data": []}
    cursors = {"before": _cursor(start), "after": _cursor(start + len(shown))}
    if start + limit >= len(listed):
        return {"data": shown, "paging": {"cursors": cursors}}
    token = request.headers.get("Authorization", "").partition(" ")[2] or request.args.get("access_token", "")
    query = {**request.args.to_dict(), "limit": limit, "after": cursors["after"], "access_token": token}
    return {"data": shown, "paging": {"cursors": cursors, "next": f"{sandbox().url}{request.path}?{urlencode(query)}"}}


def _cursor(place: int) -> str:
    return base64.urlsafe_b64encode(f"after:{place}".encode()).decode().rstrip("=")


def _place(cursor: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().removeprefix("after:") or 0)
    except ValueError:
        raise GraphError(100, message="(#100) Param after is not a valid cursor") from None
