#!/usr/bin/perl
# Several units on one port: each its plant, image and identity; unknown ones; what reload and a
# lost image do to one of them.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;
use IO::Select;
use Time::HiRes qw(sleep);

my ($main, $pump, $fan) = (image_name(), image_name(), image_name());
my $READ = h('03 03e8 0001');

# The plants; %with: settings of the first one's server besides its units.
sub plants
{
	my ($server, $pump_image) = @_;
	plant(name => $pump, file => 'pump.conf', points => undef, image => $pump_image
		|| 'holding_registers = ["1000-1009"]',
		server => 'listen = ["127.0.0.1:1"]  identity = { product_code = "PUMP" }
			files = ( { number = 1  registers = "1000-1005" } )  functions = [1]');
	plant(name => $fan, file => 'fan.conf', points => undef,
		image => 'holding_registers = ["1000", "2000"]', server => '');
	return plant(name => $main, file => 'units.conf', points => undef,
		server => "listen = [\"127.0.0.1:0\"]  identity = { product_code = \"MAIN\" }\n"
			. ($server // <<'UNITS'));
	units = ( { id = 3  plant = "pump.conf" }, { id = 9  plant = "pump.conf" },
		{ id = 4  plant = "fan.conf" }, { id = 1 } )
UNITS
}

sub values_of
{
	my ($sock) = @_;
	return join ' ', map { "$_=" . hx(request($sock, $READ, $_)) } 0, 1, 2, 3, 4, 9, 255;
}

sub reload
{
	my ($server) = @_;
	kill 'HUP', $server->{pid};
	wait_line($server, qr/\breloaded$/);
}

my $server = start_server(plants());
my $sock = tcp($server->{port});

subtest 'unknown ones are counted' => sub {
	request($sock, $READ, $_) for 2, 7, 7;
	my @stats = (program('mbserverd'), '--stats', '--plant', temp_dir() . '/units.conf');
	my (undef, $out) = run(@stats);
	like($out, qr/^requests for a unit that is not served, by unit id\n +1 +2\n +2 +7\n\S/m,
		'by their ids');
	(undef, $out) = run(@stats, '--json');
	like($out, qr/"unknown_units":\{"2":1,"7":2\}/, 'in JSON, too');
};

subtest 'each its own' => sub {
	request($sock, h('06 03e8 1111'), 1);
	request($sock, h('06 03e8 3333'), 3);
	request($sock, h('06 03e8 4444'), 4);
	is(values_of($sock),
		'0=03021111 1=03021111 2=830b 3=03023333 4=03024444 9=03023333 255=03021111',
		'values');
	is(hx(request($sock, h('03 07d0 0001'), $_)), $_ == 4 ? '03020000' : '8302',
		"unit $_: 2000") for 1, 3, 4;
	is(hx(request($sock, h('2b 0e 04 01'), 3)), '2b0e04810000010104' . hx('PUMP'),
		'identity of unit 3');
	is(hx(request($sock, h('2b 0e 04 01'), 255)), '2b0e04810000010104' . hx('MAIN'),
		'identity of the device');
	is(hx(request($sock, h('14 07 06 0001 0000 0001'), 3)), '1404' . '03063333', 'its files');
	is(hx(request($sock, h('14 07 06 0001 0000 0001'), 4)), '9402', 'which others have not');
	is(hx(request($sock, h('63'), 2)), 'e30b', 'an unknown unit before an unknown function');
	my $all = join '', map { adu($_, $_ % 3 + 2, $READ) } 1 .. 30;
	send_all($sock, $all);
	my @answers = map { [ read_response($sock) ] } 1 .. 30;
	is(join(' ', map { "$_->[1]:$_->[2]:" . hx($_->[0]) } @answers),
		join(' ',
			map { "$_:" . ($_ % 3 + 2) . ':'
			. qw(830b 03023333 03024444)[$_ % 3] } 1 .. 30), 'mixed in one stream');
};

subtest 'unknown units' => sub {
	plants(qq{units = ( { id = 3  plant = "pump.conf" } )  unknown_unit = "0x0A"});
	reload($server);
	is(values_of($sock), '0=03021111 1=830a 2=830a 3=03023333 4=830a 9=830a 255=03021111',
		'0x0A; unit 1 is not listed now');
	plants(qq{units = ( { id = 0  plant = "pump.conf" } )  unknown_unit = "silence"});
	reload($server);
	send_all($sock, adu(1, 7, $READ) . adu(2, 0, $READ) . adu(3, 8, $READ)
		. adu(4, 255, $READ));
	my @got = map { join ':', map { length > 2 ? hx($_) : $_ } (read_response($sock))[0,
		1] } 1 .. 2;
	is("@got", '03023333:2 03021111:4', 'silence, between answers; 0 may be a unit of its own');
	ok(!IO::Select->new($sock)->can_read(0.05), 'and nothing more');
	plants(q{own_units = []  units = ( { id = 3  plant = "pump.conf" }, { id = 1 } )});
	reload($server);
	is(values_of($sock), '0=830b 1=03021111 2=830b 3=03023333 4=830b 9=830b 255=830b',
		'0 and 255, too, when they are not the plant\'s own');
	plants(q{own_units = [2, 3]  units = ( { id = 3  plant = "pump.conf" } )});
	reload($server);
	is(values_of($sock), '0=830b 1=830b 2=03021111 3=03023333 4=830b 9=830b 255=830b',
		'an entry counts before them');
	plants('own_units = 1');
	reload($server);
	is(values_of($sock), '0=830b 1=03021111 2=830b 3=830b 4=830b 9=830b 255=830b',
		'without units');
	plants('');
	reload($server);
	is(hx(request($sock, $READ, $_)), '03021111', "without units: $_") for 0, 1, 3, 77, 255;
	plants();
	reload($server);
};

subtest 'a bad plant of a unit' => sub {
	write_file('pump.conf', "image = {\n  name = \"$pump\"\n  nonsense = 1\n}\n");
	kill 'HUP', $server->{pid};
	my $mistake = qr/server\.units\[0\]\.plant: \S*pump\.conf:3: .*nonsense/;
	my $line = wait_line($server,
		qr/reload refused, keeping the old plant: (\S*units\.conf:\d+: $mistake.*)/);
	ok($line, 'both places are named');
	plants(undef, 'holding_registers = ["1000-1008"]');
	kill 'HUP', $server->{pid};
	ok(wait_line($server,
		qr/reload refused, keeping the old plant: image \Q$pump\E: .*1000-1008/),
		'so is one that does not fit its image');
	is(values_of($sock),
		'0=03021111 1=03021111 2=830b 3=03023333 4=03024444 9=03023333 255=03021111',
		'all goes on');
	my ($status, undef, $err) = run(program('mbserverd'), '--check', '--plant',
		plants('units = ( { id = 3  plant = "none" } )'));
	is($status, 2, '--check');
	like($err, qr/units\.conf:\d+: server\.units\[0\]\.plant: \S*none: No such file/,
		'says so, too');
	plants();
};

subtest 'one image is lost' => sub {
	unlink "/dev/shm$pump";
	my $other = start_server(plant(name => $pump, image => 'holding_registers = ["1-5"]',
		points => undef));
	wait_line($server, qr/cannot attach image \Q$pump\E, answering exception 04: .*1-5/);
	is(values_of($sock), '0=03021111 1=03021111 2=830b 3=8304 4=03024444 9=8304 255=03021111',
		'its units answer 04, no others');
	is(hx(request($sock, h('2b 0e 04 01'), 3)), '2b0e04810000010104' . hx('PUMP'),
		'its identity is known');
	sleep 2.2;	# more than two times when it is tried, silently
	stop($other);
	unlink "/dev/shm$pump";
	wait_line($server, qr/attached image \Q$pump\E again/);
	request($sock, h('06 03e8 3330'), 9);
	is(values_of($sock),
		'0=03021111 1=03021111 2=830b 3=03023330 4=03024444 9=03023330 255=03021111',
		'back again');
	my @said = $server->{err} =~ /cannot attach/g;
	is(scalar @said, 1, 'said once, though tried each second');
};

# The lock of the pump's image is held by a stopped process when its name is removed, so the image
# cannot be created again: the server has the only copy of its values.
subtest 'an image that cannot be created again' => sub {
	my $holder = spawn(program('tests/lockholder'), $pump);
	wait_line($holder, qr/^lock_taken$/, undef, 'out');
	unlink "/dev/shm$pump";
	wait_line($server, qr/image \Q$pump\E (was removed and )?cannot be created again yet/);
	plants(undef, 'holding_registers = ["1000-1008"]');
	kill 'HUP', $server->{pid};
	ok(wait_line($server, qr/reload refused, keeping the old plant: image \Q$pump\E: .*lock/),
		'a reload that would drop it is refused');
	ok(!-e "/dev/shm$pump", 'and creates none in its place');
	is(hx(request($sock, $READ, 3)), '03023330', 'its values are still there');
	plants();
	reload($server);
	is(hx(request($sock, $READ, 3)), '03023330', 'as after a reload that keeps it');

	unlink "/dev/shm$fan";
	wait_line($server, qr/attached image \Q$fan\E again/);
	is(hx(request($sock, $READ, 4)), '03024444', "another unit's image is attached again");
	is(hx(request($sock, $READ, 3)), '03023330', 'without harm to it');
	kill9($holder);
	wait_line($server, qr/attached image \Q$pump\E again/);
	ok(-e "/dev/shm$pump", 'once it can be, it is created');
	is(hx(request($sock, $READ, 9)), '03023330', 'with its values');
};

subtest 'images are followed while the plant file is broken' => sub {
	write_file('units.conf', "server = {\n");
	kill 'HUP', $server->{pid};
	wait_line($server, qr/reload refused, keeping the old plant: .*units\.conf/);
	unlink "/dev/shm$pump";
	ok(wait_line($server, qr/attaching the images of the old plant: .*units\.conf:\d+:/),
		'said with the reason');
	wait_line($server, qr/attached image \Q$pump\E again/);
	is(hx(request($sock, $READ, 3)), '03023330', 'attached again');
	request($sock, h('06 03e8 3331'), 3);
	is(hx(request($sock, $READ, 9)), '03023331', 'to write as well');
	plants();
	reload($server);
	is(values_of($sock),
		'0=03021111 1=03021111 2=830b 3=03023331 4=03024444 9=03023331 255=03021111',
		'and reloads go on once it is mended');
};

is(stop($server), 0, 'stops');

# All connections that the limit of open files leaves room for are taken, and every image changes.
subtest 'many units, few open files' => sub {
	my $many = 120;
	my $files = sub {
		my ($round) = @_;
		my @units;
		for my $id (1 .. $many) {
			plant(name => image_name(), file => "many-$id.conf", points => undef,
				image => "pool = 8  holding_registers = [\"0-$round\"]",
				server => '');
			push @units, "{ id = $id  plant = \"many-$id.conf\" }";
		}
		return plant(name => $main, file => 'many.conf', points => undef,
			server => "listen = [\"127.0.0.1:0\"]  max_connections = 1000\n"
				. 'units = ( ' . join(', ', @units) . ' )');
	};
	my $crowded = spawn('sh', '-c', 'ulimit -n 400 && exec "$0" "$@"', program('mbserverd'),
		'--plant', $files->(1));
	my ($room) = wait_line($crowded,
		qr/the limit of open files leaves room for (\d+) connections only, not 1000/);
	my ($port) = wait_line($crowded, qr/listening on \S+:(\d+)/);
	wait_line($crowded, qr/\bready$/);
	my @socks = map { tcp($port) } 1 .. $room;
	is(hx(request($_, h('03 0000 0001'))), '03020000', 'served') for @socks[0, -1];
	$files->(2);
	kill 'HUP', $crowded->{pid};
	ok(wait_line($crowded, qr/\breloaded$/), 'a reload has descriptors for all images anew');
	is(hx(request($socks[0], h('03 0002 0001'), $many)), '03020000', 'and they are served');
	is(stop($crowded), 0, 'stops');
};

# Only other plants' images: the first plant's name leads to none, and none is created.
subtest 'a plant without an image of its own' => sub {
	plants();
	my $units = q{units = ( { id = 3  plant = "pump.conf" } )};
	for my $image ("image = { name = \"$main-none\" }", '') {
		my $plant = write_file('only.conf',
			"$image\nserver = { listen = [\"127.0.0.1:0\"]  $units }\n");
		my $only = start_server($plant);
		my $peer = tcp($only->{port});
		is(values_of($peer) =~ s/3=0302\w+/3/r,
			'0=830b 1=830b 2=830b 3 4=830b 9=830b 255=830b',
			'ids without plant are unknown');
		my $name = $image ? "$main-none" : '/only.conf';
		ok(!-e "/dev/shm$name", 'no image');
		my ($status, $out) = run(program('mbserverd'), '--stats', '--plant', $plant);
		is($status, 0, '--stats');
		like($out, qr/requests/, 'counts');
		($status, undef, my $err) = run(program('simulatord'), '--plant', $plant);
		is($status, 1);
		like($err, qr/the plant declares no address: there is nothing to simulate/,
			'simulatord');
		($status, undef, $err) = run(program('mbshm'), 'info', '--plant', $plant);
		like($err, qr/only\.conf declares no address: it has no image/, 'mbshm');
		is(stop($only), 0);
	}
	my $plant = write_file('outer.conf',
		"server = { listen = [\"127.0.0.1:0\"]\n"
			. "units = ( { id = 1  plant = \"only.conf\" } ) }\n");
	my ($status, undef, $err) = run(program('mbserverd'), '--check', '--plant', $plant);
	is($status, 2, '--check');
	like($err, qr/outer\.conf:2: server\.units\[0\]\.plant: .*declares no address/,
		'as a unit it is none');
};

done_testing;
