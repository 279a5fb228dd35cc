#!/usr/bin/perl
# Clients that are slow, broken or greedy: the others do not notice, and the server's memory stays
# bounded.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;
use IO::Select;
use Socket qw(SOL_SOCKET SO_LINGER SO_SNDBUF);
use Time::HiRes qw(time sleep);

my $READ = h('03 03e8 0001');
# one worker: whom one delays, all feel
# frame_timeout: half a frame stays open while the honest are served, on a slow machine as well.
my $server = start_server(plant(server => 'workers = 1  max_connections = 4000
	frame_timeout = "300s"'));
my @honest = map { tcp($server->{port}) } 1 .. 4;

# Sanitizers need memory of their own.
sub memory_kib
{
	return 0 if $ENV{MB_SAN};
	open my $in, '<', "/proc/$server->{pid}/status" or die;
	my %kib = map { /^(Rss\w+):\s+(\d+) kB/ ? ($1, $2) : () } <$in>;
	return $kib{RssAnon};
}

# 400 requests of the honest while the hostile do what they do; the slowest one, in seconds.
sub honest_worst
{
	my ($meanwhile) = @_;
	my $worst = 0;
	for my $i (1 .. 400) {
		$meanwhile->() if $meanwhile;
		my $start = time;
		my $answer = hx(request($honest[$i % 4], $READ));
		die $answer if $answer ne '03020000';
		$worst = time - $start if time - $start > $worst;
	}
	return $worst;
}

sub fine
{
	my ($what, $meanwhile) = @_;
	my $worst = honest_worst($meanwhile);
	# A stall that a client can cause lasts as long as that client.  Anything less is the speed
	# of this machine; make bench measures it.
	cmp_ok($worst, '<', $MB::SOON, sprintf
		'%s: the others are answered, the slowest in %.1f ms', $what, $worst * 1e3);
}

honest_worst();		# all of the honest have been served once
my $idle_kib = memory_kib();

subtest 'half a frame and silence' => sub {
	my @half = map { my $s = tcp($server->{port}); send_all($s, substr adu(1, 1, $READ), 0,
		1 + $_ % 11); $s } 1 .. 200;
	fine('200 of them');
	ok(!closed($half[0], 0.01), 'they are not closed for it');
	send_all($half[$_], substr adu(1, 1, $READ), 1 + ($_ + 1) % 11) for 0 .. $#half;
	my $answers = join ' ', map { hx(scalar read_response($_)) } @half;
	is($answers, join(' ', ('03020000') x 200), 'the rest of it is still welcome');
};

subtest 'one byte now and then' => sub {
	my @slow = map { tcp($server->{port}) } 1 .. 10;
	my $adu = adu(1, 1, h('10 03ea 0002 04 1111 2222'));
	my $at = 0;
	fine('ten of them', sub {
		send_all($_, substr $adu, $at % length $adu, 1) for @slow;
		$at++;
	});
	my $answers = int($at / length $adu);
	for my $slow (@slow) {
		is(hx(read_exactly($slow, 12 * $answers)), '000100000006011003ea0002' x $answers,
			"$answers answers");
	}
};

subtest 'requests, but never reads' => sub {
	my @deaf = map { my $s = tcp($server->{port}); setsockopt $s, SOL_SOCKET, SO_SNDBUF,
		4096; $s->blocking(0); $s } 1 .. 10;
	my $largest = adu(1, 1, h('04 0000 0064')) x 100;
	my %sent;
	my $push = sub {
		for my $deaf (@deaf) {
			my $n = syswrite $deaf, $largest;
			$sent{$deaf} += $n if defined $n;
		}
	};
	fine('ten of them', $push);
	my $still = 0;
	for (my $quiet = 0; $quiet < 20; $quiet++) {	# until it has stopped reading from them
		my $before = join ' ', values %sent;
		$push->();
		$quiet = 0 if $before ne join ' ', values %sent;
		sleep 0.005;	# it has not read for 20 times of these
		die "it never stops reading\n" if ++$still > 20_000;
	}
	fine('all stuck');
	my $grown = memory_kib() - $idle_kib;
	cmp_ok($grown, '<', 10 * 64, "memory: $grown KiB for ten of them");

	# One of them repents: every whole request it sent is answered, in order, none twice.
	my $count = int($sent{$deaf[0]} / 12);
	my $answer = h('0001000000cb01 04c8') . "\0" x 200;
	$deaf[0]->blocking(1);
	my $whole = grep { read_exactly($deaf[0], length $answer) eq $answer } 1 .. $count;
	is($whole, $count, 'what one of them reads in the end is whole');
	ok(!IO::Select->new($deaf[0])->can_read(0.02), 'and no more');
};

subtest 'broken frames, one after the other' => sub {
	my @bad = (pack('nnn', 1, 0, 0), pack('nnn', 1, 0, 0xFFFF), "\xFF" x 300,
		"GET / HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03");
	my $i = 0;
	fine('each on a connection of its own', sub {
		my $bad = tcp($server->{port});
		send_all($bad, $bad[$i++ % @bad]);
		die "not closed\n" unless $i % 8 || closed($bad);
	});
};

subtest 'bad quantities, bad functions' => sub {
	my $bad = tcp($server->{port});
	my @pdus = map { h($_) } '03 03e8 0000', '03 03e8 ffff', '10 03e8 007c f8', '63', '03',
		'2b', '00', 'ff 00';
	my $count = 0;
	fine('eight to each honest one', sub {
		send_all($bad, join '', map { adu(1, 1, $_) } @pdus);
		$count += @pdus;
	});
	my %codes;
	$codes{hx(scalar read_response($bad))}++ for 1 .. $count;
	is_deeply(\%codes, { '8303' => 1200, '9003' => 400, 'e301' => 400, 'ab03' => 400,
		'8001' => 400, 'ff01' => 400 },
		'each has its exception');
};

subtest 'comes and goes' => sub {
	fine('connects and resets', sub {
		for (1 .. 3) {
			my $guest = tcp($server->{port});
			send_all($guest, adu(1, 1, $READ) x 3);
			setsockopt $guest, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0) if $_ > 1;
			close $guest;
		}
	});
};

subtest 'connects and says nothing' => sub {
	my @silent = map { tcp($server->{port}) } 1 .. 1000;
	fine('a thousand of them');
	my $grown = memory_kib() - $idle_kib;
	cmp_ok($grown, '<', 1000, "memory: $grown KiB");
};

subtest 'afterwards' => sub {
	fine('all gone');
	my @files;
	wait_until(sub { @files = glob "/proc/$server->{pid}/fd/*"; return @files <= 40 });
	cmp_ok(scalar @files, '<=', 40, scalar(@files) . ' descriptors are open');
};

is(stop($server), 0, 'the server stops');
done_testing;
