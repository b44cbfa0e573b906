#!/usr/bin/env bash
# debroot.sh SUITE FOLDER PACKAGE... [-- PROGRAM...]
# Unpacks packages of a Debian suite, with all that they depend on, below FOLDER: no root, no maintainer
# scripts, and nothing of the host's apt or dpkg is touched. It asks the mirror that the host's apt is set up for.
# Each PROGRAM (a path below FOLDER) is then bound to FOLDER's own loader and libraries, by `patchelf` from the
# PATH, so that a program of a newer suite runs on an older host while its children keep the host's libraries.
# A folder that is complete already is left as it is.
set -euo pipefail

suite=$1 folder=$(realpath -m "$2")
shift 2
packages=() programs=()
while (($#)) && [[ $1 != -- ]]; do packages+=("$1"); shift; done
if (($#)); then shift; programs=("$@"); fi

wanted="$suite ${packages[*]} -- ${programs[*]}"
if [[ -f $folder/.complete && $(<"$folder/.complete") == "$wanted" ]]; then exit 0; fi
for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || { echo "debroot.sh: $tool is missing; this needs a Debian machine" >&2; exit 1; }
done

# The repository of the host's own release, not its security updates, which carry no other suite.
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' | awk -v release="$release" '$1 == release { print $2; exit }')
[[ $mirror ]] || { echo "debroot.sh: apt on this machine names no repository of $release" >&2; exit 1; }

apt=$folder.apt
rm -rf "$folder" "$apt"
mkdir -p "$folder"/usr/{lib,lib64,bin,sbin} "$apt"/{etc/apt/preferences.d,var/lib/apt/lists/partial}
mkdir -p "$apt"/{var/cache/apt/archives/partial,var/lib/dpkg}
: >"$apt/var/lib/dpkg/status"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror $suite main" >"$apt/etc/apt/sources.list"
options=(-qq -y -o Dir="$apt" -o Dir::State::status="$apt/var/lib/dpkg/status" -o Dir::Etc::Parts=/etc/apt/apt.conf.d
  -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Keep-Downloaded-Packages=true -o APT::Sandbox::User="$(id -un)")
apt-get "${options[@]}" update
apt-get "${options[@]}" --no-install-recommends --download-only install "${packages[@]}" >/dev/null

for link in lib lib64 bin sbin; do ln -s "usr/$link" "$folder/$link"; done # merged /usr, as Debian has it
for package in "$apt"/var/cache/apt/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x -C "$folder" --keep-directory-symlink
done
loader=$folder/usr/lib64/ld-linux-x86-64.so.2
for program in "${programs[@]}"; do
  patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$folder/usr/lib/x86_64-linux-gnu" \
    "$(realpath "$folder/$program")"
done
rm -rf "$apt"
echo "$wanted" >"$folder/.complete"
