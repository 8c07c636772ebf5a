"""GREEN-API: WhatsApp by a linked phone. One instance is one line; it posts what happens there to one webhook."""
