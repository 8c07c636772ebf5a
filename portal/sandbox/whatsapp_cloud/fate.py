"""What becomes of a message that was taken: how it ends, its statuses and when they come, their price."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from portal.sandbox.outgoing import get
from portal.sandbox.whatsapp_cloud import webhooks
from portal.sandbox.whatsapp_cloud.numbers import OUTCOMES, STAGES, Number, Person, Sent
from portal.sandbox.whatsapp_cloud.webhooks import Item
from portal.sandbox.world import number_key

if TYPE_CHECKING:
    from portal.sandbox.whatsapp_cloud.provider import CloudProvider


def check(outcome: str) -> None:
    """Raises `ValueError` for an end that messages cannot have."""
    code = outcome.removeprefix("failed:")
    if outcome not in OUTCOMES and not (code != outcome and code.isdigit()):
        raise ValueError(f"outcome must be one of {', '.join(OUTCOMES)} or failed:<code>")


def lost(provider: "CloudProvider", person: Person, category: str, key: str) -> int:
    """The code that it will fail with although it was taken, 0 for none."""
    if provider.first_lost and key.rpartition(":")[2] in ("", "1"):
        return provider.first_lost
    asked = _asked(provider, person)
    if asked.startswith("failed:"):
        return int(asked.removeprefix("failed:"))
    if category == "service" and provider.window_enforced and not person.may_be_answered(provider.clock()):
        return 131047
    if category == "marketing" and person.stopped:
        return 131050
    return 131049 if category == "marketing" and provider.limits.too_much_marketing(person) else 0


def set_out(provider: "CloudProvider", number: Number, one: Sent) -> None:
    """Its statuses, each at its time. Shuffled, they all wait for the last, and come in the opposite order."""
    asked = _asked(provider, one.person)
    progress, at = provider.progress, one.at
    if one.code:
        one.stages = [(at + progress.sent_after, "failed")]
    elif asked == "stuck":
        return
    else:
        afters = (progress.sent_after, progress.delivered_after, progress.read_after, progress.read_after)
        words = STAGES[: STAGES.index(asked) + 1]
        one.stages = [(at + after, word) for word, after in zip(words, afters, strict=False)]
    last = one.stages[-1][0]
    for place, (moment, word) in enumerate(one.stages):
        if provider.early and place == 0:
            one.stages[0] = (at, word)
            provider.poster.post_now(_status(provider, number, one, word, at))
        else:
            due = last if provider.shuffled else moment
            provider.poster.at(due, lambda word=word, moment=moment: _status(provider, number, one, word, moment))  # type: ignore[misc]


def read(provider: "CloudProvider", number: Number, person: Person) -> int:
    """The person opens the chat: everything that has arrived there is read now. Returns how many messages that is."""
    now = provider.clock()
    arrived = [one for one in list(number.sent.values()) if one.person is person and one.status(now) == "delivered"]
    for one in arrived:
        one.stages.append((now, "read"))
        if one.by == "api":
            provider.poster.push(_status(provider, number, one, "read", now))
    return len(arrived)


def _status(provider: "CloudProvider", number: Number, one: Sent, word: str, at: float) -> list[Item]:
    if word == "sent" and one.link and not _fetched(provider, one.link):
        one.code, word, one.stages = 131053, "failed", [(at, "failed")]
    elif one.code and word != "failed":
        return []
    provider.seen(one.id, word if word != "failed" else f"failed:{one.code}")
    return [webhooks.status(number, one, word, at, _pricing(one))]


def _pricing(one: Sent) -> Mapping[str, Any]:
    """What Meta bills since October 2026: free-form answers too, but not after an advertisement was tapped."""
    free = one.at < one.person.free_until
    kind = "free_entry_point" if free else "regular"
    category = "referral_conversion" if free else one.category
    return {"billable": not free, "pricing_model": "PMP", "type": kind, "category": category}


def _fetched(provider: "CloudProvider", link: str) -> bool:
    """Meta fetches a file by link. Only this machine is asked here; any other address counts as good."""
    if not provider.fetches_links:
        return True
    try:
        return 200 <= get(link).status < 400
    except ValueError:
        return True


def _asked(provider: "CloudProvider", person: Person) -> str:
    """The end that was asked for: for this person, or for everybody."""
    own = provider.outcomes.get(number_key(person.phone)) if person.phone else ""
    return own or provider.progress.outcome
