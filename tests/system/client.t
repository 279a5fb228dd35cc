#!/usr/bin/perl
# mbclient on a pseudo-terminal, as somebody who types sees it; and with answers piped in.
use strict;
use warnings;
use lib 'tests/lib';
use IO::Pty;
use IO::Select;
use IO::Socket::IP;
use MB;
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

my $MENU = 'Choose operation: (1- Read | 2- Write | 3- Configure | 4- Exit): ';
my $TYPE = 'Choose data type: (1- Holding Register | 2- Coil | 3- Input Register '
	. '| 4- Discrete Input): ';
my $WRITABLE = 'Choose data type: (1- Holding Register | 2- Coil): ';

# The default, a second, is too short on a machine that stands still; unless the test gives one.
my @PATIENT = ('--timeout', $MB::SOON);

# ---- a client on a terminal ----------------------------------------------------------------------

my @clients;

sub start_client
{
	my @options = ((grep({ $_ eq '--timeout' } @_) ? () : @PATIENT), @_);
	my $pty = IO::Pty->new;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		$pty->make_slave_controlling_terminal;
		my $slave = $pty->slave;
		open STDIN, '<&', $slave;
		open STDOUT, '>&', $slave;
		open STDERR, '>&', $slave;
		{ no warnings; exec program('mbclient'), @options }
		POSIX::_exit(127);
	}
	$pty->close_slave;
	my $self = { pty => $pty, pid => $pid, new => '', all => '' };
	push @clients, $self;
	return $self;
}

END { kill 'KILL', $_->{pid} for grep { !defined $_->{status} } @clients }

# Read until the text has come, and use up what came until then; returns what came before it.
sub expect
{
	my ($self, $text, $timeout) = @_;
	my $deadline = time + ($timeout || $MB::TIMEOUT);
	while (index($self->{new}, $text) < 0) {
		my $left = $deadline - time;
		my $n = $left > 0 && IO::Select->new($self->{pty})->can_read($left)
			? sysread $self->{pty}, my $bytes, 4096 : 0;
		die "\"$text\" did not come; the terminal shows:\n$self->{all}\n" unless $n;
		$bytes =~ tr/\r//d;
		$self->{$_} .= $bytes for qw(new all);
	}
	my $at = index $self->{new}, $text;
	my $before = substr $self->{new}, 0, $at;
	$self->{new} = substr $self->{new}, $at + length $text;
	return $before;
}

sub type
{
	my ($self, $text) = @_;
	syswrite $self->{pty}, $text;
}

# Answer prompts: (prompt, answer, ...).
sub answer
{
	my $self = shift;
	while (my ($prompt, $text) = splice @_, 0, 2) {
		expect($self, $prompt);
		type($self, "$text\n");
	}
}

# Its exit status; all that it wrote is then in {all}.
sub end_of
{
	my ($self) = @_;
	my $deadline = time + $MB::TIMEOUT;
	while (time < $deadline && IO::Select->new($self->{pty})->can_read($deadline - time)) {
		# EIO: nobody has the terminal any more
		last unless sysread $self->{pty}, my $bytes, 4096;
		$bytes =~ tr/\r//d;
		$self->{$_} .= $bytes for qw(new all);
	}
	waitpid $self->{pid}, 0;
	$self->{status} = $? & 127 ? 128 + ($? & 127) : $? >> 8;
	return $self->{status};
}

# ---- a server that the test plays ----------------------------------------------------------------

sub listener { return IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 5)
	|| die "listen: $@" }

sub accept_from
{
	my ($listener) = @_;
	die "nobody connected\n" unless IO::Select->new($listener)->can_read($MB::TIMEOUT);
	return scalar $listener->accept;
}

# How many connections to that port are being opened.
sub connecting_to
{
	my ($port) = @_;
	open my $in, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";
	my $syn_sent = sprintf '^ *\d+: [0-9A-F]+:[0-9A-F]+ 0100007F:%04X 02 ', $port;
	return scalar grep { /$syn_sent/ } <$in>;
}

# The next request on the socket: (pdu, transaction id, unit).
sub next_request { return read_response(@_) }

sub piped
{
	my ($answers, @options) = @_;
	return run({ stdin => $answers }, program('mbclient'), @PATIENT, @options);
}

# ---- the dialogue with the real server -----------------------------------------------------------

my $plant = plant(points => '');
my $server = start_server($plant);
my $port = $server->{port};
my $here = "127.0.0.1:$port";
my $sock = tcp($port);
request($sock, h('06 03e8 0191'));
request($sock, h('05 03e8 ff00'));

