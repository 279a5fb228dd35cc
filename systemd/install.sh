#!/bin/sh
# systemd/install.sh install|uninstall: what "make install" and "make uninstall" do; both go by one
# list.
#
# From the environment: BUILD, PREFIX, LIBDIR, DESTDIR, VERSION.  Run in the top folder.  A changed
# /etc/mbimage/default.conf is never touched.
set -eu

# Everybody may read what is installed, whoever installs it.
umask 022

UNITS=$PREFIX/lib/systemd/system
SHARE=$PREFIX/share
CONFIG=/etc/mbimage/default.conf
# Folders that are ours alone, innermost first; uninstall removes them when they are empty.
FOLDERS="$SHARE/doc/mbimage/examples $SHARE/doc/mbimage /etc/mbimage"

# mode source destination: sources that must be edited first are made by edited().
list() {
	for program in mbserverd simulatord mbclient mbshm; do
		[ ! -e "$BUILD/$program" ] || echo "755 $BUILD/$program $PREFIX/bin/$program"
	done
	for page in docs/man/*.[1-8]; do
		[ ! -e "$page" ] || echo "644 $page $SHARE/man/man${page##*.}/${page##*/}"
	done
	for unit in systemd/*.service systemd/*.socket systemd/*.target; do
		echo "644 $unit $UNITS/${unit##*/}"
	done
	echo "644 systemd/mbimage.sysusers $PREFIX/lib/sysusers.d/mbimage.conf"
	echo "644 systemd/mbimage.tmpfiles $PREFIX/lib/tmpfiles.d/mbimage.conf"
	for program in mbserverd simulatord mbclient mbshm; do
		echo "644 scripts/completion.bash $SHARE/bash-completion/completions/$program"
	done
	for document in README.md CHANGELOG.md LICENSE docs/*.md; do
		echo "644 $document $SHARE/doc/mbimage/${document##*/}"
	done
	for example in docs/examples/*; do
		[ ! -f "$example" ] ||
			echo "644 $example $SHARE/doc/mbimage/examples/${example##*/}"
	done
	echo "644 libshm/mbshm.h $PREFIX/include/mbshm.h"
	for library in "$BUILD"/libmbshm.a "$BUILD"/libmbshm.so*; do
		[ ! -e "$library" ] || echo "644 $library $LIBDIR/${library##*/}"
	done
	[ ! -e libshm/mbshm.pc.in ] || echo "644 libshm/mbshm.pc.in $LIBDIR/pkgconfig/mbshm.pc"
}

# The file as it is installed, on stdout.
edited() {
	case $1 in
	*.service) sed -E "s#/usr/bin/(mb|simulatord)#$PREFIX/bin/\1#" "$1" ;;
	*.pc.in) sed "s|@PREFIX@|$PREFIX|g; s|@LIBDIR@|$LIBDIR|g; s|@VERSION@|$VERSION|g" "$1" ;;
	default.conf) sed -f systemd/default.sed "$1" ;;
	*) cat "$1" ;;
	esac
}

put() {
	mode=$1 source=$2 destination=$DESTDIR$3
	mkdir -p "${destination%/*}"
	rm -f "$destination"	# it may be running, or a link
	if [ -L "$source" ]; then
		cp -P "$source" "$destination"
	else
		edited "$source" >"$destination"
		chmod "$mode" "$destination"
	fi
}

do_install() {
	list | while read -r mode source destination; do
		put "$mode" "$source" "$destination"
	done
	mkdir -p "$DESTDIR$SHARE/doc/mbimage/examples"
	[ -e "$DESTDIR$CONFIG" ] || put 644 default.conf $CONFIG
	tell_system
	[ -n "$DESTDIR" ] || cat <<-END
		To start the default plant, also at boot: systemctl enable --now mbimage.target
		It listens on 127.0.0.1:502; to change that: systemctl edit mbserverd@default.socket
	END
}

do_uninstall() {
	stop_services
	list | while read -r mode source destination; do
		rm -f "$DESTDIR$destination"
	done
	if [ -e "$DESTDIR$CONFIG" ] && edited default.conf | cmp -s - "$DESTDIR$CONFIG"; then
		rm "$DESTDIR$CONFIG"
	fi
	for folder in $FOLDERS; do
		[ ! -d "$DESTDIR$folder" ] || rmdir --ignore-fail-on-non-empty "$DESTDIR$folder"
	done
	tell_system
}

# What would go on running without its files, or be started at the next boot: the sockets first, or
# a client would start a server again.
stop_services() {
	[ -z "$DESTDIR" ] && [ "$(id -u)" -eq 0 ] && [ -e "$UNITS/mbimage.target" ] || return 0
	[ ! -d /run/systemd/system ] || {
		systemctl stop mbimage.target 'mbserverd@*.socket'
		systemctl stop 'mbserverd@*.service' 'simulatord@*.service' \
			'mbimage-retain@*.service'
	}
	[ ! -d /etc/systemd/system ] || find /etc/systemd/system -type l -lname "$UNITS/*" -delete
}

# Into a running system, not into a folder: users, folders, and the linker and systemd know at once.
tell_system() {
	[ -z "$DESTDIR" ] && [ "$(id -u)" -eq 0 ] || return 0
	ldconfig
	[ -d /run/systemd/system ] || return 0
	if [ -e "$PREFIX/lib/sysusers.d/mbimage.conf" ]; then
		systemd-sysusers "$PREFIX/lib/sysusers.d/mbimage.conf"
		systemd-tmpfiles --create "$PREFIX/lib/tmpfiles.d/mbimage.conf"
	fi
	systemctl daemon-reload
}

"do_$1"
