"""What Cast deals in: orders, answers, and accepted messages with their progress."""

from dataclasses import dataclass
from typing import Any

# The carrier's last word by outcome: status, raw receipt, sentence.
OUTCOMES = {
    "delivered": ("delivered", "DELIVRD", ""),
    "rejected": ("undelivered", "REJECTD", "The carrier rejected the message"),
    "undelivered": ("undelivered", "UNDELIV", "The handset could not be reached"),
    "expired": ("undelivered", "EXPIRED", "The handset was off for too long"),
    "failed": ("failed", "", "The message could not be handed to the carrier"),
    "stuck": ("sent", "", ""),
}
# Viber's numbers: on the handset, and not on Viber at all.
ON_THE_HANDSET, NOT_ON_VIBER = 70, 91


@dataclass(frozen=True, slots=True)
class Progress:
    """How an accepted message goes on: seconds to `sent`, seconds to the last word, and that word (`OUTCOMES`)."""

    sent_after: float = 1.0
    final_after: float = 2.5
    outcome: str = "delivered"


@dataclass(frozen=True, slots=True)
class Order:
    """One text for one number, as a send call asks for it. `product` is sms, otp, sim or viber."""

    product: str
    to: str
    text: str
    sender_id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, as it may be stored under a key and replayed."""

    status: int
    body: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message Cast took and will bill: this is what must never happen twice."""

    message_id: str
    at: float
    api_key: str
    key: str
    to: str
    text: str
    sender_id: str
    parts: int
    progress: Progress
    product: str = "sms"

    def status(self, now: float) -> dict[str, Any]:
        """What `GET /sms/status/{id}` says of the message; times are unix seconds."""
        age = now - self.at
        # Handed to the carrier it is "sent"; once the carrier has said ACCEPTD it is "pending", and no longer "sent".
        answer: dict[str, Any] = {"success": True, "message_id": self.message_id, "status": "sent", "sent_at": self.at}
        if age < self.progress.sent_after or self.progress.outcome == "stuck":
            return answer
        word, raw, sentence = OUTCOMES[self.progress.outcome]
        if age < self.progress.final_after:
            answer.update({} if self.product == "viber" else {"status": "pending", "dlr_status": "ACCEPTD"})
            return answer
        if self.product == "viber":
            answer.update(delivery_status=ON_THE_HANDSET if word == "delivered" else NOT_ON_VIBER)
        else:
            answer.update(status=word)
            answer.update({"dlr_status": raw} if raw else {})
            answer.update({"error_message": sentence} if sentence else {})
        if word == "delivered":
            answer.update(delivered_at=self.at + self.progress.final_after)
        return answer


def refusal(status: int, code: str, words: str) -> Reply:
    """An error in Cast's shape; callers must branch on `error_code` only."""
    return Reply(status, {"success": False, "error": words, "error_code": code})
