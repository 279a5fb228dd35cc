#!/usr/bin/perl
# The installed services of the default plant under the real systemd: what they are allowed, and
# what happens when they are killed, hang, are restarted and reloaded while clients poll each
# millisecond.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Boot;
use Test::More;
use Time::HiRes qw(time sleep);

my @SERVICES = map { "$_\@default.service" } qw(mbserverd simulatord mbimage-retain);
my ($SERVER, $SIMULATOR, $RETAIN) = @SERVICES;
my $PLANT = '/etc/mbimage/default.conf';

machine(prepare => sub {
	my $tree = shift;
	# Quick steps, so that a standstill shows.
	edit_file("$tree$PLANT",
		sub { s/period = "1s"\s+start_delay = "2s"/period = "20ms"  start_delay = "0s"/
		or die });
	# A shorter wait for the watchdog than in service.
	for my $name ('mbserverd@', 'simulatord@') {
		my $folder = "$tree/usr/lib/systemd/system/$name.service.d";
		mkdir $folder or die "$folder: $!";
		open my $out, '>', "$folder/quick.conf" or die $!;
		print $out "[Service]\nWatchdogSec=2\n";
		close $out;
	}
});

# ---- units -----------------------------------------------------------------------------------

my @units = map { "/usr/lib/systemd/system/$_" } @SERVICES, 'mbserverd@default.socket',
	'mbimage.target';
is(join('', (run('systemd-analyze', 'verify', @units))[1, 2]), '',
	'systemd-analyze verify has nothing to say');
