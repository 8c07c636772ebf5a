"""Africa's Talking: SMS in most of Africa, by its version 1 API. Webhooks are not signed, and nothing can be polled."""
