"""The fault panel: each switch with what it does and what the portal should make of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from portal.sandbox.faults import Effect
from portal.sandbox.green_api.switches import GREEN, GREEN_SWITCHES
from portal.sandbox.sms.switches import SMS, SMS_SWITCHES
from portal.sandbox.switch import Switch, rule
from portal.sandbox.webhooks import Signature
from portal.sandbox.whatsapp_cloud.switches import CLOUD, CLOUD_SWITCHES

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

EARLY_403_SECONDS = 8.0
# Longer than the 25 seconds after which the portal gives a call up.
SILENT_SECONDS = 40.0
COPIES = 3


def _early_403(sandbox: "Sandbox", on: bool, _: int | None) -> None:
    sandbox.ghl.early_403_seconds = EARLY_403_SECONDS if on else 0.0


def _copies(sandbox: "Sandbox", on: bool, _: int | None) -> None:
    sandbox.deliveries.copies = COPIES if on else 1


def _inbound_copies(sandbox: "Sandbox", on: bool, _: int | None) -> None:
    sandbox.phone.copies = COPIES if on else 1


def _bad_signature(sandbox: "Sandbox", on: bool, _: int | None) -> None:
    sandbox.deliveries.signature = Signature.BAD if on else Signature.GOOD


def _wallets_empty(sandbox: "Sandbox", on: bool, _: int | None) -> None:
    for location_id in sandbox.world.locations:
        if on:
            sandbox.ghl.till.funds[location_id] = 0.0
        else:
            sandbox.ghl.till.funds.pop(location_id, None)


def _ends(outcome: str) -> Callable[["Sandbox", bool, int | None], None]:
    def turn(sandbox: "Sandbox", on: bool, _: int | None) -> None:
        sandbox.cast.progress = replace(sandbox.cast.progress, outcome=outcome if on else "delivered")

    return turn


def _expire(sandbox: "Sandbox", _on: bool, _times: int | None) -> None:
    sandbox.ghl.grants.expire_access_tokens()


PROVIDER, CARRIER, GHL, WEBHOOKS = "Cast, the provider", "The carrier behind Cast", "GHL's API", "Webhooks"

SWITCHES: dict[str, Switch] = {
    switch.name: switch
    for switch in (
        rule(
            "provider_429",
            PROVIDER,
            "429, too many requests",
            "Cast takes nothing and asks for a pause of 5 seconds.",
            "The sender pauses that long and the message goes out once, later.",
            "cast.send",
            Effect.STATUS,
            status=429,
            retry_after=5,
        ),
        rule(
            "provider_500",
            PROVIDER,
            "500, although it took the message",
            "Cast takes the message, then answers with an error.",
            "The portal cannot know, asks again with the same key and learns that it was taken.",
            "cast.send",
            Effect.STATUS_AFTER,
        ),
        rule(
            "provider_half_answer",
            PROVIDER,
            "Half an answer",
            "Cast takes the message, sends half of its answer and hangs up.",
            "The outcome is unknown: asked again with the same key, never sent twice.",
            "cast.send",
            Effect.HALF_ANSWER,
        ),
        rule(
            "provider_silence",
            PROVIDER,
            "Silence",
            f"Cast takes the message and says nothing for {SILENT_SECONDS:.0f} seconds.",
            "After 25 seconds the portal gives the call up as unknown and asks again with the same key.",
            "cast.send",
            Effect.SILENCE,
            seconds=SILENT_SECONDS,
        ),
        rule(
            "provider_reset_after",
            PROVIDER,
            "Reset after taking it",
            "Cast takes the message, then the connection is reset.",
            "Unknown again: the same key gets the stored answer, and the customer one text.",
            "cast.send",
            Effect.RESET_AFTER,
        ),
        Switch(
            "carrier_rejects",
            CARRIER,
            "The carrier rejects",
            "Cast takes the message; the carrier refuses it moments later (REJECTD).",
            "GHL shows it as failed with the reason, and the credit comes back.",
            _ends("rejected"),
            lambda sandbox: sandbox.cast.progress.outcome == "rejected",
        ),
        Switch(
            "carrier_silent",
            CARRIER,
            "The carrier never says",
            "The message stays at “sent” and no receipt ever comes.",
            "GHL never hears “delivered” without evidence: the message stays pending there.",
            _ends("stuck"),
            lambda sandbox: sandbox.cast.progress.outcome == "stuck",
        ),
        Switch(
            "ghl_early_403",
            GHL,
            "Early 403",
            f"For {EARLY_403_SECONDS:.0f} seconds after a delivery GHL denies knowing the message's provider.",
            "The status is pushed again until GHL takes it; no token is refreshed for it.",
            _early_403,
            lambda sandbox: sandbox.ghl.early_403_seconds > 0,
        ),
        rule(
            "ghl_429",
            GHL,
            "429, too many requests",
            "GHL refuses every call as one too many.",
            "Statuses and messages wait, in order, and arrive when GHL is back.",
            "ghl.*",
            Effect.STATUS,
            status=429,
        ),
        rule(
            "ghl_500",
            GHL,
            "500, an error of its own",
            "GHL answers every call with an error.",
            "Nothing is lost: what GHL has not taken is tried again until it has.",
            "ghl.*",
            Effect.STATUS,
        ),
        Switch(
            "ghl_expire_tokens",
            GHL,
            "Token expiry",
            "Every access token expires at this moment.",
            "One refresh, with the single-use refresh token, and everything goes on.",
            _expire,
            lambda sandbox: False,
            momentary=True,
        ),
        Switch(
            "ghl_wallets_empty",
            GHL,
            "Empty wallets",
            "The sub-accounts' wallets in GHL hold nothing: no charge is taken.",
            "Where use is charged to them, charges wait, by policy messages too, and all goes on once there are funds.",
            _wallets_empty,
            lambda sandbox: any(left <= 0 for left in sandbox.ghl.till.funds.values()),
        ),
        Switch(
            "duplicate_deliveries",
            WEBHOOKS,
            "Duplicate deliveries",
            f"GHL posts every delivery {COPIES} times at once.",
            f"{COPIES} times 200, and the customer gets one text.",
            _copies,
            lambda sandbox: sandbox.deliveries.copies > 1,
        ),
        Switch(
            "bad_signature",
            WEBHOOKS,
            "Wrong signature",
            "Deliveries are signed over other bytes than are sent.",
            "401, no message, and the request kept as evidence.",
            _bad_signature,
            lambda sandbox: sandbox.deliveries.signature is Signature.BAD,
        ),
        Switch(
            "duplicate_inbound",
            WEBHOOKS,
            "Duplicate replies",
            f"The carrier posts every text of the customer {COPIES} times at once.",
            f"{COPIES} times 200, and GHL shows the text once.",
            _inbound_copies,
            lambda sandbox: sandbox.phone.copies > 1,
        ),
        *GREEN_SWITCHES,
        *CLOUD_SWITCHES,
        *SMS_SWITCHES,
    )
}


def groups(sandbox: "Sandbox") -> list[tuple[str, list[tuple[Switch, bool]]]]:
    """The panel's groups, each switch with whether it is on."""
    return [
        (group, [(switch, switch.is_on(sandbox)) for switch in SWITCHES.values() if switch.group == group])
        for group in (PROVIDER, CARRIER, SMS, GREEN, CLOUD, GHL, WEBHOOKS)
    ]
