#!/usr/bin/env bash
# Chromium for the browser tests: what is there is used; else Debian's or Ubuntu's own package, which needs root.
set -euo pipefail
for name in "${CHROMIUM:-chromium}" chromium chromium-browser google-chrome google-chrome-stable; do
  if found=$(command -v "$name"); then
    echo "browser: $found"
    exit 0
  fi
done
if ! command -v apt-get >/dev/null; then
  echo "no Chromium and no apt-get: install Chromium or Chrome, or set CHROMIUM to the program" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "no Chromium: run 'sudo apt-get install chromium', or set CHROMIUM to the program" >&2
  exit 1
fi
apt-get update -qq
# Some Korean font, so that a screenshot shows what a reader sees.
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-nanum
command -v chromium
