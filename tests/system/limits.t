#!/usr/bin/perl
# Limits on connections: how many, from where, how long idle, how long a frame may take, how much
# memory; who is kept.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM IPPROTO_TCP SOL_SOCKET SO_SNDBUF SO_RCVBUF);
use Test::More;
use Time::HiRes qw(time sleep);

my $READ = h('03 03e8 0001');
my $name = image_name();

sub conf
{
	return plant(name => $name, file => 'limits.conf',
		server => join "\n", 'log = "connections"', @_);
}

sub reload
{
	my ($server, @conf) = @_;
	conf(@conf);
	kill 'HUP', $server->{pid};
	wait_line($server, qr/\breloaded$/);
}

sub from
{
	my ($server, $address) = @_;
	my $sock = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $server->{port},
		LocalHost => $address);
	return $sock || die "$address: $@";
}

sub alive { return (eval { hx(request($_[0], $READ)) } // $@) =~ /^0302/ }

sub stat_of
{
	my ($counter) = @_;
	my ($status, $out) = run(program('mbserverd'), '--plant', temp_dir() . '/limits.conf',
		'--stats', '--json');
	return $out =~ /"$counter":(\d+)/ ? $1 : die "no $counter: $out";
}

subtest 'the oldest goes, unless it is kept' => sub {
	my $server = start_server(conf('workers = 2  max_connections = 4',
		'access = ( { from = "127.0.0.2"  keep = true } )'));
	my @kept = map { from($server, '127.0.0.2') } 1 .. 2;
	ok(alive($_), 'kept') for @kept;
	sleep 0.03;	# here and below: the ages are told apart by a clock of 4 ms
	my @others = map { my $s = tcp($server->{port}); alive($s); sleep 0.03; $s } 1 .. 2;
	for my $i (1 .. 10) {
		push @others, tcp($server->{port});
		ok(alive($others[-1]), "newcomer $i is served");
		ok(closed($others[-3]), 'the oldest of the others went');
		sleep 0.03;
	}
	ok(alive($_), 'the kept ones, unused for longer, are still there') for @kept;
	wait_line($server, qr/127\.0\.0\.1:\d+ closed: unused for longest/);
	is(stat_of('evicted'), 10, 'counted');

	for my $oldest (@others[-2, -1]) {
		sleep 0.03;
		push @kept, from($server, '127.0.0.2');
		ok(alive($kept[-1]), 'a kept newcomer is served');
		ok(closed($oldest), 'and displaces the oldest of the others');
	}
	sleep 0.03;
	my $late = tcp($server->{port});
	ok(closed($late), 'when all are kept, it is the newcomer who goes');
	wait_line($server,
		qr/all 4 connections are taken and none may be closed: refusing 127\.0\.0\.1:\d+/);
	ok(alive($_), 'and they stay') for @kept;
	is(stat_of('crowded'), 1, 'counted');
	close $kept[0];
	wait_line($server, qr/127\.0\.0\.2:\d+ closed by its peer/);
	ok(alive(tcp($server->{port})), 'room again');
	is(stop($server), 0, 'stops');
};

# The server accepts them together, so it orders the second eviction before a worker has done the
# first.
subtest 'newcomers at once' => sub {
	my $server = start_server(conf('workers = 2  max_connections = 4',
		'access = ( { from = "127.0.0.2"  keep = true } )'));
	for my $round (1 .. 10) {
		my @kept = map { from($server, '127.0.0.2') } 1 .. 2;
		ok(alive($_), 'kept') for @kept;
		my @others = map { tcp($server->{port}) } 1 .. 2;
		ok(alive($_), 'and two others, one at each worker') for @others;
		kill 'STOP', $server->{pid};
		push @kept, map { from($server, '127.0.0.2') } 1 .. 2;
		kill 'CONT', $server->{pid};
		is(scalar(grep { closed($_) } @others), 2, 'each newcomer displaces one') or last;
		ok(alive($_), 'and is served') for @kept;
		close $_ for @kept;
		ok(wait_until(sub { stat_of('ended') == 6 * $round }), 'all gone');
	}
	is(stat_of('evicted'), 20, 'counted');

	# More than there is room for: the last ones stay, and nobody is told that none may go.
	kill 'STOP', $server->{pid};
	my @crowd = map { tcp($server->{port}) } 1 .. 12;
	kill 'CONT', $server->{pid};
	ok(wait_until(sub { stat_of('evicted') == 28 }), 'eight of a crowd of twelve made room');
	is(scalar(grep { alive($_) } @crowd), 4, 'four are served');
	is(stat_of('crowded'), 0, 'nobody was refused');
	is(stop($server), 0, 'stops');
};

# How many are open, as the server's own descriptors say.
sub served
{
	my ($server) = @_;
	my $count = 0;
	for (glob "/proc/$server->{pid}/fd/*") {
		my $name = readlink or next;
		$count++ if $name =~ /^socket:/;
	}
	return $count;
}

subtest 'a burst never exceeds the limit' => sub {
	my $server = start_server(conf('workers = 2  max_connections = 8'));
	my $idle = served($server);
	my (@socks, $most);
	$most = 0;
	for (1 .. 30) {
		push @socks, map { tcp($server->{port}) } 1 .. 10;
		my $now = served($server) - $idle;
		$most = $now if $now > $most;
	}
	ok(wait_until(sub { stat_of('opened') == 300 }), 'all 300 were let in');
	ok(wait_until(sub { stat_of('ended') == 292 }), 'all but eight are closed again');
	cmp_ok($most, '<=', 9, "never more than eight and the newcomer: $most");
	is(scalar(grep { alive($_) } @socks), 8, 'eight are served');
	is(stat_of('crowded'), 0, 'nobody was refused');

	reload($server, 'workers = 2  max_connections = 3');
	ok(wait_until(sub { stat_of('ended') == 297 }), 'a lower limit closes the surplus at once');
	is(scalar(grep { alive($_) } @socks), 3, 'and no more');
	is(stop($server), 0, 'stops');
};

# Who takes many places makes room for others, and only displaces himself.
subtest 'who has most goes first' => sub {
	my $path = temp_dir() . '/most.sock';
	my $server = start_server(conf('workers = 2  max_connections = 12',
		"listen = [\"127.0.0.1:0\", \"unix:$path\"]"));
	my @honest = ((map { from($server, "127.0.0.$_") } 2, 3, 3),
		IO::Socket::UNIX->new(Peer => $path, Type => SOCK_STREAM));
	for my $round (1 .. 40) {
		my @flood = map { from($server, '127.0.0.9') } 1 .. 50;
		is(scalar(grep { alive($_) } @honest), 4, "round $round: the others are served")
			or last;
	}
	ok(wait_until(sub { stat_of('opened') == 2004 }), 'all 2,000 were let in');
	is(stat_of('crowded'), 0, 'nobody was refused');
	my @new = map { from($server, "127.0.1.$_") } 1 .. 3;
	is(scalar(grep { alive($_) } @honest, @new), 7, 'newcomers from elsewhere are served, too');
	is(stop($server), 0, 'stops');
};

subtest 'from one address' => sub {
	my $server = start_server(conf('workers = 3  max_per_address = 3'));
	my @socks = map { from($server, '127.0.0.1') } 1 .. 3;
	ok(alive($_), 'three') for @socks;
	ok(closed(from($server, '127.0.0.1')), 'a fourth is closed');
	wait_line($server, qr/refused 127\.0\.0\.1:\d+: its address has 3 connections already/);
	my @others = map { from($server, "127.0.1.$_") } 1 .. 200;
	is(scalar(grep { alive($_) } @others), 200, 'other addresses are others');
	ok(alive($_), 'the three are still there') for @socks;
	close pop @socks;
	wait_line($server, qr/127\.0\.0\.1:\d+ closed by its peer/);
	ok(alive(my $again = from($server, '127.0.0.1')), 'one went, one comes');
	is(stat_of('limited'), 1, 'counted');
	reload($server, 'workers = 3  max_per_address = 1');
	ok(wait_until(sub { stat_of('limited') == 3 }), 'a lower limit closes the surplus at once');
	is(scalar(grep { alive($_) } @socks, $again), 1, 'and no more');
	ok(closed(from($server, '127.0.0.1')), 'but holds for who comes');
	is(stop($server), 0, 'stops');
};

subtest 'idle' => sub {
	# 1.5 s: the busy one must ask more often, on a loaded machine as well
	my $server = start_server(conf('workers = 1  idle_timeout = "1500ms"',
		'access = ( { from = "127.0.0.2"  keep = true } )'));
	my ($idle, $busy, $kept) = (tcp($server->{port}), tcp($server->{port}),
		from($server, '127.0.0.2'));
	my $start = time;
	request($_, $READ) for $kept, $idle;
	until (IO::Select->new($idle)->can_read(0.02) || time > $start + $MB::SOON) {
		request($busy, $READ);
	}
	my $took = time - $start;
	ok(closed($idle), sprintf 'closed after %.0f ms', 1e3 * $took);
	cmp_ok($took, '>=', 1.49, 'not before');
	cmp_ok($took, '<', $MB::SOON, 'soon after');
	ok(alive($busy), 'who asks stays');
	ok(alive($kept), 'who is kept stays');
	wait_line($server, qr/closed: unused for server\.idle_timeout/);
	my $silent = tcp($server->{port});
	$start = time;
	ok(closed($silent), 'who never asks goes, too');
	cmp_ok(time - $start, '>=', 1.49, 'not before');

	my $forever = tcp($server->{port});
	reload($server, 'workers = 1  idle_timeout = "0s"');
	request($forever, $READ);
	ok(!closed($forever, 2), 'never, when it is 0s');
	reload($server, 'workers = 1  idle_timeout = "200ms"');
	ok(closed($forever), 'a reload is for those who are there as well');
	is(stat_of('idle'), 5, 'counted');	# with busy, and who is not kept any more
	is(stop($server), 0, 'stops');
};

subtest 'a frame that takes too long' => sub {
	my $server = start_server(conf('workers = 1  frame_timeout = "400ms"',
		'access = ( { from = "127.0.0.2"  keep = true } )'));
	my $adu = adu(1, 1, $READ);
	my ($half, $slow, $fine, $kept) = (map({ tcp($server->{port}) } 1 .. 3),
		from($server, '127.0.0.2'));
	my $start = time;
	send_all($_, substr $adu, 0, 5) for $half, $kept;
	my ($sent, $open) = (0, 1);
	# a byte each 200 ms: it is never silent, yet its frame would take 2.4 s
	while ($open && $sent < 12) {
		send_all($slow, substr $adu, $sent++, 1);
		$open = !IO::Select->new($slow)->can_read(0.2);
	}
	my $took = time - $start;
	cmp_ok($took, '>=', 0.39, sprintf 'closed after %.0f ms', 1e3 * $took);
	cmp_ok($sent, '<', 12, "after $sent bytes");
	ok(closed($_), 'closed') for $half, $slow, $kept;
	wait_line($server, qr/closed: a frame was not complete within server\.frame_timeout/);
	is(stat_of('late'), 3, 'counted');

	# The time counts from the first byte of each frame, not of the connection: ends and
	# beginnings together, for longer than that.  2 s: the next part must come in time.
	reload($server, 'workers = 1  frame_timeout = "2s"');
	my $whole = 0;
	send_all($fine, substr $adu, 0, 6);
	for ($start = time; time < $start + 2.5 || $whole < 5; $whole++) {
		sleep 0.1;
		send_all($fine, substr($adu, 6) . substr $adu, 0, 6);
		read_response($fine);
	}
	pass("$whole frames, always one of them begun");
	ok(closed($fine), 'and closed when the last one stays away');
	is(stop($server), 0, 'stops');
};

# What the kernel keeps for a client that never reads, in bytes: of the server's side of the socket.
sub queued
{
	my ($server, $sock) = @_;
	open my $in, '<', '/proc/net/tcp' or die;
	my ($local, $remote) = map { sprintf ':%04X', $_ } $server->{port}, $sock->sockport;
	while (<$in>) {
		my @fields = split;
		return hex((split /:/, $fields[4])[0])
			if $fields[1] =~ /$local$/ && $fields[2] =~ /$remote$/;
	}
	die "no such connection\n";
}

subtest 'memory of the kernel' => sub {
	my $server = start_server(conf('workers = 1'));
	my $deaf = tcp($server->{port});
	my $request = adu(1, 1, h('04 0000 0064')) x 10;
	$deaf->blocking(0);
	# until nothing more is taken for a while: the server has stopped reading
	my $select = IO::Select->new($deaf);
	while ($select->can_write(0.5)) {
		last unless defined syswrite $deaf, $request;
	}
	cmp_ok(queued($server, $deaf), '<=', 128 * 1024, 'its answers: ' . queued($server, $deaf));
	ok(alive(tcp($server->{port})), 'another is served');
	is(stop($server), 0, 'stops');
};

# The server's socket with that inode, as a descriptor of ours: pidfd_open(2), pidfd_getfd(2).
sub borrowed
{
	my ($server, $name) = @_;
	my ($fd) = map { (readlink // '') eq $name ? m{(\d+)$} : () }
		glob "/proc/$server->{pid}/fd/*";
	my $pidfd = syscall 434, $server->{pid}, 0;
	my $ours = $pidfd >= 0 ? syscall 438, $pidfd, $fd + 0, 0 : -1;
	return $ours >= 0 ? IO::Socket::IP->new_from_fd($ours, 'r+') : undef;
}

subtest 'options of accepted sockets' => sub {
	my $server = start_server(conf('workers = 1'));
	my %before = map { (readlink // '') => 1 } glob "/proc/$server->{pid}/fd/*";
	my $client = tcp($server->{port});
	ok(alive($client), 'connected');
	my ($new) = grep { /^socket:/ && !$before{$_} }
		map { readlink // '' } glob "/proc/$server->{pid}/fd/*";
	my $sock = borrowed($server, $new) or do {
		stop($server);
		plan skip_all => "pidfd_getfd: $!";
	};
	is(unpack('i', getsockopt $sock, IPPROTO_TCP, 18), 90_000,
		'a peer that acknowledges nothing for 90 s is gone');
	is(unpack('i', getsockopt $sock, SOL_SOCKET, $_), 65536, 'buffer') for SO_SNDBUF, SO_RCVBUF;
	is(stop($server), 0, 'stops');
};

# Over a unix socket: the kernel keeps less of what nobody reads, so it takes less of it.  Each is
# answered once before it turns deaf: requests that pile up before their connection is accepted are
# cut differently, and the server may then hold too little of each.
subtest 'memory' => sub {
	my $path = temp_dir() . '/limits.sock';
	my $server = start_server(conf('workers = 1  max_connections = 3000',
		"listen = [\"127.0.0.1:0\", \"unix:$path\"]"));
	my $honest = tcp($server->{port});
	# the answers are 16 KiB: what the server keeps of one that is not read
	my $request = adu(1, 1, h('04 0000 0064')) x 77;
	my @deaf = map { IO::Socket::UNIX->new(Peer => $path, Type => SOCK_STREAM)
		// die "$path: $!" } 1 .. 800;
	is(scalar(grep { alive($_) } @deaf), 800, 'all are served while they listen');
	$_->blocking(0) for @deaf;
	my ($stalled, $end) = (0, time + $MB::TIMEOUT);
	until ($stalled || time > $end) {
		syswrite $_, $request for @deaf;
		# one after the other, or they would be cut differently, too
		my ($before, $now) = (-1, stat_of('bytes_in'));
		until ($now == $before) {
			sleep 0.01;
			($before, $now) = ($now, stat_of('bytes_in'));
		}
		die "the honest one is not served\n" unless alive($honest);
		$stalled = stat_of('stalled');
	}
	cmp_ok($stalled, '>', 0, "$stalled that do not read their answers were closed") or return;
	ok(alive($honest), 'the honest one is served');
	wait_line($server, qr/closed: it does not read its answers, and memory is short/);
	open my $in, '<', "/proc/$server->{pid}/status" or die;
	my ($kib) = map { /^RssAnon:\s+(\d+)/ ? $1 : () } <$in>;
	cmp_ok($kib, '<', 32 * 1024, "$kib KiB in all") unless $ENV{MB_SAN};
	is(stop($server), 0, 'stops');
};

done_testing;