{
	my $client = start_client($here);
	answer($client, $MENU => 1, $TYPE => 1, 'Address (0 to 65535): ' => 1000,
		'Number of reads (1 to 65535): ' => 1);
	expect($client, "Read 1: 401\n");
	answer($client, $MENU => 1, $TYPE => 2, 'Address' => 1000, 'Number' => 1);
	expect($client, "Read 1: 1\n");
	answer($client, $MENU => 1, $TYPE => 3, 'Address' => 0, 'Number' => 1);
	expect($client, "Read 1: 0\n");
	answer($client, $MENU => 1, $TYPE => 4, 'Address' => 99, 'Number' => 1);
	expect($client, "Read 1: 0\n");

	answer($client, $MENU => 2, $WRITABLE => 1, 'Address (0 to 65535): ' => 1099,
		'Value (0 to 65535): ' => 65535);
	expect($client, "Written: Holding Register 1099 = 65535\n");
	is(hx(request($sock, h('03 044b 0001'))), '0302ffff', 'a register is written');
	answer($client, $MENU => 2, $WRITABLE => 2, 'Address' => 1000, 'Value (0 or 1): ' => 0);
	expect($client, "Written: Coil 1000 = 0\n");
	is(hx(request($sock, h('01 03e8 0001'))), '010100', 'a coil is written');

	for my $outside (999, 1100) {
		answer($client, $MENU => 1, $TYPE => 1, 'Address' => $outside, 'Number' => 5);
		like(expect($client, $MENU),
			qr/\nRead 1: Illegal Data Address \(exception 02\)\n\z/,
			"$outside is outside, and ends the series");
		type($client, "2\n");
		answer($client, $WRITABLE => 1, 'Address' => $outside, 'Value' => 1);
		expect($client, "Not written: Illegal Data Address (exception 02)\n");
	}

	# From the order for so many reads until the last of them has come.
	my $series = sub {
		my ($number) = @_;
		answer($client, $MENU => 1, $TYPE => 1, 'Address' => 1000);
		my $began = time;
		answer($client, 'Number' => $number);
		expect($client, "Read $number: 401");
		return time - $began;
	};
	# The interval: 1 s to start with.
	my @took;
	my $took = quickest(1.5, sub { push @took, $series->(2); return $took[-1] });
	cmp_ok($took, '<', 1.5, "the second read comes after 1 s (@took)");
	is(scalar(grep { $_ < 1 } @took), 0, 'and not before');
	answer($client, $MENU => 3, 'Scan interval in seconds (0.01 to 3600, now 1): ' => '0.05');
	@took = ();
	$took = quickest(0.9, sub { push @took, $series->(11); return $took[-1] });
	cmp_ok($took, '<', 0.9, "ten intervals of 0.05 s take half a second (@took)");
	is(scalar(grep { $_ < 0.5 } @took), 0, 'and not less');
	answer($client, $MENU => 3, 'now 0.05): ' => '1');

	answer($client, $MENU => 4);
	is(end_of($client), 0, 'Exit ends with status 0');
	like($client->{new}, qr/^Connection closed\.$/m, 'and says that the connection is closed');
}

# ---- wrong entries -------------------------------------------------------------------------------

