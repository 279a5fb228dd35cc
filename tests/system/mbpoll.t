#!/usr/bin/perl
# mbpoll, a master that nobody here wrote, reads and writes all four tables.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;

plan skip_all => 'mbpoll is not installed' unless grep { -x "$_/mbpoll" } split /:/, $ENV{PATH};

my $server = start_server(plant());

# Run mbpoll once (-1), with 0-based references (-0); what it printed.
sub mbpoll
{
	my ($status, $out, $err) = run('mbpoll', '-1', '-0', '-m', 'tcp', '-p', $server->{port},
		'-a', 1, @_);
	return "status $status\n$out$err";
}

# The values of a reading, by address.
sub values_of
{
	my ($text) = @_;
	return { $text =~ /^\[(\d+)\]:\s+(-?\w+)/mg };
}

my %word = (0 => 'coils', 1 => 'discrete inputs', 3 => 'input registers', 4 => 'holding registers');
my %first = (0 => 1000, 1 => 0, 3 => 0, 4 => 1000);

for my $type (sort keys %word) {
	my $text = mbpoll('-t', $type, '-r', $first{$type}, '-c', 5, '127.0.0.1');
	my %zero = map { $first{$type} + $_ => 0 } 0 .. 4;
	is_deeply(values_of($text), \%zero, "$word{$type}: five of them, all zero") or diag $text;
	$text = mbpoll('-t', $type, '-r', $first{$type}, '-c', 100, '127.0.0.1');
	is(scalar(keys %{values_of($text)}), 100, "$word{$type}: a hundred");
	$text = mbpoll('-t', $type, '-r', $first{$type} + 100, '-c', 1, '127.0.0.1');
	like($text, qr/Illegal data address/, "$word{$type}: past the end");
}

like(mbpoll('-t', 4, '-r', 1000, '127.0.0.1', 400), qr/status 0.*Written 1 references/s,
	'one register is written');
like(mbpoll('-t', 4, '-r', 1001, '127.0.0.1', 1, 65535, 3), qr/status 0.*Written 3 references/s,
	'three registers are written');
is_deeply(values_of(mbpoll('-t', 4, '-r', 1000, '-c', 5, '127.0.0.1')),
	{ 1000 => 400, 1001 => 1, 1002 => 65535, 1003 => 3, 1004 => 0 }, 'they are there');
like(mbpoll('-t', 0, '-r', 1000, '127.0.0.1', 1), qr/status 0.*Written 1 references/s,
	'one coil is written');
like(mbpoll('-t', 0, '-r', 1002, '127.0.0.1', 1, 0, 1), qr/status 0.*Written 3 references/s,
	'three coils are written');
is_deeply(values_of(mbpoll('-t', 0, '-r', 1000, '-c', 6, '127.0.0.1')),
	{ 1000 => 1, 1001 => 0, 1002 => 1, 1003 => 0, 1004 => 1, 1005 => 0 }, 'they are there');
like(mbpoll('-t', 4, '-r', 999, '127.0.0.1', 7), qr/Illegal data address/,
	'register 999 cannot be written');

# Without -0 mbpoll counts from 1: its 1001 is 1000 on the wire.
my ($status, $out) = run('mbpoll', '-1', '-m', 'tcp', '-p', $server->{port}, '-a', 1, '-t', 4, '-r',
	1001, '-c', 1, '127.0.0.1');
is_deeply(values_of($out), { 1001 => 400 }, 'references that count from 1');

is(stop($server), 0, 'the server stops');
done_testing;
