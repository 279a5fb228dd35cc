# Instructions - what a request costs the server, in numbers that are the same on a busy machine:
# user
# instructions of the worker's thread, counted by callgrind, and system calls, counted by strace.
#
# A run serves REQUESTS requests of one kind on one connection; another run, the base, none.  The
# difference, divided by REQUESTS, leaves start, connect and stop out.  The client waits for all
# replies before it sends again, so the number of turns of the worker's loop is known.
package Instructions;
use strict;
use warnings;
use Exporter 'import';
use MB;

our @EXPORT = qw(@CELLS build_id build_options measure_instructions measure_calls
	figures_read figures_write);

my $REQUESTS = 1600;
my $FIRST = 1000;
my $FILE = 'tests/bench/instructions.txt';

# Name, request PDU, requests in flight.
our @CELLS = (
	[ 'function 3 x 10',            h('03 03e8 000a'), 1 ],
	[ 'function 3 x 10, 16 deep',   h('03 03e8 000a'), 16 ],
	[ 'function 3 x 1',             h('03 03e8 0001'), 1 ],
	[ 'function 3 x 125',           h('03 03e8 007d'), 1 ],
	[ 'function 1 x 2000',          h('01 0000 07d0'), 1 ],
	[ 'function 6',                 h('06 03e8 002a'), 1 ],
	[ 'function 16 x 10',           h('10 03e8 000a 14' . '002a' x 10), 1 ],
);

sub plant_file
{
	return plant(image => qq(holding_registers = ["$FIRST-1199"]  coils = ["0-1999"]),
		points => undef, server => 'listen = ["127.0.0.1:0"]  workers = 1');
}

# What was built, and what runs: figures of another compiler or C library are other figures.
sub build_id
{
	my ($status, $out) = run('readelf', '-p', '.comment', program('mbserverd'));
	my %compilers = map { $_ => 1 } $out =~ /\]\s+(.*)/g;
	my (undef, $libc) = run('getconf', 'GNU_LIBC_VERSION');
	my (undef, $machine) = run('uname', '-m');
	return join '; ', map { s/\s+$//r } sort(keys %compilers), $libc, $machine;
}

# What the compiler was told, as it notes it for debuggers.
sub build_options
{
	my (undef, $out) = run('readelf', '--debug-dump=info', '--dwarf-depth=1',
		program('mbserverd'));
	return $out =~ /DW_AT_producer\s*:\s*(?:\(.*?\): )?(.*)/ ? $1 : '';
}

# Serve so many requests under a tool; its command line comes before the server's.
sub serve
{
	my ($cell, $requests, @tool) = @_;
	my (undef, $pdu, $depth) = @$cell;
	my $server = spawn(@tool, program('mbserverd'), '--plant', plant_file());
	my $port = wait_line($server, qr/listening on \S+:(\d+)$/, 60);
	wait_line($server, qr/\bready$/, 60);
	my $socket = tcp($port);
	my $burst = join '', map { adu($_, 1, $pdu) } 1 .. $depth;
	for (my $sent = 0; $sent < $requests; $sent += $depth) {
		send_all($socket, $burst);
		read_response($socket) for 1 .. $depth;
	}
	close $socket;
	my $status = stop($server);
	die "$tool[0] mbserverd: status $status\n$server->{err}" if $status;
}

sub count_instructions
{
	my ($cell, $requests) = @_;
	my $out = temp_dir() . '/callgrind';
	unlink glob "$out*";
	serve($cell, $requests, 'valgrind', '-q', '--tool=callgrind', '--separate-threads=yes',
		"--callgrind-out-file=$out");
	open my $in, '<', "$out-02" or die "callgrind wrote no $out-02: $!";	# the worker's
	my ($total) = map { /^(?:summary|totals): (\d+)/ ? $1 : () } <$in>;
	return $total;
}

sub count_calls
{
	my ($cell, $requests) = @_;
	my $out = temp_dir() . "/strace-$requests";
	unlink $out;
	# -D: the child is strace
	serve($cell, $requests, 'strace', '-D', '-f', '-c', '-o', $out);
	for (my $end = time + $MB::TIMEOUT; time < $end; select undef, undef, undef, 0.01) {
		open my $in, '<', $out or next;
		my ($total) = map { /^\s*100\.00\s+\S+\s+\d+\s+(\d+)\s.*total$/ ? $1 : () } <$in>;
		return $total if $total;
	}
	die "strace wrote no summary into $out\n";
}

# Cell by name: figure per request.
sub measured
{
	my ($count, @cells) = @_;
	my $base = $count->($CELLS[0], 0);
	return map { $_->[0] => ($count->($_, $REQUESTS) - $base) / $REQUESTS } @cells;
}

sub measure_instructions { return measured(\&count_instructions, @_) }
sub measure_calls        { return measured(\&count_calls, @_) }

# The committed figures: build id, then { name => [ instructions, calls ] }.
sub figures_read
{
	open my $in, '<', $FILE or die "$FILE: $!";
	my ($build, %figures);
	while (<$in>) {
		$build = $1 if /^# build: (.*)$/;
		$figures{$1} = [ $2, $3 ] if /^(\w.*?)\s*\|\s*(\d+)\s*\|\s*([\d.]+)$/;
	}
	return ($build, \%figures);
}

sub figures_write
{
	my ($instructions, $calls) = @_;
	open my $out, '>', $FILE or die "$FILE: $!";
	print $out "# User instructions of the worker and system calls for a request: make bench ",
		"T=instructions SAVE=1\n# build: ", build_id(), "\n";
	printf $out "%-26s | %5.0f | %.2f\n", $_->[0], $instructions->{$_->[0]}, $calls->{$_->[0]}
		for @CELLS;
	close $out or die "$FILE: $!";
	return $FILE;
}

1;
