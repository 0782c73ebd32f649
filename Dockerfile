# bids_sr as a container: any user, read-only root, no network at run time, networks inside.
# How to build, run and test it: docs/containers.md.
#
#   docker build -t bids_sr .                                        CUDA 12.8, Volta to Blackwell
#   docker build --build-arg TORCH="torch==2.9.1+cpu" \
#                --build-arg TORCH_INDEX_URL=URL -t bids_sr:cpu .    CPU only, from that index
#
#   docker run --rm [--gpus all] -v DATA:/data:ro -v OUT:/out bids_sr /data /out participant
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG HATCHLING="hatchling==1.33.0"
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
# Two environments: pip and what builds the wheel stay in /opt/tools, which is left behind.
COPY requirements.lock /src/
RUN python3 -m venv --without-pip /opt/bids_sr \
    && python3 -m venv /opt/tools \
    && /opt/tools/bin/pip install -c /src/requirements.lock "${HATCHLING}" \
    && /opt/tools/bin/pip --python /opt/bids_sr/bin/python install --no-compile \
        -r /src/requirements.lock
# torch is not in the lock: it alone differs between the CUDA and the CPU image. It names the
# CUDA libraries it needs by their exact versions itself.
ARG TORCH="torch==2.9.1"
ARG TORCH_INDEX_URL=""
RUN /opt/tools/bin/pip --python /opt/bids_sr/bin/python install --no-compile \
    -c /src/requirements.lock \
    ${TORCH_INDEX_URL:+--index-url "${TORCH_INDEX_URL}"} "${TORCH}"
WORKDIR /src
COPY pyproject.toml version README.md LICENSE ./
COPY models models
COPY bids_sr bids_sr
# The root is read-only when it runs, so all bytecode is made now; it vouches for itself by
# nothing, since no source can change under it, and start-up need not look.
RUN /opt/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/tools/bin/pip --python /opt/bids_sr/bin/python install --no-deps --no-index \
        --no-compile /wheels/*.whl \
    && python3 -m compileall -q --invalidation-mode unchecked-hash -f \
        -x "/torch/testing/_internal/" /opt/bids_sr/lib \
    && cp LICENSE requirements.lock /opt/bids_sr/ \
    && /opt/bids_sr/bin/bids-sr --version \
    && /opt/bids_sr/bin/bids-sr-models verify

FROM ${BASE_IMAGE}
# official Python images come without the bytecode of the standard library
RUN python3 -m compileall -q --invalidation-mode unchecked-hash -x "/(test|tests|lib2to3)/" \
    "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/bids_sr /opt/bids_sr
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="bids_sr" \
      org.opencontainers.image.description="Super-resolution of diffusion MRI as a BIDS-App" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="The bids_sr developers" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ARG IMAGE_TAG=bids_sr
# Nothing is written outside the output, the work folder and /tmp; packages of a home folder
# that Apptainer mounts are left alone; nothing is sent.
ENV PATH=/opt/bids_sr/bin:$PATH \
    LANG=C.UTF-8 \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    XDG_CONFIG_HOME=/tmp/config \
    MPLCONFIGDIR=/tmp/matplotlib \
    MPLBACKEND=Agg \
    DENO_DIR=/tmp/deno \
    NIPYPE_NO_ET=1 \
    NO_ET=1 \
    PYTHONNOUSERSITE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BIDS_SR_CONTAINER_TAG=${IMAGE_TAG}
USER 1000:1000
WORKDIR /tmp
HEALTHCHECK --interval=5m --timeout=30s CMD ["bids-sr", "--version"]
ENTRYPOINT ["bids-sr"]
CMD ["--help"]
