# The fleet's functions as a worker for servers and Fargate: docs/constant-traffic.md.
#
#   docker build -t weir-worker .
#   docker run --rm -e AWS_REGION=eu-west-1 weir-worker --stack weir

FROM rust:1.95-slim-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Debian keeps one version of these at a time: a pinned one is gone with the next.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Thin LTO: the bootstraps are started once, so their size matters less than on Lambda.
ENV CARGO_PROFILE_RELEASE_LTO=thin CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
RUN mkdir /out \
    && grep -oP 'BuildProperties: \{ Binary: \K[a-z0-9-]+' template.yaml > /tmp/binaries \
    && sed 's/^/--bin=/' /tmp/binaries | xargs cargo build --release --locked --bin=weir \
    && sed 's|^|target/release/|' /tmp/binaries | xargs cp --target-directory=/out target/release/weir

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    # A volume that is mounted here takes the owner: for --state.
    && install --directory --owner=65532 --group=65532 /var/lib/weir
COPY --from=build /out /opt/weir
COPY template.yaml /opt/weir/template.yaml
USER 65532:65532
WORKDIR /opt/weir
ENTRYPOINT ["/opt/weir/weir", "worker", "--template", "/opt/weir/template.yaml", "--bootstraps", "/opt/weir"]