{
	my $listener = listener();
	my $client = start_client('127.0.0.1:' . $listener->sockport);
	my $wrong = sub {
		my ($prompt, $expected, @entries) = @_;
		expect($client, $prompt);
		for my $entry (@entries) {
			type($client, "$entry\n");
			my $said = expect($client, $prompt);
			my $name = length $entry > 40 ? length($entry) . ' characters' : "'$entry'";
			like($said, qr/expected a (whole )?number from \Q$expected\E\.\n/,
				"$name: expected $expected");
		}
	};
	my $long = 'x' x 300;
	my @letters = ('abc', '', '   ', '-1', '1.5', '1 2', '1x', '0x1', "\x{1}", $long, '1' x 300,
		'99999999999999999999');
	$wrong->($MENU, '1 to 4', @letters, 0, 5);
	type($client, "1\n");
	$wrong->($TYPE, '1 to 4', @letters, 0, 5);
	type($client, "2\n");
	$wrong->('Address (0 to 65535): ', '0 to 65535', @letters, 65536);
	type($client, "65535\n");
	$wrong->('Number of reads (1 to 65535): ', '1 to 65535', @letters, 0, 65536);
	ok(!IO::Select->new($listener)->can_read(0), 'nobody has connected yet');
	type($client, "1\n");
	my $peer = accept_from($listener);
	my ($pdu, $tid, $unit) = next_request($peer);
	is(hx($pdu), '01ffff0001', 'the first thing sent is the valid request');
	is($unit, 1, 'for unit 1');
	send_all($peer, adu($tid, $unit, h('01 01 01')));
	expect($client, "Read 1: 1\n");

	expect($client, $MENU);
	type($client, "2\n");
	$wrong->($WRITABLE, '1 to 2', @letters, 0, 3);
	type($client, "1\n");
	$wrong->('Address (0 to 65535): ', '0 to 65535', @letters, 65536);
	type($client, "0\n");
	$wrong->('Value (0 to 65535): ', '0 to 65535', @letters, 65536);
	type($client, "7\n");
	($pdu, $tid, $unit) = next_request($peer);
	is(hx($pdu), '0600000007', 'then the valid write');
	send_all($peer, adu($tid, $unit, $pdu));
	expect($client, "Written: Holding Register 0 = 7\n");

	answer($client, $MENU => 2, $WRITABLE => 2, 'Address' => 0);
	$wrong->('Value (0 or 1): ', '0 to 1', @letters, 2);
	type($client, "1\n");
	($pdu, $tid, $unit) = next_request($peer);
	is(hx($pdu), '050000ff00', 'a coil is switched on with FF00');
	send_all($peer, adu($tid, $unit, $pdu));
	expect($client, "Written: Coil 0 = 1\n");

	expect($client, $MENU);
	type($client, "3\n");
	$wrong->('Scan interval in seconds (0.01 to 3600, now 1): ', '0.01 to 3600',
		grep({ $_ ne '1.5' } @letters), '0', '3600.1', '1,5', '1e1', 'inf');
	type($client, "0.5\n");
	answer($client, $MENU => 4);
	is(end_of($client), 0, 'ends with status 0');
	ok(closed($peer), 'nothing else was sent, and the connection is closed');
	ok(!IO::Select->new($listener)->can_read(0), 'there was only one connection');
}

# ---- the end of the input, Ctrl-C ----------------------------------------------------------------

{
	for my $before ([], [ 1 ], [ 1, 1 ], [ 1, 1, 1000 ], [ 2, 1, 1000 ], [ 3 ]) {
		my $client = start_client($here);
		for my $answer (@$before) {
			expect($client, '): ');
			type($client, "$answer\n");
		}
		expect($client, '): ');
		type($client, "\cD");
		is(end_of($client), 0, 'Ctrl-D after ' . @$before . ' answers ends with status 0');
		is($client->{new}, "\n", 'and a newline');
	}

	my $client = start_client($here);
	expect($client, $MENU);
	type($client, "\cC");
	is(end_of($client), 0, 'Ctrl-C at the prompt ends with status 0');
	like($client->{new}, qr/Interrupted: connection closed\.\n\z/, 'and says so');

	$client = start_client($here);
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 1000, 'Number' => 100);
	expect($client, 'Read 2: 401');
	type($client, "\cC");
	expect($client, "Interrupted: the series ends after 2 of 100 reads.\n");
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 1000, 'Number' => 1);
	expect($client, 'Read 1: 401');
	answer($client, $MENU => 4);
	is(end_of($client), 0, 'Ctrl-C in a series ends the series only');
}

{
	my $listener = listener();
	# 3 s: the key must come before they are over
	my $client = start_client('--timeout', 3, '127.0.0.1:' . $listener->sockport);
	for my $reads (3, 1) {		# between two reads, and in the last
		answer($client, $MENU => 1, $TYPE => 1, 'Address' => 1000, 'Number' => $reads);
		my $peer = accept_from($listener);
		next_request($peer);
		type($client, "\cC");
		expect($client, 'Read 1: timeout: no answer within 3 s');
		pass('Ctrl-C while a reply is awaited: the timeout comes');
		unlike(expect($client, 'Interrupted: the series ends'), qr/Read 2/,
			'and then it is heard') if $reads > 1;
	}
	answer($client, $MENU => 4);
	is(end_of($client), 1, 'and ends the series only; all reads have failed');
	like($client->{new}, qr/^Connection closed\.$/m, 'so that the program ends when told to');
}

