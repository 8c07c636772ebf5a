"""A bare Flask application, served like the portal: what all figures are held against."""

from flask import Flask

app = Flask(__name__)


@app.post("/webhooks/ghl")
def hello() -> str:
    """Answers without reading."""
    return "hello"
