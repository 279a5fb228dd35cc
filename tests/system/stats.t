#!/usr/bin/perl
# What the server counts, read from outside: exact numbers, both formats, servers that are dead or
# others, files that lie.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use IO::Socket::IP;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

my $name = image_name();
my $plant = plant(name => $name, file => 'stats.conf', server => 'workers = 3');
my $file = temp_dir() . '/mbimage/mbserverd-' . substr($name, 1) . '.counters';

sub stats { return run(program('mbserverd'), '--plant', $plant, '--stats', @_) }

sub numbers
{
	my ($status, $out, $err) = stats('--json');
	return decode_json($out);
}

# As soon as the counts are these: a connection's end is counted a moment after it is seen.
sub settled
{
	my ($counter, $value) = @_;
	my $now;
	wait_until(sub { $now = numbers(); return $now->{$counter} == $value })
		or die "$counter never was $value\n";
	return $now;
}

my ($status, $out, $err) = stats();
is($status, 1, 'no server');
like($err, qr/no server of image \Q$name\E keeps counters here/, 'is said');
is($out, '', 'and nothing is printed');

my $server = start_server($plant);
is((stat $file)[2] & 0777, 0644 & ~umask, 'the file');
my @socks = map { tcp($server->{port}) } 1 .. 5;
for my $sock (@socks) {
	request($sock, h('03 03e8 000a')) for 1 .. 20;
	request($sock, h('06 03e8 0001')) for 1 .. 3;
	request($sock, h('03 0000 0001'));
	request($sock, h('63'));
	send_all($sock, adu(1, 1, h('04 0000 0001')) x 10);
	read_response($sock) for 1 .. 10;
}
send_all($socks[0], h('0009 0001 0006 01 06 03e8 7777'));
request($socks[0], h('03 03e8 0001'));
send_all($socks[1], h('0009 0000 0000'));
closed($socks[1]);
my $now = settled(broken => 1);
my %expected = (
	connections => 4, opened => 5, ended => 1, broken => 1, foreign => 1,
		requests => 5 * 35 + 1, exceptions => 10, silent => 0,
	bytes_in => 5 * (12 * 24 + 8 + 120) + 12 + 12 + 6,
		bytes_out => 5 * (20 * 29 + 3 * 12 + 2 * 9 + 10 * 11) + 11,
	refused => 0, limited => 0, crowded => 0, evicted => 0, idle => 0, late => 0, stalled => 0,
		lost => 0, refused_writes => 0, undeclared => 5,
	workers => 3, pid => $server->{pid}, image => $name,
);
is($now->{$_}, $expected{$_}, "$_: $expected{$_}") for sort keys %expected;
is_deeply($now->{functions}, { 3 => 106, 4 => 50, 6 => 15, 99 => 5 }, 'by function');
is_deeply($now->{exception_codes}, { 1 => 5, 2 => 5 }, 'by exception');
is_deeply([ map { delete $_->{ago_s}; $_ } @{$now->{undeclared_ranges}} ],
	[ { unit => 1, table => 'holding', first => 0, count => 1, from => '127.0.0.1',
		times => 5 } ],
	'what the plant does not declare');
my ($sum, $odd) = (0, 0);
for (keys %{$now->{latency_ns}}) {
	$sum += $now->{latency_ns}{$_};
	$odd++ unless $_ >= 2 && ($_ & ($_ - 1)) == 0;
}
is($sum, $now->{requests}, 'each request has its place in the histogram');
is($odd, 0, 'whose limits are powers of two');
is($now->{alive}, JSON::PP::true, 'alive');
# a minute: on this clock, not another one
cmp_ok(abs($now->{start_ns} / 1e9 - time), '<', 60, 'started just now');

($status, $out) = stats();
is($status, 0, 'text');
like($out,
	qr/^server of \Q$name\E, pid $server->{pid}, 3 workers, 4 connections, up 0d 00:00:\d\d$/m,
	'the first line');
like($out, qr/^ +176  requests$/m, 'a count');
like($out, qr/^ +106 +3  read holding registers$/m, 'a function by its name');
like($out, qr/^ +5 +99$/m, 'and one without');
my @json = grep { !ref $now->{$_}
	&& $_ !~ /^(image|pid|workers|connections|start_ns|alive)$/ } keys %$now;
