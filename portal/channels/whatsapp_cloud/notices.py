"""What a webhook says beside messages and statuses: errors, templates, what befalls a number or its account."""

from collections.abc import Mapping, Sequence
from typing import Any

from portal.channels.base import ChannelError, ChannelEvent, Line, LineState, Notice, Preference, TemplateNotice
from portal.channels.values import block, blocks, moment, text
from portal.channels.whatsapp_cloud import addresses, codes
from portal.channels.whatsapp_cloud.items import Reader
from portal.channels.whatsapp_cloud.states import (
    ACCOUNT_EVENTS,
    NUMBER_EVENTS,
    QUIET_EVENTS,
    QUIET_NUMBER_EVENTS,
    REINSTATED,
)

Data = Mapping[str, Any]

# The customer's phone does not share what was said before the number came to us (code of the field `history`).
HISTORY_DECLINED = "2593109"
_MARKETING = {"stop": False, "resume": True}


def error(said: Data, value: Data) -> Sequence[ChannelEvent]:
    """An error that belongs to no message."""
    code = text(said.get("code"))
    if code == HISTORY_DECLINED:
        return [Notice(code, "The number's earlier chats are not shared: it was declined on the phone.")]
    if not code:
        raise ChannelError("An error of Meta names no code.", code="unreadable")
    told = codes.words(said)
    if code in codes.REFUSALS:
        known = codes.REFUSALS[code]
        passing = (known.retry or known.doubt) and not known.stops
        return [Notice(code, f"{codes.cause(code)}." if passing else codes.sentence(code, told))]
    return [Notice(code, f"Meta reports an error: {told}." if told else f"Meta reports the error {code}.")]


def preference(said: Data, value: Data) -> Sequence[ChannelEvent]:
    """A customer who stops marketing, or takes that back."""
    wish = _MARKETING.get(text(said.get("value")))
    cards = blocks(value.get("contacts"))
    alone = cards[0] if len(cards) == 1 else {}
    people = addresses.person((said.get("wa_id"), said.get("user_id")), (alone.get("wa_id"), alone.get("user_id")))
    if wish is None or not people:
        raise ChannelError("The preference is not known here, or names nobody.", code="unreadable")
    return [Preference(people[0], wish, moment(said.get("timestamp")), tuple(people[1:]))]


def _template(word: str) -> Reader:
    def read(value: Data, _: Data) -> Sequence[ChannelEvent]:
        name = text(value.get("message_template_name"))
        if not name:
            raise ChannelError("The notice names no template.", code="unreadable")
        event = text(value.get("event")) or word
        return [TemplateNotice(name, text(value.get("message_template_language")), event, _template_detail(value))]

    return read


def _template_detail(value: Data) -> str:
    """Meta's reason, in its own words where it has any."""
    rejected, other = block(value.get("rejection_info")), block(value.get("other_info"))
    reason = text(value.get("reason"))
    told = (
        text(rejected.get("reason")),
        text(other.get("description")),
        "" if reason.upper() == "NONE" else reason,
        text(value.get("new_quality_score")),
        text(value.get("correct_category")) or text(value.get("new_category")),
    )
    return " ".join(next(filter(None, told), "").split())[:300]


def _number(value: Data, _: Data) -> Sequence[ChannelEvent]:
    event, shown = text(value.get("event")), text(value.get("display_phone_number"))
    if event in QUIET_NUMBER_EVENTS:
        return []
    sentence = NUMBER_EVENTS.get(event, f"Meta says {event[:60]} of its quality: look into WhatsApp manager.")
    limit = text(value.get("max_daily_conversations_per_business")) or text(value.get("current_limit"))
    tail = f" Its limit is {limit}." if limit and event == "DOWNGRADE" else ""
    return [Notice(event[:80] or "quality", f"{_named(shown)}: {sentence}{tail}", addresses.phone(shown))]


