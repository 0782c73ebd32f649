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
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
# Two environments: pip and what builds the wheel stay in /opt/tools, which is left behind.
COPY requirements.lock /src/
COPY container /src/container
RUN sh /src/container/install.sh tools \
    && sh /src/container/install.sh libraries
# Without arguments the torch of the lock, for CUDA; its wheels for the CPU are on an index of their own.
ARG TORCH=""
ARG TORCH_INDEX_URL=""
ARG TORCH_SHA256=""
RUN sh /src/container/install.sh torch
WORKDIR /src
COPY pyproject.toml version README.md LICENSE ./
COPY models models
COPY bids_sr bids_sr
RUN sh container/install.sh program

FROM ${BASE_IMAGE}
# official Python images come without the bytecode of the standard library
RUN python3 -m compileall -q --invalidation-mode unchecked-hash -x "/(test|tests|lib2to3)/" \
    "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/bids_sr /opt/bids_sr
ARG BASE_IMAGE
ARG VERSION=""
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="bids_sr" \
      org.opencontainers.image.description="Super-resolution of diffusion MRI as a BIDS-App" \
      org.opencontainers.image.authors="The bids_sr developers" \
      org.opencontainers.image.vendor="The bids_sr developers" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-2-Clause AND CC-BY-4.0 AND ISC AND MIT" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
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
