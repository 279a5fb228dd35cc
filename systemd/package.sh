#!/bin/sh
# systemd/package.sh dist|deb: the release tarball, and from it the Debian packages, in the build
# folder.
#
# From the environment: BUILD, VERSION.  Run in the top folder.
set -eu

NAME=mbimage-$VERSION

# All that belongs to the sources; outside of git, as in an unpacked tarball, all there is but
# builds.
sources() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard
	else
		find . -path ./build -prune -o -type f -print | sed 's|^\./||'
	fi | sort -u | while read -r file; do
		[ ! -e "$file" ] || echo "$file"
	done
}

# The same sources make the same bytes.
dist() {
	mkdir -p "$BUILD"
	sources | tar --files-from - --create --owner=0 --group=0 --numeric-owner --mode=go-w,a+r \
		--mtime=2026-01-01 \
		--transform "s|^|$NAME/|" | gzip -n >"$BUILD/$NAME.tar.gz"
	echo "$BUILD/$NAME.tar.gz"
}

deb() {
	scripts/deps.sh deb
	dist >/dev/null
	rm -rf "$BUILD/deb"
	mkdir -p "$BUILD/deb"
	tar -C "$BUILD/deb" -xf "$BUILD/$NAME.tar.gz"
	cd "$BUILD/deb/$NAME"
	cp -r systemd/debian debian
	sed -i "1s/(.*)/($VERSION)/" debian/changelog
	# The build is one of its own, whatever make called this.
	env -u MAKEFLAGS -u MAKELEVEL -u BUILD -u VERSION \
		dpkg-buildpackage --build=binary --no-sign >../log 2>&1 || {
		tail -50 ../log >&2
		exit 1
	}
	cd ..
	ls -d "$PWD"/*.deb
}

"$1"
