"""What can go wrong at Meta, as switches of the fault panel."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from portal.sandbox.faults import Effect
from portal.sandbox.switch import Switch, rule
from portal.sandbox.webhooks import Signature

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

CLOUD = "WhatsApp Cloud, Meta"
COPIES, BATCH, GATHER_SECONDS, SLOW_SECONDS = 3, 10, 1.0, 3.0
SENDS = "cloud.messages"


def _set(name: str, on_value: object, off_value: object) -> Callable[["Sandbox", bool, int | None], None]:
    def turn(sandbox: "Sandbox", on: bool, _: int | None) -> None:
        setattr(sandbox.cloud, name, on_value if on else off_value)

    return turn


def _batched(sandbox: "Sandbox", on: bool, _: int | None) -> None:
    sandbox.cloud.batch, sandbox.cloud.gather = (BATCH, GATHER_SECONDS) if on else (1, 0.0)


def _undeliverable(sandbox: "Sandbox", on: bool, _: int | None) -> None:
    sandbox.cloud.progress = replace(sandbox.cloud.progress, outcome="failed:131026" if on else "delivered")


def _unpaid(sandbox: "Sandbox", on: bool, _: int | None) -> None:
    sandbox.cloud.progress = replace(sandbox.cloud.progress, outcome="failed:131042" if on else "delivered")


def _expired(sandbox: "Sandbox", on: bool, _: int | None) -> None:
    for account in sandbox.cloud.accounts.values():
        account.expired = on


CLOUD_SWITCHES: tuple[Switch, ...] = (
    rule(
        "cloud_429",
        CLOUD,
        "130429, too fast",
        "Meta takes no message: the number's throughput is used up.",
        "The sender pauses, and the message goes out once, later.",
        SENDS,
        Effect.STATUS,
        status=429,
    ),
    rule(
        "cloud_500",
        CLOUD,
        "131000, something went wrong",
        "Meta refuses the message with an error of its own; nothing is sent.",
        "It is not called failed and not sent twice.",
        SENDS,
        Effect.STATUS,
        status=500,
    ),
    rule(
        "cloud_lost_answer",
        CLOUD,
        "The answer is lost",
        "Meta takes the message, then the connection is reset. Its status comes all the same.",
        "“Unknown” at first; the status brings our own key back and settles it: one message, never two.",
        SENDS,
        Effect.RESET_AFTER,
    ),
    rule(
        "cloud_half_answer",
        CLOUD,
        "Half an answer from Meta",
        "Meta takes the message, sends half of its answer and hangs up.",
        "The same: settled by the status that follows.",
        SENDS,
        Effect.HALF_ANSWER,
    ),
    Switch(
        "cloud_early",
        CLOUD,
        "Statuses before the answer",
        "The status “sent” is posted before the send is answered.",
        "It is kept and counts as soon as the message is known.",
        _set("early", True, False),
        lambda sandbox: sandbox.cloud.early,
    ),
    Switch(
        "cloud_undeliverable",
        CLOUD,
        "Undeliverable",
        "Meta takes the message; a moment later it says 131026: no WhatsApp, an old one, or blocked.",
        "GHL shows it as failed with the reason, never as delivered.",
        _undeliverable,
        lambda sandbox: sandbox.cloud.progress.outcome == "failed:131026",
    ),
    Switch(
        "cloud_first_lost",
        CLOUD,
        "Taken, then lost",
        "Meta takes every message; a moment later the first try of each has failed with 131000.",
        "It goes out again by itself, once, after 15 seconds; GHL shows pending until then, never failed.",
        _set("first_lost", 131000, 0),
        lambda sandbox: sandbox.cloud.first_lost == 131000,
    ),
    Switch(
        "cloud_unpaid",
        CLOUD,
        "Meta is not paid",
        "Meta takes every message; a moment later it says 131042, until this is switched off.",
        "The sender stops with an alert, its messages wait; once it is resumed they go out.",
        _unpaid,
        lambda sandbox: sandbox.cloud.progress.outcome == "failed:131042",
    ),
    Switch(
        "cloud_token_expired",
        CLOUD,
        "The token expires",
        "Every call is refused with 190 until this is switched off.",
        "The sender stops with a sentence on what to do, and its messages wait.",
        _expired,
        lambda sandbox: any(one.expired for one in sandbox.cloud.accounts.values()),
    ),
    Switch(
        "cloud_deaf",
        CLOUD,
        "No webhooks from Meta",
        "Nothing is posted. When this is switched off everything comes.",
        "Nothing is called delivered; what customers wrote arrives afterwards, once.",
        _set("deaf", True, False),
        lambda sandbox: sandbox.cloud.deaf,
    ),
    Switch(
        "cloud_copies",
        CLOUD,
        "Every webhook of Meta three times",
        f"Each request is posted {COPIES} times.",
        "Every message and every status counts once.",
        _set("copies", COPIES, 1),
        lambda sandbox: sandbox.cloud.copies > 1,
    ),
    Switch(
        "cloud_shuffled",
        CLOUD,
        "Read before delivered before sent",
        "A message's statuses are held and come in the opposite order.",
        "No status moves backwards.",
        _set("shuffled", True, False),
        lambda sandbox: sandbox.cloud.shuffled,
    ),
    Switch(
        "cloud_batched",
        CLOUD,
        "Several in one request",
        f"Up to {BATCH} messages and statuses are gathered for a second and posted together.",
        "Each counts once, and one that cannot be read costs none of the others.",
        _batched,
        lambda sandbox: sandbox.cloud.batch > 1,
    ),
    Switch(
        "cloud_delay",
        CLOUD,
        "Slow webhooks of Meta",
        f"Each request is posted {SLOW_SECONDS:.0f} seconds late, one after another.",
        "Everything arrives, only later.",
        _set("delay", SLOW_SECONDS, 0.0),
        lambda sandbox: sandbox.cloud.delay > 0,
    ),
    Switch(
        "cloud_bad_signature",
        CLOUD,
        "Wrong signature of Meta",
        "Webhooks are signed over other bytes than are sent.",
        "401, nothing counts, and the request is kept as evidence; Meta posts it again later.",
        _set("signature", Signature.BAD, Signature.GOOD),
        lambda sandbox: sandbox.cloud.signature is Signature.BAD,
    ),
)
