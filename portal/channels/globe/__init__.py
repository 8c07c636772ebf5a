"""Globe Labs: SMS over a short code in the Philippines. It tells nothing of a text that it has taken."""