{
	# A listener whose queue is full answers no further connection: the kernel drops the
	# request.
	my $listener = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 1)
		or die "listen: $@";
	my @queue = map { IO::Socket::IP->new(PeerHost => '127.0.0.1',
		PeerPort => $listener->sockport, Blocking => 0) } 1 .. 4;
	my $client = start_client('--timeout', '0.3', '127.0.0.1:' . $listener->sockport);
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 0, 'Number' => 1);
	expect($client, 'Read 1: cannot connect to 127.0.0.1 port ' . $listener->sockport
		. ": Connection timed out\n");
	answer($client, $MENU => 4);
	is(end_of($client), 1, 'a connection that times out is said');

	# The queue's own connections may be trying too.
	my $others = connecting_to($listener->sockport);
	$client = start_client('--timeout', 60, '127.0.0.1:' . $listener->sockport);
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 0, 'Number' => 1);
	expect($client, "\n");
	ok(wait_until(sub { connecting_to($listener->sockport) > $others }), 'it is connecting');
	my $began = time;
	type($client, "\cC");
	expect($client, "Read 1: interrupted while connecting\n");
	cmp_ok(time - $began, '<', $MB::SOON,
		'Ctrl-C while connecting is heard at once, not after a minute');
	answer($client, $MENU => 4);
	is(end_of($client), 0, 'and ends the series only');
}

# ---- what a server may do ------------------------------------------------------------------------

{
	my $listener = listener();
	# 2 s: what this test answers must come in time, and some it does not answer
	my $client = start_client('--timeout', '2', '--unit', 17,
		'127.0.0.1:' . $listener->sockport);
	answer($client, $MENU => 3, 'Scan' => '0.05');
	my $peer;
	my %name = (1 => 'Illegal Function', 2 => 'Illegal Data Address', 3 => 'Illegal Data Value',
		4 => 'Server Device Failure',
		5 => 'Acknowledge', 6 => 'Server Device Busy', 8 => 'Memory Parity Error',
			10 => 'Gateway Path Unavailable',
		11 => 'Gateway Target Device Failed to Respond');
	for my $code (sort { $a <=> $b } keys %name) {
		answer($client, $MENU => 1, $TYPE => 1, 'Address' => 5, 'Number' => 2);
		$peer ||= accept_from($listener);
		my ($pdu, $tid, $unit) = next_request($peer);
		is($unit, 17, 'the unit is the one asked for') if $code == 1;
		send_all($peer, adu($tid, $unit, pack 'CC', 0x83, $code));
		expect($client, sprintf "Read 1: %s (exception %02X)\n", $name{$code}, $code);
		if ($code > 3) {
			($pdu, $tid, $unit) = next_request($peer);
			send_all($peer, adu($tid, $unit, h('03 02 0007')));
			expect($client, "Read 2: 7\n");
		}
		pass(sprintf 'exception %02X in words, and the series %s', $code,
			$code > 3 ? 'goes on' : 'ends');
	}

	# A reply that comes too late is not taken for the next one's.
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 5, 'Number' => 2);
	my ($pdu, $tid, $unit) = next_request($peer);
	expect($client, "Read 1: timeout: no answer within 2 s\n");
	$peer->send(adu($tid, $unit, h('03 02 dead')));
	my $second = accept_from($listener);
	($pdu, $tid, $unit) = next_request($second);
	send_all($second, adu($tid, $unit, h('03 02 0008')));
	expect($client, "Read 2: 8\n");

	# Nor is one that nobody asked for.
	expect($client, $MENU);
	send_all($second, adu($tid + 1, $unit, h('03 02 dead')));
	type($client, "1\n");
	answer($client, $TYPE => 1, 'Address' => 5, 'Number' => 1);
	my $third = accept_from($listener);
	($pdu, $tid, $unit) = next_request($third);
	send_all($third, adu($tid, $unit, h('03 02 0009')));
	expect($client, "Read 1: 9\n");

	# Nonsense.
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 5, 'Number' => 1);
	($pdu, $tid, $unit) = next_request($third);
	send_all($third, adu($tid ^ 0x100, $unit, h('03 02 dead')));
	expect($client, 'Read 1: the answer was not understood');

	# It closes in the middle; the next read connects again.
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 5, 'Number' => 2);
	my $fourth = accept_from($listener);
	next_request($fourth);
	close $fourth;
	expect($client, "Read 1: connection lost: the server closed it\n");
	my $fifth = accept_from($listener);
	($pdu, $tid, $unit) = next_request($fifth);
	send_all($fifth, adu($tid, $unit, h('03 02 000a')));
	expect($client, "Read 2: 10\n");

	# Writes whose answer is none.
	my $write = sub {
		my ($said, $answer, $tid_off, $unit_off) = @_;
		answer($client, $MENU => 2, $WRITABLE => 1, 'Address' => 5, 'Value' => 258);
		($pdu, $tid, $unit) = next_request($fifth);
		is(hx($pdu), '0600050102', 'what is written');
		send_all($fifth, adu($tid + ($tid_off || 0), $unit + ($unit_off || 0), h($answer)));
		expect($client, "$said\n");
	};
	my $odd = 'Perhaps not written: the answer was not understood:';
	$write->('Written: Holding Register 5 = 258', '06 0005 0102');
	$write->('Perhaps not written: the device echoes 100', '06 0005 0064');
	$write->('Not written: Illegal Data Address (exception 02)', '86 02');
	for (["$odd of another address or quantity", '06 0006 0102'],
		["$odd another request's", '06 0005 0102', 1],
		["$odd another unit's", '06 0005 0102', 0, 1],
		["$odd exception 00", '86 00']) {
		$write->(@$_);
		# it starts again with a connection of its own
		answer($client, $MENU => 1, $TYPE => 1, 'Address' => 5, 'Number' => 1);
		$fifth = accept_from($listener);
		($pdu, $tid, $unit) = next_request($fifth);
		send_all($fifth, adu($tid, $unit, h('03 02 000a')));
		expect($client, "Read 1: 10\n");
	}
	for my $on (0, 1) {
		answer($client, $MENU => 2, $WRITABLE => 2, 'Address' => 5, 'Value' => $on);
		($pdu, $tid, $unit) = next_request($fifth);
		is(hx($pdu), $on ? '050005ff00' : '0500050000', 'a coil');
		send_all($fifth, adu($tid, $unit, h('05 0005 ff00')));
		expect($client, $on ? "Written: Coil 5 = 1\n" : "the device echoes 65280\n");
	}

	# An exception that there is not.
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 5, 'Number' => 1);
	($pdu, $tid, $unit) = next_request($fifth);
	send_all($fifth, adu($tid, $unit, h('83 00')));
	expect($client, "Read 1: the answer was not understood: exception 00\n");

	# A write that is not answered.
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 5, 'Number' => 1);
	$fifth = accept_from($listener);
	($pdu, $tid, $unit) = next_request($fifth);
	send_all($fifth, adu($tid, $unit, h('03 02 000a')));
	answer($client, $MENU => 2, $WRITABLE => 1, 'Address' => 5, 'Value' => 1);
	next_request($fifth);
	expect($client, "Perhaps not written: timeout: no answer within 2 s\n");
	answer($client, $MENU => 4);
	is(end_of($client), 0, 'timeouts, lost connections and nonsense do not end the program');
}

