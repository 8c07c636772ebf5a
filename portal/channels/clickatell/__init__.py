"""Clickatell: the One API of its platform, and both shapes in which the platform calls back."""
