#!/usr/bin/perl
# Writes against other writers: threads of the server, and a process that is stopped or killed
# inside the writer lock.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;
use IO::Select;
use Time::HiRes qw(time sleep);

my $READ = h('03 03e8 0001');
my $WRITE = h('06 03e9 0007');

# A process that stopped inside the writer lock of the image, at a point of commit.
sub hold_lock
{
	my ($image, $point) = @_;
	my $holder = spawn(program('tests/lockholder'), $image, $point);
	wait_line($holder, qr/^\Q$point\E$/, 20, 'out');
	for (1 .. 2000) {	# it has said so just before it stops
		open my $stat, '<', "/proc/$holder->{pid}/stat" or die;
		return $holder if <$stat> =~ /\) T /;
		sleep 0.001;
	}
	die "it does not stop\n";
}

sub cpu_ticks
{
	my ($process) = @_;
	open my $in, '<', "/proc/$process->{pid}/stat" or die;
	my @fields = split ' ', <$in> =~ s/.*\) //r;
	return $fields[11] + $fields[12];
}

my $image = image_name();
my $server = start_server(plant(name => $image, server => 'workers = 2'));
my @socks = map { tcp($server->{port}) } 1 .. 8;

subtest 'a stopped writer' => sub {
	my $reads = 0;
	for my $point ('lock_taken', 'min_valid_raised', 'root_written', 'published') {
		my $holder = hold_lock($image, $point);
		my $start = time;
		my $seen = $point eq 'published' ? '03021092' : hx(request($socks[0], $READ));
		is(hx(request($socks[1], $WRITE)), '8606', "$point: a write gets exception 06");
		my $waited = time - $start;
		ok($waited > 0.045 && $waited < $MB::SOON, "after 50 ms ($waited s)");
		is(hx(request($socks[1], h('0f 0000 0003 01 05'))), '8f06', 'so does one of coils');
		is(hx(request($socks[$_], $READ)), $seen, "reader $_ sees what was published")
			for 0 .. 7;

		# One connection parked: the others of its worker are not held up, nor is the order
		# of its own answers.
		send_all($socks[2], adu(1, 1, $READ) . adu(2, 1, $WRITE) . adu(3, 1, $READ));
		is(hx(scalar read_response($socks[2])), $seen,
			'what came before a parked write is answered');
		until (IO::Select->new($socks[2])->can_read(0)) {
			request($socks[$_], $READ) for 0, 3 .. 7;
			$reads += 6;
		}
		my ($answer, $tid) = read_response($socks[2]);
		is("$tid " . hx($answer), '2 8606', 'then it is refused');
		($answer, $tid) = read_response($socks[2]);
		is("$tid " . hx($answer), "3 $seen", 'then what came behind it');

		# It goes on: a parked write is carried out.
		send_all($socks[3], adu(9, 1, $WRITE));
		kill 'CONT', $holder->{pid};
		is(hx(scalar read_response($socks[3])), hx($WRITE),
			'a parked write is done once the lock is free');
		is(wait_exit($holder), 0, 'the stopped one finishes');
		is(hx(request($socks[0], h('03 03e8 0002'))), '030410920007',
			'both writes are there');
		request($socks[0], h('10 03e8 0002 04 0000 0000'));
	}
	# At each point there are 50 ms for it, of which a busy machine may take all.
	cmp_ok($reads, '>', 12, "others read meanwhile ($reads times)");
};

subtest 'a killed writer' => sub {
	for my $point ('lock_taken', 'page_copied', 'published') {
		my $holder = hold_lock($image, $point);
		send_all($socks[4], adu(9, 1, $WRITE));
		kill9($holder);
		is(hx(scalar read_response($socks[4])), hx($WRITE),
			"$point: its lock is taken over, nobody is refused");
		is(hx(request($socks[0], h('03 03e8 0002'))),
			'0304' . ($point eq 'published' ? '1092' : '0000') . '0007',
			'its write is there whole or not at all');
		request($socks[0], h('10 03e8 0002 04 0000 0000'));
	}
};

