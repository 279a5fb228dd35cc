#!/usr/bin/perl
# Stopping in order, and being stuck: who is in the queue is answered, in less than a second, and
# the watchdog hears the truth.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use IO::Select;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(time sleep);

my $READ = h('03 03e8 0001');

# All that comes until the server closes.
sub until_closed
{
	my ($sock) = @_;
	my $bytes = '';
	while (IO::Select->new($sock)->can_read($MB::TIMEOUT)) {
		return $bytes unless sysread $sock, $bytes, 65536, length $bytes;
	}
	die "not closed\n";
}

# With a full queue; how long it took.
sub stop_with_queue
{
	my $path = temp_dir() . '/queue.sock';
	my $server =
		start_server(plant(server =>
		"workers = 2  listen = [\"127.0.0.1:0\", \"unix:$path\"]"));
	kill 'STOP', $server->{pid};		# nothing is accepted from now on
	my @queue = map { tcp($server->{port}) } 1 .. 50;
	push @queue, map { IO::Socket::UNIX->new($path) } 1 .. 5;
	send_all($_, adu(7, 1, $READ) x 3) for @queue;
	my $silent = tcp($server->{port});
	kill 'TERM', $server->{pid};
	my $start = time;
	kill 'CONT', $server->{pid};
	my @answers = map { length until_closed($_) } @queue;
	is(join(' ', @answers), join(' ', (33) x 55), 'everybody in the queue is answered');
	is(until_closed($silent), '', 'who had asked nothing is closed');
	is(wait_exit($server), 0, 'exit status 0');
	my $took = time - $start;
	ok(!-e $path, 'the name of its unix socket is gone');
	return $took;
}

