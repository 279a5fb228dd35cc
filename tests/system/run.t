#!/usr/bin/perl
# "make run" (scripts/run): with and without a terminal, with the port taken, and that it takes down
# all that it started.
use strict;
use warnings;
use lib 'tests/lib';
use IO::Pty;
use IO::Select;
use IO::Socket::IP;
use MB;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

my $MENU = 'Exit): ';
my $pty;	# the terminal of the one that runs
my $shown;

sub free_port { return IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0,
	Listen => 1)->sockport }

# Under a shell on a terminal of its own, as make would be: a shell that Ctrl-C reaches does not say
# how scripts/run ended.
sub start_on_terminal
{
	my ($port, @shell) = @_;
	@shell = ('sh', '-c', 'scripts/run; echo "status $?."') unless @shell;
	$pty = IO::Pty->new;
	$shown = '';
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		$ENV{MB_PORT} = $port;
		$pty->make_slave_controlling_terminal;
		open STDIN, '<&', $pty->slave;
		open STDOUT, '>&', $pty->slave;
		open STDERR, '>&', $pty->slave;
		{ no warnings; exec @shell; }
		POSIX::_exit(127);
	}
	$pty->close_slave;
	return $pid;
}

# Read until the text has come, and use up what came until then.
sub expect
{
	my $text = shift;
	my $deadline = time + $MB::TIMEOUT;
	while (index($shown, $text) < 0) {
		my $left = $deadline - time;
		my $n = $left > 0 && IO::Select->new($pty)->can_read($left) ? sysread $pty, $shown,
			4096, length $shown : 0;
		die "\"$text\" did not come; the terminal shows:\n$shown\n" unless $n;
	}
	return substr $shown, 0, index($shown, $text), '';
}

sub type
{
	my ($prompt, $text) = @_;
	expect($prompt);
	substr($shown, 0, length $prompt) = '';
	syswrite $pty, "$text\n";
}

# Who has this image open, and is its file still there?
sub left_of
{
	my $image = shift;
	my @left = -e "/dev/shm$image" ? "/dev/shm$image" : ();
	for my $maps (glob '/proc/[0-9]*/maps') {
		open my $in, '<', $maps or next;
		push @left, $maps if grep { m{\Q$image\E\b} } <$in>;
	}
	return "@left";
}

subtest 'without a terminal it prints a few reads' => sub {
	local $ENV{MB_PORT} = free_port();
	my ($status, $out, $err) = run('scripts/run');
	is($status, 0, 'status') or diag $err;
	my ($image) = $out =~ m{image (/[\w-]+)};
	my @reads = $out =~ /Read \d+: (\d+)/g;
	is(scalar @reads, 6, 'all reads were answered') or diag $out;
	is(join(" ", grep { !/^([01]|3[89]\d|4[01]\d|420)$/ } @reads), "",
		"with what the simulator writes");
	is(left_of($image), '', 'nothing is left');
};

subtest 'with the port taken it says what to do' => sub {
	my $other = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 1);
	local $ENV{MB_PORT} = $other->sockport;
	my ($status, $out, $err) = run('scripts/run');
	is($status, 1, 'status');
	like($err, qr/Port $ENV{MB_PORT} is taken.*MB_PORT=/s, 'in words');
	local $ENV{MB_PORT} = '70000';
	(undef, undef, $err) = run('scripts/run');
	is($err, "MB_PORT=70000: expected a port from 1 to 65535\n", 'and what a port is');
};

subtest 'Ctrl-C ends a series of reads, and nothing else' => sub {
	my $pid = start_on_terminal(free_port());
	my ($image) = (expect('Both stop') =~ m{image (/[\w-]+)});
	ok(-e "/dev/shm$image", 'the image is there');
	type($MENU, 1);
	type('Discrete Input): ', 1);
	type('): ', 1000);
	type('): ', 1000);
	expect('Read 2: ');
	syswrite $pty, "\x03";
	type($MENU, 4);
	like(expect('status 0.'), qr/closed/, 'the menu went on, and ended when told to');
	waitpid $pid, 0;
	is(left_of($image), '', 'nothing is left');
};

subtest 'SIGTERM while the menu waits takes everything down' => sub {
	my $pid = start_on_terminal(free_port());
	my ($image, $runner) = (expect('Both stop') =~ m{image (/mbimage-run-\d+-(\d+))});
	expect($MENU);
	kill TERM => $runner;
	expect('status 1.');
	waitpid $pid, 0;
	is(left_of($image), '', 'nothing is left');
};

subtest 'Ctrl-Z stops it like any job, and fg goes on' => sub {
	my $pid = start_on_terminal(free_port(), 'bash', '--norc', '--noprofile', '-i');
	syswrite $pty, "PS1='shell''> '\n";
	type('shell> ', 'scripts/run');
	my ($image) = (expect('Both stop') =~ m{image (/[\w-]+)});
	expect($MENU);
	syswrite $pty, "\x1a";
	type('shell> ', 'fg');
	syswrite $pty, "\n";	# an answer, so that the menu asks again
	type($MENU, 4);
	expect('Connection closed');
	type('shell> ', 'exit');
	waitpid $pid, 0;
	is(left_of($image), '', 'nothing is left');

	$pid = start_on_terminal(free_port());
	expect($MENU);
	syswrite $pty, "\x1a\n";
	type($MENU, 4);
	expect('status 0.');
	waitpid $pid, 0;
	pass('without a shell that knows jobs the menu goes on at once');
};

subtest 'a daemon that is killed is started again' => sub {
	my $pid = start_on_terminal(free_port());
	my ($image, $runner) = (expect('Both stop') =~ m{image (/mbimage-run-\d+-(\d+))});
	expect($MENU);
	for my $name (qw(mbserverd simulatord)) {
		my ($daemon) = grep { `cat /proc/$_/comm` eq "$name\n" }
			split ' ', `cat /proc/$runner/task/$runner/children`;
		kill KILL => $daemon;
		expect("$name was killed by signal 9 and is started again.");
	}
	syswrite $pty, "\n";
	type($MENU, 1);
	type('Discrete Input): ', 1);
	type('): ', 1000);
	type('): ', 1);
	like(expect($MENU), qr/Read 1: \d+/, 'the menu reads on');
	syswrite $pty, "4\n";
	expect('status 0.');
	waitpid $pid, 0;
	is(left_of($image), '', 'nothing is left');
};

done_testing;
