# Bench - what the parts of tests/bench/run share: servers on a CPU of their own, the load generator
# and figures.
package Bench;
use strict;
use warnings;
use Exporter 'import';
use List::Util qw(min max);
use MB;
use POSIX ();

our @EXPORT = qw($FULL $RUNS $load_at_start seconds $FIRST $load_cpu $side_cpu
	start_echo start_libmodbus start_mbserverd start_tool start_tool_within bench_program load
	cpu_ns memory_kib tcp_memory_kib counted
	median ratio column thousands spread print_server min max);

our $FULL = $ENV{FULL};
our $RUNS = $ENV{RUNS} || ($FULL ? 7 : 5);
our $FIRST = 1000;		# holding registers of the plants here
my $REGISTERS = 200;

# The server on one CPU, those who load it on another, whatever else there is on a third: the same
# for all.  Of two CPUs, the last is shared.
my @cpus = allowed_cpus();
our $server_cpu = $cpus[0];
our $load_cpu = $cpus[1] // $cpus[0];
our $side_cpu = $cpus[2] // $load_cpu;
print "server on CPU $server_cpu, load on CPU $load_cpu",
	@cpus > 1 ? '' : ' (only one CPU: ratios mean little)', "\n";
our ($load_at_start) = load_average() =~ /^(\S+)/;
print "load average $load_at_start: something else is running, the figures mean little\n"
	if $load_at_start > 0.7;

# ---- servers -------------------------------------------------------------------------------------

sub bench_program { return program("bench/$_[0]") }

sub start_echo      { return start_bench('echo', @_) }		# bytes of a request and of a reply
sub start_libmodbus { return start_bench('lmserver') }

sub start_bench
{
	my $self = spawn('taskset', '-c', $server_cpu, bench_program(shift), @_);
	$self->{port} = wait_line($self, qr/^ready (\d+)$/, undef, 'out');
	return $self;
}

# One worker as the others have one thread, and an image for it alone; {image} and {plant} besides.
# Takes settings of the server's section.
sub start_mbserverd
{
	my $settings = shift // 'workers = 1';
	my $name = MB::image_name();
	my $last = $FIRST + $REGISTERS - 1;
	my $plant = plant(name => $name, points => undef,
		image => qq(holding_registers = ["$FIRST-$last"]),
		server => qq(listen = ["127.0.0.1:0"]  $settings));
	my $self = spawn('taskset', '-c', $server_cpu, program('mbserverd'), '--plant', $plant);
	$self->{port} = wait_line($self, qr/listening on \S+:(\d+)$/);
	wait_line($self, qr/\bready$/);
	@$self{qw(image plant)} = ($name, $plant);
	return $self;
}

# Another program of this folder, started and at work; undef when that takes too long.
sub start_tool { return start_tool_within(10, @_) }

sub start_tool_within
{
	my ($most_s, $cpu, $name, @arguments) = @_;
	my $self = spawn('taskset', '-c', $cpu, bench_program($name), @arguments);
	my $ready = qr/^ready(?: (\d+))?$/;
	eval { $self->{connections} = wait_line($self, $ready, $most_s, 'out'); 1 } or do {
		kill9($self);
		return undef;
	};
	return $self;
}

# ---- load ----------------------------------------------------------------------------------------

# Length of one run: the usual one, and that of FULL=1.
sub seconds
{
	my ($usual, $full) = @_;
	return $ENV{MILLIS} ? $ENV{MILLIS} / 1000 : $FULL ? $full : $usual;
}

