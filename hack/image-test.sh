#!/usr/bin/env bash
# Builds the image without a daemon and without pulling anything, twice, and looks at what came out. It needs root and
# buildah (Debian: apt-get install buildah). The Dockerfile's base is replaced by one made here, of this machine's Go
# toolchain and shell; the modules come from Go's cache on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
most=$((40 << 20))
version=v0.0.0-image-test
command -v buildah >/dev/null || { echo "image-test needs buildah: apt-get install buildah" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A storage of its own, gone with the folder: what else is built on this machine is not touched.
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
export CONTAINERS_STORAGE_CONF="$work/storage.conf"
printf '[storage]\ndriver = "vfs"\nrunroot = "%s"\ngraphroot = "%s"\n' "$work/run" "$work/graph" >"$CONTAINERS_STORAGE_CONF"

# make_base makes the image that stands for golang.
make_base() {
	local root="$work/base" file
	mkdir -p "$root"/{bin,tmp,etc,root,src} "$root/usr/local"
	cp -r "$(go env GOROOT)" "$root/usr/local/go"
	cp -L /bin/sh "$root/bin/sh"
	for file in $(ldd /bin/sh "$(go env GOROOT)/bin/go" 2>/dev/null | grep -o '/[^ )]*\.so[^ )]*' | sort -u); do
		mkdir -p "$root$(dirname "$file")"
		cp -L "$file" "$root$file"
	done
	printf 'FROM scratch\nCOPY . /\nENV PATH=/usr/local/go/bin:/bin GOTOOLCHAIN=local HOME=/root\n' >"$work/Base"
	buildah build --quiet -f "$work/Base" -t localhost/pullsecrets-base "$root" >/dev/null
	rm -rf "$root"
}

# build builds the image from a copy of the sources in a folder of its own, and leaves its file system in $1.
build() {
	local name=$1 container
	mkdir -p "$work/$name.src"
	cp -r Dockerfile .dockerignore go.mod go.sum main.go internal "$work/$name.src"
	buildah build --quiet --no-cache --pull=never \
		--build-arg BUILD_IMAGE=localhost/pullsecrets-base --build-arg VERSION=$version --build-arg REVISION=made-up \
		--build-arg "TARGETOS=$(go env GOOS)" --build-arg "TARGETARCH=$(go env GOARCH)" \
		--volume "$(go env GOMODCACHE):/root/go/pkg/mod:ro" --env GOPROXY=off --env GOFLAGS=-modcacherw \
		-t "localhost/$name" "$work/$name.src" >/dev/null
	container=$(buildah from --pull=never "localhost/$name")
	cp -r "$(buildah mount "$container")" "$work/$name"
	echo "$container"
}

go mod download
echo "base: $(go env GOVERSION) as an image"
make_base
echo "image: built once"
container=$(build pullsecrets-first)
echo "image: built again elsewhere"
build pullsecrets-second >/dev/null

files=$(cd "$work/pullsecrets-first" && find . -type f | sort | tr '\n' ' ')
[ "$files" = "./pullsecrets " ] || { echo "the image holds more than the program: $files" >&2; exit 1; }
size=$(stat -c %s "$work/pullsecrets-first/pullsecrets")
[ "$size" -lt "$most" ] || { echo "the image has $size bytes, more than $most" >&2; exit 1; }
user=$(buildah inspect --type image --format '{{.OCIv1.Config.User}}' localhost/pullsecrets-first)
[ "$user" = 65532:65532 ] || { echo "the image runs as $user" >&2; exit 1; }
label=$(buildah inspect --type image --format '{{index .OCIv1.Config.Labels "org.opencontainers.image.version"}}' localhost/pullsecrets-first)
[ "$label" = $version ] || { echo "the image's label of the version is $label" >&2; exit 1; }
said=$(buildah run "$container" -- /pullsecrets version)
[ "$said" = "pullsecrets $version" ] || { echo "the program in the image says: $said" >&2; exit 1; }
first=$(sha256sum <"$work/pullsecrets-first/pullsecrets") second=$(sha256sum <"$work/pullsecrets-second/pullsecrets")
[ "$first" = "$second" ] || { echo "two builds differ: $first and $second" >&2; exit 1; }
echo "image: $((size / 1000)) kB, user $user, says \"$said\", built twice with the same bytes (sha256 ${first:0:16}…)"
