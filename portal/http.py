"""HTTP to the outside world: one Session per thread, a total deadline, guarded addresses, and honest outcomes."""
