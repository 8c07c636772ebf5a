"""Our webhooks out: subscriptions, what they are told, signed and tried by a written schedule."""