# One run against a server: what the generator reports, and the server's CPU time: cpu_ns per
# request and server_busy.
# connections, depth, function, quantity, seconds.
sub load
{
	my ($server, %with) = @_;
	my $before = cpu_ns($server);
	my ($status, $out, $err) = run('taskset', '-c', $load_cpu, bench_program('load'),
		'-c', $with{connections} // 16, '-d', $with{depth} // 1, '-f', $with{function} // 3,
		'-a', $FIRST, '-n', $with{quantity} // 10, '-t', int(1000 * $with{seconds}),
		$server->{port});
	die "load on $server->{name}: $err" if $status;
	my %result = $out =~ /(\w+)=(\S+)/g;
	my $used = cpu_ns($server) - $before;
	$result{server_busy} = $used / 1e9 / $result{seconds};
	$result{cpu_ns} = $used / max($result{requests}, 1);
	@result{qw(p50_us p99_us)} = ($result{max_us}) x 2 unless $result{requests};
	$result{may_idle} = ($with{connections} // 16) == 1;	# both sides sleep by turns
	return \%result;
}

# CPU time of all threads of processes so far.
sub cpu_ns
{
	my $sum = 0;
	for my $file (map { glob "/proc/$_->{pid}/task/*/schedstat" } @_) {
		open my $in, '<', $file or next;
		$sum += (split ' ', <$in>)[0];
	}
	return $sum;
}

# Resident memory: of its own, and of its own and of files.
sub memory_kib
{
	my $server = shift;
	open my $in, '<', "/proc/$server->{pid}/status"
		or die "$server->{name} is gone\n$server->{err}";
	my %kib = map { /^(Rss\w+):\s+(\d+) kB/ ? ($1, $2) : () } <$in>;
	return ($kib{RssAnon}, $kib{RssAnon} + $kib{RssFile});
}

# What the kernel keeps for TCP: all of the machine's connections, both ends.  Known to a few MiB:
# each CPU counts 1 MiB for itself before it tells.
sub tcp_memory_kib
{
	open my $in, '<', '/proc/net/sockstat' or die "/proc/net/sockstat: $!\n";
	my ($pages) = map { /^TCP:.* mem (\d+)/ ? $1 : () } <$in>;
	return $pages * POSIX::sysconf(POSIX::_SC_PAGESIZE()) / 1024;
}

# A counter of the server.
sub counted
{
	my ($server, $counter) = @_;
	my (undef, $out) = run(program('mbserverd'), '--plant', $server->{plant}, '--stats',
		'--json');
	return $out =~ /"$counter":(\d+)/ ? $1 : die "no counter is called $counter\n$out";
}

sub load_average
{
	open my $in, '<', '/proc/loadavg' or return '0';
	return scalar <$in>;
}

sub allowed_cpus
{
	open my $in, '<', '/proc/self/status' or die "/proc/self/status: $!";
	my ($list) = map { /^Cpus_allowed_list:\s*(\S+)/ } <$in>;
	return map { /(\d+)-(\d+)/ ? $1 .. $2 : $_ } split /,/, $list;
}

# ---- figures -------------------------------------------------------------------------------------

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

sub column { my ($results, $key) = @_; return map { $_->{$key} } @$results }

# Of two series: taken within each turn, so that what the machine does besides hits both; the
# median.
sub ratio
{
	my ($results, $others, $key) = @_;
	$key //= 'rate';
	return median(map { $results->[$_]{$key} / max($others->[$_]{$key}, 1e-9) }
		0 .. $#$results);
}

sub thousands
{
	my $text = sprintf '%.0f', $_[0];
	1 while $text =~ s/^(\d+)(\d{3})/$1,$2/;
	return $text;
}

sub spread { return thousands(min(@_)) . ' .. ' . thousands(max(@_)) }

sub print_server
{
	my ($name, $results) = @_;
	my $of = sub { return median(column($results, shift)) };
	my @rates = column($results, 'rate');
	my $errors = 0;
	$errors += $_ for column($results, 'errors');
	printf "    %-10s %10s/s  (%s)  server CPU %s ns a request, p50 %.0f us, p99 %.0f us, ",
		$name, thousands(median(@rates)), spread(@rates), thousands($of->('cpu_ns')),
		$of->('p50_us'), $of->('p99_us');
	printf "busy: server %.0f %%, load %.0f %%%s\n", 100 * $of->('server_busy'),
		100 * $of->('busy'), $errors ? ", $errors WRONG REPLIES" : '';
	print "               something else had the CPUs: these figures mean little\n"
		if max($of->('server_busy'), $of->('busy')) < 0.7 && !$results->[0]{may_idle};
}

1;
