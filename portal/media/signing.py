"""AWS Signature Version 4, as S3-compatible services ask for it.

Written out, because it is this little: boto3 weighs 90 MB in memory and brings connections of its own, which know
nothing of our deadlines. The rules: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

EMPTY = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key with its secret, and where it holds."""

    key: str
    secret: str = field(repr=False)
    region: str = "us-east-1"
    service: str = "s3"


def path_of(name: str) -> str:
    """An object's name as it stands in the address, encoded once, as S3 signs it."""
    return quote(name, safe="/-._~")


def sign(
    credentials: Credentials,
    method: str,
    path: str,
    headers: Mapping[str, str],
    payload: str,
    at: datetime,
    query: Mapping[str, str] | None = None,
) -> str:
    """The Authorization header. `path` is encoded; `headers` are all that are signed, with Host and X-Amz-Date.

    `payload` is the body's SHA-256 in hex digits, `at` the moment of X-Amz-Date (UTC).
    """
    moment = at.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{credentials.region}/{credentials.service}/aws4_request"
    named = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    signed = ";".join(name for name, _ in named)
    pairs = sorted((quote(name, safe="-._~"), quote(value, safe="-._~")) for name, value in (query or {}).items())
    canonical = "\n".join(
        (
            method,
            path,
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{value}" for name, value in named),
            "",
            signed,
            payload,
        )
    )
    key = f"AWS4{credentials.secret}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    text = "\n".join((_ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return f"{_ALGORITHM} Credential={credentials.key}/{scope}, SignedHeaders={signed}, Signature={signature}"
