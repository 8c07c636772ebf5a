"""Vonage (once Nexmo): its SMS API, with signed webhooks and a receipt for every segment."""
