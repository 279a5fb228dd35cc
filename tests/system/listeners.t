#!/usr/bin/perl
# Listeners: IPv4, IPv6, unix sockets, those of a service manager; a reload that adds and removes
# some.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Fcntl qw(S_IMODE LOCK_EX);
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);
use Test::More;

my $READ = h('03 03e8 0001');
my $dir = temp_dir();
my $name = image_name();
my $v6 = IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1);

sub conf { return plant(name => $name, file => 'listen.conf', server => join "\n", @_) }
sub unix { return IO::Socket::UNIX->new(Peer => $_[0], Type => SOCK_STREAM) }

# A port that was free a moment ago.
sub free_port { return IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0,
	Listen => 1)->sockport }

sub serves
{
	my ($sock, $what) = @_;
	is($sock && hx(request($sock, $READ)), '03020000', $what);
}

sub reload
{
	my ($server, @conf) = @_;
	conf(@conf);
	kill 'HUP', $server->{pid};
	wait_line($server, qr/\breloaded$/);
}

subtest 'unix sockets' => sub {
	my $path = "$dir/a.sock";
	my $group = (split ' ', $))[-1];
	my $group_name = getgrgid $group;
	my $server = start_server(conf("listen = [\"unix:$path\", \"127.0.0.1:0\"]",
		'socket_mode = "0640"',
		"socket_group = \"$group_name\""));
	like($server->{err}, qr/listening on unix:\Q$path\E$/m, 'it says so');
	serves(unix($path), 'served');
	my @stat = stat $path;
	is(sprintf('%o', S_IMODE($stat[2])), '640', 'mode');
	is($stat[5], $group, 'group');

	my ($status, undef, $err) = run(program('mbserverd'), '--plant',
		conf("listen = [\"unix:$path\"]"));
	is($status, 1, 'another server on a live socket: no start');
	like($err, qr/unix:\Q$path\E is in use by another program/, 'said in words');
	serves(unix($path), 'and the first one is still there');

	kill9($server);
	ok(-S $path, 'a killed server leaves its socket behind');
	my $next = start_server(conf("listen = [\"unix:$path\"]"));
	serves(unix($path), 'the next one takes its place');
	is(stop($next), 0, 'stops');
	ok(!-e $path, 'and takes the name away');

	write_file('b.sock', 'precious');
	($status, undef, $err) = run(program('mbserverd'), '--plant',
		conf("listen = [\"127.0.0.1:0\", \"unix:$dir/b.sock\"]"));
	is($status, 1, 'a file of that name: no start');
	like($err, qr/there is a file of that name, and it is not a socket/, 'said in words');
	is(-s "$dir/b.sock", 8, 'and the file is as it was');
	($status, undef, $err) = run(program('mbserverd'), '--plant',
		conf("listen = [\"unix:$dir/nowhere/b.sock\"]"));
	like($err, qr{cannot listen on unix:\S+/nowhere/b\.sock: No such file or directory},
		'a folder that is not there');
	is_deeply([ glob "$dir/*.sock.*" ], [], 'no temporary names are left');
};

subtest 'mode and group of a socket that stays' => sub {
	my $path = "$dir/e.sock";
	my $server = start_server(conf("listen = [\"unix:$path\"]", 'socket_mode = "0600"'));
	my $sock = unix($path);
	my @before = stat $path;
	my ($other) = grep { $_ != $before[5] }
		$> == 0 ? map { scalar getgrnam $_ } qw(daemon nogroup)
		: split ' ', $);
	my $name = defined $other && getgrgid $other;
	reload($server, "listen = [\"unix:$path\"]", 'socket_mode = "0640"',
		$name ? "socket_group = \"$name\"" : ());
	my @stat = stat $path;
	is(sprintf('%o', S_IMODE($stat[2])), '640', 'the new mode');
	SKIP: {
		skip 'no other group', 1 unless $name;
		is($stat[5], $other, 'the new group');
	}
	is($stat[1], $before[1], 'of the same socket');
	reload($server, "listen = [\"unix:$path\"]", 'socket_mode = "0660"');
	is(sprintf('%o', S_IMODE((stat $path)[2])), '660', 'another mode');
	is((stat _)[5], $before[5], "and the server's group again");
	serves($_, 'connections live') for $sock, unix($path);

	unlink $path;
	wait_line($server, qr/listening on unix:\Q$path\E$/);
	serves($_, 'a name that was removed is put back') for $sock, unix($path);
	is(sprintf('%o', S_IMODE((stat $path)[2])), '660', 'with its mode');
	rename $path, "$path-away";
	write_file('e.sock', 'precious');
	wait_line($server, qr/there is a file of that name, and it is not a socket/);
	is(-s $path, 8, "another's file stays");
	is(stop($server), 0, 'stops');
	is(-s $path, 8, 'also then');
	unlink $path, "$path-away";
};

subtest 'several servers on one path' => sub {
	my $path = "$dir/f.sock";
	my $plant = conf("listen = [\"unix:$path\"]");
	# What a killed server leaves: its socket, and perhaps one that had no name yet.
	IO::Socket::UNIX->new(Local => $_, Listen => 1)->close for $path, "$path.new";
	for my $round (1 .. 4) {
		# so that all of them have to wait for their turn
		open my $folder, '<', $dir or die "$dir: $!";
		flock $folder, LOCK_EX or die "flock: $!";
		my @servers = map { spawn(program('mbserverd'), '--plant', $plant) } 1 .. 4;
		# longer than a start takes, and shorter than they wait
		select undef, undef, undef, 0.1;
		close $folder;
		my @won;
		for my $server (@servers) {
			eval { wait_line($server, qr/\bready$/, $MB::SOON); push @won, $server; 1 }
				or like($server->{err}, qr/in use by another program/,
				'one finds the socket of another');
		}
		is(scalar @won, 1, 'one wins');
		serves(unix($path), 'and is found');
		is_deeply([ glob "$path?*" ], [], 'no temporary name is left');
		kill9($_) for @won;
	}
	unlink $path;
};

