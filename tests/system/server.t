#!/usr/bin/perl
# The server over real sockets: framing, pipelining, connections, reload, replaced images, stop.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;
use IO::Select;
use IO::Socket::IP;
use Time::HiRes qw(time sleep);

my $READ = h('03 03e8 0002');

# One wakeful read: what one send of the server brought.
sub burst
{
	my ($sock) = @_;
	IO::Select->new($sock)->can_read($MB::TIMEOUT) or die "no answer\n";
	sysread $sock, my $bytes, 1 << 20;
	return $bytes;
}

# All that comes until the server closes.
sub until_closed
{
	my ($sock) = @_;
	my $bytes = '';
	while (IO::Select->new($sock)->can_read($MB::TIMEOUT)) {
		my $n = sysread $sock, $bytes, 65536, length $bytes;
		return $bytes unless $n;
	}
	die "not closed\n";
}

my $server = start_server(plant());
my $sock = tcp($server->{port});

subtest 'the built-in plant' => sub {
	is(hx(request($sock, h('03 03e8 0064'))), '03c8' . '0000' x 100,
		'holding registers 1000..1099');
	is(hx(request($sock, h('03 03e7 0001'))), '8302', 'not 999');
	is(hx(request($sock, h('03 044c 0001'))), '8302', 'not 1100');
	is(hx(request($sock, h('01 03e8 0064'))), '010d' . '00' x 13, 'coils 1000..1099');
	is(hx(request($sock, h('01 03e7 0001'))), '8102', 'not 999');
	is(hx(request($sock, h('01 044c 0001'))), '8102', 'not 1100');
	is(hx(request($sock, h('02 0000 0064'))), '020d' . '00' x 13, 'discrete inputs 0..99');
	is(hx(request($sock, h('04 0000 0064'))), '04c8' . '0000' x 100, 'input registers 0..99');
	is(hx(request($sock, h('06 03e9 abcd'))), '0603e9abcd', 'write a register');
	is(hx(request($sock, h('05 03e9 ff00'))), '0503e9ff00', 'write a coil');
	is(hx(request($sock, h('03 03e8 0003'))), '0306' . '0000abcd0000', 'read it back');
	is(hx(request($sock, h('01 03e8 0003'))), '010102', 'read it back');
	is(hx(request($sock, h('2b 0e 04 05'))), '2b0e0482000001' . '0519'
		. hx('Industrial IoT CLP Server'), 'model name');
	is(hx(request($sock, h('63 00'))), 'e301', 'unknown function');
	is(hx(request($sock, $READ, $_)), '03040000abcd', "unit $_") for 0, 1, 17, 255;
};

subtest 'split at every byte' => sub {
	my $adu = adu(7, 9, h('10 03e8 0002 04 1111 2222'));
	for my $at (1 .. length($adu) - 1) {
		send_all($sock, substr $adu, 0, $at);
		# a wrong one may come later than this, and is then found below
		ok(!IO::Select->new($sock)->can_read(0.002), "no answer to $at bytes");
		send_all($sock, substr $adu, $at);
		is(hx(read_exactly($sock, 12)), '000700000006091003e80002',
			'one answer to the whole');
	}
	for my $byte (split //, $adu) {
		send_all($sock, $byte);
		sleep 0.001;	# so that the server mostly sees them one by one
	}
	is(hx(read_exactly($sock, 12)), '000700000006091003e80002', 'byte by byte');
	is(hx(request($sock, $READ)), '030411112222', 'written');
};

subtest 'merged' => sub {
	my @pdus = (h('06 03e8 0001'), $READ, h('63'), h('06 03e8 0002'), $READ);
	my $all = join '', map { adu($_, $_, $pdus[$_ - 1]) } 1 .. 5;
	my $answer = '0001000000060106' . '03e80001' . '0002000000070203' . '0400012222'
		. '00030000000303e301' .
		'0004000000060406' . '03e80002' . '0005000000070503' . '0400022222';
	send_all($sock, $all);
	is(hx(burst($sock)), $answer, 'one send, in order, each read sees the write before it');
	for my $at (1 .. length($all) - 1) {
		send_all($sock, substr $all, 0, $at);
		sleep 0.0005;	# so that the server mostly sees two parts
		send_all($sock, substr $all, $at);
		is(hx(read_exactly($sock, length($answer) / 2)), $answer, "cut at $at");
	}
};

