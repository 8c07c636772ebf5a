"""What the replaced systems kept, brought over from exports of their databases: senders, users, credits, settings."""
