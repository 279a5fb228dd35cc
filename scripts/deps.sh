#!/bin/sh
# scripts/deps.sh [GROUP]: install what building and testing need and is missing, from Debian;
# silent when nothing is.  GROUP ci adds what .ci/run needs beyond that, deb what "make deb" needs.
set -eu

# what to look for | Debian package | what for
list() {
	cat <<-'END'
	command gcc           | gcc                | compiler
	header stdio.h        | libc6-dev          | the C library's headers
	command make          | make               | build
	command pkg-config    | pkg-config         | build: finds the libraries
	pc libmodbus          | libmodbus-dev      | the menu client; reference peer in tests
	pc liburcu-qsbr       | liburcu-dev        | the server's policy swap
	pc libsystemd         | libsystemd-dev     | the daemons' event loop and watchdog
	pc libconfig          | libconfig-dev      | plant files
	pc cmocka             | libcmocka-dev      | unit tests
	command prove         | perl               | runs the tests
	perl IO::Pty          | libio-pty-perl     | tests of the menu on a terminal
	command mbpoll        | mbpoll             | tests with a client from elsewhere
	command valgrind      | valgrind           | counts instructions of a request
	command strace        | strace             | counts its system calls
	command taskset       | util-linux         | make bench: a CPU for each side
	END
	[ "${1-}" != ci ] || cat <<-'END'
	command clang         | clang              | second compiler
	asan -                | libclang-rt-dev    | its AddressSanitizer and ThreadSanitizer
	command llvm-symbolizer | llvm             | names in what those report
	command cppcheck      | cppcheck           | static checks
	command shellcheck    | shellcheck         | static checks of the scripts
	command git           | git                | static checks: the list of files
	command clang-format  | clang-format       | static checks: the format of C files
	command ctags         | universal-ctags    | static checks: names and lengths of functions
	command c++           | g++                | the library's header in C++
	command python3       | python3            | the library's example in Python
	command mandoc        | mandoc             | checks of the manual pages
	END
	[ -z "${1-}" ] || cat <<-'END'
	package build-essential | build-essential  | Debian packages
	command dh            | debhelper          | Debian packages
	command fakeroot      | fakeroot           | Debian packages, without root
	command lintian       | lintian            | checks of Debian packages
	END
}

present() {
	case $1 in
	command) command -v "$2" >/dev/null ;;
	pc) pkg-config --exists "$2" 2>/dev/null ;;
	header) [ -e "/usr/include/$2" ] ;;
	perl) perl -M"$2" -e 1 2>/dev/null ;;
	package) dpkg-query -Wf '${db:Status-Status}' "$2" 2>/dev/null | grep -qx installed ;;
	asan) [ -e "$(clang -print-file-name="libclang_rt.asan-$(uname -m).a" 2>/dev/null)" ] ;;
	esac
}

# libclang-rt-dev is new in Debian 12; before, clang brought it.  The package carries the version of
# clang that it belongs to.
missing=$(list "$@" | while IFS='|' read -r what package why; do
	# shellcheck disable=SC2086
	present $what || echo "$package|$why"
done)
[ -n "$missing" ] || exit 0

echo "Missing, to be installed from Debian:"
echo "$missing" | awk -F'|' '{ gsub(/ /, "", $1); printf "  %-18s %s\n", $1, $2 }'
packages=$(echo "$missing" | cut -d'|' -f1 | tr -s ' \n' ' ')

root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "This needs root and there is no sudo.  As root, run:" >&2
		echo "  apt-get update && apt-get install --no-install-recommends$packages" >&2
		exit 1
	fi
	root=sudo
fi
$root apt-get -qq update
# shellcheck disable=SC2086
$root env DEBIAN_FRONTEND=noninteractive \
	apt-get -qq install --no-install-recommends $packages >/dev/null
