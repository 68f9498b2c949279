# For who builds the image alone. A release makes the same one of the same programs without a daemon: hack/release.
#
# The base is pinned by digest where it matters: --build-arg BUILD_IMAGE=golang@sha256:…
ARG BUILD_IMAGE=golang:1.26.8

# The compiler runs as it is fastest and compiles for the platform that is asked for.
FROM --platform=${BUILDPLATFORM} ${BUILD_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY main.go ./
COPY internal ./internal
ARG VERSION=dev
ARG TARGETOS
ARG TARGETARCH
# The same sources and compiler give the same bytes: no paths, no build id, no state of a repository.
RUN CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath -buildvcs=false \
      -ldflags "-s -w -buildid= -X github.com/pullsecrets/pullsecrets/internal/cli.version=${VERSION}" -o /pullsecrets .

# Nothing else is in the image: the program is static, and the API server's certificate authority comes with its token.
FROM scratch
ARG VERSION=dev
ARG REVISION
LABEL org.opencontainers.image.title="pullsecrets" \
      org.opencontainers.image.description="keeps every namespace of a Kubernetes cluster able to pull from private registries" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/pullsecrets/pullsecrets" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /pullsecrets /pullsecrets
USER 65532:65532
ENTRYPOINT ["/pullsecrets"]
CMD ["run"]