def _account(value: Data, _: Data) -> Sequence[ChannelEvent]:
    event = text(value.get("event"))
    if event in QUIET_EVENTS:
        return []
    ban = text(block(value.get("ban_info")).get("waba_ban_state"))
    if event == "DISABLED_UPDATE" and ban == REINSTATED:
        back = "The WhatsApp Business account works again."
        return [Line(LineState.READY, event), Notice(REINSTATED.lower(), back)]
    known = f"Meta says {event[:60]} of the WhatsApp Business account: look into its settings."
    sentence, state = ACCOUNT_EVENTS.get(event, (known, None))
    told = _account_detail(value)
    notice = Notice(event[:80] or "account", f"{sentence.removesuffix('.')} ({told})." if told else sentence)
    return [notice] if state is None else [Line(state, event, "" if state is LineState.READY else sentence), notice]


def _account_detail(value: Data) -> str:
    violation = text(block(value.get("violation_info")).get("violation_type"))
    limits = blocks(value.get("restriction_info"))
    restrictions = [
        " until ".join(filter(None, (text(each.get("restriction_type")), text(each.get("expiration")))))
        for each in limits
    ]
    ban = text(block(value.get("ban_info")).get("waba_ban_state"))
    return ", ".join(filter(None, (violation, ban, *restrictions)))[:300]


def _name(value: Data, _: Data) -> Sequence[ChannelEvent]:
    decision, wanted = text(value.get("decision")), text(value.get("requested_verified_name"))
    shown = text(value.get("display_phone_number"))
    reason = text(value.get("rejection_reason"))
    if decision == "APPROVED":
        sentence = f"Meta has approved the name {wanted[:100]}."
    else:
        why = f": {reason[:200]}" if reason and reason.upper() != "NONE" else ""
        sentence = f"Meta decided {decision[:40] or 'otherwise'} on the name {wanted[:100]}{why}."
    return [Notice("name", f"{_named(shown)}: {sentence}", addresses.phone(shown))]


def _capability(value: Data, _: Data) -> Sequence[ChannelEvent]:
    """How many people a day may be written to first; only where it is told."""
    limit = text(value.get("max_daily_conversations_per_business")) or text(
        value.get("max_daily_conversation_per_phone")
    )
    if not limit or limit == "-1":
        return []
    return [Notice("limit", f"Meta lets the business write first to {limit[:40]} people a day.")]


def _security(value: Data, _: Data) -> Sequence[ChannelEvent]:
    event, who = text(value.get("event")), text(value.get("requester"))
    by = f" (by {who[:60]})" if who else ""
    shown = text(value.get("display_phone_number"))
    said = f"{_named(shown)}: its two-step PIN: {event[:60] or 'changed'}{by}."
    return [Notice(event[:80] or "security", said, addresses.phone(shown))]


def _alert(value: Data, _: Data) -> Sequence[ChannelEvent]:
    """An alert of Meta's own; what is only information needs nobody."""
    info = block(value.get("alert_info")) or value
    if text(info.get("alert_severity")) == "INFORMATIONAL":
        return []
    kind, said = text(info.get("alert_type")), " ".join(text(info.get("alert_description")).split())
    return [Notice(kind[:80] or "alert", f"Meta alerts: {(said or kind or 'no reason told')[:300].rstrip('.')}.")]


def _review(value: Data, _: Data) -> Sequence[ChannelEvent]:
    decision = text(value.get("decision"))
    return [Notice("review", f"Meta's review of the account: {decision[:60] or 'not told'}.")]


def _named(shown: str) -> str:
    number = addresses.phone(shown)
    return f"The number {number}" if number else "The number"


# Fields whose value is one item.
WHOLE: dict[str, Reader] = {
    "message_template_status_update": _template("STATUS"),
    "message_template_quality_update": _template("QUALITY"),
    "message_template_components_update": _template("COMPONENTS"),
    "template_category_update": _template("CATEGORY"),
    "template_correct_category_detection": _template("CATEGORY"),
    "phone_number_quality_update": _number,
    "phone_number_name_update": _name,
    "account_update": _account,
    "account_alerts": _alert,
    "account_review_update": _review,
    "business_capability_update": _capability,
    "security": _security,
}
