#!/usr/bin/perl
# Programs that are started without a standard input, output or error: what they open does not get
# its number, so nothing that they print goes into the image.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;

my $name = image_name();
my $plant = plant(name => $name, simulator => 'period = "10ms"  start_delay = "0s"');

# What the process has open as 0, 1 and 2.
sub standard { return join ' ', map { readlink("/proc/$_[0]/fd/$_") // 'closed' } 0 .. 2 }

# Start the program with those closed; the program itself, for the shell becomes it.
sub without
{
	my ($closed, $program, @arguments) = @_;
	return spawn('sh', '-c', "exec \"\$@\" $closed", 'sh', program($program), '--plant',
		$plant, @arguments);
}

# The whole header is under a checksum, which attaching compares.
sub sound
{
	my ($what) = @_;
	my ($status, undef, $err) = run(program('mbshm'), '--plant', $plant, 'get', 'holding:1000');
	is($status, 0, "$what: the image is whole") or diag $err;
}

sub runs { return -e "/dev/shm$name" && `cat /proc/$_[0]/maps` =~ /\Q$name\E/ }

for my $daemon ([ 'mbserverd' ], [ 'simulatord', '--display' ]) {
	my ($program, @arguments) = @$daemon;
	for my $closed ('2>&-', '>&-', '<&- >&- 2>&-') {
		my $self = without($closed, $program, @arguments);
		ok(wait_until(sub { runs($self->{pid}) }), "$program $closed runs");
		# A reload is said on stderr, a step on stdout.
		kill HUP => $self->{pid};
		my $log = $closed =~ /2>/ ? undef : wait_line($self, qr/(reloaded)/);
		like(standard($self->{pid}), qr{^(?:(?:/dev/null|pipe:\S+) ?){3}$},
			'... with standard files');
		sound('...');
		is(stop($self), 0, '... and ends when it is told to');
	}
	unlink "/dev/shm$name";
}

my $server = start_server($plant);
for my $closed ('2>&-', '<&- >&- 2>&-') {
	# Refused, which is said on stderr while it has the image open.
	is(wait_exit(without($closed, 'mbshm', 'set', 'holding:1001', 5, '--expect',
		'holding:1001=9')), 1, "mbshm set $closed, refused");
	sound('...');
	is(wait_exit(without($closed, 'mbshm', 'save', temp_dir() . '/values')), 0, "mbshm save");
	sound('...');
}
is(wait_exit(without('>&-', 'mbshm', 'dump')), 1, 'what cannot be printed is no success');
sound('...');
is(hx(request(tcp($server->{port}), h('06 03e9 0007'))), '0603e90007', 'the server goes on');
is(stop($server), 0, '... to its end');

my $client = without('<&-', 'mbclient', '127.0.0.1:1');
is(wait_exit($client, $MB::SOON), 0, 'mbclient <&- ends, as at the end of its input');
$client = without('2>&-', 'mbclient', '127.0.0.1:1');
is(wait_exit($client, $MB::SOON), 0, 'mbclient 2>&-');
done_testing;
