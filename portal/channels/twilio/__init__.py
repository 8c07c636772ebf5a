"""Twilio: SMS and MMS by its API of 2010-04-01, with signed webhooks."""