for my $unit (glob '/usr/lib/systemd/system/{mbserverd,simulatord,mbimage-retain}@.service') {
	my ($status, $out) = run('systemd-analyze', 'security', '--no-pager', '--offline=true',
		'--threshold=15', $unit);
	my ($exposure) = $out =~ /exposure level.*: ([0-9.]+)/;
	is($status, 0, "$unit: exposure $exposure");
	my @bare = grep { /^[A-Z]\w+=/ } split /\n/,
		(slurp($unit) =~ s/.*# ---- hardening ----\n//sr =~ s/\[Install\].*//sr);
	cmp_ok(scalar @bare, '>', 20, '... is hardened in many ways');
}

# ---- start, read -----------------------------------------------------------------------------

ok(systemctl('enable', '--now', 'mbimage.target'), 'one command starts the default plant');
for my $unit (@SERVICES) {
	ok(until_true(sub { show($unit, 'ActiveState') eq 'active' }), "$unit is active");
}
my $sock = tcp(502);
is(show('mbserverd@default.socket', 'Listen'), '127.0.0.1:502 (Stream)',
	'it listens for this machine alone');
ok(until_true(sub { request($sock, h('03 03e8 0001')) =~ /^\x03\x02\x01[\x7c-\xa4]$/ }),
	'a client reads what the simulator writes');
is(hx(request($sock, h('06 03f2 beef'))), '0603f2beef', 'a client writes');
my @warnings = grep { !/steps missed/ } split /\n/,
	journal('--priority=warning', map { "--unit=$_" } @SERVICES);
is("@warnings", '', 'nothing to warn of');
my $SINCE = qr{; \Q$PLANT\E as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d};
ok(until_true(sub { show($SERVER, 'StatusText') =~ m{^\d+ connections, \d+ requests/s$SINCE$} }),
	'STATUS of the server: ' . show($SERVER, 'StatusText'));
ok(until_true(sub { show($SIMULATOR, 'StatusText') =~ m{^[\d.]+ steps/s.*$SINCE$} }),
	'STATUS of the simulator: ' . show($SIMULATOR, 'StatusText'));

# ---- privileges ------------------------------------------------------------------------------

# What a process sees in a folder.
sub inside
{
	my ($pid, $folder) = @_;
	opendir my $there, "/proc/$pid/root$folder" or return "$!";
	return sort grep { !/^\./ } readdir $there;
}

for my $unit (@SERVICES) {
	my $pid = unit_pid($unit);
	my $status = slurp("/proc/$pid/status");
	my ($user) = $unit =~ /^([^@]+)/;
	is((getpwuid((stat "/proc/$pid")[4]))[0], $user, "$unit runs as $user");
	like($status, qr/^Gid:\t(\d+)\t\1\t\1\t\1\n.*^Groups:\t\1? ?\n/ms,
		'... in the common group alone');
	like($status, qr/^CapPrm:\t0+\n.*^CapBnd:\t0+\n.*^NoNewPrivs:\t1\nSeccomp:\t2\n/ms,
		'... without a capability, under a filter');
	like(slurp("/proc/$pid/limits"), qr/^Max core file size\s+0\s+0\s/m,
		'... without core dumps');
	isnt(readlink "/proc/$pid/ns/net", readlink '/proc/1/ns/net',
		'... without the network of the machine');
	is(join(' ', inside($pid, '/')), 'dev etc lib lib64 proc run sys usr var',
		'... sees few folders');
	is(join(' ', inside($pid, '/etc')), 'group ld.so.cache mbimage nsswitch.conf passwd',
		'... its plants');
	is(join(' ', map { inside($pid, $_) } '/var', '/var/lib', '/run'), $unit eq $SERVER
		? 'lib mbimage mbimage systemd' : 'lib mbimage systemd',
	   '... saved values, and its manager');
}
# Where can it write, from inside and as its user?
for my $unit (@SERVICES) {
	my ($user) = $unit =~ /^([^@]+)/;
	my @folders = qw(/dev/shm /run/mbimage /var/lib/mbimage /etc/mbimage
		/run /usr/bin / /var/lib /dev /dev/mqueue);
	my ($status, $out) = run('nsenter', '--mount', '--target', unit_pid($unit), 'setpriv',
		"--reuid=$user", '--regid=mbimage',
		'--clear-groups', 'sh', '-c',
			'for f; do touch $f/probe && rm $f/probe && echo $f; done 2>/dev/null',
			'sh', @folders);
	my %more = ($SERVER => ' /run/mbimage', $RETAIN => ' /var/lib/mbimage', $SIMULATOR => '');
	is(join(' ', split /\n/, $out), "/dev/shm$more{$unit}",
	   "$unit writes nowhere else");
}
is(sprintf('%04o', (stat '/dev/shm/mbimage-default')[2] & 07777), '0660',
	'the image is for the group');
is((getgrgid((stat _)[5]))[0], 'mbimage', '... mbimage');

# ---- killed ----------------------------------------------------------------------------------

sub killed
{
	my ($victim, $other) = @_;
	my ($pid, $other_pid) = (unit_pid($victim), unit_pid($other));
	my $poller = poller(port => 502);
	sleep 0.2;	# let it poll: what is tested is that it goes on
	kill KILL => $pid or die "kill: $!";
	my $back = until_true(sub { my $now = unit_pid($victim); $now && $now != $pid
		&& show($victim, 'ActiveState') eq 'active' });
	sleep 0.3;	# and some more
	my $seen = report($poller);
	ok($back, "$victim is started again after SIGKILL");
	is(unit_pid($other), $other_pid, "... $other does not notice");
	cmp_ok($seen->{answers}, '>', 20, "... a client polls: $seen->{answers} answers");
	cmp_ok($seen->{longest_s}, '<', $MB::SOON, '... is soon answered again');
	cmp_ok($seen->{longest_still_s}, '<', $MB::SOON, '... and soon sees values move');
	is("$seen->{refused} refused, $seen->{exceptions} exceptions, $seen->{zeros} zeros",
		'0 refused, 0 exceptions, 0 zeros',
	   '... and nothing wrong');
	return $seen;
}

for my $round (1, 2) {
	my $seen = killed($SIMULATOR, $SERVER);
	is($seen->{lost}, 0, '... and never loses its connection');
	killed($SERVER, $SIMULATOR);
}
$sock = tcp(502);
is(hx(request($sock, h('03 03f2 0001'))), '0302beef',
	'what a client had written before is still there');

# ---- restarted under load --------------------------------------------------------------------

{
	my @pollers = ((map { poller(port => 502) } 1 .. 3), poller(port => 502, fresh => 1));
	my $pid = unit_pid($SIMULATOR);
	sleep 0.2;	# let them poll: what is tested is that it goes on
	for my $round (1 .. 3) {
		ok(systemctl('restart', $SERVER), 'the server is restarted while clients poll');
		sleep 0.1;	# some requests in between
	}
	my @seen = map { report($_) } @pollers;
	is(join(' ', map { $_->{refused} } @seen), '0 0 0 0', '... and refuses no connection');
	cmp_ok($_->{longest_s}, '<', $MB::SOON,
		"... with a short pause; $_->{lost} connections had to be opened again")
		for @seen;
	is(unit_pid($SIMULATOR), $pid, '... the simulator does not notice');
}

# ---- hanging ---------------------------------------------------------------------------------

{
	my %pid = map { $_ => unit_pid($_) } $SERVER, $SIMULATOR;
	kill STOP => values %pid or die;
	for my $unit (sort keys %pid) {
		my $took = until_true(sub { my $now = unit_pid($unit); $now && $now != $pid{$unit}
			&& show($unit, 'ActiveState') eq 'active' });
		ok($took, "$unit hangs, and is ended by the watchdog");
		like(journal("--unit=$unit"), qr/Watchdog timeout/, '... says the journal');
	}
	# One worker alone, stopped by a debugger.
	my $pid = unit_pid($SERVER);
	my ($worker) = grep { slurp("/proc/$pid/task/$_/comm") eq "worker\n" }
		map { m{(\d+)$} } glob "/proc/$pid/task/*";
	SKIP: {
		my ($PTRACE, $SEIZE, $INTERRUPT) = (101, 0x4206, 0x4207);	# x86-64
		skip 'no ptrace here', 1 if `uname -m` ne "x86_64\n" || syscall($PTRACE, $SEIZE,
			$worker + 0, 0, 0) < 0;
		syscall($PTRACE, $INTERRUPT, $worker + 0, 0, 0);
		# A thread that is debugged is gone only when its debugger knows.
		ok(until_true(sub { waitpid $worker, 0x40000001; my $now = unit_pid($SERVER); $now
			&& $now != $pid && show($SERVER, 'ActiveState') eq 'active' }),
		   'one worker that hangs is enough');
	}
}

# ---- reloaded --------------------------------------------------------------------------------

{
	$sock = tcp(502);
	my $poller = poller(port => 502);
	my %pid = map { $_ => unit_pid($_) } $SERVER, $SIMULATOR;
	edit_file($PLANT, sub { s/"Industrial IoT CLP Server"/"Another Model"/ or die });
	ok(systemctl('reload', $SERVER, $SIMULATOR), 'reload');
	ok(until_true(sub { request($sock, h('2b 0e 04 05')) =~ /Another Model$/ }),
		'... takes effect on a connection that is open');
	edit_file($PLANT, sub { s/simulator = /simulater = / or die });
	for my $unit (@SERVICES) {
		isnt((run('systemctl', 'reload', $unit))[0], 0,
			"a wrong plant: reload of $unit fails");
		ok(until_true(sub { journal("--unit=$unit") =~
			/default\.conf:\d+: .*simulater.*expected/ }),
			'... and the journal says why');
		kill HUP => unit_pid($unit);
		ok(until_true(sub { show($unit, 'StatusText') =~ m{$SINCE, reload refused at } }),
			'... as does the status, told by a signal');
	}
	like(request($sock, h('2b 0e 04 05')), qr/Another Model$/, '... and goes on as before');
	edit_file($PLANT, sub { s/simulater = /simulator = / or die });
	ok(systemctl('reload', @SERVICES), 'mended, it is taken');
	ok(until_true(sub { show($_, 'StatusText') !~ /refused/ }), "... says $_") for @SERVICES;
	my $seen = report($poller);
	is("$seen->{lost} lost, $seen->{exceptions} exceptions", '0 lost, 0 exceptions',
		'... no client notices');
	is(unit_pid($_), $pid{$_}, "... $_ is the same process") for sort keys %pid;
}

# ---- a plant that cannot work ----------------------------------------------------------------

edit_file($PLANT, sub { s/simulator = /simulater = / or die });
run('systemctl', 'restart', $SIMULATOR);
ok(until_true(sub { show($SIMULATOR, 'ActiveState') eq 'failed' }, 5),
	'a wrong plant is not tried again and again');
is(show($SIMULATOR, 'NRestarts') . ' ' . show($SERVER, 'ActiveState'), '0 active',
	'... and the server does not mind');
edit_file($PLANT, sub { s/simulater = /simulator = / or die });
ok(systemctl('start', $SIMULATOR), 'mended, it starts');

# ---- stopped ---------------------------------------------------------------------------------

ok(systemctl('stop', 'mbimage.target'), 'one command stops it');
for my $unit (@SERVICES, 'mbserverd@default.socket') {
	ok(until_true(sub { show($unit, 'ActiveState') eq 'inactive' }, 3),
		"... $unit is inactive soon");
}
is(join(' ', map { (getpwuid((stat)[4]))[0] // '' } grep { (getpwuid((stat)[4]) // '') =~
	/^(?:mb|simulatord)/ } glob '/proc/[0-9]*'), '',
   '... no process is left');
is(join(' ', glob '/dev/shm/* /dev/shm/.mb* /run/mb*/*'), '/dev/shm/mbimage-default',
	'... nor anything but the image');
ok(!Boot::connect_once(502), '... and nobody listens');
unlike((systemctl('list-units', '--failed', '--no-legend', '--plain'))[1], qr/mb|simulatord/,
	'... nothing has failed');
done_testing;
