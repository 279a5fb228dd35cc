#!/usr/bin/perl
# mbshm: every subcommand on a running plant and without one, every exit status.
use strict;
use warnings;
use lib 'tests/lib';
use Fcntl qw(F_GETFD);
use IO::Pty;
use IO::Select;
use JSON::PP;
use MB;
use Test::More;
use Time::HiRes qw(time sleep);

my $name = image_name();
my $ranges = 'coils = ["0-9", "1000-1003"] discrete_inputs = ["0-4"] '
	. 'holding_registers = ["1000-1019"] input_registers = ["7"]';
our $plant = plant(name => $name, image => $ranges, simulator => undef, points => undef);

# mbshm on the plant: its status, stdout, stderr.
sub mbshm { return run(program('mbshm'), '--plant', $plant, @_) }

sub refused
{
	my ($status, $pattern, @words) = @_;
	my ($got, $out, $err) = mbshm(@words);
	is($got, $status, "@words: status $status");
	is($out, '', "@words: nothing on stdout");
	like($err, $pattern, "@words: says why");
	is($err =~ tr/\n//, 1, "@words: in one line");
}

sub done
{
	my ($expected, @words) = @_;
	my ($got, $out, $err) = mbshm(@words);
	is($got, 0, "@words: status 0") or diag $err;
	is($err, '', "@words: nothing on stderr");
	is($out, $expected, "@words: prints it") if defined $expected;
	return $out;
}

sub version { return (done(undef, 'get', 'holding:1000', '--format', 'csv') =~ /^(\d+),/m)[0] }

# ---- without an image --------------------------------------------------------------------------

refused(1, qr/^mbshm: image \Q$name\E: no such image$/, @$_)
	for ['info'], ['get', 'holding:1000'], ['dump'], ['watch', '--count', 1], ['journal'],
		['set', 'holding:1000', 1], ['save', temp_dir() . '/none'],
	    ['recreate'];
refused(1, qr/no such image/, 'unlink');
refused(2, qr/image\.retain is not set/, 'retain');
ok(!-e "/dev/shm$name", 'none of them has made one');

# ---- usage -------------------------------------------------------------------------------------

my $commands = 'info, get, set, dump, watch, journal, source, save, restore, recreate, unlink, '
	. 'retain';
refused(2, $_->[0], @$_[1 .. $#$_]) for
	[ qr/expected a command: $commands$/ ],
	[ qr/unknown command 'put', expected one of info/, 'put' ],
	[ qr/info: expected no operands/, 'info', 'x' ],
	[ qr/get: expected ADDRESS/, 'get' ],
	[ qr/save: expected FILE/, 'save' ],
	[ qr/source: expected forget NAME/, 'source' ],
	[ qr/source 'list', expected forget NAME/, 'source', 'list', 'x' ],
	[ qr/save: expected FILE/, 'save', 'a', 'b' ],
	[ qr/info does not take --type/, 'info', '--type', 'u16' ],
	[ qr/set does not take --format/, 'set', 'holding:1000', '1', '--format', 'csv' ],
	[ qr/unknown option '--nope', expected one of --type/, 'info', '--nope' ],
	[ qr/--type 'u8': expected u16, i16/, 'get', 'holding:1000', '--type', 'u8' ],
	[ qr/--order 'AB': expected ABCD/, 'get', 'holding:1000', '--order', 'AB' ],
	[ qr/--format 'xml': expected table, csv or json/, 'dump', '--format', 'xml' ],
	(map { [ qr/--count '\Q$_\E': expected a whole number/, 'get', 'holding:1000',
		"--count=$_" ] } '0', '-1', 'x', '', '99999999999999999999'),
	[ qr/--interval '0'/, 'retain', '--interval', '0' ],
	(map { [ qr/'\Q$_\E': expected an address such as holding:1000/, 'get', $_ ] }
		'holding', 'holding:', 'holding:x', 'holding:65536', 'holding:5-4', 'holding:1-',
			'holding:-1', 'holdings:1', '1000', '', 'holding:1 2',
		'holding:99999999999999999999', 'coil:1-65536'),
	[ qr/--type f32: expected bool for table coil/, 'get', 'coil:0', '--type', 'f32' ],
	[ qr/--type bool: expected a type of registers for table holding/, 'get', 'holding:1000',
		'--type', 'bool' ],
	[ qr/holding:1000-1002: expected a multiple of the 2 registers of a u32/, 'get',
		'holding:1000-1002', '--type', 'u32' ],
	[ qr/expected either a range or --count/, 'get', 'holding:1000-1001', '--count', 2 ],
	[ qr/holding:65535: 1 values would end beyond address 65535/, 'get', 'holding:65535',
		'--type', 'u64' ],
	[ qr/holding:1000: expected a value/, 'set', 'holding:1000' ],
	[ qr/holding:1000: expected a value/, 'set', 'holding:1000', 'holding:1001', 1 ],
	[ qr/holding:1000-1002: 2 values of type u16, expected one for all or one for each/, 'set',
		'holding:1000-1002', 1, 2 ],
	[ qr/holding:1001: '65536', expected a whole number 0\.\.65535/, 'set', 'holding:1000', 1,
		65536 ],
	[ qr/holding:1000: '-1', expected a whole number 0\.\.65535/, 'set', 'holding:1000', -1 ],
	[ qr/'32768', expected a whole number -32768\.\.32767/, 'set', 'holding:1000', 32768,
		'--type', 'i16' ],
	[ qr/'-32769', expected/, 'set', 'holding:1000', -32769, '--type', 'i16' ],
	[ qr/'18446744073709551616', expected/, 'set', 'holding:1000', '18446744073709551616',
		'--type', 'u64' ],
	[ qr/'1e39', expected a number/, 'set', 'holding:1000', '1e39', '--type', 'f32' ],
	[ qr/'1x', expected/, 'set', 'holding:1000', '1x' ],
	[ qr/holding:1000: '-inf', expected a whole/, 'set', 'holding:1000', '-inf' ],
	[ qr/unknown option '-information'/, 'set', 'holding:1000', '-information' ],
	[ qr/'0+1000': expected an address/, 'get', 'holding', '0' x 80 . '1000' ],
	[ qr/holding:0: '', expected a whole number/, 'set', 'holding:0=' . ',' x 4000 ],
	[ qr/--type: given twice, expected once$/, 'get', '--type', 'u32', 'holding:1000', '--type',
		'u16', 'holding:1004' ],
	[ qr/--order: given twice/, 'get', '--order', 'ABCD', 'holding:1000', '--order=CDAB' ],
	[ qr/--plant: given twice, expected once$/, 'info', '--plant', 'x' ],
	(map { [ qr/watch: expected an ADDRESS with --type or --order/, 'watch', @$_ ] }
		[ '--type', 'u64' ], [ '--order', 'CDAB' ]),
	[ qr/'', expected/, 'set', 'holding:1000', '' ],
	[ qr/'2', expected 0, 1, off, on/, 'set', 'coil:0', 2 ],
	[ qr/--expect 'holding:1000': expected ADDRESS=VALUE/, 'set', 'holding:1000', 1, '--expect',
		'holding:1000' ];
{
	local $plant = '/nonexistent/plant.conf';
	refused(2, qr/plant\.conf:|: No such file/, 'info');
}
like(done(undef, '--help'), qr/^  $_ /m, "--help lists $_")
	for qw(info get set dump watch journal source save restore recreate unlink retain);
my $page = do { local (@ARGV, $/) = 'docs/man/mbshm.1'; <> };
is_deeply([ $page =~ /^\.It Cm (\w+)/mg ], [ map { /^  ([a-z]+) / ? $1 : () } split /\n/,
	done(undef, '--help') =~ s/.*^Commands:\n//msr ],
	  'mbshm(1) describes the commands of --help, in its order');
like(done(undef, '--version'), qr/^mbshm \d/, '--version');
done("ok\n", '--check');

# ---- get and set, beside a server --------------------------------------------------------------

my $server = start_server($plant);
my $sock = tcp($server->{port});
done('', 'set', 'holding:1000', 5, 6, 7, 'coil 3', 'on', 'holding', 1010, '0x10', 'input:7=9');
is(hx(request($sock, h('03 03e8 0003'))), '0306000500060007', 'the server serves what was set');
done("holding   1000 5\nholding   1001 6\nholding   1002 7\n", 'get', 'holding:1000', '--count', 3);
done("holding   1002 7\ncoil         2 0\ncoil         3 1\ninput        7 9\nholding   1010 16\n",
     'get', 'holding', '1002', 'coil:2-3', 'input 7', 'holding:1010');
done("version,table,address,type,value\n2,input,7,u16,9\n", 'get', 'input:7', '--format', 'csv');
is_deeply(decode_json(done(undef, 'get', 'coil:3', 'input:7', '--format', 'json')),
	  [ { version => 2, table => 'coil', address => 3, type => 'bool', value => 1 },
	    { version => 2, table => 'input', address => 7, type => 'u16', value => 9 } ],
		'as JSON, all of one version');
hx(request($sock, h('06 03e8 cafe')));
done("holding   1000 51966\n", 'get', 'holding:1000');
done("holding   1000 -13570\n", 'get', 'holding:1000', '--type', 'i16');

refused(1, qr/holding:999: not declared by the image \("mbshm info" lists what is\)/, 'get',
	'holding:999');
refused(1, qr/holding:1019-1020: not declared/, 'get', 'holding:1019-1020');
refused(1, qr/discrete:5: not declared/, 'set', 'holding:1000', 1, 'discrete:5', 1);
done("holding   1000 51966\n", 'get', 'holding:1000');	# not in part

# Every type and order, by what it leaves in the registers.
my %registers = (
	'u32 305419896' => { ABCD => '1234 5678', CDAB => '5678 1234', BADC => '3412 7856',
		DCBA => '7856 3412' },
	'i32 -2' => { ABCD => 'ffff fffe', CDAB => 'fffe ffff', BADC => 'ffff feff',
		DCBA => 'feff ffff' },
	'f32 1.1' => { ABCD => '3f8c cccd', CDAB => 'cccd 3f8c', BADC => '8c3f cdcc',
		DCBA => 'cdcc 8c3f' },
	'u64 81985529216486895' => { ABCD => '0123 4567 89ab cdef', CDAB => 'cdef 89ab 4567 0123',
		BADC => '2301 6745 ab89 efcd', DCBA => 'efcd ab89 6745 2301' },
	'i64 -9223372036854775808' => { ABCD => '8000 0000 0000 0000',
		DCBA => '0000 0000 0000 0080' },
	'f64 0.1' => { ABCD => '3fb9 9999 9999 999a', CDAB => '999a 9999 9999 3fb9' },
	'i16 -32768' => { ABCD => '8000', BADC => '0080' },
	'u16 65535' => { ABCD => 'ffff' },
	'f32 inf' => { ABCD => '7f80 0000' },
	'f32 -inf' => { ABCD => 'ff80 0000' },
	'f32 nan' => { ABCD => '7fc0 0000' },
);
for my $typed (sort keys %registers) {
	my ($type, $value) = split ' ', $typed;
	for my $order (sort keys %{$registers{$typed}}) {
		my $words = $registers{$typed}{$order};
		my $count = () = $words =~ /\w+/g;
		my @typed = ('--type', $type, '--order', $order);
		done('', 'set', 'holding:1004', $value, @typed);
		is(hx(request($sock, pack 'C n n', 3, 1004, $count)), sprintf('03%02x', 2 * $count)
			. $words =~ s/ //gr, "$typed $order on the wire");
		done("holding   1004 $value\n", 'get', 'holding:1004', @typed);
	}
}
is(decode_json(done(undef, 'get', 'holding:1004', '--type', 'f32', '--format', 'json', '--order',
	'ABCD'))->[0]{type}, 'f32', 'the type is told');
done('', 'set', 'holding:1004', 'nan', '--type', 'f32');
is(decode_json(done(undef, 'get', 'holding:1004', '--type', 'f32', '--format', 'json'))->[0]{value},
	undef, 'no number is null in JSON');

# Ranges, and all in one version.
my $before = version();
done('', 'set', 'holding:1000-1009', 3, 'coil:0-9', 1, 'coil:4-5', 0, 'holding:1003-1004', 8, 9);
is(version(), $before + 1, 'any number of assignments is one version');
done(join('', map { sprintf "holding   %d %d\n", 1000 + $_,
	(3, 3, 3, 8, 9, 3, 3, 3, 3, 3)[$_] } 0 .. 9), 'get', 'holding:1000-1009');
is(hx(request($sock, h('01 0000 000a'))), '0102cf03', 'bits likewise');

# ---- compare and set ---------------------------------------------------------------------------

$before = version();
refused(1,
	qr/^mbshm: refused, nothing changed: version $before does not have the expected values$/,
	'set', 'holding:1000', 77, '--expect', 'holding:1000=4');
refused(1, qr/refused/, 'set', 'holding:1000', 77, '--expect', 'holding:1000=3', '--expect',
	'coil:4=1');
is(version(), $before, 'nothing was published');
done('', 'set', 'holding:1000', 77, '--expect', 'holding:1000-1004=3,3,3,8,9', '--expect',
	'coil:4=0');
done("holding   1000 77\n", 'get', 'holding:1000');

# Two at a time count to 40 without losing one.
done('', 'set', 'holding:1019', 0);
my @adders = map { spawn('perl', '-e', <<'END', program('mbshm'), $plant) } 1, 2;
my ($mbshm, $plant) = @ARGV;
for (my $done = 0; $done < 20; ) {
	my ($now) = `$mbshm --plant $plant get holding:1019` =~ /(\d+)$/;
	$done++ if system("$mbshm --plant $plant set holding:1019 " . ($now + 1)
		. " --expect holding:1019=$now 2>/dev/null") == 0;
}
END
is(wait_exit($_, 120), 0, 'one of two adders') for @adders;
done("holding   1019 40\n", 'get', 'holding:1019');

# ---- dump --------------------------------------------------------------------------------------

my $dump = decode_json(done(undef, 'dump', '--format', 'json'));
is(scalar @$dump, 10 + 4 + 5 + 20 + 1, 'dump has every declared address');
is_deeply([ map { "$_->{table} $_->{address}" } @$dump ],
	  [ (map { "coil $_" } 0 .. 9, 1000 .. 1003), (map { "discrete $_" } 0 .. 4),
		(map { "holding $_" } 1000 .. 1019), 'input 7' ], 'in order');
is(scalar(keys %{{ map { $_->{version} => 1 } @$dump }}), 1, 'of one version');
my @csv = split /\n/, done(undef, 'dump', '--format=csv');
is_deeply([ map { "$_->{version},$_->{table},$_->{address},$_->{type},$_->{value}" } @$dump ],
	[ @csv[1 .. $#csv] ], 'CSV has the same');
is_deeply([ map { sprintf "%-8s %5d %s", @$_{qw(table address value)} } @$dump ],
	[ split /\n/, done(undef, 'dump') ], 'and so has the table');

# ---- info --------------------------------------------------------------------------------------

my $info = done(undef, 'info');
like($info, qr/^image       \Q$name\E, \d+ KiB$/m, 'info: name and size');
like($info, qr/^owner       $> .*mode 0660$/m, 'owner and mode');
like($info, qr/^coil        0-9,1000-1003$/m, 'layout');
like($info, qr/^holding     1000-1019$/m, 'of all tables');
like($info, qr/^version     @{[version()]}, published [\d.]+ s ago$/m, 'version and age');
like($info, qr/^rate        0\.0 publishes\/s/m, 'nobody writes');
like($info, qr/^retries     0, in \d+ reads/m, 'no retries');
like($info, qr/^pool        64 pages: 4 live, 1 root, 59 free$/m, 'pool');
like($info, qr/^steals      0$/m, 'steals');
like($info, qr/^journal     \d+ entries so far$/m, 'journal');

refused(2, qr/info: --format csv, expected table or json$/, 'info', '--format', 'csv');
my $object = JSON::PP->new->decode(done(undef, 'info', '--format', 'json'));
is($object->{image}, $name, 'info as JSON: name');
is($object->{version}, version(), 'version');
is("@$object{qw(uid mode pool_pages live_pages free_pages steals retries)}",
	"$> 0660 64 4 59 0 0", 'owner, mode, pool');
is_deeply([ grep { $_->{table} eq 'coil' } @{ $object->{ranges} } ],
	[ { table => 'coil', first => 0, count => 10 },
	  { table => 'coil', first => 1000, count => 4 } ], 'ranges');
is_deeply($object->{sources}, [], 'no sources');

# A plant with a simulator: who produces, and how fast.
{
	local $plant = plant(image => 'holding_registers = ["0-9"]',
		simulator => 'period = "10ms" start_delay = "0s"',
			     points => 'p = { address = "holding 0" model = "uniform 0 9" }');
	my $sim = start_simulator($plant);
	# A hundred steps a second, but for what a loaded machine misses of them.
	my ($busy, $rate);
	my $source = qr/^source      simulatord: 0\.\d\d s ago, version \d+, \d+ commits$/m;
	wait_until(sub {
		$busy = (mbshm('info'))[1];
		($rate) = $busy =~ /^rate +([\d.]+) publishes/m;
		return $rate > 20 && $rate < 200 && $busy =~ $source;
	});
	like($busy, $source, 'info: a source');
	cmp_ok($rate, '>', 20, 'info: the rate');
	cmp_ok($rate, '<', 200, 'is about that of the simulator');
	refused(1, qr/source 'simulatord': in use by a process/, 'source', 'forget', 'simulatord');
	like((mbshm('set', 'holding:0-1', 5))[2],
		qr/^mbshm: holding:0 is the point "p": the simulator's next step overwrites it\n\z/,
		'set warns of the simulator');
	done('', 'set', 'holding:1', 5);
	my ($json) = @{ JSON::PP->new->decode(done(undef, 'info', '--format', 'json'))->{sources} };
	is($json->{name}, 'simulatord', 'and as JSON');
	cmp_ok($json->{commits}, '>', 0, 'its commits');
	kill9($sim);
	like(done(undef, 'info'), qr/^source      simulatord: /m, 'a source outlives its process');
	done('', 'source', 'forget', 'simulatord');
	unlike(done(undef, 'info'), qr/^source/m, 'a forgotten source is gone');
	refused(1, qr/source 'simulatord': no such source/, 'source', 'forget', 'simulatord');
}

# ---- output that cannot be written -------------------------------------------------------------

for my $words ('dump', 'get holding:1000', 'journal', 'info', 'watch --count 1', '--help') {
	my ($status, undef, $err) = run('sh', '-c', program('mbshm')
		. " --plant $plant $words > /dev/full");
	is($status, 1, "$words to a full disk: status 1");
	like($err, qr/cannot write to stdout/, "$words: says so");
}
pipe my $reader, my $writer or die $!;
close $reader;
my $pid = fork // die;
if (!$pid) {
	open STDOUT, '>&', $writer;
	open STDERR, '>', temp_dir() . '/closed';
	exec program('mbshm'), '--plant', $plant, 'dump';
}
close $writer;
waitpid $pid, 0;
is($?, 1 << 8, 'a closed pipe: status 1, no signal');
open my $closed, '<', temp_dir() . '/closed';
like(<$closed>, qr/cannot write to stdout: Broken pipe/, 'and says so');

# A line of watch without its time, which all of them must have.
sub untimed { return $_[0] =~ s/^\d{4}(-\d\d){2}T(\d\d:){2}\d\d\.\d{3}Z //mgr }

# ---- watch -------------------------------------------------------------------------------------

my $watch = spawn(program('mbshm'), '--plant', $plant, 'watch', 'holding:1000-1001', 'coil:0',
	'--count', 2);
wait_line($watch, qr/Z coil         0 1$/, undef, 'out');
is(untimed($watch->{out}), "holding   1000 77\nholding   1001 3\ncoil         0 1\n",
	'watch begins with all values');
done('', 'set', 'holding:1019', 1);	# not watched
done('', 'set', 'holding:1001', 4, 'coil:0', 0);
wait_line($watch, qr/Z coil         0 0$/, undef, 'out');
request($sock, h('06 03e8 0001'));
is(wait_exit($watch), 0, 'and ends after two changes');
is(untimed($watch->{out}), <<'END', 'having shown what changed');
holding   1000 77
holding   1001 3
coil         0 1
holding   1001 4
coil         0 0
holding   1000 1
END

$watch = spawn(program('mbshm'), '--plant', $plant, 'watch', '--format', 'json', '--count', 1);
wait_line($watch, qr/"input"/, undef, 'out');
done('', 'set', 'discrete:2', 'true');
is(wait_exit($watch), 0, 'watch of everything, as JSON');
my $change = decode_json((split /\n/, $watch->{out})[-1]);
like(delete $change->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'with the time');
is_deeply($change,
	{ version => version() + 0, table => 'discrete', address => 2, type => 'bool', value => 1 },
	'one object a line');

# On a terminal, changed values are marked.
my $pty = IO::Pty->new;
$pty->set_winsize(24, 80);
my $slave = $pty->slave;
$pid = fork // die;
if (!$pid) {
	open STDOUT, '>&', $slave;
	exec program('mbshm'), '--plant', $plant, 'watch', '--count', 1;
}
my $shown = '';
my $show = sub {
	my $pattern = shift;
	my $deadline = time + $MB::TIMEOUT;
	while ($shown !~ $pattern && time < $deadline
		&& IO::Select->new($pty)->can_read($deadline - time)) {
		sysread $pty, $shown, 65536, length $shown or last;
	}
	like($shown, $pattern, 'on a terminal');
};
$show->(qr/^\e\[H\e\[J\Q$name\E  version \d+  \S+Z\r\n.*input        7         9 /s);
done('', 'set', 'input:7', 1234);
$show->(qr/\e\[H\e\[J.*\e\[7minput        7      1234\*\e\[27m/s);
waitpid $pid, 0;
is($?, 0, 'ends by itself');
unlike($shown =~ s/.*\e\[H//sr, qr/\e\[7m.*\e\[7m/s, 'only what changed is marked');
close $slave;

# ---- journal -----------------------------------------------------------------------------------

unlink "/dev/shm$name" if stop($server) == 0;
$server = start_server($plant);
$sock = tcp($server->{port});
done('', 'journal');
done("[]\n", 'journal', '--format', 'json');
my $follow = spawn(program('mbshm'), '--plant', $plant, 'journal', '--follow', '--format', 'json',
	'--count', 2);
my $now = time;
done('', 'set', 'holding:1000', 1, 2, 3);
done('', 'set', 'coil:0-9', 1, 'coil:1', 0);
is(wait_exit($follow), 0, 'journal --follow ends after --count entries');
my @lines = map { decode_json($_) } split /\n/, $follow->{out};
is(scalar @lines, 2, 'one object a line');
my @entries = @{decode_json(done(undef, 'journal', '--format', 'json'))};
is_deeply([ @entries[0, 1] ], \@lines, 'the same as afterwards');
is_deeply([ map { [ @$_{qw(sequence version origin table address count)},
	"@{$_->{values}}" ] } @entries ],
	  [ [ 1, 2, 'local', 'holding', 1000, 3, '1 2 3' ],
		[ 2, 3, 'local', 'coil', 0, 10, '1 0 1 1 1 1 1 1 1 1' ],
		[ 3, 3, 'local', 'coil', 1, 1, '0' ] ],
	  'with the new values as they were published');
my ($y, $mo, $d, $h, $mi, $s) = $entries[0]{time} =~
	/^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d\.\d{3})Z$/;
require Time::Local;
cmp_ok(abs(Time::Local::timegm(0, $mi, $h, $d, $mo - 1, $y) + $s - $now), '<', 600, 'and when');
my $me = getpwuid($<) // $<;
like((split /\n/, done(undef, 'journal', '--format', 'csv'))[3],
	qr/^3,3,[^,]+Z,local,$me,0,0,coil,1,1,0$/, 'as CSV');
like((split /\n/, done(undef, 'journal'))[0],
	qr/^     1 [^ ]+Z local   $me +0   0 holding   1000 1 2 3$/, 'as a table');
is(scalar(split /\n/, done(undef, 'journal', '--count', 2)), 2, '--count');

# Clients of the server, as they are.
request($sock, h('10 03e8 0002 04 000b 000c'), 1);
request($sock, h('05 0003 ff00'), 255);
my $client = '127.0.0.1:' . $sock->sockport;
is_deeply([ map { [ @$_{qw(sequence origin client unit function table address count)},
	"@{$_->{values}}" ] }
	    @{decode_json(done(undef, 'journal', '--format', 'json'))}[3, 4] ],
	  [ [ 4, 'network', $client, 1, 16, 'holding', 1000, 2, '11 12' ],
		[ 5, 'network', $client, 255, 5, 'coil', 3, 1, '1' ] ],
	  'writes of clients: who, by which function, what');

# Some of them.
sub sequences
{
	my $csv = done(undef, 'journal', '--format', 'csv', @_);
	return join ' ', map { /^(\d+),/ } split /\n/, $csv;
}
is(sequences('--from', $me), '1 2 3', 'of a user');
is(sequences('--from', '127.0.0.1'), '4 5', 'of a host');
is(sequences('--from', $client, '--count', 1), '4', 'of a connection, and no more than --count');
is(sequences('--from', '127.0.0.'), '', 'not of a part of an address');
is(sequences('--address', 'holding:1001'), '1 4', 'of an address');
is(sequences('--address', 'coil:1-3', '--from', '127.0.0.1'), '5', 'both');

# A reader that is stopped while the ring goes round is told how much it missed.
$follow = spawn(program('mbshm'), '--plant', $plant, 'journal', '--follow', '--format', 'csv');
wait_line($follow, qr/^5,/, undef, 'out');
kill 'STOP', $follow->{pid};
waitpid $follow->{pid}, POSIX::WUNTRACED();
for (1 .. 18) {	# of 60 entries each
	done('', 'set', map { ("holding:" . (1000 + $_ % 20), $_) } 1 .. 60);
}
kill 'CONT', $follow->{pid};
my ($missed) = wait_line($follow,
	qr/(\d+) entries missed: they were overwritten before entry \d+$/);
is($missed, 18 * 60 - 1024, 'and how many');
wait_line($follow, qr/^@{[5 + 18 * 60]},/, undef, 'out');
is((() = $follow->{out} =~ /^\d+,/mg), 5 + 1024, 'the others are all there');
stop($follow);

# A new journal is read from its beginning, even if it has already as many entries as the old one.
{
	local $plant = plant(name => image_name(), simulator => undef, points => undef,
		image => 'holding_registers = ["0-9"]');
	my $values = temp_dir() . '/new-journal';
	my $creator = start_server($plant);
	stop($creator);
	done('', 'save', $values);
	done('', 'set', 'holding:0', 1);
	my $entries = spawn(program('mbshm'), '--plant', $plant, 'journal', '--follow', '--format',
		'csv');
	wait_line($entries, qr/^1,.*,1$/, undef, 'out');
	kill 'STOP', $entries->{pid};
	waitpid $entries->{pid}, POSIX::WUNTRACED();
	done('', 'unlink');
	done('', 'restore', $values);
	done('', 'set', "holding:$_", $_) for 5 .. 7;
	kill 'CONT', $entries->{pid};
	wait_line($entries, qr/^4,.*,7$/, undef, 'out');
	is(join(' ', $entries->{out} =~ /,(\d+)$/mg), '1 5 6 7', 'no entry is skipped');
	stop($entries);
}

# ---- save and restore --------------------------------------------------------------------------

my $file = temp_dir() . '/values';
done('', 'set', 'holding:1000-1019', map { $_ * 3 } 1 .. 20);
done('', 'set', 'coil:1000-1003', 1, 0, 1, 1, 'input:7', 4711);
my $saved = done(undef, 'dump');
done('', 'save', $file);
ok(!glob("$file.*"), 'nothing is left beside the file');
done('', 'set', 'holding:1000-1019', 0, 'coil:0-9', 0, 'coil:1000-1003', 0, 'input:7', 0);
isnt(done(undef, 'dump'), $saved, 'other values');
$before = version();
done('', 'restore', $file);
is(done(undef, 'dump'), $saved, 'restore brings them back');
my @restored = split /\n/, done(undef, 'journal', '--from', $me, '--format', 'csv', '--address',
	'holding:1000-1019');
like($restored[-1], qr/,local,$me,0,0,holding,1000,20,3 6 9 /, 'and the journal has them');
is(version(), $before + 1, 'as one version');
is(hx(request($sock, h('04 0007 0001'))), '04021267', 'and the server serves them');

stop($server);
done('', 'unlink');
ok(!-e "/dev/shm$name", 'unlinked');
done('', 'restore', $file);
is(done(undef, 'dump'), $saved, 'restore makes the image when there is none, as after a boot');

my $other = plant(name => image_name(), image => 'holding_registers = ["1000-1019"]',
	simulator => undef, points => undef);
my ($status, undef, $err) = run(program('mbshm'), '--plant', $other, 'restore', $file);
is($status, 1, 'a file of another layout is refused');
like($err,
	qr/holds \{coil 0-9,1000-1003; .*\}; the image declares \{holding 1000-1019\}/,
	'with both layouts');
open my $in, '<:raw', $file or die;
my $bytes = do { local $/; <$in> };
substr(my $bad = $bytes, 2100, 1) ^= "\1";
refused(1, qr/damaged \(checksum\)/, 'restore', write_file("damaged", $bad));
refused(1, qr/too short for a file of saved values/, 'restore',
	write_file('short', substr $bytes, 0, 100));
refused(1, qr/No such file/, 'restore', temp_dir() . '/nope');
is(done(undef, 'dump'), $saved, 'and nothing has changed');

# What is no regular file stays, and a link stays a link; whoever saves, with whatever umask, the
# file belongs to the same as before.
my $fifo = temp_dir() . '/fifo';
POSIX::mkfifo($fifo, 0600) or die $!;
my @special = ($fifo, temp_dir());
# A device of our own: a build that fails here must not cost the machine its /dev/null.
push @special, temp_dir() . '/null'
	if $> == 0 && system('mknod', temp_dir() . '/null', 'c', 1, 3) == 0;
my @kinds = map { (lstat)[2] } @special;
my $kind = qr/(?:not a regular file|Is a directory)$/;
refused(1, qr/^mbshm: not saved: cannot write \Q$_\E: $kind/, 'save', $_)
	for @special;
refused(1, qr/: (?:not a regular file|Is a directory)$/, 'restore', $_) for @special;
is_deeply([ map { (lstat)[2] } @special ], \@kinds, 'they are what they were');
my ($link, $nowhere) = (temp_dir() . '/link', temp_dir() . '/nowhere');
symlink $file, $link or die $!;
symlink temp_dir() . '/absent', $nowhere or die $!;
chmod 0640, $file;
my $inode = (stat $file)[1];
{
	my $mask = umask 077;
	done('', 'save', $link);
	done('', 'save', temp_dir() . '/fresh');
	umask $mask;
}
ok(-l $link, 'a link stays');
isnt((stat $file)[1], $inode, 'its target is replaced');
is((stat _)[2] & 07777, 0640, 'and keeps its mode');
is((stat temp_dir() . '/fresh')[2] & 07777, 0640, 'a new file: who can use the image can read it');
refused(1, qr/cannot write/, 'save', $nowhere);
ok(-l $nowhere, 'a link that leads nowhere stays, too');
SKIP: {
	skip 'needs root', 2 if $> != 0;
	chown 65534, 65534, $file;
	done('', 'save', $file);
	is(join(' ', (stat $file)[4, 5]), '65534 65534', 'root leaves it to its owner');
}
refused(1, qr/cannot write/, 'save', '/nonexistent/file');
refused(1, qr/cannot write/, 'save', '/proc/values');

# ---- recreate ----------------------------------------------------------------------------------

$server = start_server($plant);
$watch = spawn(program('mbshm'), '--plant', $plant, 'watch', 'holding:1000');
wait_line($watch, qr/Z holding/, undef, 'out');
$follow = spawn(program('mbshm'), '--plant', $plant, 'journal', '--follow', '--format', 'csv');
done('', 'set', 'holding:1001', 5);
wait_line($follow, qr/,holding,1001,1,5$/, undef, 'out');
plant(name => $name, image => 'holding_registers = ["990-1009"] coils = ["0-4"]',
	simulator => undef, points => undef, file => $plant =~ s{.*/}{}r);
my $says = qr/the plant says \{coil 0-4; holding 990-1009\}; "mbshm recreate" makes/;
refused(1, qr/declares \{coil 0-9,1000-1003; .*$says/, 'restore', $file);
done('', 'recreate');
like(done(undef, 'info'), qr/^holding     990-1009$/m, 'recreate: the new layout');
done("holding    999 0\nholding   1000 3\nholding   1001 5\n", 'get', 'holding:999-1001');
wait_line($watch, qr/image \Q$name\E was replaced/);
wait_line($server, qr/attached image \Q$name\E again/);
is(hx(request(tcp($server->{port}), h('03 03e8 0002'))), '030400030005',
	'the server serves the new one, with the old values');
done('', 'set', 'holding:1000', 99);
wait_line($watch, qr/Z holding   1000 99$/, undef, 'out');
ok(1, 'watch goes on with the new image');
wait_line($follow, qr/,holding,1000,1,99$/, undef, 'out');
ok(1, 'and so does journal --follow');
stop($_) for $watch, $follow, $server;

# ---- beside a stopped writer, a small terminal, limits of the command line ---------------------

{
	my $small = image_name();
	local $plant = plant(name => $small, simulator => undef, points => undef,
		image => 'holding_registers = ["0-99", "65535"]');
	my $held = start_server($plant);
	refused(2, qr/holding:65535: 2 values would end beyond address 65535$/,
		'set', 'holding:65535', 1, 2);
	refused(2, qr/^mbshm: 'holding:0=1{30}\.\.\.': too long, expected at most 4095 characters$/,
		'set', 'holding:0=' . '1' x 4096);
	refused(2, qr/^mbshm: 'nowhere:0=1': expected ADDRESS=VALUE, such as holding:1000=7$/,
		'set', 'nowhere:0=1');
	refused(2, qr/--expect 'holding:0=0': expected at most 64 of them/,
		'set', 'holding:0', 1, map { ('--expect', 'holding:0=0') } 1 .. 65);
	refused(2, qr/too many addresses, expected at most 256$/,
		'get', map { 'holding:' . $_ % 100 } 1 .. 257);

	my $stopped = spawn(program('tests/lockholder'), $small);
	wait_line($stopped, qr/^lock_taken$/, undef, 'out');
	refused(1, qr/could not get the writer lock in time: a writer is stopped or very slow$/,
		'set', 'holding:0', 5);
	done("holding      0 0\n", 'get', 'holding:0');
	kill 'CONT', $stopped->{pid};
	is(wait_exit($stopped), 0, 'the stopped writer goes on');
	done("holding      0 4242\n", 'get', 'holding:0');

	# As many values as the terminal has room for, and how many it has not.
	for ([ 4, 80, qr/^and \d\d more\r$/m ], [ 2, 10, qr/^and \d\d more\r$/m ]) {
		my ($rows, $columns, $pattern) = @$_;
		my $terminal = IO::Pty->new;
		$terminal->set_winsize($rows, $columns);
		my $other_end = $terminal->slave;
		my $child = fork // die;
		if (!$child) {
			open STDOUT, '>&', $other_end;
			exec program('mbshm'), '--plant', $plant, 'watch', '--count', 1;
		}
		my $screen = '';
		wait_until(sub {
			sysread $terminal, $screen, 65536, length $screen
				if IO::Select->new($terminal)->can_read(0.1);
			return $screen =~ $pattern;
		});
		like($screen, $pattern, "watch on $rows rows of $columns columns");
		done('', 'set', 'holding:0', $rows);
		waitpid $child, 0;
		is($?, 0, 'and ends');
		close $other_end;
	}
	stop($held);
}

# ---- watch and journal --follow end by --count in another image --------------------------------

{
	my $again = image_name();
	my $write_plant = sub {
		return plant(name => $again, file => 'again.conf', simulator => undef,
			points => undef, image => "holding_registers = [\"$_[0]\"]");
	};
	local $plant = $write_plant->('0-9');
	my $writer = start_server($plant);
	my $changes = spawn(program('mbshm'), '--plant', $plant, 'watch', 'holding:0',
		'--count', 1);
	wait_line($changes, qr/Z holding      0 0$/, undef, 'out');
	my $entries = spawn(program('mbshm'), '--plant', $plant, 'journal', '--follow', '--format',
		'csv', '--count', 2);
	done('', 'set', 'holding:1', 5);
	wait_line($entries, qr/,holding,1,1,5$/, undef, 'out');
	$write_plant->('0-19');
	done('', 'recreate');
	wait_line($_, qr/image \Q$again\E was replaced/) for $changes, $entries;
	done('', 'set', 'holding:0', 8);
	is(wait_exit($changes), 0, 'watch ends after a change in the new image');
	like(untimed($changes->{out}), qr/^holding      0 8\n\z/m, 'having shown it');
	is(wait_exit($entries), 0, 'journal --follow too');
	like($entries->{out}, qr/,holding,0,1,8\n\z/, 'with the new entry');
	stop($writer);
}

done_testing;
