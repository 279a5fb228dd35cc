#!/usr/bin/perl
# A request costs no allocation: a preloaded library counts those of a running server over 100,000
# of them.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;

plan skip_all => 'sanitizers allocate for themselves' if $ENV{MB_SAN};

my $count = write_file('allocations', "\0" x 8);
my $library = program('tests/allocations.so');
$library = "$ENV{PWD}/$library" unless $library =~ m{^/};
my $server = spawn({ env => { LD_PRELOAD => $library, ALLOCATIONS => $count } },
	program('mbserverd'), '--plant',
	# two would sometimes wait for each other's writes, and keep what is behind them
	plant(server => 'workers = 1'));
my $port = wait_line($server, qr/listening on \S+:(\d+)/);
wait_line($server, qr/\bready$/);

sub allocations
{
	open my $in, '<:raw', $count or die;
	sysread $in, my $bytes, 8;
	return unpack 'Q', $bytes;
}

my @pdus = map { h($_) } '03 03e8 0001', '03 03e8 0064', '04 0000 0064', '01 03e8 0064',
	'02 0000 0064', '06 03e8 0001',
	'05 03e8 ff00', '10 03e8 000a 14' . '1234' x 10, '0f 03e8 0010 02 ffff',
		'16 03e8 00ff 0001',
	'17 03e8 0064 03e8 0002 04 00010002', '2b 0e 01 00', '03 0000 0001', '63', '08 0000 1234',
		'11';
# 160 requests; a receive of the server cuts it anywhere
my $stream = join '', map { adu($_, 1, $pdus[$_ % @pdus]) } 0 .. 159;
my @socks = map { tcp($port) } 1 .. 4;
my $answer_bytes;

sub pipelined
{
	my ($rounds) = @_;
	for (1 .. $rounds) {
		send_all($_, $stream) for @socks;
		read_exactly($_, $answer_bytes) for @socks;
	}
}

sub one_by_one
{
	my ($rounds) = @_;
	for my $round (1 .. $rounds) {
		request($socks[$round % @socks], $_) for @pdus;
	}
	send_all($socks[0], $_) for split //, adu(1, 1, $pdus[0]);	# and in pieces
	read_response($socks[0]);
}

# What one round of answers is, and everything once, so that what is kept for ever is there.
send_all($socks[0], $stream);
$answer_bytes += length(scalar read_response($socks[0])) + 7 for 0 .. 159;
pipelined(5);
one_by_one(5);

my $before = allocations();
cmp_ok($before, '>', 10, "they are counted: $before until now");
pipelined(150);		# 96,000 requests
one_by_one(320);	# 5,120
is(allocations() - $before, 0, 'no allocation in 101,121 requests');
my $more = tcp($port);
request($more, $pdus[0]);
cmp_ok(allocations() - $before, '>', 0, 'a connection costs some');
is(stop($server), 0, 'stops');

done_testing;
