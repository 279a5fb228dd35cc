# Boot - tests on a machine of their own, under the real systemd (tests/systemd-boot.sh).
#
#   use lib 'tests/lib';  use MB;  use Boot;
#   machine(prepare => sub { my $tree = shift; ... });
#   unit_pid('mbserverd@default'), systemctl(...), until_true(...)
#   my $poller = poller(port => 502);  ...  my $report = report($poller);
#
# machine: outside, it installs into a folder (or takes tree => FOLDER), boots, and exits with what
# the test inside says, or skips; inside, it returns.  boots => N: so many times, each a subtest;
# $ENV{MB_INSIDE_MACHINE} counts them.
#
# A poller is a process that reads a register each millisecond, on one connection (or a new one each
# time, fresh => 1), connects again at once when that is lost, and counts what happened to it.
package Boot;
use strict;
use warnings;
use Exporter 'import';
use Errno qw(ECONNREFUSED);
use IO::Socket::IP;
use MB;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(machine install_tree edit_file slurp systemctl show unit_pid journal until_true
	poller report);

my $INSIDE = 'MB_INSIDE_MACHINE';

# ---- the machine ---------------------------------------------------------------------------------

# All of a test, or what is left of it.
sub leave_out
{
	my $reason = shift;
	plan skip_all => $reason unless Test::More->builder->current_test;
	Test::More->builder->skip($reason);
	done_testing;
	exit;
}

sub machine
{
	my %with = @_;
	return if $ENV{$INSIDE};
	leave_out('a sanitized program needs more than its unit allows') if $ENV{MB_SAN};
	leave_out('needs root, to boot a systemd of its own') if $>;
	my $tree = $with{tree} || install_tree();
	$with{prepare}->($tree) if $with{prepare};
	for my $boot (1 .. $with{boots} || 1) {
		local $ENV{$INSIDE} = $boot;
		local $ENV{MB_BOOT_SHARE} = $with{share} // '';
		open my $tap, '-|', 'tests/systemd-boot.sh', $tree, $^X, $0
			or die "systemd-boot.sh: $!";
		print $with{boots} ? "    $_" : $_ while <$tap>;
		close $tap;
		my $status = $? >> 8 || $? & 127;
		leave_out('systemd cannot be booted here') if $status == 77;
		exit $status unless $with{boots};
		is($status, 0, "boot $boot");
	}
	done_testing;
	exit;
}

# What "make install" puts into a folder of its own.
sub install_tree
{
	my $tree = temp_dir() . '/tree';
	local %ENV = (%ENV, BUILD => $ENV{BUILD} || 'build', PREFIX => '/usr', LIBDIR => '/usr/lib',
		DESTDIR => $tree, VERSION => '0');
	system('systemd/install.sh', 'install') == 0 or die "install.sh failed\n";
	return $tree;
}

sub slurp
{
	my $path = shift;
	open my $in, '<:raw', $path or die "$path: $!";
	local $/;
	return scalar <$in>;
}

# Change a file by a sub that finds its text in $_.
sub edit_file
{
	my ($path, $change) = @_;
	local $_ = slurp($path);
	$change->();
	open my $out, '>:raw', $path or die "$path: $!";
	print $out $_;
	close $out or die "$path: $!";
}

sub systemctl
{
	my ($status, $out, $err) = run('systemctl', @_);
	diag("systemctl @_: $err") if $status && $_[0] !~ /^(?:is-|show|status)/;
	return wantarray ? ($status, $out) : $status == 0;
}

# A property of a unit.
sub show
{
	my ($unit, $property) = @_;
	my (undef, $out) = systemctl('show', '--property', $property, '--value', $unit);
	chomp $out;
	return $out;
}

sub unit_pid { return show($_[0], 'MainPID') }

sub journal
{
	my (undef, $out) = run('journalctl', '--quiet', '--no-pager', @_);
	return $out;
}

# Ask until it is so; the seconds it took, undef when it took more than $timeout.
sub until_true
{
	my ($ask, $timeout) = @_;
	my $start = time;
	until ($ask->()) {
		return undef if time - $start > ($timeout || $MB::TIMEOUT);
		sleep 0.01;
	}
	return time - $start;
}

# ---- pollers -------------------------------------------------------------------------------------

# One attempt to connect: the socket, or undef and $! says why.
sub connect_once
{
	my $port = shift;
	my $sock = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port) or return undef;
	setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
	return $sock;
}

sub poll
{
	my ($with, $stop) = @_;
	my %seen = map { $_ => 0 }
		qw(answers refused lost changes longest_s longest_still_s exceptions zeros);
	my ($sock, $value, $good, $changed) = (undef, undef, time, time);
	my $pdu = pack 'Cnn', 3, $with->{address} // 1000, 1;
	my $next = time;
	until ($$stop) {
		$sock ||= connect_once($with->{port});
		if (!$sock) {
			$seen{$! == ECONNREFUSED ? 'refused' : 'lost'}++;
			sleep 0.001;
			next;
		}
		my $answer = eval { request($sock, $pdu) };
		my $now = time;
		if (!defined $answer) {
			$seen{lost}++;
			undef $sock;
			next;
		}
		my ($function, $bytes, $got) = unpack 'CCn', $answer;
		$seen{answers}++;
		$seen{longest_s} = $now - $good if $now - $good > $seen{longest_s};
		$good = $now;
		if ($function != 3) {
			$seen{exceptions}++;
		} elsif (!defined $value || $got != $value) {
			$seen{longest_still_s} = $now - $changed if defined $value
				&& $now - $changed > $seen{longest_still_s};
			$seen{changes}++ if defined $value;
			$seen{zeros}++ if $value && !$got;
			($value, $changed) = ($got, $now);
		}
		undef $sock if $with->{fresh};
		$next += 0.001;
		$next = $now if $next < $now - 0.1;
		sleep $next - $now if $next > $now;
	}
	$seen{longest_still_s} = time - $changed if time - $changed > $seen{longest_still_s};
	$seen{value} = $value;
	return \%seen;
}

sub poller
{
	my $with = { @_ };
	pipe my $from, my $to or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		my $stop = 0;
		local $SIG{TERM} = sub { $stop = 1 };
		close $from;
		syswrite $to, "started\n";
		my $seen = eval { poll($with, \$stop) } || { died => $@ };
		my @known = grep { defined $seen->{$_} } sort keys %$seen;
		syswrite $to, join('', map { "$_=$seen->{$_}\n" } @known);
		POSIX::_exit(0);
	}
	close $to;
	my $started = <$from>;
	return { pid => $pid, from => $from };
}

# End a poller; what it saw.
sub report
{
	my $poller = shift;
	kill TERM => $poller->{pid};
	my %seen = map { chomp; split /=/, $_, 2 } readline $poller->{from};
	waitpid $poller->{pid}, 0;
	return \%seen;
}

1;
