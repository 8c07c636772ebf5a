"""`/api/v1`: the JSON API. Thin views over the domain; what each takes and gives is written once, for all to read."""

from portal.web.api.blueprint import bp

from portal.web.api import (  # isort: skip
    bulk,
    contacts,
    conversations,
    credits,
    docs,
    events,
    key,
    messages,
    opt_outs,
    senders,
    tools,
    webhooks,
)

__all__ = [
    "bp",
    "bulk",
    "contacts",
    "conversations",
    "credits",
    "docs",
    "events",
    "key",
    "messages",
    "opt_outs",
    "senders",
    "tools",
    "webhooks",
]
