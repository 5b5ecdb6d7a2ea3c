#!/bin/sh
# Print where the browser of the tests is: what CHROMIUM names, or Chromium or Chrome of this machine.
# With "install", as root on Debian, Chromium is installed where there is neither.
set -eu

found() {
	if [ -n "${CHROMIUM:-}" ]; then
		command -v "$CHROMIUM" && return
		echo "CHROMIUM names '$CHROMIUM', which is no program." >&2
		exit 1
	fi
	for name in chromium chromium-browser google-chrome google-chrome-stable \
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
		/Applications/Chromium.app/Contents/MacOS/Chromium; do
		command -v "$name" && return
	done
	return 1
}

installed() {
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 chromium
}

found && exit
if [ "${1:-}" = install ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	installed >/dev/null || echo "Chromium could not be installed." >&2
	found && exit
fi
echo "Tests in a real browser need Chromium or Chrome: install it, or name it in CHROMIUM." >&2
echo "On Debian, as root, 'make chromium' installs it." >&2
exit 1