subtest 'pipelined' => sub {
	send_all($sock, join '', map { adu($_, 1, h('03 03e8 000a')) } 1 .. 16);
	my $bytes = burst($sock);
	is(length $bytes, 16 * 29, 'sixteen answers in one send');
	is(join(' ', map { unpack 'n', substr $bytes, 29 * $_, 2 } 0 .. 15), join(' ', 1 .. 16),
		'in order');
	for my $pdu (h('03 03e8 000a'), h('04 0000 0064'), h('2b 0e 03 00')) {
		send_all($sock, join '', map { adu($_, 1, $pdu) } 1 .. 200);
		my (@tids, %answers);
		for (1 .. 200) {
			my ($answer, $tid) = read_response($sock);
			push @tids, $tid;
			$answers{$answer}++;
		}
		is(join(' ', @tids), join(' ', 1 .. 200), '200 deep, in order');
		is(join(' ', values %answers), 200, 'all the same');
	}
};

subtest 'frames of another protocol' => sub {
	my $client = tcp($server->{port});
	my $foreign = h('0009 0001 0006 01 06 03e8 7777');
	send_all($client, $foreign);
	is(hx(request($client, $READ)), '030400022222', 'skipped in silence, not carried out');
	send_all($client, substr $foreign, 0, 9);
	sleep 0.01;	# so that the server mostly sees two parts
	send_all($client, substr($foreign, 9) . adu(3, 1, $READ) . $foreign . adu(4, 1, $READ));
	is(hx(until_closed($client)), '00030000000701030400022222',
		'closed after the third, what came before is answered');
};

subtest 'lengths that cannot be' => sub {
	for my $length (0, 1, 255, 65535) {
		my $client = tcp($server->{port});
		send_all($client, adu(1, 1, $READ) . pack('nnn', 2, 0, $length));
		is(hx(until_closed($client)), '00010000000701030400022222',
			"length $length: what came before is answered");
	}
	my $client = tcp($server->{port});
	send_all($client, adu(1, 1, "\x03" . "\0" x 252));
	is(hx(scalar read_response($client)), '8303',
		'the longest frame is a request like any other');
	is(hx(request($client, $READ)), '030400022222', 'and the stream goes on');
};

subtest 'the peer shuts down its side' => sub {
	my $client = tcp($server->{port});
	send_all($client, adu(1, 1, $READ) x 20);
	shutdown $client, 1;
	is(length until_closed($client), 20 * 13, 'its answers still come, then the end');
	$client = tcp($server->{port});
	send_all($client, substr adu(1, 1, $READ), 0, 8);
	shutdown $client, 1;
	is(until_closed($client), '', 'half a frame gets none');
};

