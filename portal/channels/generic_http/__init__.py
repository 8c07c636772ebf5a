"""Any gateway with an HTTP interface: the request is a template, and what it answers and calls is read by settings."""