subtest 'somebody keeps the folder locked' => sub {
	my $path = "$dir/g.sock";
	open my $folder, '<', $dir or die "$dir: $!";
	flock $folder, LOCK_EX or die "flock: $!";
	my $server = start_server(conf("listen = [\"unix:$path\"]"));
	like($server->{err}, qr/another process keeps the folder locked/, 'is said');
	serves(unix($path), 'and the server starts');
	stop($server);
};

subtest 'reload' => sub {
	my ($one, $two) = (free_port(), free_port());
	my $path = "$dir/c.sock";
	my $server = start_server(conf("listen = [\"127.0.0.1:$one\", \"unix:$path\"]"));
	my ($stays, $old) = (tcp($one), unix($path));
	serves($_, 'before') for $stays, $old;
	my ($inode) = (stat $path)[1];

	reload($server, "listen = [\"unix:$path\", \"127.0.0.1:$two\""
		. ($v6 ? ", \"[::1]:$two\"" : '') . ']');
	serves(tcp($two), 'one came');
	serves(tcp($two, '::1'), 'IPv6 on the same port') if $v6;
	ok(!IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $one), 'one went');
	is((stat $path)[1], $inode, 'one stayed as it was');
	serves($_, 'no connection was dropped') for $stays, $old, unix($path);

	my $taken = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => $one, Listen => 1,
		ReuseAddr => 1);
	reload($server, "listen = [\"127.0.0.1:$one\", \"127.0.0.1:$two\"]");
	like($server->{err}, qr/127\.0\.0\.1:$one is in use by another program/,
		'an address that cannot be had is said');
	serves(tcp($two), 'the others are served');
	ok(!-e $path, 'a socket that went took its name away');
	serves($stays, 'and its connections live');
	close $taken;
	wait_line($server, qr/listening on 127\.0\.0\.1:$one$/);
	serves(tcp($one), 'what could not be had is tried again');
	is(() = $server->{err} =~ /in use by another/g, 1, 'and was said once');
	is(stop($server), 0, 'stops');
};

subtest 'passed sockets' => sub {
	my @passed = (IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 20),
		IO::Socket::UNIX->new(Local => "$dir/d.sock", Listen => 20));
	my @ports = map { $_->sockport } $passed[0];
	my $port = free_port();
	my $plant = conf("listen = [\"127.0.0.1:$port\"]");
	my $early = tcp($ports[0]);		# before there is a server
	my @start = ({ listen => \@passed }, program('mbserverd'), '--plant', $plant);
	my $server = spawn(@start);
	wait_line($server, qr/using 2 sockets of the service manager instead of server\.listen/);
	wait_line($server, qr/\bready$/);
	serves($early, 'who came early');
	serves(unix("$dir/d.sock"), 'unix');
	ok(!IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port),
		'server.listen is not listened on');
	kill 'HUP', $server->{pid};
	wait_line($server, qr/\breloaded$/);
	serves(tcp($ports[0]), 'a reload leaves them alone');
	is(stop($server), 0, 'stops');
	ok(-S "$dir/d.sock", 'a name that is not ours stays');

	# Restarts under clients that come all the time: none is refused, and each is answered.
	my $client = spawn($^X, '-Itests/lib', '-MMB', '-e', <<'CLIENT', $ports[0]);
		my ($port) = @ARGV;
		my ($stop, $count) = (0, 0);
		$SIG{TERM} = sub { $stop = 1 };
		$| = 1;
		until ($stop) {
			my $sock = tcp($port);			# dies when refused
			my $answer = eval { hx(request($sock, h('03 03e8 0001'))) } // '';
			# A server that stops closes connections without a request.
			$answer =~ /^0302/ ? $count++ : $retries++;
			print "going\n" if $count == 20;
		}
		print "$count answered, ", $retries // 0, " asked again\n";
CLIENT
	$server = spawn(@start);
	wait_line($client, qr/going/, undef, 'out');
	for (1 .. 5) {
		wait_line($server, qr/\bready$/);
		is(stop($server), 0, 'stops');
		$server = spawn(@start);
	}
	wait_line($server, qr/\bready$/);
	kill 'TERM', $client->{pid};
	my ($count, $again) =
		wait_line($client, qr/(\d+) answered, (\d+) asked again/, undef, 'out');
	is(wait_exit($client), 0, 'none was refused over five restarts');
	# one client, five stops: no time in it
	cmp_ok($again, '<=', 5, "$count answered, $again closed by a stop before they had asked");
	is(stop($server), 0, 'stops');
};

subtest 'what cannot be passed' => sub {
	my $datagram = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0,
		Proto => 'udp');
	my $server = spawn({ listen => [$datagram] }, program('mbserverd'), '--plant', conf());
	is(wait_exit($server), 1, 'a datagram socket: no start');
	like($server->{err}, qr/something other than a listening stream socket/, 'said in words');
};

done_testing;