# ---- the server goes and comes -------------------------------------------------------------------

{
	my $client = start_client($here);
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 1000, 'Number' => 1);
	expect($client, "Read 1: 401\n");
	kill9($server);
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 1000, 'Number' => 1);
	expect($client, "Read 1: cannot connect to 127.0.0.1 port $port: Connection refused\n");
	answer($client, $MENU => 2, $WRITABLE => 1, 'Address' => 1001, 'Value' => 5);
	expect($client, 'Not written: cannot connect');

	my ($name) = do { open my $in, '<', $plant or die; local $/; <$in> } =~ /name = "([^"]+)"/;
	my $same = plant(points => '', name => $name, server => "listen = [\"$here\"]");
	$server = start_server($same);
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 1000, 'Number' => 1);
	expect($client, "Read 1: 401\n");

	# In the middle of a series.
	answer($client, $MENU => 3, 'Scan' => '0.1');
	answer($client, $MENU => 1, $TYPE => 1, 'Address' => 1000, 'Number' => 1000);
	expect($client, "Read 3: 401\n");
	kill9($server);
	expect($client, 'Connection refused');
	$server = start_server($same);
	expect($client, ': 401');
	type($client, "\cC");
	expect($client, 'Interrupted: the series ends');
	answer($client, $MENU => 4);
	is(end_of($client), 0, 'a server that is killed and started again is found again');
}

# ---- without a terminal --------------------------------------------------------------------------

