# syntax=docker/dockerfile:1
# One image for every role; the command chooses it: docker run shelfbeat worker | beat | flower | db upgrade | ...
# Debian and not Alpine: the wheels, and the embedded broker's server, need glibc.

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/shelfbeat
WORKDIR /src
# Dependencies first: they change rarely, so their layer is reused when only the code changes.
COPY requirements.txt ./
RUN /opt/shelfbeat/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY schedules schedules
COPY worker worker
RUN /opt/shelfbeat/bin/pip install --no-cache-dir --no-deps . \
 && /opt/shelfbeat/bin/pip uninstall --yes pip

FROM python:3.12-slim-bookworm
# tini is process 1: it hands signals on and reaps what an ended pool process leaves behind.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --home-dir /var/lib/shelfbeat --shell /usr/sbin/nologin shelfbeat \
 && install --directory --owner shelfbeat --group shelfbeat --mode 0700 /var/lib/shelfbeat
COPY --from=build /opt/shelfbeat /opt/shelfbeat
ENV PATH=/opt/shelfbeat/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LOG_FORMAT=json
# `var/` (spooled feeds, and the embedded database and broker where nothing else is set) lies here.
WORKDIR /var/lib/shelfbeat
VOLUME /var/lib/shelfbeat
# By number, so that a cluster can check that it is not root.
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "celery", "-A", "worker"]
CMD ["worker"]
# A worker answers for itself; compose gives the other roles their own question.
HEALTHCHECK --interval=60s --timeout=20s --start-period=30s --retries=3 \
  CMD celery -A worker inspect ping --timeout 10 --destination "celery@$(hostname)" >/dev/null || exit 1
