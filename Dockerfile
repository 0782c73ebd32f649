# bids_sr as a container: any user, read-only root, no network at run time, weights inside.
#
#   docker build -t bids_sr .                            torch as PyPI serves it, with CUDA
#   docker build --build-arg TORCH="torch==2.9.*" .      CUDA 12.8: also for Volta GPUs
#   docker build --build-arg TORCH_INDEX_URL=URL .       another index of torch wheels, e.g. CPU only
#
#   docker run --rm [--gpus all] -v DATA:/data:ro -v OUT:/out bids_sr /data /out participant
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG TORCH="torch>=2.9,<3"
ARG TORCH_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/bids_sr/bin:$PATH
# hadolint ignore=DL3013
RUN python3 -m venv /opt/bids_sr \
    && pip install ${TORCH_INDEX_URL:+--index-url "${TORCH_INDEX_URL}"} "${TORCH}"
WORKDIR /src
# the libraries first, with a stand-in for the code: they stay cached when only code changes
COPY pyproject.toml version README.md LICENSE ./
RUN mkdir -p bids_sr models && touch bids_sr/__init__.py \
    && pip install . && pip uninstall --yes bids_sr && rm -r bids_sr
COPY models models
COPY bids_sr bids_sr
RUN pip install --no-deps . && bids-sr --version

FROM ${BASE_IMAGE}
ARG IMAGE_TAG=bids_sr
LABEL org.opencontainers.image.title="bids_sr" \
      org.opencontainers.image.description="Super-resolution of diffusion MRI as a BIDS-App" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/bids_sr /opt/bids_sr
COPY LICENSE /opt/bids_sr/LICENSE
# Nothing is written outside the output, the work folder and /tmp; packages of a home folder
# that Apptainer mounts are left alone; nothing is sent.
ENV PATH=/opt/bids_sr/bin:$PATH \
    LANG=C.UTF-8 \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/matplotlib \
    MPLBACKEND=Agg \
    NIPYPE_NO_ET=1 \
    NO_ET=1 \
    PYTHONNOUSERSITE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BIDS_SR_CONTAINER_TAG=${IMAGE_TAG}
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["bids-sr"]
CMD ["--help"]
