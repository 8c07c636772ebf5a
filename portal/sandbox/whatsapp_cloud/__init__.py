"""The stand-in for Meta's WhatsApp Cloud API: the Graph routes, webhooks in batches, templates, the 24-hour window."""
