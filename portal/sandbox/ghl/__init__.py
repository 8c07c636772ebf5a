"""The stand-in for HighLevel: OAuth with rotating tokens, conversations with early 403s, contacts, rate limits."""
