"""Kannel and Jasmin, the SMS gateways that companies run themselves, by their HTTP interfaces (`sendsms`, `send`)."""
