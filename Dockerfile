# One image for all seven services: `docker run bezant serve payment`. Settings are BEZANT_... variables;
# credentials come from the secret store that they name, never from the image or the environment.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/bezant
COPY requirements/image.txt requirements/
RUN /opt/bezant/bin/pip install --no-cache-dir --require-hashes -r requirements/image.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/bezant/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/bezant/bin/pip uninstall -y hatchling pip

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home bezant
COPY --from=build /opt/bezant /opt/bezant
USER 10001:10001
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 BEZANT_HOST=0.0.0.0 BEZANT_PORT=8000
EXPOSE 8000
# The grace of the orchestrator must be at least 30 s: the process finishes what it has in hand.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/bezant/bin/bezant"]
CMD ["--help"]
