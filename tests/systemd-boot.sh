#!/bin/sh
# tests/systemd-boot.sh TREE COMMAND [ARGUMENT...]: run a command on a machine of its own, which
# lasts as long as the command.
#
# The machine is this one's files with TREE (from "make install DESTDIR=TREE") laid over them, all
# writes to memory, and the real systemd as PID 1 in new pid, mount, network, ipc, uts and cgroup
# namespaces.  Its units are TREE's and the static ones of the distribution; sysusers.d and
# tmpfiles.d are applied; the network is lo.  The command starts in the present folder when the boot
# is over, with this environment and these files.  Nothing on this machine is changed, and nothing
# stays behind.
#
# Exit status: the command's; 77 when it cannot be done here (the reason is said), 70 when the
# machine did not come up.
#   MB_BOOT_SHARE="HOST_FOLDER:FOLDER ..."   host folders that the machine sees under another name,
#                                            and may write
#   MB_BOOT_TIMEOUT=SECONDS                  for the boot (30)
set -eu

# Any folder that every machine has: in a private mount namespace it can be covered.
BASE=/sys/fs/cgroup
ROOT=$BASE/root
INIT=/lib/systemd/systemd

quiet_mount() { mount --no-mtab "$@"; }

# ---- on the host ---------------------------------------------------------------------------------

possible() {
	[ -x $INIT ] || { echo "there is no systemd"; return 1; }
	grep -qw cgroup2 /proc/filesystems || { echo "the kernel has no cgroup2"; return 1; }
	unshare --mount true 2>/dev/null || { echo "this needs root"; return 1; }
}

