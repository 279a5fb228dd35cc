# MB - what the system tests share: plants, processes, and a Modbus client of a few lines.
#
#   use lib 'tests/lib';  use MB;
#   my $plant  = plant(simulator => 'period = "10ms"  start_delay = "0s"');
#   my $server = start_server($plant);         # listening and ready: {port}, {pid}
#   my $sim    = start_simulator($plant, '--display');
#   my $sock   = tcp($server->{port});
#   is(hx(request($sock, h('03 03e8 0001'))), '03020000');
#   is(stop($server), 0);
#
# tests/run runs every test in the top folder; programs are in $BUILD.  Every wait has a deadline
# and dies with what the process wrote, so a test fails instead of hanging.  At the end, also on a
# signal, the processes still running, the images and the folder of this test are removed; nobody
# else's are touched.
package MB;
use strict;
use warnings;
use Errno qw(EINTR EAGAIN);
use Exporter 'import';
use Fcntl qw(F_SETFL O_NONBLOCK);
use File::Temp ();
use IO::Select;
use IO::Socket::IP;
use POSIX qw(:sys_wait_h :signal_h);
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time sleep);

our @EXPORT = qw(program built temp_dir image_name write_file plant
	spawn start_server start_simulator wait_line wait_exit wait_until quickest stop kill9 run
	tcp h hx adu send_all read_exactly read_response request closed);

# Seconds, of every wait that is given none: what has not come by then hangs.  A machine that is
# shared was seen to stand still for twenty.
our $TIMEOUT = 120;
# Seconds: less than $TIMEOUT, and what works takes a hundredth of it: an upper bound for what must
# not wait for something that does not come.
our $SOON = 40;
my $owner = $$;
my (@running, @images, $dir, $files);

$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);
$SIG{PIPE} = 'IGNORE';

# ---- names and files -----------------------------------------------------------------------------

sub program { return ($ENV{BUILD} || 'build') . "/$_[0]" }
sub built   { return -x program($_[0]) }

sub temp_dir { return $dir ||= File::Temp::tempdir('mbtest-XXXXXX', TMPDIR => 1, CLEANUP => 1) }

# A name that no other test uses; unlinked at the end.
sub image_name
{
	push @images, "/mbtest-$owner-" . @images;
	return $images[-1];
}

# A file in the test's folder; its path.
sub write_file
{
	my ($name, $text) = @_;
	my $path = temp_dir() . "/$name";
	open my $out, '>:raw', $path or die "$path: $!";
	print $out $text;
	close $out or die "$path: $!";
	return $path;
}

# A plant file; its path.  Each of image, server, simulator and points replaces the body of that
# section of default.conf (undef leaves the section out).  An image without a name gets one of its
# own, a server without listen gets "127.0.0.1:0".
# name => '/NAME': that image; extra => text appended; file => 'a.conf': the file's name, to write
# a plant again.
sub plant
{
	my %with = @_;
	my $text = '';
	my %body = default_sections();
	for my $section (qw(image server simulator points)) {
		my $body = exists $with{$section} ? $with{$section} : $body{$section};
		next unless defined $body;
		if ($section eq 'image') {
			$body =~ s/\bname\s*=\s*"[^"]*"// if $with{name} || !exists $with{image};
			$body = 'name = "' . ($with{name} || image_name()) . "\"\n$body"
				unless $body =~ /\bname\s*=/;
		} elsif ($section eq 'server') {
			$body =~ s/\blisten\s*=\s*\[[^]]*\]// unless exists $with{server};
			$body = "listen = [\"127.0.0.1:0\"]\n$body" unless $body =~ /\blisten\s*=/;
		}
		$text .= "$section = {\n$body\n}\n";
	}
	$text .= $with{extra} if defined $with{extra};
	return write_file($with{file} || 'plant-' . ++$files . '.conf', $text);
}

sub default_sections
{
	open my $in, '<', 'default.conf' or die "default.conf: $! (run tests in the top folder)";
	my $text = do { local $/; <$in> };
	my %body;
	while ($text =~ /^(\w+)\s*=\s*(\{(?:[^{}]++|(?2))*\})/mg) {
		$body{$1} = substr $2, 1, -1;
	}
	return %body;
}

# ---- processes -----------------------------------------------------------------------------------

