"""The stand-in for GREEN-API: instances with a linked phone, their settings, and webhooks in strict order."""
