"""What a Semaphore sender is set up with, and what its settings mean."""

import re
from collections.abc import Mapping

from portal.channels.base import CredentialField
from portal.channels.setup import Guide

# An alert is raised below so many credits, unless the sender says otherwise. A credit is one SMS.
LOW_BALANCE = 100
NORMAL, PRIORITY = "normal", "priority"
PATHS = {NORMAL: "/messages", PRIORITY: "/priority"}
# What Semaphore sends as when it is named nobody.
DEFAULT_NAME = "SEMAPHORE"
COUNTRY = "+63"
# "Please do not start your message with the word TEST. These messages are silently ignored" (its documentation).
_DROPPED = re.compile(r"\s*test\b", re.IGNORECASE)

FIELDS: tuple[CredentialField, ...] = (
    CredentialField("api_key", "API key", secret=True, help="In the account's settings, under API."),
    CredentialField(
        "sender_name",
        "Sender name",
        required=False,
        help=f"At most 11 letters and digits, as approved by Semaphore; {DEFAULT_NAME} when left out.",
        pattern=r"(?=.*[A-Za-z])[A-Za-z0-9 ._-]{1,11}",
    ),
    CredentialField(
        "queue",
        "Queue",
        required=False,
        help="priority goes before everybody's other texts and costs 2 credits for each SMS.",
        choices=(NORMAL, PRIORITY),
    ),
    CredentialField(
        "low_balance",
        "Alert below so many credits",
        required=False,
        help=f"A whole number; {LOW_BALANCE} when left out, 0 for no alert.",
        pattern=r"[0-9]{1,9}",
    ),
)

GUIDE = Guide(
    summary="SMS in the Philippines, out only: nobody can answer, and STOP cannot be heard.",
    steps=("Sign in at semaphore.co: the API key stands under Account, Settings, API.",),
    shown=("sender_name", "queue"),
)


def path(credentials: Mapping[str, str]) -> str:
    """Where this sender's texts are posted."""
    return PATHS[credentials.get("queue") or NORMAL]


def is_dropped(text: str) -> bool:
    """Would Semaphore take the text, and never send it?"""
    return _DROPPED.match(text) is not None
