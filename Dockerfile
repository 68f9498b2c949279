# Both bases can be pinned by digest: --build-arg BUILD_IMAGE=golang@sha256:…
ARG BUILD_IMAGE=golang:1.26
ARG RUN_IMAGE=gcr.io/distroless/static:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY main.go ./
COPY internal ./internal
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X github.com/pullsecrets/pullsecrets/internal/cli.version=${VERSION}" -o /pullsecrets .

FROM ${RUN_IMAGE}
COPY --from=build /pullsecrets /pullsecrets
USER 65532:65532
ENTRYPOINT ["/pullsecrets"]
CMD ["run"]