{
	my ($status, $out, $err) = piped("3\n0.01\n1\n1\n1000\n3\n4\n", $here);
	is($status, 0, 'answers from a pipe');
	is($out =~ s/.*unit 1\n//r, "$MENU" . 'Scan interval in seconds (0.01 to 3600, now 1): '
		. $MENU . $TYPE .
		'Address (0 to 65535): Number of reads (1 to 65535): '
			. "Read 1: 401\nRead 2: 401\nRead 3: 401\n" . $MENU
			. "Connection closed.\n",
		'prompts and values, as on a terminal');
	is($err, '', 'no complaints');

	($status, $out) = piped("1\n1\n0\n1\n1\n1\n1\n1\n4\n", $here);
	is($status, 1, 'all reads failed');
	is(() = $out =~ /Illegal Data Address/g, 2, 'as is said');
	($status) = piped("1\n1\n0\n1\n1\n1\n1000\n1\n4\n", $here);
	is($status, 0, 'one did not');
	($status) = piped("4\n", $here);
	is($status, 0, 'there were none');

	($status, $out) = piped("1\n1\n1000\n1", $here);
	is($status, 0, 'the end of the input ends the last answer too');
	like($out, qr/Read 1: 401\n\Q$MENU\E\n\z/, 'which is carried out');

	($status, $out) = piped("x\n" . "\0" x 5000 . "\n" . 'y' x 100_000 . "\n1\0\n4\n", $here);
	is($status, 0, 'rubbish of any length is survived');
	is(scalar(() = $out =~ /expected a whole number from 1 to 4/g), 4,
		'and refused line by line');

	($status, $out) = piped("1\n1\n1000\n1\n4\n", '--plant',
		plant(points => '', server => "listen = [\"0.0.0.0:$port\"]"));
	like($out, qr/^Server: 127\.0\.0\.1 port $port, unit 1\n.*Read 1: 401/s,
		'without an operand: the plant\'s server, at the loopback address');
	($status, $out) = piped("1\n1\n1000\n1\n4\n", "localhost:$port");
	like($out, qr/Read 1: 401/, 'a name for the server');
	($status, $out) = piped("1\n1\n0\n1\n4\n", "name.invalid:$port");
	like($out, qr/Read 1: cannot find name\.invalid: /, 'a name that is none');
	($status, $out) = piped("4\n");
	like($out, qr/^Server: 127\.0\.0\.1 port 5020, unit 1$/m,
		'the built-in default is 127.0.0.1:5020');

	SKIP: {
		my $listener = IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1)
			or skip 'no IPv6 here', 2;
		my $six = start_server(plant(points => '', server => 'listen = ["[::1]:0"]'));
		for my $operand ("[::1]:$six->{port}") {
			($status, $out) = piped("1\n1\n1000\n1\n4\n", $operand);
			is($status, 0, "$operand");
			like($out, qr/Read 1: 0/, 'is served');
		}
	}

	for my $wrong (['--unit', 248], ['--unit', -1], ['--unit', 'x'], ['--timeout', 0],
		['--timeout', 'x'], ['--timeout', 61], ['host:0'], ['host:x'],
			['[::1'], [':5020'], [$here, $here]) {
		($status, $out, $err) = piped('', @$wrong);
		is($status, 2, "@$wrong: status 2");
		like($err, qr/^mbclient: .*expected/, 'and what was expected');
	}
}

is(stop($server), 0, 'the server ends with status 0');
# ---- a plant whose server chooses its port -------------------------------------------------------

{
	my $plant = plant();
	my ($status, $out, $err) = run(program('mbclient'), '--plant', $plant);
	is($status, 2, 'port 0 is no place to connect to');
	like($err, qr/\Q$plant\E lets the server choose its port \(0\): give HOST:PORT$/,
		'and says so');
	is($out, '', 'nothing on stdout');
}

# ---- a plant that listens on a unix socket -------------------------------------------------------

{
	my $socket = temp_dir() . '/client.sock';
	my ($status, $out, $err) = run(program('mbclient'), '--plant',
		plant(server => qq(listen = ["unix:$socket"])));
	is($status, 2, 'a unix socket is no place to connect to');
	like($err, qr/^mbclient: \S+ names no TCP address in server\.listen: give HOST:PORT$/,
		'and says so');
	my $server = start_server(plant(server => qq(listen = ["unix:$socket", "127.0.0.1:0"])));
	my $client = start_client('--plant',
		plant(server => qq(listen = ["unix:$socket", "127.0.0.1:$server->{port}"])));
	expect($client, "Server: 127.0.0.1 port $server->{port}, unit 1");
	is(stop($server), 0, 'the first TCP address is taken');
}

done_testing;