# Start a command with stdout and stderr in pipes.  Its {out} and {err} hold all it wrote so far.
# Options: stdin => text; env => { NAME => value }; listen => [ sockets ] passed to it as systemd
# would.
sub spawn
{
	my %with = ref $_[0] ? %{shift()} : ();
	my @command = @_;
	my $stdin = defined $with{stdin} ? write_file('stdin-' . ++$files, $with{stdin})
		: '/dev/null';
	my $self = { name => $command[0] =~ s{.*/}{}r, out => '', err => '',
		seen => { out => 0, err => 0 } };

	temp_dir();	# made by us, not by the child
	pipe my $out, my $out_end or die "pipe: $!";
	pipe my $err, my $err_end or die "pipe: $!";
	# F_SETPIPE_SZ: room while the test does not look
	fcntl $_, 1031, 1 << 20 for $out, $err;
	# blocked, so that the child never runs our handlers
	my $signals = POSIX::SigSet->new(SIGINT, SIGTERM, SIGHUP);
	sigprocmask(SIG_BLOCK, $signals);
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		@SIG{qw(INT TERM HUP PIPE)} = ('DEFAULT') x 4;
		sigprocmask(SIG_UNBLOCK, $signals);
		delete @ENV{qw(NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID JOURNAL_STREAM LISTEN_FDS
			LISTEN_PID RUNTIME_DIRECTORY)};
		$ENV{XDG_RUNTIME_DIR} = temp_dir();
		@ENV{keys %{$with{env}}} = values %{$with{env}} if $with{env};
		pass_sockets(@{$with{listen}}) if $with{listen};
		open STDIN, '<', $stdin;
		open STDOUT, '>&', $out_end;
		open STDERR, '>&', $err_end;
		{ no warnings; exec { $command[0] } @command }
		print STDERR "$command[0]: $!\n";
		POSIX::_exit(127);
	}
	sigprocmask(SIG_UNBLOCK, $signals);
	close $out_end;
	close $err_end;
	fcntl $_, F_SETFL, O_NONBLOCK for $out, $err;
	$self->{pid} = $pid;
	$self->{pipes} = { out => $out, err => $err };
	push @running, $self;
	return $self;
}

# sd_listen_fds(3): they are the descriptors from 3 on.
sub pass_sockets
{
	# F_DUPFD_CLOEXEC: out of the way
	my @high = map { my $fd = fcntl($_, 1030, 100) or die "dup: $!"; $fd } @_;
	POSIX::dup2($high[$_], 3 + $_) // die "dup2: $!" for 0 .. $#high;
	@ENV{qw(LISTEN_FDS LISTEN_PID)} = (scalar @high, $$);
}

# Read what the pipes hold, waiting at most $wait seconds for some.  False when both are closed.
sub drain
{
	my ($self, $wait) = @_;
	my $pipes = $self->{pipes};
	return 0 unless %$pipes;
	IO::Select->new(values %$pipes)->can_read($wait);
	for my $which (keys %$pipes) {
		while (1) {
			my $n = sysread $pipes->{$which}, $self->{$which}, 65536,
				length $self->{$which};
			next if $n;
			delete $pipes->{$which} if defined $n;
			last;
		}
	}
	return 1;
}

# Wait until a line of the log matches; the captures (or 1).  Lines up to the match are used up, so
# that the next call waits for a later one.  $which: 'err' (the default) or 'out'.
sub wait_line
{
	my ($self, $pattern, $timeout, $which) = @_;
	$which ||= 'err';
	my $deadline = time + ($timeout || $TIMEOUT);
	for (my $open = 1; ; ) {
		while (substr($self->{$which}, $self->{seen}{$which}) =~ /^(.*)\n/) {
			my $line = $1;
			$self->{seen}{$which} += length($line) + 1;
			if (my @captures = $line =~ $pattern) {
				return wantarray ? @captures : $captures[0];
			}
		}
		my $why = !$open ? 'ended' : time > $deadline ? 'is late' : undef;
		die "$self->{name} (pid $self->{pid}) $why, no line matched $pattern\n",
			"--- stdout\n$self->{out}--- stderr\n$self->{err}---\n" if $why;
		$open = drain($self, 0.1);
	}
}

# Wait for its end; the exit status, or 128 + the signal that killed it.
sub wait_exit
{
	my ($self, $timeout) = @_;
	my $deadline = time + ($timeout || $TIMEOUT);
	until (defined $self->{status}) {
		my $open = drain($self, 0.02);
		my $pid = waitpid $self->{pid}, WNOHANG;
		if ($pid == $self->{pid}) {
			$self->{status} = WIFSIGNALED($?) ? 128 + WTERMSIG($?) : WEXITSTATUS($?);
			@running = grep { $_ != $self } @running;
			drain($self, 0);
		} elsif ($pid < 0) {
			die "$self->{name} (pid $self->{pid}) was waited for elsewhere";
		} elsif (time > $deadline) {
			die "$self->{name} (pid $self->{pid}) does not end\n",
				"--- stderr\n$self->{err}---\n";
		} elsif (!$open) {
			sleep 0.005;
		}
	}
	return $self->{status};
}

# Until the code is true, for what nothing tells of: its value, false when it is too late.
sub wait_until
{
	my ($code) = @_;
	my ($deadline, $value) = (time + $TIMEOUT);
	until (($value = $code->()) || time > $deadline) {
		sleep 0.002;	# do not take the processor from what is waited for
	}
	return $value;
}

