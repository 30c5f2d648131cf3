# syntax=docker/dockerfile:1.7
# cosmicman on the CPU: docker build -t cosmicman . && docker run -p 8080:8080 -e COSMICMAN_API_KEYS=me:SECRET -v cosmicman:/data cosmicman
# Dockerfile.cuda is the same with the CUDA build of ONNX Runtime.

# ONNX Runtime's library, of the pinned version, its hash checked by the script.
FROM python:3.13.7-slim-bookworm AS runtime
WORKDIR /fetch
COPY scripts/fetch-runtime.sh .
RUN sh fetch-runtime.sh lib

FROM golang:1.26.0-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=1 go build -trimpath -ldflags=-s -o /out/cosmicman ./cmd/cosmicman \
    && mkdir -p /out/data

# glibc and libstdc++ are all that the program needs, and certificates for models pull.
FROM debian:12.12-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/cosmicman /app/cosmicman
COPY --from=runtime /fetch/lib /app/lib
COPY LICENSE THIRD_PARTY_NOTICES.md /app/
COPY --from=build --chown=65532:65532 /out/data /data
ENV PATH=/app:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HF_HOME=/data/huggingface
USER 65532:65532
VOLUME /data
EXPOSE 8080
# Beyond --drain, after which what runs is given back to the queue.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["/app/cosmicman", "health", "--url", "http://127.0.0.1:8080"]
ENTRYPOINT ["/app/cosmicman"]
CMD ["serve", "--addr", "0.0.0.0:8080", "--data", "/data"]
