#!/usr/bin/perl
# Values whose producer has gone silent: the answer changes when it is stopped or killed, and back
# when it goes on.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;
use Time::HiRes qw(time sleep);

my $name = image_name();
my $path = plant(name => $name, file => 'stale.conf',
	simulator => 'period = "20ms"  start_delay = "0s"  source = "boiler 1"',
	server => <<'SERVER');
	listen = ["127.0.0.1:0"]
	stale = (
		{ range = "holding 1000-1009"  source = "boiler 1"  after = "400ms" },
		{ range = "coil 1000"  source = "boiler 1"  after = "400ms"  answer = "06" },
		{ range = "input 0-9"  source = "boiler 1"  after = "400ms"  answer = "0x0B" },
		{ range = "discrete 0-9"  source = "boiler 1"  after = "400ms"  answer = "value" }
	)
SERVER
my $server = start_server($path);
my $sock = tcp($server->{port});

my $FRESH = qr/^0302....|^0101..|^04020000|^020100/;
my @asked = ('03 03e8 0001', '01 03e8 0001', '04 0005 0001', '02 0000 0001');
sub state_now { return join ' ', map { hx(request($sock, h($_))) } @asked }
my $ALIVE = qr/^0302(017c|01[789a].) 01010[01] 04020000 02010[01]$/;
my $STALE = qr/^8304 8106 840b 020100$/;

# Until the state matches; how long that took.
sub state_becomes
{
	my ($wanted, $what) = @_;
	my ($start, $state) = (time);
	wait_until(sub { $state = state_now(); return $state =~ $wanted });
	like($state, $wanted, $what);
	return time - $start;
}

like(state_now(), $STALE, 'no producer yet');
my $sim = start_simulator($path);
state_becomes($ALIVE, 'it publishes');

# How long it took from the stop until it was noticed: twice, and until it was 400 ms at least
# once.  (A loaded machine keeps the simulator from publishing before the stop, or us from asking.)
my @took;
while (@took < 2 || @took < 10 && !grep { $_ > 0.3 && $_ < 1.5 } @took) {
	kill 'STOP', $sim->{pid};
	push @took, state_becomes($STALE, 'stopped');
	is(hx(request($sock, h('03 03e9 0001'))), '8304',
		'an address beside the point, in the range');
	is(hx(request($sock, h('03 03f1 0002'))), '8304', 'a span that touches the range');
	is(hx(request($sock, h('03 03f2 0001'))), '03020000', 'one that does not');
	is(hx(request($sock, h('06 03f1 0001'))), '8604', 'writes as well');
	is(hx(request($sock, h('17 03f2 0001 03f1 0001 02 0001'))), '9704', 'or both');
	is(hx(request($sock, h('03 044b 0002'))), '8302', 'what is not declared still is not');
	is(hx(request($sock, h('01 03e8 0001'))), '8106');
	kill 'CONT', $sim->{pid};
	state_becomes($ALIVE, 'it goes on');
}
ok(scalar(grep { $_ > 0.3 && $_ < 1.5 } @took),
	"stale after 400 ms and not before, and soon (@took s)");

kill9($sim);
state_becomes($STALE, 'killed');
sleep 0.5;	# longer than the 400 ms
like(state_now(), $STALE, 'and it stays so');
$sim = start_simulator($path);
state_becomes($ALIVE, 'another takes its place');

# What is written by others does not refresh it.
kill 'STOP', $sim->{pid};
my $start = time;
my $state;
do {
	request($sock, h('06 03f2 0001'));
	$state = state_now();
} until $state =~ $STALE || time - $start > $MB::SOON;
like($state, $STALE, "a client's writes are not its own");
kill 'CONT', $sim->{pid};

# Longer patience by a reload; a rule less.
plant(name => $name, file => 'stale.conf', simulator => 'period = "20ms"  source = "boiler 1"',
	server => 'listen = ["127.0.0.1:0"]
		stale = ( { range = "coil 1000"  source = "boiler 1"  after = "1h" } )');
kill 'HUP', $server->{pid};
wait_line($server, qr/\breloaded$/);
stop($sim);
sleep 0.6;	# longer than the 400 ms
like(state_now(), qr/^0302.... 01010[01] 04020000 020100$/,
	'no rule, no exception; an hour has not passed');

is(stop($server), 0, 'stops');
done_testing;
