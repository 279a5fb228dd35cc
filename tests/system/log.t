#!/usr/bin/perl
# What the server's log says of clients, and how much of it.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;

my $name = image_name();
my $READ = h('03 03e8 0001');

sub conf { return plant(name => $name, file => 'log.conf', server => join "\n", @_) }

sub reload
{
	my ($server, @conf) = @_;
	conf(@conf);
	kill 'HUP', $server->{pid};
	wait_line($server, qr/\breloaded$/);
}

# A connection that asks once, and its end, which the server has seen.
sub poll_once
{
	my ($server) = @_;
	my $sock = tcp($server->{port});
	my $port = $sock->sockport;
	request($sock, $READ);
	$sock->shutdown(1);
	closed($sock);
	return $port;
}

subtest 'connections that come and go by the poll' => sub {
	my $server = start_server(conf());
	my $quiet = length $server->{err};
	poll_once($server) for 1 .. 5;
	request(my $sock = tcp($server->{port}), h('63'));
	reload($server);
	unlike(substr($server->{err}, $quiet), qr/127\.0\.0\.1/, 'are no line each');

	reload($server, 'log = "connections"');
	my $port = poll_once($server);
	wait_line($server, qr/127\.0\.0\.1:$port connected$/);
	wait_line($server, qr/127\.0\.0\.1:$port closed by its peer$/);
	unlike($server->{err}, qr/trace/, 'their lines are switched on by a reload');

	reload($server, 'log = "requests"');
	$port = poll_once($server);
	wait_line($server, qr/127\.0\.0\.1:$port connected$/);
	wait_line($server, qr/trace 127\.0\.0\.1:$port > .* read holding registers/);
	wait_line($server, qr/trace 127\.0\.0\.1:$port < /);
	wait_line($server, qr/127\.0\.0\.1:$port closed by its peer$/);
	pass('and so are those of all frames');
	is(stop($server), 0, 'stops');
	like($server->{err},
		qr/ min: 8 connections opened, 8 closed, 0 refused; 8 requests, 1 exceptions\n/,
		'the sum is one line');
	is(() = $server->{err} =~ / min: /g, 1, 'and only one');
};

# What the server says of the connection that sent these bytes and then, perhaps, ended its side.
sub said_of
{
	my ($server, $bytes, $ends) = @_;
	my $sock = tcp($server->{port});
	my $port = $sock->sockport;
	send_all($sock, $bytes);
	$sock->shutdown(1) if $ends;
	closed($sock);
	return wait_line($server, qr/127\.0\.0\.1:$port (.*)$/);
}

subtest 'what is not Modbus' => sub {
	my $server = start_server(conf('frame_timeout = "100ms"'));
	my $BROKEN = 'closed: what it sends is not Modbus:';
	is(said_of($server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"$BROKEN 47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a ... (HTTP?)", 'HTTP');
	is(said_of($server, ":010303E8000A07\r\n"),
		"$BROKEN 3a 30 31 30 33 30 33 45 38 30 30 30 41 30 37 0d ... (Modbus ASCII?)",
		'ASCII');
	is(said_of($server, h('16 03 01 00 f8 01 00 00 f4 03 03')),
		"$BROKEN 16 03 01 00 f8 01 00 00 f4 03 03 (TLS?)", 'TLS');
	is(said_of($server, h('01 03 03e8 0001 047a')),
		"$BROKEN 01 03 03 e8 00 01 04 7a (Modbus RTU over TCP?)",
		'RTU');
	is(said_of($server, h('0009 0000 0000')), "$BROKEN 00 09 00 00 00 00", 'who knows');
	# The header of this one announces more: nothing comes, so the peer closes, or the server.
	my $rtu = '01 03 00 00 00 0a c5 cd (Modbus RTU over TCP?)';
	is(said_of($server, h('01 03 0000 000a c5cd'), 1), "closed by its peer: $rtu",
		'RTU that looks like the beginning of a frame');
	is(said_of($server, h('01 03 0000 000a c5cd')),
		"closed: a frame was not complete within server.frame_timeout: $rtu",
		'and of a peer that is patient');
	is(said_of($server, h('0001 0000 0006 01 03')),
		'closed: a frame was not complete within server.frame_timeout: '
			. '00 01 00 00 00 06 01 03', 'half a frame is no more than that');
	is(stop($server), 0, 'stops');
};

# A page of log is all that the pipe takes.
subtest 'a log that nobody reads' => sub {
	my $server = start_server(conf('workers = 1  log = "requests"'));
	fcntl $server->{pipes}{err}, 1031, 4096;	# F_SETPIPE_SZ
	my $sock = tcp($server->{port});
	is(hx(request($sock, $READ)), '03020000', 'answered') or last for 1 .. 100;
	MB::drain($server, 0);
	request($sock, $READ);
	wait_line($server, qr/\d+ lines before this could not be written$/);
	pass('what is missing is said when somebody reads');
	is(stop($server), 0, 'stops');
};

subtest 'a server that nobody asks' => sub {
	my $server = start_server(conf());
	is(stop($server), 0, 'stops');
	unlike($server->{err}, qr/ min: /, 'and has nothing to sum up');
};

done_testing;
