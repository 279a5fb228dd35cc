#!/usr/bin/perl
# Another process truncates the segment: server, simulator and saver live on, and the values come
# back; what is left of a segment does not keep a plant from starting.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;

my $name = image_name();
my $segment = "/dev/shm$name";
my $damaged = '/dev/shm/.' . substr($name, 1) . '.damaged';
my $file = temp_dir() . '/plant.values';
my $plant = plant(name => $name, image => 'holding_registers = ["1000-1009"] coils = ["1000-1009"]'
	. " retain = \"$file\"", simulator => 'period = "50ms"  start_delay = "0s"');

sub mbshm
{
	my ($status, $out, $err) = run(program('mbshm'), '--plant', $plant, @_);
	is($status, 0, "mbshm @_") or diag $err;
	return $out;
}

sub retain
{
	my $self = spawn(program('mbshm'), '--plant', $plant, 'retain', '--interval', 86400);
	wait_line($self, qr/\bready$/);
	return $self;
}

sub inode { return (stat $segment)[1] // 0 }

# Answered, not merely accepted: while the image is being replaced the answer is exception 04.
sub asked
{
	my ($server, $pdu, $wanted) = @_;
	my $answer;
	my $sock = tcp($server->{port});
	wait_until(sub { ($answer = hx(request($sock, h($pdu)))) =~ $wanted });
	like($answer, qr/$wanted/, $pdu);
}

my $server = start_server($plant);
my %process = (mbserverd => $server, simulatord => start_simulator($plant), retain => retain());
my $half = int((-s $segment) / 2);
my $value = 0;

for my $bytes (0, $half) {
	asked($server, sprintf('06 03f1 %04x', ++$value), qr/^0603f1/);
	mbshm('set', 'holding:1008', $value);
	# Whoever opens the image copies the values, and then once a second.
	for my $who (sort keys %process) {
		kill 'HUP', $process{$who}{pid};
		wait_line($process{$who}, qr/\breloaded$/);
	}
	my $before = inode();
	truncate $segment, $bytes or die "$segment: $!";
	ok(wait_until(sub { inode() && inode() != $before }), "cut to $bytes: another image");
	asked($server, '03 03f0 0002', sprintf '^0304%04x%04x$', $value, $value);
	for my $who (sort keys %process) {
		wait_line($process{$who}, qr/image \Q$name\E was (?:truncated|replaced)/);
		ok(kill(0, $process{$who}{pid}), "$who lives on");
	}
	my $seen = mbshm('get', 'holding:1000');
	ok(wait_until(sub { (run(program('mbshm'), '--plant', $plant, 'get', 'holding:1000'))[1]
		ne $seen }), 'the simulator makes steps');
	ok(-e $damaged, 'what is left is kept aside');
	asked($server, '06 03f1 0007', qr/^0603f1/);
}
for my $who (sort keys %process) {
	is(stop($process{$who}), 0, "$who: status 0");
	is(scalar(() = $process{$who}{err} =~ /was (?:truncated|replaced)/g), 2,
		'it has said each once');
}

# ---- what is left does not keep anybody from starting -------------------------------------------

for my $bytes (0, $half) {
	truncate $segment, $bytes or die "$segment: $!";
	$server = start_server($plant);
	like($server->{err}, qr/the image was damaged \(it had $bytes bytes\)/, "$bytes: said");
	asked($server, '03 03f0 0001', sprintf '^0302%04x$', $value);
	is(stop($server), 0, 'served from the file');
}
mbshm('unlink');
done_testing;
