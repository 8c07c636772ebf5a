"""WhatsApp Cloud: Meta's own API of WhatsApp, with templates and a window of 24 hours."""
