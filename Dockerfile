FROM python:3.13-slim

WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements.txt

# A new volume takes over the owner of the folder it is mounted on.
RUN useradd --system --user-group --uid 10001 --no-create-home sendero \
    && install -d -o sendero -g sendero /data /data/spool /data/media
COPY . .

ENV BIND_HOST=0.0.0.0 \
    INSTANCE_DIR=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER sendero
EXPOSE 8000
CMD ["python", "app.py"]
