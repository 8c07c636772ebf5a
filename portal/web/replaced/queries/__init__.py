"""What the routes of the replaced systems look up, one file a system."""
