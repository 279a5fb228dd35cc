#!/usr/bin/perl
# The release tarball builds, and so do the Debian packages, under the real systemd: lintian finds
# no error, the installed plant runs at once, an upgrade refuses no connection and loses no value, a
# purge leaves nothing.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Boot;
use Test::More;
use Time::HiRes qw(sleep);

my @SERVICES = map { "$_\@default.service" } qw(mbserverd simulatord mbimage-retain);

if (!$ENV{MB_INSIDE_MACHINE}) {
	plan skip_all => 'takes its time (make check-long)' unless $ENV{MB_LONG};
	for my $tool (qw(dpkg-buildpackage dh fakeroot lintian)) {
		plan skip_all => "needs $tool (scripts/deps.sh deb)"
			if system("command -v $tool >/dev/null");
	}
	delete @ENV{qw(MAKEFLAGS MAKELEVEL)};
	my $build = temp_dir() . '/build';
	chmod 0755, temp_dir();
	my $make = spawn('make', '--no-print-directory', "BUILD=$build", 'deb');
	is(wait_exit($make, 600), 0, 'make deb, from the tarball of make dist') or die $make->{err};
	my $out = $make->{out};
	my ($package) = $out =~ m{^(\S+/mbimage_\S+\.deb)$}m;
	ok($package && -s $package, "... makes $package");
	SKIP: {
		skip 'no apt-get here', 2 if system('command -v apt-get >/dev/null');
		is(join(' ', glob "$build/deb/mbimage_*.deb"), $package, 'as README has it');
		my ($apt_status, undef, $apt) = run('apt-get', '--simulate', 'install', $package);
		is($apt_status, 0, '... which apt would install') or diag($apt);
	}
	my ($lint_status, $lint) = run('lintian', '--allow-root', glob "$build/deb/*.changes");
	is(join('', $lint =~ /^E:.*\n/mg), '', 'lintian finds no error') or diag($lint);
	diag($lint) if $lint =~ /^W/m;

	# The next version, to upgrade to.
	my $next = temp_dir() . '/next';
	run('dpkg-deb', '-R', $package, $next);
	edit_file("$next/DEBIAN/control", sub { s/^Version: .*/$&.1/m or die });
	is((run('dpkg-deb', '--root-owner-group', '-b', $next, temp_dir() . '/next.deb'))[0], 0,
		'another version');
	$ENV{MB_PACKAGE} = $package;
	$ENV{MB_PACKAGE_NEXT} = temp_dir() . '/next.deb';
	mkdir temp_dir() . '/empty';
	machine(boots => 1, tree => temp_dir() . '/empty');
}

# ---- in the machine --------------------------------------------------------------------------

sub traces
{
	my @folders = grep { -e } qw(/etc /usr/bin /usr/include /usr/lib/systemd /usr/lib/sysusers.d
		/usr/lib/tmpfiles.d
		/usr/share/doc /usr/share/man /usr/share/bash-completion /var/lib /dev/shm);
	my ($status, $out) = run('find', @folders, '-not', '-path', '/var/lib/dpkg/*', '-not',
		'-path', '/var/lib/systemd/*');
	# Not the backups of passwd and the like, nor folders of systemd that are made when first
	# used.
	my $usual = qr{^/etc/[.\w-]+$|^/etc/systemd/system/(?:multi-user|sockets)\.target\.wants$};
	return grep { !/$usual/ }
		split /\n/, $out;
}

# dpkg's database is the machine's own copy: what other packages left unfinished there is not our
# concern.
sub dpkg
{
	my ($status, $out, $err) = run('dpkg', '--force-depends', @_);
	is($status, 0, "dpkg $_[0]") or diag($out . $err);
}

$ENV{PATH} = "/usr/sbin:/sbin:$ENV{PATH}";
unlink '/usr/sbin/policy-rc.d';	# of the host, if it is a container: start nothing
my %before = map { $_ => 1 } traces();
dpkg('--install', $ENV{MB_PACKAGE});
for my $unit (@SERVICES) {
	ok(until_true(sub { show($unit, 'ActiveState') eq 'active' }), "installed: $unit runs");
}
my $sock = tcp(502);
is(hx(request($sock, h('06 03f2 beef'))), '0603f2beef', '... on port 502');
is(join(' ', map { (systemctl('is-enabled', $_))[1] =~ s/\n//r } @SERVICES,
	'mbserverd@default.socket', 'mbimage.target'),
   join(' ', ('enabled') x 5), '... at each boot');
is((run('dpkg', '--verify', 'mbimage'))[1], '', '... whole');

my %pid = map { $_ => unit_pid($_) } @SERVICES;
my @pollers = (poller(port => 502, address => 1010),
	map { poller(port => 502, address => 1010, fresh => 1) } 1, 2);
sleep 0.2;	# some requests before ...
dpkg('--install', $ENV{MB_PACKAGE_NEXT});
isnt(unit_pid($_), $pid{$_}, "upgraded: $_ is a new process") for @SERVICES;
sleep 0.2;	# ... and after
for my $seen (map { report($_) } @pollers) {
	is("$seen->{refused} refused, $seen->{zeros} zeros, $seen->{exceptions} exceptions",
		'0 refused, 0 zeros, 0 exceptions',
	   "... no client is refused, of $seen->{answers} requests");
	cmp_ok($seen->{longest_s}, '<', $MB::SOON, sprintf '... a pause of %.0f ms',
		1000 * $seen->{longest_s});
}
is(hx(request(tcp(502), h('03 03f2 0001'))), '0302beef', '... values are as before');

dpkg('--remove', 'mbimage');
ok(!Boot::connect_once(502), 'removed: nobody listens');
is(join(' ', grep { (getpwuid((stat)[4] // 0) // '') =~ /^(?:mb|simulatord)/ } glob '/proc/[0-9]*'),
	'', '... no process is left');
ok(-e '/etc/mbimage/default.conf', '... the configuration stays');
dpkg('--purge', 'mbimage');
is(join(' ', grep { !$before{$_} } traces()), '', 'purged: nothing is left');
is(join(' ', grep { getpwnam $_ } qw(mbserverd simulatord mbimage-retain))
	. (getgrnam('mbimage') // ''), '', '... nor any user');
done_testing;
