"""The setting SENTRY_DSN, which needs a package that is not everybody's."""

from importlib.util import find_spec
from urllib.parse import urlsplit


def read(dsn: str, faults: list[str]) -> str:
    """The DSN as it was given, "" for none. What is wrong goes to the faults."""
    parts = urlsplit(dsn)
    if dsn and not (parts.scheme in ("http", "https") and parts.username and parts.path.strip("/")):
        faults.append("SENTRY_DSN is no DSN: copy it from the project's Client Keys in Sentry, or leave it out.")
    elif dsn and find_spec("sentry_sdk") is None:
        faults.append(
            "SENTRY_DSN needs the package sentry-sdk, which is not installed:"
            " pip install --require-hashes -r requirements-sentry.txt, or leave SENTRY_DSN out."
        )
    return dsn