# Of a sanitizer's build, and of others.
my $LIMIT = $ENV{MB_SAN} ? 3 : 1;
# A signal that comes before the loop waits for it.
subtest 'a reload while it starts' => sub {
	for (['mbserverd'], ['simulatord'], ['mbshm', 'retain']) {
		my ($program, @command) = @$_;
		my $plant = plant(image => 'retain = "early" holding_registers = ["0-9"]',
			points => '');
		for (1 .. 10) {
			my $self = spawn(program($program), @command, '--plant', $plant);
			1 until (readlink("/proc/$self->{pid}/exe") // '') =~ m{/\Q$program\E$};
			# it may not have reached the first line of main
			wait_until(sub {
				return `grep SigBlk /proc/$self->{pid}/status` =~ /:.*[1-9a-f]/;
			});
			kill HUP => $self->{pid};
			wait_line($self, qr/(reloaded)/);
			is(stop($self), 0, "$program was told to reload while it started");
		}
	}
};

subtest 'who is in the queue' => sub {
	cmp_ok(quickest($LIMIT, \&stop_with_queue), '<', $LIMIT, 'in under a second');
};

# With clients that stay; how long it took.
sub stop_with_clients
{
	my $server = start_server(plant(server => 'workers = 2'));
	my @stay = map { my $s = tcp($server->{port}); send_all($s, adu(1, 1, $READ)); $s } 1 .. 20;
	read_response($_) for @stay;
	send_all($stay[0], substr adu(1, 1, $READ), 0, 7);		# half a frame
	my $start = time;
	is(stop($server), 0, 'exit status 0');
	return time - $start;
}

subtest 'clients that do not go' => sub {
	cmp_ok(quickest($LIMIT, \&stop_with_clients), '<', $LIMIT,
		'in under a second, whether they close their side or not');
};

subtest 'the watchdog' => sub {
	my $path = temp_dir() . '/notify';
	my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$path: $!";
	my $plant = plant(server => 'listen = ["127.0.0.1:0"]  workers = 2');
	my $server = spawn({ env => { NOTIFY_SOCKET => $path, WATCHDOG_USEC => 100_000 } },
		program('mbserverd'), '--plant', $plant);
	my $port = wait_line($server, qr/listening on \S+:(\d+)/);
	wait_line($server, qr/\bready$/);

	# How many times it says that all is well, within a time; at most so many.
	my $pings = sub {
		my ($seconds, $most) = @_;
		my ($count, $end) = (0, time + $seconds);
		while ($count < $most && IO::Select->new($manager)->can_read($end - time > 0
			? $end - time : 0)) {
			$manager->recv(my $message, 4096);
			$count++ if $message =~ /^WATCHDOG=1/m;
		}
		return $count;
	};
	is($pings->($MB::TIMEOUT, 5), 5, 'fed while all workers turn');

	my $is_worker = sub { open my $in, '<', "$_[0]/comm" or die; return <$in> eq "worker\n" };
	my @workers = grep { $is_worker->($_) } glob "/proc/$server->{pid}/task/*";
	is(scalar @workers, 2, 'two workers');
	my ($tid) = $workers[1] =~ /(\d+)$/;
	pipe my $in, my $hold or die;
	my $stopper = fork // die "fork: $!";
	if ($stopper == 0) {
		close $hold;
		open STDIN, '<&', $in;
		open STDOUT, '>', '/dev/null';
		{ exec program('tests/threadstop'), $tid }
		POSIX::_exit(127);
	}
	close $in;
	sleep 0.01 until `cut -d' ' -f3 /proc/$server->{pid}/task/$tid/stat` =~ /^[tT]/
		|| waitpid($stopper, 1) == $stopper;
	SKIP: {
		skip 'may not trace here', 4 if $? >> 8 == 77;
		cmp_ok($pings->(1.5, 100), '<=', 2,
			'one worker is stuck: what it had said is all for 15 intervals');
		my @socks = map { tcp($port) } 1 .. 8;
		send_all($_, adu(1, 1, $READ)) for @socks;
		my $served = () = IO::Select->new(@socks)->can_read($MB::TIMEOUT);
		cmp_ok($served, '>', 0, 'the other one serves meanwhile');
		close $hold;
		waitpid $stopper, 0;
		is(hx(scalar read_response($_)), '03020000', 'then the stuck one goes on')
			for @socks;
		is($pings->($MB::TIMEOUT, 3), 3, 'fed again');
	}
	is(stop($server), 0, 'stops');
};

subtest 'an event loop that fails' => sub {
	plan skip_all => 'a sanitizer wants to be preloaded first' if $ENV{MB_SAN};
	my $library = program('tests/loop.so');
	$library = POSIX::getcwd() . "/$library" unless $library =~ m{^/};
	my $plant = plant(image => 'retain = "values" holding_registers = ["0-9"]', points => '');
	for (['mbserverd'], ['simulatord'], ['mbshm', 'retain']) {
		my ($status, $out, $err) = run({ env => { LD_PRELOAD => $library } },
			program($_->[0]), @$_[1 .. $#$_], '--plant', $plant);
		is($status, 1, "@$_ ends");
		like($err, qr/ $_->[0]: event loop: Input\/output error$/, 'and says why');
	}
};

# A folder has the image's name.  A manager restarts what has ended: it must not end at once.
subtest 'what cannot start' => sub {
	my $name = image_name();
	my $plant = plant(name => $name);
	mkdir "/dev/shm$name" or die "/dev/shm$name: $!";
	my $path = temp_dir() . '/pause';
	my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$path: $!";
	for my $command ([ 'mbserverd' ], [ 'simulatord' ], [ 'mbshm', 'retain' ]) {
		my ($program, @words) = @$command;
		my @command = (program($program), '--plant', $program eq 'mbshm'
			? plant(name => $name, image => 'coils = [0]  retain = "values"',
				points => undef) : $plant,
			@words);
		is((run(@command))[0], 1, "@$command: status 1 at once without a manager");
		my $waits = spawn({ env => { NOTIFY_SOCKET => $path, WATCHDOG_USEC => 5_000_000 } },
			@command);
		wait_line($waits, qr/Is a directory/);
		IO::Select->new($manager)->can_read($MB::TIMEOUT);
		$manager->recv(my $message, 4096);
		is($message, 'STATUS=cannot start, the log says why', '... which is told');
		is(stop($waits), 0, '... and may end the wait');
	}
	rmdir "/dev/shm$name";
};

done_testing;
