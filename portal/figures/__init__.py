"""Figures beside the messages: added up by the clock, so that no page counts."""
