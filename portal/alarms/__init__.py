"""Who is told of alerts: after which time, by which way, once an incident, and what they hear when it is over."""
