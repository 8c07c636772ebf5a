"""All SQL of the admin pages. Reads only, and every one bounded and within a scope."""
