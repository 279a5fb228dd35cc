#!/usr/bin/perl
# Frames of a chosen client in the log, switched on and off while it runs; nobody else's.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use IO::Socket::IP;
use Test::More;

my $name = image_name();

sub from
{
	my ($server, $address) = @_;
	return IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $server->{port},
		LocalHost => $address) || die "$address: $@";
}

# The two lines of an exchange, without who and which port.
sub traced
{
	my ($server, $sock, $pdu, $unit) = @_;
	my $port = $sock->sockport;
	request($sock, h($pdu), $unit);
	my $request = wait_line($server, qr/trace 127\.0\.0\.\d+:$port > \w{4} (.*)$/);
	return ($request, wait_line($server, qr/trace 127\.0\.0\.\d+:$port < \w{4} (.*)$/));
}

my $plant = plant(name => $name, file => 'trace.conf');
my $server = start_server($plant, '--trace', '127.0.0.2');
my ($chosen, $other) = (from($server, '127.0.0.2'), from($server, '127.0.0.1'));

my @exchanges = (
	['06 03e8 0007', '0000 0006 01 06 03e80007: unit 1, write single register, to 1000 7',
		'0000 0006 01 06 03e80007: done'],
	['03 03e8 0003', '0000 0006 01 03 03e80003: unit 1, read holding registers, from 1000-1002',
		'0000 0009 01 03 06000700000000: 7 0 0'],
	['0f 03e8 000a 02 0502',
		'0000 0009 01 0f 03e8000a020502: unit 1, '
			. 'write multiple coils, to 1000-1009 1010000001',
		'0000 0006 01 0f 03e8000a: done'],
	['01 03e8 0004', '0000 0006 01 01 03e80004: unit 1, read coils, from 1000-1003',
		'0000 0004 01 01 0105: 1010'],
	['16 03e8 00f2 0025',
		'0000 0008 01 16 03e800f20025: unit 1, '
			. 'mask write register, of 1000 and 00f2 or 0025',
		'0000 0008 01 16 03e800f20025: done'],
	['17 03e8 0001 03e9 0002 04 00010002',
		'0000 000f 01 17 03e8000103e900020400010002: unit 1, '
			. 'read and write multiple registers, from 1000, to 1001-1002 1 2',
		'0000 0005 01 17 020007: 7'],
	['03 0000 0001', '0000 0006 01 03 00000001: unit 1, read holding registers, from 0',
		'0000 0003 01 83 02: exception 02'],
	['03 03e8 0000', '0000 0006 01 03 03e80000: unit 1, read holding registers',
		'0000 0003 01 83 03: exception 03'],
	['63 00', '0000 0003 01 63 00: unit 1, unknown function',
		'0000 0003 01 e3 01: exception 01'],
	['2b 0e 04 01', '0000 0005 01 2b 0e0401: unit 1, read device identification', undef],
);
for (@exchanges) {
	my ($pdu, $request, $answer) = @$_;
	my @lines = traced($server, $chosen, $pdu);
	is($lines[0], $request, "$pdu: the request");
	is($lines[1], $answer, "$pdu: the answer") if defined $answer;
}
my ($request, $answer) = traced($server, $chosen, '03 03e8 0064');
like($answer, qr/: 7 1 2 0( 0){12} \.\.\. \(100 in all\)$/, 'of many values, the first');

request($other, h('03 03e8 0001')) for 1 .. 3;
send_all($chosen, h('0009 0001 0006 01 06 03e8 7777'));
wait_line($server, qr/trace 127\.0\.0\.2:\d+ > 0009 0001 0006 01 06 03e87777: another protocol$/);
send_all($chosen, h('0009 0000 0000'));
wait_line($server, qr/trace 127\.0\.0\.2:\d+ > 0009 0000 0000: an impossible length$/);
ok(closed($chosen), 'odd frames are in the log, too');
unlike($server->{err}, qr/trace 127\.0\.0\.1/, "nobody else's are");
is(stop($server), 0, 'stops');

# By the setting, live.
$server = start_server($plant);
my @socks = map { from($server, "127.0.0.$_") } 1 .. 3;
request($_, h('03 03e8 0001')) for @socks;
for my $trace ('127.0.0.1', '127.0.0.2/31', '0.0.0.0/0') {
	plant(name => $name, file => 'trace.conf', server => "trace = \"$trace\"");
	kill 'HUP', $server->{pid};
	wait_line($server, qr/\breloaded$/);
	my $from = length $server->{err};
	request($_, h('03 03e8 0001')) for @socks;
	my %expected = ('127.0.0.1' => '1', '127.0.0.2/31' => '2 3', '0.0.0.0/0' => '1 2 3');
	my $last = (split ' ', $expected{$trace})[-1];
	wait_line($server, qr/trace 127\.0\.0\.$last:\d+ </);
	is(join(' ', substr($server->{err}, $from) =~ /trace 127\.0\.0\.(\d):\d+ </g),
		$expected{$trace}, "trace = \"$trace\"");
}
plant(name => $name, file => 'trace.conf');
kill 'HUP', $server->{pid};
wait_line($server, qr/\breloaded$/);
my $quiet = length $server->{err};
request($_, h('03 03e8 0001')) for @socks;
is(stop($server), 0, 'stops');
unlike(substr($server->{err}, $quiet), qr/trace/, 'off again');

my ($status, undef, $err) = run(program('mbserverd'), '--trace', 'localhost');
is($status, 2, 'a wrong address');
like($err, qr/--trace 'localhost': expected an address in digits/, 'is said');

done_testing;
