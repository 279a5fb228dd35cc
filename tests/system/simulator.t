#!/usr/bin/perl
# simulatord: its steps, its clock, and what it does when other processes, the image or the plant
# file change under it.
use strict;
use warnings;
use lib 'tests/lib';
use IO::Pty;
use IO::Socket::UNIX;
use List::Util qw(uniq);
use MB;
use POSIX ();
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(time sleep);

my $FAST = 'period = "10ms"  start_delay = "0s"';

# The value of holding register $addr, or of coil $addr, as a client sees it.
sub holding { return unpack 'x2 n', request($_[0], pack 'C n n', 3, $_[1] // 1000, 1) }
sub coil    { return ord substr request($_[0], pack 'C n n', 1, $_[1] // 1000, 1), 2, 1 }

# Ask until the answer is true; a test fails instead of hanging.
sub comes
{
	my ($what, $ask) = @_;
	return wait_until($ask) || die "waited in vain until $what\n";
}

sub moves
{
	my ($sock) = @_;
	my $first = holding($sock);
	return comes('the value moves', sub { holding($sock) != $first });
}

# Run to the end of $steps steps; what it printed and logged.
sub steps
{
	my ($plant, $steps) = @_;
	my ($status, $out, $err) = run(program('simulatord'), '--plant', $plant, '--display',
		'--steps', $steps);
	is($status, 0, "$steps steps end with status 0") or diag $err;
	return wantarray ? ($out, $err) : $out;
}

# ---- steps and their display ---------------------------------------------------------------------

{
	my $out = steps(plant(simulator => $FAST), 1);
	my ($register, $coil) = (qr/R1000: \[(?:3[89]\d|4[01]\d|420)\]/, qr/R1000: \[[01]\]/);
	like($out, qr/\A={22}\nModbus Table\nHolding Register\n $register\nCoil\n $coil\n\z/,
		'the default plant, as a table');

	$out = steps(plant(simulator => 'period = "1ms"  start_delay = "0s"'), 300);
	my @values = $out =~ / R1000: \[(\d{2,})\]/g;
	my @coils = $out =~ / R1000: \[(\d)\]/g;
	is(scalar @values, 300, 'one table a step');
	is(scalar(grep { $_ < 380 || $_ > 420 } @values), 0, 'within 380..420');
	cmp_ok(scalar(uniq @values), '>', 30, 'most of the 41 values came');
	is_deeply([sort(uniq(@coils))], [0, 1], 'the coil is 0 and 1');
}

{
	my $points = join "\n",
		map { qq($_->[0] = { address = "$_->[1]"  type = "$_->[2]"  model = "$_->[3]" }) }
		[ 'd', 'discrete 7', 'bool', 'constant 1' ],
			[ 'i', 'input 99', 'u16', 'constant 65535' ],
			[ 'c', 'coil 0', 'bool', 'constant 0' ],
		[ 'h2', 'holding 1099', 'u16', 'constant 7' ],
			[ 'h1', 'holding 1000', 'u16', 'constant 1' ];
	my $table = steps(plant(simulator => $FAST, points => $points), 1);
	is($table, <<~'END', 'all four tables, in order, one line a point');
		======================
		Modbus Table
		Holding Register
		 R1099: [7]
		 R1000: [1]
		Coil
		 R0: [0]
		Input Register
		 R99: [65535]
		Discrete Input
		 R7: [1]
		END
}

{
	my $plant = plant(simulator => $FAST);
	my ($status, $out) = run(program('simulatord'), '--plant', $plant, '--steps', 1);
	is($out, '', 'no table when standard output is not a terminal');

	my $pty = IO::Pty->new;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDOUT, '>&', $pty->slave;
		open STDERR, '>', '/dev/null';
		{ no warnings; exec program('simulatord'), '--plant', $plant, '--steps', 1 }
		POSIX::_exit(127);
	}
	$pty->close_slave;
	my $shown = '';
	1 while sysread $pty, $shown, 4096, length $shown;
	waitpid $pid, 0;
	is($?, 0, 'on a terminal');
	like($shown, qr/^ R1000: \[\d\]\r$/m, 'the table is shown');
}

for my $wrong ('0', '-1', 'x', '1x', '') {
	my ($status) = run(program('simulatord'), '--steps', $wrong);
	is($status, 2, "--steps '$wrong' is refused");
}

# ---- random numbers ------------------------------------------------------------------------------

{
	my $seeded =
		sub { steps(plant(simulator => "$FAST seed = $_[0]",
		defined $_[1] ? (points => $_[1]) : ()), 20) };
	my $seven = $seeded->(7);
	is($seeded->(7), $seven, 'the same seed makes the same run');
	isnt($seeded->(8), $seven, 'another seed makes another');

	my ($out, $err) = steps(plant(simulator => $FAST), 20);
	my ($seed) = $err =~ /\bseed (\d+)/;
	ok($seed, 'a seed taken from the system is logged');
	is($seeded->($seed), $out, 'and repeats the run');

	my $value = 'process_value = { address = "holding 1000"  type = "u16"  '
		. 'model = "uniform 380 420" }';
	my $alone = $seeded->(7, $value);
	my $two = $seeded->(7,
		qq(other = { address = "holding 1050"  type = "u16"
			model = "uniform 0 9" } $value));
	is_deeply([ $two =~ / R1000: .*/g ], [ $alone =~ / R1000: .*/g ],
		'another point leaves a point\'s values alone');
}

# ---- start delay, resuming -----------------------------------------------------------------------

{
	my %image = (name => image_name(),
		image => 'holding_registers = ["1000-1099"] coils = ["1000-1099"]');
	my $began = time;
	my ($out, $err) =
		steps(plant(%image, simulator => 'period = "10ms"  start_delay = "700ms"'), 1);
	cmp_ok(time - $began, '>=', 0.7, 'a fresh image waits for the start delay');
	like($err, qr/is fresh: first step in 700 ms/, 'and says so');

	# An hour: that the run ends at all shows that nothing waited.
	($out, $err) = steps(plant(%image, simulator => 'period = "10ms"  start_delay = "1h"'), 1);
	like($err, qr/resuming from version 2\b/,
		'a step of two points is one version; an image with values is resumed at once');
}

# ---- with the server, in either order ------------------------------------------------------------

for my $order ('server first', 'simulator first') {
	my $plant = plant(simulator => $FAST);
	my $sim;
	$sim = start_simulator($plant) if $order eq 'simulator first';
	my $server = start_server($plant);
	$sim ||= start_simulator($plant);
	my $sock = tcp($server->{port});
	comes('the first step', sub { holding($sock) });
	my (%values, %coils);
	comes('many values came', sub {
		$values{holding($sock)}++;
		$coils{coil($sock)}++;
		return keys %values > 5 && keys %coils == 2;
	});
	is(scalar(grep { $_ < 380 || $_ > 420 } keys %values), 0,
		"$order: clients see the values move within 380..420");

	is(kill9($sim), 128 + 9, "$order: simulator killed");
	my $last = holding($sock);
	sleep 0.05;		# time for steps that must not happen
	is(holding($sock), $last, "$order: the server serves the last value");
	is(hx(request($sock, h('06 041a 004d'))), '06041a004d', "$order: and takes writes");

	$sim = start_simulator($plant, '--display');
	ok(moves($sock), "$order: a new simulator goes on");
	like($sim->{err}, qr/resuming from version/, "$order: where the other ended");
	is(holding($sock, 1050), 77, "$order: a client's value is left alone");

	is(kill9($server), 128 + 9, "$order: server killed");
	wait_line($sim, qr/Modbus Table/, undef, 'out') for 1 .. 20;
	pass("$order: the simulator goes on without it");
	$server = start_server($plant);
	$sock = tcp($server->{port});
	ok(moves($sock), "$order: a new server serves it");
	is(holding($sock, 1050), 77, "$order: and what was written before");
	is(stop($sim, $order eq 'server first' ? 'TERM' : 'INT'), 0,
		"$order: the simulator ends with status 0");
	is(stop($server), 0, "$order: the server too");
}

# ---- the source ----------------------------------------------------------------------------------

# Stopped in the writer lock, another process keeps the simulator from claiming its source at the
# start; a range with a rule for stale values is not served until it has it.
{
	my $name = image_name();
	my $plant = plant(name => $name, simulator => $FAST, server =>
		'stale = ( { range = "holding 1000-1099"  source = "simulatord"  after = "1h" } )');
	my $server = start_server($plant);
	my $sock = tcp($server->{port});
	my $stopped = spawn(program('tests/lockholder'), $name);
	wait_line($stopped, qr/^lock_taken$/, undef, 'out');
	my $sim = start_simulator($plant);
	like($sim->{err}, qr/source "simulatord" is not registered in the image yet.*timed out/,
		'no source');
	kill 'CONT', $stopped->{pid};
	wait_line($sim, qr/source "simulatord" claimed/);
	ok(comes('the values are fresh', sub { ord(request($sock, h('03 03e8 0001'))) == 3 }),
		'a simulator claims its source as soon as it can');
	is(() = $sim->{err} =~ /is not registered/g, 1, 'and complains once');
	is(wait_exit($stopped), 0, 'the other process went on');

	my ($status, undef, $err) = run(program('simulatord'), '--plant', $plant, '--steps', 1);
	is($status, 1, 'a second simulator of the plant is refused');
	like($err, qr/image \Q$name\E: source "simulatord" is in use by another process/,
		'by name');
	my $other = plant(name => $name, simulator => "$FAST source = \"other\"");
	steps($other, 1);
	kill9($sim);
	steps($plant, 1);	# at once

	# Running, it makes room for whoever is there already.
	$sim = start_simulator($plant);
	my $moving = plant(name => $name, file => 'moving.conf',
		simulator => "$FAST source = \"other\"");
	my $second = start_simulator($moving);
	plant(name => $name, file => 'moving.conf', simulator => $FAST);
	kill 'HUP', $second->{pid};
	wait_line($second, qr/source "simulatord" is in use by another process: making no steps/);
	kill 'HUP', $sim->{pid};
	wait_line($sim, qr/\breloaded$/);
	unlike($sim->{err}, qr/in use/, 'a reload keeps the source');
	stop($sim);
	wait_line($second, qr/source "simulatord" claimed/);
	pass('it goes on when the source is free');
	stop($second);
}

# ---- one step is one version ---------------------------------------------------------------------

{
	# Two registers in different pages of the image (512 registers each), so that nothing but
	# the version holds them together.
	my $plant = plant(simulator => 'period = "1ms"  start_delay = "0s"', points => <<~'END');
		a = { address = "holding 1000"  type = "u16"  model = "uniform 0 65535" }
		b = { address = "holding 1099"  type = "u16"  model = "uniform 0 65535" }
		END
	my $sim = start_simulator($plant, '--display');
	my $server = start_server($plant);
	my $sock = tcp($server->{port});
	my %seen;
	comes('300 pairs came', sub {
		my @values = unpack 'x2 n100', request($sock, pack 'C n n', 3, 1000, 100);
		$seen{"$values[0] $values[99]"}++;
		MB::drain($sim, 0);
		return keys %seen > 300;
	});
	is(stop($sim), 0, 'stopped');
	my %published = ('0 0' => 1);
	$published{"$1 $2"}++ while $sim->{out} =~ / R1000: \[(\d+)\]\n R1099: \[(\d+)\]\n/g;
	is_deeply([ grep { !$published{$_} } keys %seen ], [],
		'clients see only pairs of one step');
}

# ---- the clock -----------------------------------------------------------------------------------

{
	my $sim = start_simulator(plant(simulator => $FAST), '--display');
	wait_line($sim, qr/Modbus Table/, undef, 'out');
	kill 'STOP', $sim->{pid};
	sleep 0.2;		# twenty periods
	kill 'CONT', $sim->{pid};
	my $missed = 0;
	$missed = wait_line($sim, qr/steps missed, (\d+) since the start/) while $missed < 15;
	pass("missed steps are counted ($missed)");
	is(stop($sim), 0, 'and life goes on');

	# 100 periods, however long each step took: 99 intervals and no drift.
	my $plant = plant(simulator => $FAST);
	my $began = time;
	steps($plant, 100);
	my $took = time - $began;
	cmp_ok($took, '>=', 0.99, "100 steps of 10 ms take a second ($took)");
}

{
	my $path = temp_dir() . '/notify';
	my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$path: $!";
	my $sim = spawn('env', "NOTIFY_SOCKET=$path", program('simulatord'), '--plant',
		plant(simulator => $FAST));
	my ($status, $ready);
	local $SIG{ALRM} = sub { die "no status came\n" };
	alarm $MB::TIMEOUT;
	until ($status) {
		$manager->recv(my $message, 4096);
		$ready ||= $message =~ /^READY=1/m;
		$status = $1 if $message =~ /^STATUS=([1-9][\d.]* steps\/s.*)/m;
	}
	alarm 0;
	ok($ready, 'the manager is told READY=1');
	like($status, qr{^\d+\.\d steps/s, \d+ steps missed, 0 not published; \S+ as of },
		"and the rate ($status)");
	is(stop($sim), 0, 'stopped');
}

# ---- a display that nobody reads -----------------------------------------------------------------

{
	my $plant = plant(simulator => 'period = "1ms"  start_delay = "0s"');
	my $server = start_server($plant);
	my $sock = tcp($server->{port});
	my $sim = start_simulator($plant, '--display');
	close delete $sim->{pipes}{out};
	wait_line($sim, qr/display: Broken pipe/);
	ok(moves($sock), 'a reader that goes away does not end the simulation');
	stop($sim);

	$sim = spawn(program('simulatord'), '--plant', $plant, '--display');
	fcntl $sim->{pipes}{out}, 1031, 4096;	# F_SETPIPE_SZ: full after 50 tables
	my $out = delete $sim->{pipes}{out};
	wait_line($sim, qr/\bready$/);
	moves($sock) for 1 .. 100;
	pass('a reader that does not read does not stop it');
	$sim->{pipes}{out} = $out;
	# Read what has piled up and what comes now: whole tables all the way.
	my $from = length $sim->{out};
	comes('more tables than fit',
		sub { MB::drain($sim, 0.1); length $sim->{out} > $from + 20_000 });
	stop($sim);
	my $table = '={22}\nModbus Table\nHolding Register\n R1000: \[\d+\]\n'
		. 'Coil\n R1000: \[\d\]\n';
	like($sim->{out}, qr/\A(?:$table)+\z/, 'it finds whole tables');
}

# ---- another plant, another image ----------------------------------------------------------------

{
	my $name = image_name();
	my $constant = sub {
		return plant(name => $name, file => 'reload.conf', simulator => $FAST,
			image => 'holding_registers = ["1000-1099"]',
			points =>
				qq(p = { address = "holding 1000"  type = "u16"
					model = "constant $_[0]" }));
	};
	my $plant = $constant->(1);
	my $server = start_server($plant);
	my $sock = tcp($server->{port});
	my $sim = start_simulator($plant, '--display');
	comes('the first value', sub { holding($sock) == 1 });

	$constant->(2);
	kill 'HUP', $sim->{pid};
	wait_line($sim, qr/\breloaded\b/);
	ok(comes('the new value', sub { holding($sock) == 2 }),
		'SIGHUP takes a changed plant');

	$constant->('x');
	kill 'HUP', $sim->{pid};
	my $why = wait_line($sim, qr/reload refused, keeping the old plant: (.*)/);
	like($why, qr/reload\.conf:\d+: .*whole number/,
		"a bad one is refused with its line ($why)");
	request($sock, h('06 03e8 0000'));
	ok(comes('the old model goes on', sub { holding($sock) == 2 }),
		'and the old one lives on');

	# The image is taken away: both processes meet in a new one.
	$constant->(3);
	unlink "/dev/shm$name" or die "$name: $!";
	# by the server, if it looked first
	wait_line($sim, qr{image \S+ was (?:removed|replaced)});
	ok(comes('the new image', sub { -e "/dev/shm$name" }),
		'a removed image is made again');
	my $late = start_server($plant);
	ok(comes('the value', sub { holding(tcp($late->{port})) == 3 }),
		'with the plant as it is now');

	stop($_) for $server, $late;		# they would make the image again as well

	# Another layout under the same name, made while the simulator cannot look: nothing to do
	# but say so and wait.
	kill 'STOP', $sim->{pid};
	unlink "/dev/shm$name" or die "$name: $!";
	my $other = plant(name => $name, image => 'coils = ["0-9"]', points => '',
		simulator => $FAST);
	my ($status, $out, $err) = run(program('simulatord'), '--plant', $other, '--steps', 1);
	is($status, 0, 'a plant without points runs');
	like($err, qr/has no points: nothing to simulate/, 'and says so');
	kill 'CONT', $sim->{pid};
	wait_line($sim, qr/image \S+ was replaced/);
	ok(wait_line($sim, qr/(cannot attach image \S+, making no steps: .+)/),
		'an image of another layout is said');
	unlink "/dev/shm$name" or die "$name: $!";
	wait_line($sim, qr/is fresh: first step/);
	is(scalar(() = $sim->{err} =~ /cannot attach image/g), 1,
		'once, and the simulator goes on when it can');
	is(stop($sim), 0, 'stopped');
}

# ---- a replaced image is left at once ------------------------------------------------------------

{
	my $name = image_name();
	my $plant = plant(name => $name, simulator => $FAST);
	my $sim = start_simulator($plant);
	for (1 .. 3) {
		my ($status, undef, $err) = run(program('mbshm'), '--plant', $plant, 'recreate');
		is($status, 0, 'recreate') or diag $err;
		wait_line($sim, qr/resuming from version/);
	}
	unlike($sim->{err}, qr/step not published: Stale/, 'no step is made on a replaced image');
	is(stop($sim), 0, 'stopped');
}

# ---- beside a stopped writer ---------------------------------------------------------------------

{
	my $name = image_name();
	my $plant = plant(name => $name, simulator => 'period = "100ms"  start_delay = "0s"',
		image => 'holding_registers = ["1000-1099"]',
		points => 'p = { address = "holding 1000"  type = "u16"  model = "constant 7" }');
	my $server = start_server($plant);
	my $stopped = spawn(program('tests/lockholder'), $name);
	wait_line($stopped, qr/^lock_taken$/, undef, 'out');
	my $sim = start_simulator($plant);
	like($sim->{err}, qr/is not registered in the image yet/,
		'without the lock it gets no entry, and goes on');
	wait_line($sim, qr/step not published: .*; 1 since the start$/);
	pass('steps that cannot be published are counted');

	# Its values are the only copy, and cannot be saved yet: the plant stays as well.
	stop($server);
	unlink "/dev/shm$name" or die "$name: $!";
	kill 'HUP', $sim->{pid};
	ok(wait_line($sim, qr/(reload refused, keeping the old plant: .+)/),
		'no reload while the image is gone and cannot be made again');
	kill 'CONT', $stopped->{pid};
	wait_exit($stopped);
	ok(comes('the image', sub { -e "/dev/shm$name" }),
		'made again when the writer has gone on');
	is(stop($sim), 0, 'stopped');
}

# ---- what it cannot start with -------------------------------------------------------------------

{
	my $name = image_name();
	my $server = start_server(plant(name => $name, image => 'coils = ["0-9"]', points => ''));
	my ($status, $out, $err) = run(program('simulatord'), '--plant', plant(name => $name),
		'--steps', 1);
	is($status, 1, 'an image of another layout: status 1');
	like($err, qr/^simulatord: image \Q$name\E: declares \{coil 0-9\}; the plant says \{/,
		'and says what is different');
	is($err =~ tr/\n//, 1, 'in one line');
	stop($server);

	# A file is written to as it is: no second open, which would start at its beginning.
	my $table = temp_dir() . '/table';
	($status) = run('sh', '-c', "echo before > $table; exec " . program('simulatord')
		. ' --plant ' . plant(simulator => $FAST) . " --display --steps 2 >> $table");
	is($status, 0, 'the table into a file');
	open my $in, '<', $table or die "$table: $!";
	like(join('', <$in>), qr/\Abefore\n={22}\nModbus Table\n(?:.*\n)+={22}\nModbus Table\n/,
		'behind what is there');
}

done_testing;
