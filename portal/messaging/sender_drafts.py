"""Secrets that were typed into a form which has to be shown again: kept sealed in the form itself, for half an hour.

The page never shows a secret, and nobody should have to type it twice because another field was wrong. What is sealed
is good for the one person, the one form and the one sub-account or sender it was typed for.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from portal import clock
from portal.crypto import SealBroken, Vault

GOOD_FOR = 1800.0


@dataclass(frozen=True, slots=True)
class Draft:
    """`secrets` by field. `unasked` is the fingerprint of what the provider did not answer for, "" otherwise."""

    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    unasked: str = ""


def seal(vault: Vault, purpose: str, draft: Draft) -> str:
    """The draft as text for a hidden field; "" when there is nothing to keep. `purpose` names person and form."""
    if not draft.secrets and not draft.unasked:
        return ""
    kept = {
        "draft": purpose,
        "at": clock.now().timestamp(),
        "secrets": dict(draft.secrets),
        "unasked": draft.unasked,
    }
    return vault.seal(json.dumps(kept))


def unseal(vault: Vault, purpose: str, sealed: str) -> Draft:
    """The draft again; an empty one for whatever was not sealed for this purpose within the last half hour."""
    if not sealed.isascii():
        return Draft()
    try:
        kept = json.loads(vault.open(sealed)) if sealed else {}
    except (SealBroken, ValueError):
        return Draft()
    if not isinstance(kept, dict) or kept.get("draft") != purpose:
        return Draft()
    if not 0 <= clock.now().timestamp() - kept["at"] < GOOD_FOR:
        return Draft()
    return Draft(kept["secrets"], kept["unasked"])


def fingerprint(api_url: str, credentials: Mapping[str, str]) -> str:
    """What tells whether a form still says what the provider was asked about."""
    return hashlib.sha256(json.dumps([api_url, sorted(credentials.items())]).encode()).hexdigest()
