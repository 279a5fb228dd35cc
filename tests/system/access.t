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

sub version
{
	my ($status, $out) = run(program('mbshm'), 'info', '--plant', $_[0]);
	return $out =~ /^version +(\d+)/m ? $1 : die $out;
}

my $plant = rules('workers = 1', 'access = (',
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
		'10 03e8 0000 00' => '9003');
	asks(from($server, '127.0.2.1'), '03 03e8 0001' => '03020001', '06 03e8 0002' => '8601',
		'10 03e8 0000 00' => '9001',
		'17 03e8 0001 03e8 0001 02 0002' => '9701');
	is(version($plant), $version, 'nothing was published');
	my ($status, $journal) = run(program('mbshm'), 'journal', '--plant', $plant);
	unlike($journal, qr/127\.0\.[12]\./, 'nothing is in the journal');
	like($journal, qr/127\.0\.0\.2/, 'but what was written');
	my ($rc, $stats) = run(program('mbserverd'), '--plant', $plant, '--stats');
	like($stats, qr/^ *9  writes refused/m, 'counted');
	wait_line($server, qr/127\.0\.1\.77:\d+ may not write: unit 1, $_$/)
		for 'function 6, holding:1000', 'function 5, coil:1000', 'function 16, holding:1000',
			'function 15, coil:1000', 'function 22, holding:1000', 'function 23, holding:1000';
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
	asks(from($server, '127.0.4.2'), '06 03e8 0005' => '0603e80005',
		'06 03f1 0005' => '0603f10005', '06 03f2 0005' => '8602',
		'10 03ec 0002 04 0001 0002' => '1003ec0002',	# over the seam of two ranges
		'10 03f1 0002 04 0001 0002' => '9002', '05 0007 ff00' => '050007ff00',
			'05 0006 ff00' => '8502',
		'17 03f5 0002 03e8 0001 02 0001' => '170400000000',
			'17 03e8 0001 03f2 0001 02 0001' => '9702', '03 03f2 0001' => '03020000');
	asks(from($server, '127.0.5.1'), '1:06 03e8 0001' => '0603e80001',
		'3:06 03e8 0001' => '8602', '4:03 03e8 0001' => '03020001',
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
