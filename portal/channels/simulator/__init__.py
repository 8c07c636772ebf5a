"""A sender that sends nothing anywhere: for first steps, demonstrations and tests."""
