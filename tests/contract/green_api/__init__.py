"""GREEN-API: its notifications as the documentation describes their fields, made here and copied from nowhere."""
