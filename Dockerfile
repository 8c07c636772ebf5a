# Build stage: the packages of the lock file, every download checked against its hash, in an environment of their own.
FROM python:3.13-slim AS build

# requirements-sentry.txt adds Sentry's client to requirements.txt.
ARG REQUIREMENTS=requirements.txt
WORKDIR /app
COPY requirements*.txt ./
RUN python3 -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r "$REQUIREMENTS" \
    && /venv/bin/pip uninstall --yes --quiet pip

# What runs: Python, that environment and the portal, all owned by root and not to be written by the portal.
FROM python:3.13-slim

# A new volume takes over the owner of the folder it is mounted on.
RUN groupadd --system --gid 10001 sendero \
    && useradd --system --uid 10001 --gid sendero --no-create-home --home-dir /nonexistent sendero \
    && install -d -o sendero -g sendero -m 0750 /data /data/spool /data/media

WORKDIR /app
ENV PATH=/venv/bin:$PATH
COPY --from=build /venv /venv
COPY app.py ./
COPY migrations migrations
COPY static static
COPY templates templates
COPY portal portal
RUN python -m compileall -q app.py migrations portal

ENV BIND_HOST=0.0.0.0 \
    INSTANCE_DIR=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
# A worker ends what it has in hand within 27 seconds, a web process within 32: give it 40.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=8s --start-period=120s --retries=3 CMD ["python", "-m", "portal.healthcheck"]
CMD ["python", "app.py"]