my @text = $out =~ /^ {0,20}\d+  [a-z]/mg;
is(scalar @text, scalar @json, 'as many counts in the text as in the JSON');

# Requests outside the declared ranges: exactly those, merged over all workers, by client and unit.
subtest 'what a master asks for that the plant forgot' => sub {
	my $name = image_name();
	my $plant = plant(name => $name, file => 'strays.conf', server => 'workers = 2
		access = ( { from = "127.0.0.3"  allow = "read" } )');
	my $server = start_server($plant);
	my $ask = sub {
		my ($from, $times, $pdu, $unit) = @_;
		my $sock = IO::Socket::IP->new(PeerHost => '127.0.0.1', LocalHost => $from,
			PeerPort => $server->{port}) or die $@;
		request($sock, h($pdu), $unit) for 1 .. $times;
	};
	my $list = sub {
		my (undef, $out) = run(program('mbserverd'), '--plant', $plant, '--stats',
			'--json');
		my $now = decode_json($out);
		return ($now->{undeclared}, map { "$_->{times} $_->{table} $_->{first}+$_->{count} "
			. "unit $_->{unit} $_->{from}" } @{$now->{undeclared_ranges}});
	};
	is_deeply([ $list->() ], [ 0 ], 'nothing yet');
	$ask->('127.0.0.1', 3, '03 0064 0002') for 1 .. 4;	# at one worker or the other
	$ask->('127.0.0.2', 6, '03 0064 0002');
	$ask->('127.0.0.2', 5, '01 0800 0001', 7);
	$ask->('127.0.0.2', 4, '06 fffe 0001');
	$ask->('127.0.0.2', 3, '04 ffff 0002');			# beyond the last address
	$ask->('127.0.0.2', 2, '17 0065 0001 0066 0001 02 0000');
	$ask->('127.0.0.3', 9, '06 03e8 0001');			# declared, but not its to write
	$ask->('127.0.0.2', 9, '03 03e8 0000');			# a mistake of another kind
	$ask->('127.0.0.2', 9, '03 03e8 0001');
	my @expected = ('12 holding 100+2 unit 1 127.0.0.1', '6 holding 100+2 unit 1 127.0.0.2',
		'5 coil 2048+1 unit 7 127.0.0.2', '4 holding 65534+1 unit 1 127.0.0.2',
		'3 input 65535+2 unit 1 127.0.0.2', '2 holding 101+1 unit 1 127.0.0.2',
		'2 holding 102+1 unit 1 127.0.0.2');
	my ($count, @list) = $list->();
	is($count, 32, 'counted');
	is_deeply([ sort @list ], [ sort @expected ], 'and listed');
	is_deeply([ @list[0 .. 4] ], [ @expected[0 .. 4] ], 'the most frequent first');
	my (undef, $text) = run(program('mbserverd'), '--plant', $plant, '--stats');
	like($text, qr/^ +12 +1  holding:100-101, 127\.0\.0\.1, \d+ s ago$/m, 'in words, too');

	# A flood of others: the frequent ones stay.
	for (1 .. 2) {
		my $sock = tcp($server->{port});
		send_all($sock, join '', map { adu(1, 1, pack 'Cnn', 4, $_, 1) } 40_000 .. 40_999);
		read_response($sock) for 1 .. 1000;
	}
	($count, @list) = $list->();
	is($count, 2032, 'a flood is counted');
	cmp_ok(scalar @list, '<=', 64, 'but its list is bounded');
	is_deeply([ @list[0 .. 3] ], [ @expected[0 .. 3] ], 'and those before it are still there');
	is(stop($server), 0, 'stops');
};

# A second server of the same image.
my $second = start_server(plant(name => $name, file => 'second.conf'));
like($second->{err}, qr/another server counts in \Q$file\E/,
	'a second server of the image says that it counts for itself');
request(tcp($second->{port}), h('03 03e8 0001'));
is(numbers()->{opened}, 5, 'and does');
is(stop($second), 0, 'it stops');
ok(-e $file, 'and leaves the file alone');

# Unit 0: diagnostics count in the same block.
is(hx(request($socks[0], h('08 000d 0000'))), '08000d000a', 'function 8 tells the same exceptions');

kill9($server);
($status, $out, $err) = stats('--json');
is($status, 1, 'a dead server');
like($err, qr/the server that wrote \Q$file\E is dead/, 'is said');
is(decode_json($out)->{functions}{3}, 106, 'and its last counts are printed');
ok(!decode_json($out)->{alive}, 'as such');
($status, $out) = stats();
like($out, qr/^server of .*, dead: these are its last counts$/m, 'in words, too');

$server = start_server($plant);
is(numbers()->{requests}, 0, 'the next one starts anew');
open my $in, '<:raw', $file or die;
my $good = do { local $/; <$in> };
close $in;
is(stop($server), 0, 'stops');
ok(!-e $file, 'and takes the file away');
is_deeply([ glob temp_dir() . '/mbimage/*' ], [], 'nothing is left');

# Files that lie.
sub lie
{
	my ($what, $bytes, $expected) = @_;
	open my $liar, '>:raw', $file or die "$file: $!";
	print $liar $bytes;
	close $liar;
	my ($status, $out, $err) = stats();
	is($status, 1, $what);
	like($err, $expected, "$what: said");
}
lie('empty', '', qr/not a file of counters/);
lie('another file', 'x' x 10000, qr/not a file of counters/);
lie('cut', substr($good, 0, length($good) - 1), qr/damaged/);
lie('only a header', substr($good, 0, 320), qr/damaged/);
lie('another version', substr($good, 0, 8) . '9.9.9' . substr($good, 13), qr/another version/);
lie('a version without end', substr($good, 0, 8) . 'x' x 24 . substr($good, 32),
	qr/another version/);
lie('blocks of another size', substr($good, 0, 32) . pack('L', 64) . substr($good, 36),
	qr/damaged/);
lie('no blocks', substr($good, 0, 36) . pack('L', 0) . substr($good, 40), qr/damaged/);
lie('too many blocks', substr($good, 0, 36) . pack('L', 0xFFFFFFFF) . substr($good, 40),
	qr/damaged/);
lie('another image', substr($good, 0, 56) . '/other' . substr($good, 62), qr/damaged/);
my $full = $good;
substr($full, $_, 1) = "\xff" for 320 .. length($full) - 1;
lie('absurd counts', $full, qr/is dead/);
unlink $file;
symlink '/etc/passwd', $file or die;
($status, $out, $err) = stats();
is($status, 1, 'a link');
unlike($out . $err, qr/root:/, 'is not followed');
$server = start_server($plant);
is(numbers()->{alive}, JSON::PP::true, 'a server replaces whatever is there');
is(stop($server), 0, 'stops');
ok(-s '/etc/passwd', 'and not what it led to');

# One that cannot start leaves nothing behind.
my $taken = start_server(plant());
($status) = run(program('mbserverd'), '--plant',
	plant(name => $name, server => "listen = [\"127.0.0.1:$taken->{port}\"]"));
is($status, 1, 'a server that cannot start');
ok(!-e $file, 'leaves no file');
is(stop($taken), 0, 'stops');

# Where somebody else could have prepared something.
my $foreign = temp_dir() . '/foreign';
mkdir $foreign or die;
mkdir "$foreign/mbimage" or die;
chmod 0777, "$foreign/mbimage";
my $careful = spawn({ env => { XDG_RUNTIME_DIR => $foreign } }, program('mbserverd'), '--plant',
	$plant);
wait_line($careful, qr/no counters for --stats: \S+: Operation not permitted/);
wait_line($careful, qr/\bready$/);
is(stop($careful), 0,
	'a folder that others write in is not used, and the server runs all the same');
my $service = spawn({ env => { RUNTIME_DIRECTORY => $foreign } }, program('mbserverd'), '--plant',
	$plant);
wait_line($service, qr/\bready$/);
ok(-e "$foreign/mbserverd-" . substr($name, 1) . '.counters', "but the service manager's is");
is(stop($service), 0, 'stops');

($status, undef, $err) = run(program('mbserverd'), '--json');
is($status, 2, '--json alone');
like($err, qr/--json goes with --stats/, 'is said');
($status, undef, $err) = run(program('mbserverd'), '--stats', '--trace', '127.0.0.1');
is($status, 2, '--stats with what only a server can do');
like($err, qr/--stats does not take --trace/, 'is said');

done_testing;
