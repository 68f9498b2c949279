#!/usr/bin/env bash
# Downloads the program of a release and puts it into the PATH of the steps that follow, if its archive has the right
# checksum. VERSION, SHA256 and RELEASES are the inputs of action.yml.
set -euo pipefail

fail() {
	echo "::error::$1" >&2
	exit 1
}

[[ $VERSION =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || fail "version: $VERSION is not one such as v0.1.0"
case ${RUNNER_OS:-} in
Linux) os=linux ;;
macOS) os=darwin ;;
Windows) os=windows ;;
*) fail "there is no program for the system ${RUNNER_OS:-(RUNNER_OS is not set)}" ;;
esac
case ${RUNNER_ARCH:-} in
X64) arch=amd64 ;;
ARM64) arch=arm64 ;;
*) fail "there is no program for the processor ${RUNNER_ARCH:-(RUNNER_ARCH is not set)}" ;;
esac
archive=pullsecrets_${os}_$arch.tar.gz
program=pullsecrets
if [ "$os" = windows ]; then
	archive=pullsecrets_${os}_$arch.zip
	program=pullsecrets.exe
fi

folder=$(mktemp -d "$RUNNER_TEMP/pullsecrets.XXXXXX")
cd "$folder"
download() {
	curl --fail --silent --show-error --location --retry 3 --output "$1" "$RELEASES/$VERSION/$1" ||
		fail "$RELEASES/$VERSION/$1 cannot be downloaded: is $VERSION a release?"
}
download "$archive"
want=$SHA256
if [ -z "$want" ]; then
	download checksums.txt
	want=$(awk -v file="$archive" '$2 == file || $2 == "*" file { print $1 }' checksums.txt)
	[ -n "$want" ] || fail "checksums.txt of $VERSION does not name $archive"
fi
sum=sha256sum
if ! command -v sha256sum >/dev/null; then
	sum='shasum -a 256' # macOS
fi
got=$($sum <"$archive" | cut -d ' ' -f 1)
[ "$got" = "$want" ] || fail "$archive of $VERSION has the SHA-256 sum $got and not $want: nothing is installed"

mkdir bin
if [ "$os" = windows ]; then
	unzip -q "$archive" "$program" -d bin
	cygpath --windows "$folder/bin" >>"$GITHUB_PATH"
else
	tar -xzf "$archive" -C bin "$program"
	echo "$folder/bin" >>"$GITHUB_PATH"
fi
"bin/$program" version
