#!/usr/bin/perl
# What every program does with its command line and the plant file; how the daemons speak to their
# manager.
use strict;
use warnings;
use lib 'tests/lib';
use IO::Select;
use IO::Socket::UNIX;
use MB;
use Socket qw(SOCK_DGRAM);
use Test::More;

my @programs = grep { built($_) } qw(mbserverd simulatord mbclient mbshm);
ok(@programs >= 3, "built: @programs");
my $good = plant();
my $bad = write_file('bad.conf',
	"image = { name = \"/x\"  coils = 1 }\nserver = {\n\twokers = 2\n}\n");

# One run: status, and what stdout and stderr must match ('' is silence).
sub answers
{
	my ($status, $out, $err, $name, @command) = @_;
	my @got = run(program($name), @command);
	my $title = "$name @command" =~ s/[^ -~]/?/gr;
	is($got[0], $status, "$title: status $status");
	ref $out ? like($got[1], $out, "$title: stdout") : is($got[1], $out, "$title: stdout");
	ref $err ? like($got[2], $err, "$title: stderr") : is($got[2], $err, "$title: stderr");
	return $got[1];
}

# ---- what all programs take ----------------------------------------------------------------------

for my $name (@programs) {
	answers(0, qr/^\Q$name\E \d+\.\d+\.\d+\n\z/, '', $name, '--version');
	my $help = answers(0, qr/^Usage: \Q$name\E /, '', $name, '--help');
	like($help, qr/^  --\Q$_\E\b.*\w$/m, "$name --help lists --$_")
		for qw(plant check help version);

	answers(0, "ok\n", '', $name, '--check');
	answers(0, "ok\n", '', $name, '--plant', $good, '--check');
	answers(0, "ok\n", '', $name, '--check', "--plant=$good");
	my $unknown = qr/unknown setting 'server\.wokers'; expected one of listen, workers,/;
	answers(2, '', qr/^\Q$name: $bad\E:3: $unknown.*\n\z/, $name, '--plant', $bad, '--check');
	answers(2, '', qr/^\Q$name: $bad\E:3: /, $name, '--plant', $bad);
	answers(2, '', "$name: /nonexistent: No such file or directory\n", $name, '--plant',
		'/nonexistent', '--check');
	answers(2, '', "$name: /: is a folder, expected a regular file\n", $name, '--plant', '/',
		'--check');

	my @known = $help =~ /^  --([\w-]+)/mg;
	answers(2, '', qr/^\Q$name\E: unknown option '--bogus', expected one of .*--plant.*\n\z/,
		$name, '--bogus');
	my (undef, undef, $expected) = run(program($name), '--bogus');
	is_deeply([ $expected =~ / --([\w-]+)/g ], \@known,
		"$name names the options that --help lists");
	answers(2, '', qr/^\Q$name\E: unknown option '-c'/, $name, '-c');
	answers(2, '', qr/^\Q$name\E: unknown option '--chec'/, $name, '--chec');
	answers(2, '', qr/^\Q$name\E: unknown option '--\\x1b\[31m\\x0a'/, $name, "--\e[31m\n");
	answers(2, '', "$name: --plant: expected --plant FILE\n", $name, '--plant');
	answers(2, '', "$name: --plant '': expected a file's name\n", $name, '--plant=');
	answers(2, '', "$name: '--check=yes': expected --check without a value\n", $name,
		'--check=yes');
}
answers(2, '', "$_: unexpected 'more', expected no operands\n", $_, '--check', 'more')
	for grep { /d$/ } @programs;
answers(2, '', "mbclient: unexpected 'b', expected options, then no more than HOST[:PORT]\n",
	'mbclient', 'a', 'b', '--check');
answers(2, '', "mbclient: unexpected '--check', expected options, then no more than HOST[:PORT]\n",
	'mbclient', 'a', '--', '--check');

# Output that cannot be written is no success.
SKIP: {
	skip 'no /dev/full', 2 unless -w '/dev/full';
	my ($status, undef, $err) = run('sh', '-c', 'exec "$0" --check >/dev/full',
		program('mbserverd'));
	is($status, 1, 'a full disk is said');
	is($err, "mbserverd: cannot write to stdout\n", 'in words');
}

# ---- the daemons and their manager ---------------------------------------------------------------

# What the manager would receive; each a datagram of lines.
my $socket_path = temp_dir() . '/notify';
my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $socket_path)
	or die "$socket_path: $!";

sub wait_notify
{
	my $pattern = shift;
	while (IO::Select->new($manager)->can_read($MB::TIMEOUT)) {
		$manager->recv(my $text, 4096);
		return 1 if $text =~ $pattern;
	}
	return 0;
}

for my $name (grep { /d$/ } @programs) {
	my $plant = plant();
	my $daemon = spawn('env', "NOTIFY_SOCKET=$socket_path", 'WATCHDOG_USEC=200000',
		program($name), '--plant', $plant);
	ok(wait_notify(qr/^READY=1$/m), "$name says READY=1");
	wait_line($daemon, qr/^\S+T\S+ \Q$name\E: ready$/);
	ok(wait_notify(qr/^WATCHDOG=1$/m), "$name pings the watchdog") for 1 .. 2;
	ok(wait_notify(qr/^STATUS=\w/m), "$name says its status");
	kill HUP => $daemon->{pid};
	ok(wait_notify(qr/^RELOADING=1\nMONOTONIC_USEC=\d+$/m), "$name says RELOADING=1");
	ok(wait_notify(qr/^READY=1$/m), "$name is ready again");
	is(stop($daemon, 'INT'), 0, "$name ends with 0 on SIGINT");
	ok(wait_notify(qr/^STOPPING=1$/m), "$name says STOPPING=1");
}

# Where stderr is the journal, a priority stands for the program's name.
{
	my $command = 'JOURNAL_STREAM=$(stat -Lc %d:%i /dev/fd/2) exec "$0" --bogus';
	my (undef, undef, $err) = run('sh', '-c', $command, program('simulatord'));
	like($err, qr/^<3>unknown option '--bogus'/, 'an error has priority 3 in the journal');
	(undef, undef, $err) = run('env', 'JOURNAL_STREAM=1:2', program('simulatord'), '--bogus');
	like($err, qr/^simulatord: unknown option/, 'another JOURNAL_STREAM is not stderr');
}

# A log that nobody reads any more must not end a daemon.
{
	my $server = start_server(plant());
	delete $server->{pipes}{err};
	kill HUP => $server->{pid};
	my $sock = tcp($server->{port});
	is(hx(request($sock, h('03 03e8 0001'))), '03020000', 'serves on without its log')
		for 1 .. 2;
	is(stop($server), 0, 'and ends well');
}

done_testing;