# The shortest of some times that the code returns, until one is below the limit.  On a loaded
# machine anything may take longer now and then, but what is slow by itself always does.
sub quickest
{
	my ($limit, $code) = @_;
	my $best;
	for (1 .. 10) {
		my $took = $code->();
		$best = $took if !defined $best || $took < $best;
		last if $best < $limit;
	}
	return $best;
}

sub stop
{
	my ($self, $signal) = @_;
	kill $signal || 'TERM', $self->{pid} unless defined $self->{status};
	return wait_exit($self);
}

sub kill9 { return stop($_[0], 'KILL') }

# Run a command to its end: (status, stdout, stderr).
sub run
{
	my $self = spawn(@_);
	my $status = wait_exit($self);
	return ($status, $self->{out}, $self->{err});
}

# A server that is ready; {port} is its first listener's, {ports} all.
sub start_server
{
	my ($plant, @options) = @_;
	my $self = spawn(program('mbserverd'), '--plant', $plant, @options);
	wait_line($self, qr/\bready$/);
	$self->{ports} = [ $self->{err} =~ /\blistening on \S+:(\d+)$/mg ];
	$self->{port} = $self->{ports}[0];
	return $self;
}

sub start_simulator
{
	my ($plant, @options) = @_;
	my $self = spawn(program('simulatord'), '--plant', $plant, @options);
	wait_line($self, qr/\bready$/);
	return $self;
}

# ---- Modbus --------------------------------------------------------------------------------------

sub tcp
{
	my ($port, $host) = @_;
	my $sock = IO::Socket::IP->new(PeerHost => $host || '127.0.0.1', PeerPort => $port,
		Timeout => $TIMEOUT)
		or die "connect to port $port: $@";
	setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
	return $sock;
}

# Bytes from hex and back: h('03 03e8 0001').
sub h  { return pack 'H*', $_[0] =~ s/\s+//gr }
sub hx { return unpack 'H*', $_[0] }

sub adu
{
	my ($tid, $unit, $pdu) = @_;
	return pack('nnnC', $tid, 0, 1 + length $pdu, $unit) . $pdu;
}

sub send_all
{
	my ($sock, $bytes) = @_;
	while (length $bytes) {
		my $n = syswrite $sock, $bytes;
		next if !defined $n && $! == EINTR;
		die "send: $!" unless defined $n;
		substr($bytes, 0, $n) = '';
	}
}

sub read_exactly
{
	my ($sock, $count, $timeout) = @_;
	my $deadline = time + ($timeout || $TIMEOUT);
	my $bytes = '';
	while (length $bytes < $count) {
		my $left = $deadline - time;
		$! = 0;
		my $ready = $left > 0 && IO::Select->new($sock)->can_read($left);
		next if !$ready && $! == EINTR;
		die "received only " . length($bytes) . " of $count bytes in time: " . hx($bytes)
			. "\n" unless $ready;
		my $n = sysread $sock, $bytes, $count - length $bytes, length $bytes;
		next if !defined $n && ($! == EINTR || $! == EAGAIN);
		die "receive: $!\n" unless defined $n;
		die "connection closed after " . length($bytes) . " of $count bytes: " . hx($bytes)
			. "\n" unless $n;
	}
	return $bytes;
}

# The next response: (pdu, transaction id, unit id).  Dies when the header is not one of Modbus.
sub read_response
{
	my ($sock, $timeout) = @_;
	my ($tid, $protocol, $length, $unit) = unpack 'nnnC', read_exactly($sock, 7, $timeout);
	die "protocol id $protocol\n" if $protocol;
	die "length $length\n" if $length < 3 || $length > 254;
	my $pdu = read_exactly($sock, $length - 1, $timeout);
	return wantarray ? ($pdu, $tid, $unit) : $pdu;
}

# One request and its response PDU, whose header must match.
my $tid = 0;
sub request
{
	my ($sock, $pdu, $unit) = @_;
	$unit //= 1;
	$tid = $tid % 65535 + 1;
	send_all($sock, adu($tid, $unit, $pdu));
	my ($response, $got_tid, $got_unit) = read_response($sock);
	die "transaction $got_tid, unit $got_unit answer transaction $tid, unit $unit\n"
		if $got_tid != $tid || $got_unit != $unit;
	return $response;
}

# Does the peer close within the time?  True: closed (or reset) without another byte.
sub closed
{
	my ($sock, $timeout) = @_;
	return 0 unless IO::Select->new($sock)->can_read($timeout || $TIMEOUT);
	my $n = sysread $sock, my $byte, 1;
	return !$n;
}

# ---- the end -------------------------------------------------------------------------------------

END {
	if ($$ == $owner) {
		my $status = $?;
		for my $process (@running) {
			kill $_, $process->{pid} for 'CONT', 'KILL';
			waitpid $process->{pid}, 0;
		}
		# Each, and what a truncated one is kept as.
		unlink map { ("/dev/shm$_", '/dev/shm/.' . substr($_, 1) . '.damaged') } @images;
		$? = $status;
	}
}

1;