subtest 'many writers wait, readers do not' => sub {
	my @writers = map { tcp($server->{port}) } 1 .. 100;
	my $holder = hold_lock($image, 'dirty_set');
	my ($start, $ticks, $refused, $worst, $reads) = (time, cpu_ticks($server), 0, 0, 0);
	my $select = IO::Select->new(@writers);
	send_all($_, adu(1, 1, $WRITE)) for @writers;
	while (time - $start < 1) {
		for my $writer ($select->can_read(0)) {
			my $answer = read_response($writer);
			die hx($answer) if hx($answer) ne '8606';
			$refused++;
			send_all($writer, adu(1, 1, $WRITE));
		}
		my $before = time;
		request($socks[$reads++ % 8], $READ);
		$worst = time - $before if time - $before > $worst;
	}
	my $busy = (cpu_ticks($server) - $ticks) / 100;
	# In a second: 20 rounds of a hundred, some of which a busy machine misses.
	cmp_ok($refused, '>', 100, "a hundred writers were refused $refused times");
	cmp_ok($reads, '>', 100, "$reads reads meanwhile, the slowest in $worst s");
	# The lock is held for as long as the test runs.
	cmp_ok($worst, '<', 0.9, 'none of them waited for the lock');
	diag(sprintf '%d refusals, %d reads, slowest %.1f ms, server busy %.2f s', $refused, $reads,
		$worst * 1e3, $busy);
	close $_ for @writers[0 .. 49];		# also while parked
	kill 'CONT', $holder->{pid};
	for my $writer (@writers[50 .. 59]) {
		my $answer = read_response($writer);
		# it was refused just before
		$answer = request($writer, $WRITE) if hx($answer) eq '8606';
		is(hx($answer), hx($WRITE), 'done at last');
	}
	is(wait_exit($holder), 0, 'the stopped one finishes');
};

subtest 'stop while a write is parked' => sub {
	my $name = image_name();
	my $stopped = start_server(plant(name => $name));
	my $client = tcp($stopped->{port});
	request($client, $READ);
	my $holder = hold_lock($name, 'lock_taken');
	send_all($client, adu(1, 1, $READ) . adu(2, 1, $WRITE) . adu(3, 1, $READ));
	kill 'TERM', $stopped->{pid};
	my $start = time;
	is(hx(scalar read_response($client)), '03020000', 'read');
	is(hx(scalar read_response($client)), '8606', 'write');
	is(hx(scalar read_response($client)), '03020000', 'read');
	ok(closed($client), 'and closed');
	is(wait_exit($stopped), 0, 'exit status 0');
	cmp_ok(time - $start, '<', $MB::SOON, 'soon');
	kill9($holder);
};

subtest 'two servers, four workers, one image' => sub {
	my $second = start_server(plant(name => $image, server => 'workers = 2'));
	my @children;
	for my $i (0 .. 7) {
		my $port = $i % 2 ? $server->{port} : $second->{port};
		push @children, spawn($^X, '-Itests/lib', '-MMB', '-e', <<'CLIENT', $port, $i);
			my ($port, $i) = @ARGV;
			my ($sock, $wrong) = (tcp($port), 0);
			for my $round (1 .. 1000) {	# its own two registers and coil
				my $answer = request($sock,
					pack 'CnnCnn', 16, 1010 + 2 * $i, 2, 4, $round,
					65535 - $round);
				$wrong++ if $answer ne pack 'Cnn', 16, 1010 + 2 * $i, 2;
				$answer = request($sock, pack 'Cnn', 3, 1010 + 2 * $i, 2);
				$wrong++ if $answer ne pack 'CCnn', 3, 4, $round, 65535 - $round;
				request($sock, pack 'Cnn', 5, 1010 + $i, $round % 2 ? 0xFF00 : 0);
				$wrong++ if request($sock, pack 'Cnn', 1, 1010 + $i, 1)
					ne pack 'CCC', 1, 1, $round % 2;
			}
			print "$wrong wrong\n";
CLIENT
	}
	is(wait_line($_, qr/(\d+) wrong/, 60, 'out'), 0,
		'each acknowledged write is there, none is lost') for @children;
	is(hx(request($socks[0], h('03 03f2 0010'))), '0320' . '03e8fc17' x 8, 'all of them');
	is(stop($second), 0, 'stops');
};

is(stop($server), 0, 'stops');
done_testing;