subtest 'over 1024 descriptors' => sub {
	my $many = 1200;
	chomp(my $hard = `sh -c 'ulimit -Hn'`);
	plan skip_all => "a hard limit of $hard open files" if $hard ne 'unlimited'
		&& $hard < $many + 300;
	my $plant = plant(server => "max_connections = $many");
	my $crowded = spawn('sh', '-c', 'ulimit -Sn 256 && exec "$@"', 'sh', program('mbserverd'),
		'--plant', $plant);
	my $port = wait_line($crowded, qr/listening on \S+:(\d+)/);
	my @unlimited = ('sh', '-c', "ulimit -Sn $hard && exec \"\$@\"", 'sh');
	my $asker = spawn(@unlimited, $^X, '-Itests/lib', '-MMB', '-e', <<'CLIENT', $port, $many);
		my ($port, $many) = @ARGV;
		my @socks = map { tcp($port) } 1 .. $many;
		send_all($socks[$_], adu($_, 1, h('03 03e8 0001'))) for 0 .. $#socks;
		my $right = 0;
		for (0 .. $#socks) {
			my ($pdu, $tid) = read_response($socks[$_]);
			$right++ if hx($pdu) eq '03020000' && $tid == $_;
		}
		$| = 1;
		print "$right\n";
		sleep 60;	# until killed
CLIENT
	is(wait_line($asker, qr/(\d+)/, undef, 'out'), $many, "each of $many clients is answered");
	my @high = grep { m{/(\d+)$} && $1 >= 1024 } glob "/proc/$crowded->{pid}/fd/*";
	cmp_ok(scalar @high, '>', 100, 'some of them on descriptors past 1023');
	kill9($asker);
	is(stop($crowded), 0, 'and it stops');
};

