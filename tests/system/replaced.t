#!/usr/bin/perl
# mbshm recreate beside a server: requests that meet the old image are answered from the new one.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;

my $ROUNDS = 20;
my $name = image_name();
my $last = 0;

sub write_plant
{
	my ($holding) = @_;
	return plant(name => $name, file => 'replaced.conf', simulator => undef, points => undef,
		image => "holding_registers = [\"$holding\"] coils = [\"0-9\"]");
}

sub recreate
{
	my ($path) = @_;
	my ($status, undef, $err) = run(program('mbshm'), '--plant', $path, 'recreate');
	return is($status, 0, 'recreate') || diag $err;
}

my $server = start_server(write_plant('0-9'));
my @clients = map { tcp($server->{port}) } 1 .. 2;
my %answers;

# One reads, one writes, both at the moment at which the image has been replaced.
for my $round (1 .. $ROUNDS) {
	recreate(write_plant($round % 2 ? '0-19' : '0-9'));
	send_all($clients[0], adu(1, 1, h('03 0000 0001')));
	send_all($clients[1], adu(2, 1, h(sprintf '06 0001 %04x', $round)));
	$answers{ substr hx(read_response($_)), 0, 4 }++ for @clients;
}
is($answers{'0302'} + $answers{'0600'} + ($answers{8304} // 0) + ($answers{8604} // 0),
	2 * $ROUNDS, 'all are answered');
# A machine that stands still for longer than the server has patience makes a 04 now and then;
# without being asked to look, the server finds the new image after half a second on average.
cmp_ok(($answers{8304} // 0) + ($answers{8604} // 0), '<=', $ROUNDS / 2,
	'from the new image') or diag explain \%answers;
wait_line($server, qr/attached image \Q$name\E again/) for 1 .. $ROUNDS;
is(hx(request($clients[0], h('03 0001 0001'))), sprintf('0302%04x', $ROUNDS),
	'what was written is there');

done_testing();
