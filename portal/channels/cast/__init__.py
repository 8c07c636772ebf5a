"""Cast.ph: SMS in the Philippines, by its v1 API. It calls nobody back, so its word on a message is polled."""