subtest 'when connections run out' => sub {
	my $small = start_server(plant(server => 'max_connections = 4  workers = 3'));
	my @socks;
	for (0 .. 3) {
		push @socks, tcp($small->{port});
		request($socks[-1], $READ);
		sleep 0.02;	# the ages are told apart by a clock of 4 ms
	}
	request($socks[0], $READ);
	push @socks, tcp($small->{port});
	is(hx(request($socks[4], $READ)), '030400000000', 'the fifth is served');
	ok(closed($socks[1]), 'the one unused longest was closed');
	is(hx(request($socks[$_], $READ)), '030400000000', "$_ lives") for 0, 2, 3;
	like($small->{err} . (wait_line($small, qr/(all 4 connections are taken)/) // ''),
		qr/all 4/, 'the log says so');
	for (1 .. 50) {
		push @socks, tcp($small->{port});
		is(hx(request($socks[-1], $READ)), '030400000000', 'newcomers are served');
	}
	is(stop($small), 0, 'stops');
};

subtest 'short of descriptors' => sub {
	my $plant = plant(server => 'max_connections = 1000  workers = 1');
	my $poor = spawn('sh', '-c', 'ulimit -n 100 && exec "$@"', 'sh', program('mbserverd'),
		'--plant', $plant);
	my $port = wait_line($poor, qr/listening on \S+:(\d+)/);
	like($poor->{err}, qr/room for 44 connections only, not 1000/,
		'it says how many it has room for');
	my @socks = map { my $s = tcp($port); request($s, $READ); $s } 1 .. 60;
	is(hx(request($socks[59], $READ)), '030400000000', 'more than that come and are served');
	is(stop($poor), 0, 'stops');
};

subtest 'the port is taken' => sub {
	my $plant = plant(server => "listen = [\"127.0.0.1:$server->{port}\"]");
	my ($status, undef, $err) = run(program('mbserverd'), '--plant', $plant);
	is($status, 1, 'exit status');
	like($err, qr/ mbserverd: 127\.0\.0\.1:$server->{port} is in use by another .*--port/,
		'said in words');
};

subtest 'several listeners' => sub {
	my $v6 = IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1)
		? ', "[::1]:0"' : '';
	my $both = start_server(plant(server => "listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"$v6]"));
	like($both->{err}, qr/listening on \[::1\]:\d+/, 'IPv6') if $v6;
	my @hosts = ('127.0.0.1', '127.0.0.1', '::1');
	for my $i (0 .. $#{$both->{ports}}) {
		is(hx(request(tcp($both->{ports}[$i], $hosts[$i]), $READ)), '030400000000',
			"on $hosts[$i]");
	}
	is(stop($both), 0, 'stops');
};

# A child that asks without a pause until told to stop, then reports "answers WRONG".
sub asker
{
	my ($port, $expected) = @_;
	my $child = spawn($^X, '-Itests/lib', '-MMB', '-e', <<'CLIENT', $port, $expected);
		my ($port, $expected) = @ARGV;
		my ($sock, $count, $wrong, $stop) = (tcp($port), 0, 0, 0);
		$SIG{TERM} = sub { $stop = 1 };
		for ($| = 1; !$stop; ) {
			$wrong++ if hx(request($sock, h('03 03e8 0002'))) !~ /$expected/;
			print "going\n" if ++$count == 100;
		}
		print "$count answers, $wrong wrong\n";
CLIENT
	wait_line($child, qr/going/, 20, 'out');
	return $child;
}

sub report
{
	my ($child) = @_;
	kill 'TERM', $child->{pid};
	my ($count, $wrong) = wait_line($child, qr/(\d+) answers, (\d+) wrong/, 20, 'out');
	wait_exit($child);
	return ($count, $wrong);
}

subtest 'reload' => sub {
	my $image = image_name();
	my @plant = (name => $image, file => 'reload.conf');
	my $reloaded = start_server(plant(@plant));
	my $client = tcp($reloaded->{port});
	request($client, h('10 03e8 0002 04 0102 0304'));
	my @askers = map { asker($reloaded->{port}, '^030401020304$') } 1 .. 2;
	for my $i (1 .. 10) {
		plant(@plant,
			server =>
			"listen = [\"127.0.0.1:0\"] identity = { vendor_name = \"v$i\" }");
		kill 'HUP', $reloaded->{pid};
		wait_line($reloaded, qr/\breloaded$/);
		is(request($client, h('2b 0e 04 00')), h('2b0e0481000001 00') . pack('C/a', "v$i"),
			"identity $i");
	}
	write_file('reload.conf', "image = {\n  name = \"$image\"\n  nonsense = 1\n}\n");
	kill 'HUP', $reloaded->{pid};
	ok(wait_line($reloaded,
		qr/reload refused, keeping the old plant: .*reload\.conf:3: .*nonsense/),
		'a bad file is refused with its line');
	is(hx(request($client, h('2b 0e 04 00'))), '2b0e0481000001' . '0003' . hx('v10'),
		'the old one lives on');
	plant(@plant, image => 'holding_registers = ["1-5"]', points => undef);
	kill 'HUP', $reloaded->{pid};
	ok(wait_line($reloaded, qr/reload refused, keeping the old plant: image \Q$image\E: .*1-5/),
		'so is one that does not fit the image');
	plant(@plant, server => 'listen = ["127.0.0.1:0"]  workers = 9');
	kill 'HUP', $reloaded->{pid};
	ok(wait_line($reloaded, qr/server\.workers has changed: this needs a restart/),
		'what needs a restart is said');
	wait_line($reloaded, qr/\breloaded$/);
	for my $asker (@askers) {
		my ($count, $wrong) = report($asker);
		is($wrong, 0, "no client noticed ($count requests)");
	}
	is(stop($reloaded), 0, 'stops');
};

subtest 'the image is replaced' => sub {
	my $image = image_name();
	my $path = plant(name => $image, file => 'replaced.conf');
	my $replaced = start_server($path);
	my $client = tcp($replaced->{port});
	request($client, h('06 03e8 1234'));
	unlink "/dev/shm$image" or die "$image: $!";
	wait_line($replaced, qr/attached image \Q$image\E again/);
	is(hx(request($client, $READ)), '030412340000',
		'served from a new one with the same values');
	is(hx(request($client, h('06 03e8 4321'))), '0603e84321', 'and written to it');
	ok(-e "/dev/shm$image", 'under its name');
	unlink "/dev/shm$image" or die "$image: $!";
	kill 'HUP', $replaced->{pid};
	wait_line($replaced, qr/reloaded/);
	is(hx(request(tcp($replaced->{port}), $READ)), '030443210000',
		'a reload takes the values along, too');

	# Somebody puts another plant's image there.
	unlink "/dev/shm$image";
	my $other = start_server(plant(name => $image, image => 'holding_registers = ["1-5"]',
		points => undef));
	wait_line($replaced, qr/cannot attach image \Q$image\E, answering exception 04: .*1-5/);
	is(hx(request($client, $READ)), '8304', 'exception 04 meanwhile');
	is(hx(request($client, h('2b 0e 04 01'))), '2b0e0482000001' . '0107' . hx('MBIMAGE'),
		'identity is served all the same');
	stop($other);
	unlink "/dev/shm$image";
	wait_line($replaced, qr/attached image \Q$image\E again/);
	is(hx(request($client, $READ)), '030400000000', 'served again');
	unlike($replaced->{err}, qr/(cannot attach.*\n).*\g1/s, 'the reason was logged once');
	is(stop($replaced), 0, 'stops');
};

subtest 'stop with requests in flight' => sub {
	# How long it takes.
	my $stop = sub {
		my ($signal) = @_;
		my $stopped = start_server(plant(server => 'workers = 2'));
		my @socks = map { tcp($stopped->{port}) } 1 .. 30;
		request($_, $READ) for @socks;
		send_all($_, adu(5, 1, $READ) x 400) for @socks;
		my $start = time;
		kill $signal, $stopped->{pid};
		my @bytes = map { length until_closed($_) } @socks;
		is(join(' ', @bytes), join(' ', (400 * 13) x 30),
			"$signal: all that was received is answered, then closed");
		is(wait_exit($stopped), 0, 'exit status 0');
		return time - $start;
	};
	for my $signal ('TERM', 'INT') {
		cmp_ok(quickest(1, sub { $stop->($signal) }), '<', 1, 'in under a second');
	}
};

subtest 'what cannot be' => sub {
	my $name = image_name();
	my $first = start_server(plant(name => $name));
	my ($status, undef, $err) = run(program('mbserverd'), '--plant',
		plant(name => $name, image => 'input_registers = ["7"]', points => undef));
	is($status, 1, 'another layout: no start');
	like($err, qr/image \Q$name\E: declares \{coil 0-99.*\}; the plant says \{input 7-7\}/,
		'both layouts are named');
	is(stop($first), 0, 'stops');
};

is(stop($server), 0, 'the server stops');
subtest 'a quick test without a plant file' => sub {
	my $port = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 1)
		->sockport;
	my @options = ('--port', $port, '--tables', 500);
	my $image = "/dev/shm/mbimage-$>-$port-500";
	my $server = spawn(program('mbserverd'), @options);
	is(wait_line($server, qr/listening on (\S+)/), "127.0.0.1:$port", 'the port');
	wait_line($server, qr/\bready$/);
	my $sock = tcp($port);
	is(hx(request($sock, h('06 01f3 beef'))), '0601f3beef', 'a write to the last address');
	is(hx(request($sock, h($_ . '01f3 0001'))), $_ . { '03' => '02beef', '04' => '020000',
		'01' => '0100', '02' => '0100' }->{$_}, "... function $_") for qw(03 04 01 02);
	is(hx(request($sock, h('03 01f4 0001'))), '8302', '... and there is no further one');
	kill HUP => $server->{pid};
	wait_line($server, qr/reloaded/);
	is(hx(request($sock, h('03 01f3 0001'))), '0302beef', '... nor another plant by a reload');
	ok(-e $image, '... in an image of its own');
	is(stop($server), 0, 'end');
	unlink $image;

	my ($status, undef, $err) = run(program('mbserverd'), @options, '--plant', plant());
	is("$status $err", "2 mbserverd: --port and --tables change the built-in plant: expected "
		. "them, or --plant, not both\n", 'either they or a plant file');
	for ([ '--tables', 0, 'a number of addresses 1..65536' ],
	     [ '--tables', 65537, 'a number of addresses 1..65536' ],
	     [ '--port', 65536, 'a port 1..65535' ], [ '--port', '', 'a port 1..65535' ]) {
		my ($option, $word, $expected) = @$_;
		is((run(program('mbserverd'), $option, $word))[2],
			"mbserverd: $option '$word': expected $expected\n", "$option '$word'");
	}
};

done_testing;
