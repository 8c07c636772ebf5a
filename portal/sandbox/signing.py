"""The sandbox's own Ed25519 key: it signs webhooks as HighLevel does, and the tokens the stand-in hands out."""

import base64
import json
import os
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class SigningKey:
    """Signs raw webhook bodies and seals tokens. `public_key` is what GHL_WEBHOOK_PUBLIC_KEYS takes (base64 SPKI)."""

    def __init__(self, private: Ed25519PrivateKey | None = None) -> None:
        self._private = private or Ed25519PrivateKey.generate()
        self._public = self._private.public_key()
        spki = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.public_key = base64.b64encode(spki).decode()

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """The key kept in the PEM file at `path`, made on first use, so that the portal and the sandbox agree on it.

        Two processes may race: the file appears whole or not at all, and both use the one that won.
        """
        if not path.exists():
            _create(path, Ed25519PrivateKey.generate())
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(private, Ed25519PrivateKey):
            raise ValueError(f"{path.name} holds no Ed25519 key: remove it and a new one is made.")
        return cls(private)

    def sign(self, body: bytes) -> str:
        """The value of X-GHL-Signature for these raw bytes."""
        return base64.b64encode(self._private.sign(body)).decode()

    def seal(self, claims: dict[str, Any]) -> str:
        """A token in the shape of a JWT. It outlives the process, so a restarted sandbox knows its earlier tokens."""
        signed = f"{_segment({'alg': 'EdDSA', 'typ': 'JWT'})}.{_segment(claims)}"
        return f"{signed}.{_base64url(self._private.sign(signed.encode()))}"

    def unseal(self, token: str) -> dict[str, Any] | None:
        """The claims of a token of `seal`, or None when this key did not make it."""
        signed, _, signature = token.rpartition(".")
        try:
            self._public.verify(base64.urlsafe_b64decode(signature + "=="), signed.encode())
            claims = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
        except (InvalidSignature, ValueError, IndexError):
            return None
        return claims if isinstance(claims, dict) else None


def _create(path: Path, private: Ed25519PrivateKey) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _segment(claims: dict[str, Any]) -> str:
    return _base64url(json.dumps(claims, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
