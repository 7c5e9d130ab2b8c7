# One image, three roles: `web` (the default), `runner`, `worker`. What is done stands in scripts/, which the tests run.
FROM python:3.11-slim AS build
WORKDIR /app
COPY requirements.txt manage.py ./
COPY scripts ./scripts
COPY omr ./omr
COPY omr_project ./omr_project
COPY progress ./progress
COPY batches ./batches
COPY templates ./templates
COPY static ./static
COPY locale ./locale
RUN scripts/image-build.sh /venv

FROM python:3.11-slim
ARG BUILD=development
RUN useradd --uid 1000 --create-home omr && install -d -o omr -g omr /var/lib/omr
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 VAR_DIR=/var/lib/omr LOG_FORMAT=json BUILD=$BUILD
WORKDIR /app
USER omr
VOLUME /var/lib/omr
EXPOSE 8000
ENTRYPOINT ["scripts/entrypoint.sh"]
CMD ["web"]