# The machine's files: an overlay over ours, whose upper part is in memory.
lay_files() {
	quiet_mount -t tmpfs -o mode=755 boot $BASE
	mkdir $BASE/upper $BASE/work $ROOT $BASE/cgroup
	quiet_mount -t overlay -o lowerdir=/,upperdir=$BASE/upper,workdir=$BASE/work boot $ROOT
	# What this host has enabled, configured or logged is not the machine's.
	rm -rf $ROOT/etc/systemd/system/* $ROOT/usr/lib/systemd/system-generators/* \
		$ROOT/var/log/journal $ROOT/etc/.updated
	mkdir -p $ROOT/etc/systemd/system $ROOT/etc/tmpfiles.d
	for unit in getty.target systemd-logind.service; do
		ln -s /dev/null $ROOT/etc/systemd/system/$unit
	done
	# It would empty /tmp, where builds and tests may be.
	ln -sf /dev/null $ROOT/etc/tmpfiles.d/tmp.conf
	tar -C "$1" --owner=0 --group=0 -c . | tar -C $ROOT --keep-directory-symlink -x
	for share in ${MB_BOOT_SHARE-}; do
		mkdir -p "$ROOT${share#*:}"
		quiet_mount --rbind "${share%%:*}" "$ROOT${share#*:}"
	done
}

# A cgroup for the machine.  Those of runs that were killed go as well: they bear the pid of their
# owner.
lay_cgroup() {
	quiet_mount -t cgroup2 cgroup2 $BASE/cgroup
	for old in "$BASE"/cgroup/mbimage-boot.*; do
		[ -d "/proc/${old##*.}" ] || remove_cgroup "$old"
	done
	CGROUP=$BASE/cgroup/mbimage-boot.$$
	mkdir "$CGROUP"
}

remove_cgroup() { find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || true; }

# UNSHARE is the process that waits outside of the new pid namespace; its one child is the machine's
# PID 1.
start_machine() {
	(
		echo 0 >"$CGROUP/cgroup.procs"
		MB_BOOT_STAGE=init exec setpriv --pdeathsig KILL \
			--bounding-set=-sys_module,-sys_rawio,-sys_time \
			unshare --fork --kill-child --pid --mount --net --ipc --uts --cgroup sh "$0"
	) >$BASE/log 2>&1 3<&- &
	UNSHARE=$!
}

pid_one() { tr -d ' ' <"/proc/$UNSHARE/task/$UNSHARE/children" 2>/dev/null || true; }

inside() { nsenter --all --target "$PID_ONE" "$@"; }

wait_for_boot() {
	tries=$((${MB_BOOT_TIMEOUT:-30} * 20)) state=
	while [ $tries -gt 0 ] && kill -0 "$UNSHARE" 2>/dev/null; do
		PID_ONE=$(pid_one)
		state=$([ -z "$PID_ONE" ] || inside systemctl is-system-running 2>/dev/null) || true
		case $state in running | degraded) UP=yes; return ;; esac
		tries=$((tries - 1))
		sleep .05
	done
	{
		echo "systemd-boot: the machine did not come up, its state is '$state'"
		cat $BASE/log
		[ -z "$PID_ONE" ] || inside systemctl --no-pager list-jobs || true
	} >&2
	exit 70
}

end_machine() {
	status=$?
	trap - EXIT
	[ -n "$UP" ] || [ $status -gt 128 ] || status=70
	if [ -n "$UNSHARE" ]; then
		PID_ONE=$(pid_one)
		kill -KILL "${PID_ONE:-$UNSHARE}" || true
		wait "$UNSHARE" || true
	fi 2>/dev/null
	[ -z "$CGROUP" ] || remove_cgroup "$CGROUP"
	exit $status
}

host() {
	tree=$1 UNSHARE='' PID_ONE='' CGROUP='' UP=''
	shift
	exec 3<&0	# the command's, which sh would take from what it puts in the background
	trap end_machine EXIT
	trap 'exit 143' HUP INT TERM
	lay_files "$tree"
	lay_cgroup
	start_machine
	wait_for_boot
	# In the background: wait can be interrupted by a signal, a foreground command cannot.
	# shellcheck disable=SC2016
	inside sh -c 'cd "$0" && unset MB_BOOT_STAGE && exec "$@"' "$PWD" "$@" <&3 3<&- &
	wait $!
}

# ---- in the machine, until systemd takes over ----------------------------------------------------

init() {
	quiet_mount -t proc proc $ROOT/proc
	quiet_mount --bind $ROOT/proc/sys $ROOT/proc/sys
	# The kernel's settings are the host's, too.
	quiet_mount -o remount,bind,ro $ROOT/proc/sys
	quiet_mount -t sysfs -o ro sysfs $ROOT/sys
	quiet_mount -t cgroup2 cgroup2 $ROOT/sys/fs/cgroup
	quiet_mount -t tmpfs -o mode=755 run $ROOT/run
	quiet_mount -t tmpfs -o mode=755 dev $ROOT/dev
	mkdir $ROOT/run/host-root $ROOT/dev/pts $ROOT/dev/shm
	quiet_mount -t tmpfs -o mode=1777,nosuid,nodev shm $ROOT/dev/shm
	quiet_mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts $ROOT/dev/pts
	while read -r name minor; do
		mknod -m 666 "$ROOT/dev/$name" c "${minor%,*}" "${minor#*,}"
	done <<-END
		null 1,3
		zero 1,5
		full 1,7
		random 1,8
		urandom 1,9
		tty 5,0
	END
	ln -s pts/ptmx $ROOT/dev/ptmx
	ln -s /proc/self/fd $ROOT/dev/fd
	cd $ROOT
	pivot_root . run/host-root
	umount --lazy run/host-root
	rmdir run/host-root
	mount --make-rshared /
	exec env --ignore-environment container=mbimage-boot PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		$INIT --unit=multi-user.target </dev/null >/dev/null 2>&1
}

case ${MB_BOOT_STAGE-} in
'')
	why=$(possible) || { echo "systemd-boot: not possible here: $why" >&2; exit 77; }
	if [ ! -d "${1-}" ] || [ $# -lt 2 ]; then
		echo "usage: systemd-boot.sh TREE COMMAND [ARGUMENT...]" >&2
		exit 2
	fi
	MB_BOOT_STAGE=host exec unshare --mount sh "$0" "$@"
	;;
host) host "$@" ;;
init) init ;;
esac
