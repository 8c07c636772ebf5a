"""The stand-in for Cast.ph: real idempotency, parts, credits and a carrier that takes its time."""
