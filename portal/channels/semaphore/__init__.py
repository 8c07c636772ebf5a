"""Semaphore: SMS in the Philippines, by its v4 API. It calls nobody back, so its word on a message is polled."""
