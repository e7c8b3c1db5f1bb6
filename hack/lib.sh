# Sourced by the scripts beside it.

target=$(uname -m)-unknown-linux-musl
build_packages="gcc libc6-dev musl-tools"
test_packages="$build_packages busybox-static openssl docker-registry debootstrap skopeo tmux zstd libcap2-bin procps uidmap passt iproute2"

# Runs a command as root: as it is when we are root, by sudo otherwise.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs those of the named Debian packages that are missing.
need_packages() {
  local missing=() package
  for package; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  echo "installing ${missing[*]}" >&2
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Adds the static target to the Rust toolchain when it is missing.
need_target() {
  [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || rustup target add "$target"
}
