#!/usr/bin/perl
# Who may do what: rules by address, unit, function and range; what a refusal costs and leaves
# behind; rules that change.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);
use Test::More;

my $READ = h('03 03e8 0001');
my $name = image_name();

# A client with an address of its own: all of 127/8 is this machine.
sub from
{
	my ($server, $address) = @_;
	return IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $server->{port},
		LocalHost => $address) || die "$address: $@";
}

sub rules { return plant(name => $name, file => 'access.conf', server => join "\n", @_) }

# A plant of a unit, with an image of its own.
sub unit { return plant(name => image_name(), file => "$_[0].conf", points => undef, server => '') }
unit($_) for 'three', 'five', 'nine';

sub version
{
	my ($status, $out) = run(program('mbshm'), 'info', '--plant', $_[0]);
	return $out =~ /^version +(\d+)/m ? $1 : die $out;
}

my $plant = rules('workers = 1',
	'units = ( { id = 1 }, { id = 3  plant = "three.conf" }, { id = 4  plant = "three.conf" },',
	'{ id = 13  plant = "three.conf" }, { id = 14  plant = "./three.conf" },',
	'{ id = 5  plant = "five.conf" }, { id = 9  plant = "nine.conf" } )',
	'access = (',
	'{ from = "127.0.0.2" },',
	'{ from = "127.0.1.0/24"  allow = "read" },',
	'{ from = "127.0.2.0/24"  allow = "read"  refuse = "01" },',
	'{ from = "127.0.3.0/24"  allow = "none" },',
	'{ from = "127.0.4.1"  functions = [3, 6] },',
	'{ from = "127.0.4.2"  write = ["holding 1000-1004", "holding 1005-1009", "coil 7"] },',
	'{ from = "127.0.5.1"  units = [3, 4]  allow = "read" },',
	'{ from = "127.0.5.1"  units = [5]  allow = "none" },',
	'{ from = "127.0.6.0/25" }, { from = "127.0.6.0/24"  allow = "none" },',
	'{ from = "127.0.0.0/8"  units = [9]  functions = [4] } )');
my $server = start_server($plant);

