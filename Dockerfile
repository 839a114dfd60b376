# Images of the service. Targets:
#   cpu       (the default) no weights inside; the first start pulls them into /models_cache
#   cuda      the same for an NVIDIA GPU; the host needs NVIDIA's container runtime
#   embedded  cpu with the weights of the profile `embedded` inside; starts without any network
#
#   docker build -t l2r2:cpu .
#   docker build -t l2r2:cuda --target cuda .
#   docker build -t l2r2:embedded --target embedded .
#
# Build arguments:
#   PYTHON_IMAGE     base of every stage; another registry's copy or a digest goes here
#   PIP_INDEX_URL    a mirror of the package index
#   TORCH_INDEX_URL  an index with CPU-only builds of torch and torchvision. On x86-64 the package index's own torch
#                    brings CUDA libraries of several gigabytes; PyTorch publishes an index of builds without them. Both
#                    packages come from there, because torchvision's compiled part must be made for torch's build.
#                    Without it `cpu` works as well, and is as large as `cuda`.
#   BAKE             what `embedded` holds: models or profiles, separated by spaces
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS python
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore


# The project as one wheel, and what it requires as lists of their own: the gigabytes below are installed anew, and
# travel anew, only when those lists change.
FROM python AS wheel
ARG PIP_INDEX_URL
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY service ./service
RUN pip wheel --no-deps --wheel-dir /dist .

FROM python AS requirements
WORKDIR /requirements
COPY pyproject.toml ./
RUN python -c "import tomllib; \
    project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
    extras = project['optional-dependencies']; \
    print(*project['dependencies'], *extras['postgres'], *extras['otel'], sep='\n')" > all.txt \
    && grep '^torch[<>=]' all.txt > torch.txt \
    && echo torchvision >> torch.txt


FROM python AS packages
ARG PIP_INDEX_URL
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY --from=requirements /requirements/*.txt /requirements/

# The package index's torch wheel carries or requires all CUDA libraries, so that no CUDA base image is needed: the
# driver is the host's, and NVIDIA's container runtime puts it into the container.
FROM packages AS packages-cuda
RUN pip install --requirement /requirements/all.txt

FROM packages AS packages-cpu
ARG TORCH_INDEX_URL
RUN if [ -n "${TORCH_INDEX_URL}" ]; then \
        pip install --index-url "${TORCH_INDEX_URL}" --requirement /requirements/torch.txt; \
    fi \
    && pip install --requirement /requirements/all.txt


# What every image has: a user without rights, a place for weights, a place for data. Nothing else is written to but
# /tmp, so that the root file system may be read-only.
FROM python AS runtime
RUN groupadd --gid 10001 l2r2 \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin l2r2 \
    && install --directory --owner=10001 --group=10001 /data /models_cache
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    L2R2_PROFILE=standard \
    L2R2_DATA_DIR=/data \
    L2R2_MODELS_CACHE=/models_cache
WORKDIR /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# Healthy means ready: loaded, and a real inference has passed. The first start may pull gigabytes, hence the long start
# period; a start that fails ends the process and does not wait for it. An orchestrator with separate probes asks
# /livez to restart and /readyz to send requests.
HEALTHCHECK --start-period=30m --interval=10s --timeout=5s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('L2R2_PORT') or 8000), timeout=4); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
# A container is reached from outside, so the service does not start before it is told who may use it: L2R2_KEYS_FILE, or
# L2R2_ALLOW_ANONYMOUS=true where everybody who reaches it is trusted.
ENTRYPOINT ["l2r2"]
CMD ["serve", "--host", "0.0.0.0"]

FROM runtime AS runtime-cpu
COPY --from=packages-cpu /opt/venv /opt/venv
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist pip install --no-deps /dist/*.whl
USER 10001:10001


# The weights lie outside the volumes, so that no older volume hides them, and belong to root: nothing can change them.
FROM runtime-cpu AS embedded
ARG PIP_INDEX_URL
ARG BAKE=embedded
ENV L2R2_PROFILE=embedded \
    L2R2_MODELS_CACHE=/opt/models_cache
USER 0:0
RUN l2r2 models pull ${BAKE}
USER 10001:10001
ENV L2R2_OFFLINE=true
VOLUME ["/data"]


FROM runtime AS cuda
COPY --from=packages-cuda /opt/venv /opt/venv
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist pip install --no-deps /dist/*.whl
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001
VOLUME ["/data", "/models_cache"]


FROM runtime-cpu AS cpu
VOLUME ["/data", "/models_cache"]
