"""Infobip: its SMS API 3, under ids of our own, with reports in batches."""
