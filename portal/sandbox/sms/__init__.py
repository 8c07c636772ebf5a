"""Stand-in SMS providers: one frame for all, and one dialect (`dialects/<kind>.py`) for each provider's own HTTP."""