sub asks
{
	my ($sock, @pairs) = @_;
	while (my ($request, $answer) = splice @pairs, 0, 2) {
		my ($unit, $pdu) = $request =~ /^(?:(\d+):)?(.*)/;
		is(hx(request($sock, h($pdu), $unit // 1)), $answer, "$request: $answer");
	}
}

subtest 'all' => sub {
	asks(from($server, '127.0.0.2'), '06 03e8 0001' => '0603e80001',
		'03 03e8 0001' => '03020001');
	# no rule is about it
	asks(from($server, '127.0.0.3'), '06 03e8 0001' => '0603e80001');
};

subtest 'read only' => sub {
	my $sock = from($server, '127.0.1.77');
	my $version = version($plant);
	asks($sock, '03 03e8 0001' => '03020001', '06 03e8 0002' => '8602',
		'05 03e8 ff00' => '8502',
		'10 03e8 0001 02 0002' => '9002', '0f 03e8 0001 01 01' => '8f02',
			'16 03e8 0000 0002' => '9602',
		'17 03e8 0001 03e8 0001 02 0002' => '9702', '06 0000 0002' => '8602',
		# what is wrong in itself comes first, as for everybody
		'10 03e8 0000 00' => '9003',
		# clearing counters writes, too; 8 has no exception 02
		'08 000a 0000' => '8801', '08 0014 0000' => '8801', '08 000a 0001' => '8803',
		'08 0000 1234' => '0800001234');
	asks(from($server, '127.0.2.1'), '03 03e8 0001' => '03020001', '06 03e8 0002' => '8601',
		'10 03e8 0000 00' => '9001',
		'17 03e8 0001 03e8 0001 02 0002' => '9701');
	is(version($plant), $version, 'nothing was published');
	my ($status, $journal) = run(program('mbshm'), 'journal', '--plant', $plant);
	unlike($journal, qr/127\.0\.[12]\./, 'nothing is in the journal');
	like($journal, qr/127\.0\.0\.2/, 'but what was written');
	my ($rc, $stats) = run(program('mbserverd'), '--plant', $plant, '--stats');
	like($stats, qr/^ *11  writes refused/m, 'counted');
	wait_line($server, qr/127\.0\.1\.77:\d+ may not write: unit 1, $_$/)
		for 'function 6, holding:1000', 'function 5, coil:1000',
			'function 16, holding:1000', 'function 15, coil:1000',
			'function 22, holding:1000', 'function 23, holding:1000';
	# which has no address
	wait_line($server, qr/127\.0\.1\.77:\d+ may not write: unit 1, function 8$/);
	# those whose exception is 01; the second cannot be understood
	wait_line($server, qr/127\.0\.2\.1:\d+ may not write: unit 1, $_$/)
		for 'function 6, holding:1000', 'function 16';
};

subtest 'a refusal needs no lock' => sub {
	my $holder = spawn(program('tests/lockholder'), $name);
	wait_line($holder, qr/lock_taken/, 20, 'out');
	asks(from($server, '127.0.1.1'), '06 03e8 0002' => '8602');
	asks(from($server, '127.0.0.2'), '06 03e8 0001' => '8606');
	kill9($holder);
};

subtest 'none' => sub {
	for my $address ('127.0.3.1', '127.0.6.128', '127.0.6.255') {
		my $sock = from($server, $address);
		ok(closed($sock), "$address: closed at once");
	}
	asks(from($server, $_), '03 03e8 0001' => '03020001') for '127.0.6.0', '127.0.6.127';
	wait_line($server, qr/refused 127\.0\.3\.1:\d+: server\.access/);
};

subtest 'functions, ranges, units' => sub {
	asks(from($server, '127.0.4.1'), '03 03e8 0001' => '03020001',
		'06 03e8 0001' => '0603e80001', '04 0000 0001' => '8401',
		'2b 0e 01 00' => 'ab01', '10 03e8 0001 02 0002' => '9001');
	asks(from($server, '127.0.4.2'), '06 03e8 0005' => '0603e80005', '08 000a 0000' => '8801',
		'06 03f1 0005' => '0603f10005', '06 03f2 0005' => '8602',
		'10 03ec 0002 04 0001 0002' => '1003ec0002',	# over the seam of two ranges
		'10 03f1 0002 04 0001 0002' => '9002', '05 0007 ff00' => '050007ff00',
			'05 0006 ff00' => '8502',
		'17 03f5 0002 03e8 0001 02 0001' => '170400000000',
			'17 03e8 0001 03f2 0001 02 0001' => '9702', '03 03f2 0001' => '03020000');
	asks(from($server, '127.0.5.1'), '1:06 03e8 0001' => '0603e80001',
		'3:06 03e8 0001' => '8602', '4:03 03e8 0001' => '03020000',
		# other ids of the same device, under which the file's name differs as well
		'13:06 03e8 0001' => '8602', '14:06 03e8 0001' => '8602',
		'5:03 03e8 0001' => '8301', '9:03 03e8 0001' => '8301',
			'9:04 0000 0001' => '04020000');
};

subtest 'rules that change' => sub {
	my ($reader, $stays, $out) = map { from($server, $_) } '127.0.1.1', '127.0.0.2',
		'127.0.9.9';
	request($_, $READ) for $reader, $stays, $out;
	rules('access = ( { from = "127.0.1.0/24" }, { from = "127.0.0.2"  allow = "read" } )',
		'default_access = "none"');
	kill 'HUP', $server->{pid};
	# in whichever order
	wait_line($server, qr/\breloaded$|closed: the access rules/) for 1 .. 2;
	ok(closed($out), 'who may no more be here is closed without having asked');
	like($server->{err}, qr/127\.0\.9\.9:\d+ closed: the access rules have changed/,
		'and the log says why');
	asks($reader, '06 03e8 0009' => '0603e80009');
	asks($stays, '06 03e8 0001' => '8602', '03 03e8 0001' => '03020009');
	rules('access = ( { from = "127.0.1.0/24" } )', 'read_only = true');
	kill 'HUP', $server->{pid};
	wait_line($server, qr/\breloaded$/);
	asks($_, '06 03e8 0001' => '8602', '03 03e8 0001' => '03020009') for $reader, $stays;
	rules('access = (', '{ from = "127.0.0.300" } )');
	kill 'HUP', $server->{pid};
	my $mistake = qr/server\.access\[0\]\.from: "127\.0\.0\.300", expected an address/;
	wait_line($server, qr/access\.conf:\d+: $mistake/);
	asks($_, '06 03e8 0001' => '8602', '03 03e8 0001' => '03020009') for $reader, $stays;
};

is(stop($server), 0, 'stops');

# What is allowed in a plant, but is hardly meant.
subtest '--check' => sub {
	my $path = rules('units = ( { id = 3  plant = "three.conf" },
		{ id = 13  plant = "three.conf" } )',
		'access = (', '{ units = [3, 7]',	# line 16
		'write = ["holding 1000-1004", "coil 5000"] },', '{ units = [0, 255] },',
		'{ write = "holding 1090-1100" } )');
	my ($status, $out, $err) = run(program('mbserverd'), '--check', '--plant', $path);
	is("$status $out", "0 ok\n", 'it is allowed');
	my $start = "mbserverd: $path:";
	is($err =~ s/^\Q$start\E\d+: //mgr, <<'REMARKS', 'and remarked on');
server.access[0].units: the rule also holds for unit 13, which leads to the same values
server.access[0].units: there is no unit 7
server.access[0].write: "coil 5000" is declared by no image that the rule is about
server.access[2].write: "holding 1090-1100" is declared by no image that the rule is about
REMARKS
	my @lines = $err =~ /:(\d+): /g;
	is_deeply(\@lines, [ map { $lines[0] + $_ } 0, 0, 1, 3 ], 'each at its line');
	(undef, $out, $err) = run(program('mbserverd'), '--check', '--plant',
		rules('access = ( { units = [1]  allow = "read" } )'));
	like($err, qr/the rule also holds for unit 0, 2-255, which/, 'without units they are one');
	(undef, $out, $err) = run(program('mbserverd'), '--check', '--plant',
		rules('access = ( { allow = "read"  write = ["holding 1000"] } )'));
	like($err, qr/: server\.access\[0\]\.write: no effect, as allow is not "all"\n$/,
		'a rule that lists what may be written, and lets nothing be written');
};

subtest 'IPv6 and unix sockets' => sub {
	my $path = temp_dir() . '/modbus.sock';
	my $v6 = IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1);
	my $mixed = start_server(rules('listen = [' . ($v6 ? '"[::1]:0", ' : '')
		. "\"unix:$path\"]",
		'access = ( { from = "unix"  allow = "read" }, { from = "::1"  functions = [4] },
			{ from = "::/0"  allow = "none" } )'));
	asks(IO::Socket::UNIX->new(Peer => $path, Type => SOCK_STREAM), '06 03e8 0001' => '8602',
		'03 03e8 0001' => '03020009');
	SKIP: {
		skip 'no IPv6 here', 1 unless $v6;
		asks(tcp($mixed->{port}, '::1'), '04 0000 0001' => '04020000',
			'03 03e8 0001' => '8301');
	}
	is(stop($mixed), 0, 'stops');

	# A socket for both families, as systemd may pass one: its IPv4 clients are IPv4.
	SKIP: {
		my $both = $v6 && IO::Socket::IP->new(LocalHost => '::', LocalPort => 0,
			Listen => 5, V6Only => 0);
		skip 'no such socket here', 1 unless $both;
		my $plant = rules('access = ( { from = "127.0.0.2"  allow = "read" },
			{ from = "::ffff:127.0.0.3"  functions = [4] } )');
		my $passed = spawn({ listen => [$both] }, program('mbserverd'), '--plant', $plant);
		wait_line($passed, qr/\bready$/);
		$passed->{port} = $both->sockport;
		asks(from($passed, '127.0.0.2'), '06 03e8 0001' => '8602',
			'03 03e8 0001' => '03020009');
		asks(from($passed, '127.0.0.3'), '03 03e8 0001' => '8301');
		is(stop($passed), 0, 'stops');
	}
};

done_testing;
