# The command in an image. It runs as a user without rights, on a read-only root, with one writable folder: /work.
#
#     docker build -t batcher .
#     docker run --rm --read-only -v "$PWD:/work" --user "$(id -u):$(id -g)" -e OBS_ACCESS_KEY_ID -e OBS_SECRET_ACCESS_KEY \
#         batcher run keys.txt --workflow transcode --bucket my-videos --region cn-north-4

FROM python:3.13.9-slim-trixie AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY batcher batcher
RUN python -m venv /opt/batcher \
 && /opt/batcher/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt '.[parquet]'

FROM python:3.13.9-slim-trixie
COPY --from=build /opt/batcher /opt/batcher
RUN install -d -o 10001 -g 10001 -m 0700 /work
# Temporary files need a disk, and the rates of services are kept for the next job. There is no home: a witness of a job
# must not be in the volume of the job, since a volume that is restored from a copy would restore both.
ENV PATH=/opt/batcher/bin:$PATH HOME=/nonexistent TMPDIR=/work XDG_CACHE_HOME=/work/.cache PYTHONDONTWRITEBYTECODE=1
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["batcher"]
CMD ["--help"]
