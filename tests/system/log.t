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
	like($server->{err}, qr/ in \d+ min: 8 connections opened, 8 closed, 0 refused; 8 requests, 1 exceptions\n/,
		'the sum is one line');
	is(() = $server->{err} =~ / min: /g, 1, 'and only one');
};

subtest 'a server that nobody asks' => sub {
	my $server = start_server(conf());
	is(stop($server), 0, 'stops');
	unlike($server->{err}, qr/ min: /, 'and has nothing to sum up');
};

done_testing;
