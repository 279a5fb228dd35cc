#!/usr/bin/perl
# Server and simulator as two users of one group; a third user stays out.
use strict;
use warnings;
use lib 'tests/lib';
use Errno qw(EACCES);
use File::Copy qw(copy);
use MB;
use Test::More;
use Time::HiRes qw(time sleep);

plan skip_all => 'needs root, to become other users' if $> != 0;
plan skip_all => 'needs setpriv (util-linux)' if system('setpriv --version >/dev/null 2>&1') != 0;
my @group = getgrnam('games') or plan skip_all => 'needs the group games';
my $gid = $group[2];
my ($SERVER, $SIMULATOR, $STRANGER) = (60101, 60102, 60103);	# no account is needed for a number

diag('fs.protected_regular is ' . do { open my $in, '<', '/proc/sys/fs/protected_regular'; $in
	? <$in> =~ s/\n//r : 'unknown' });
umask 022;

# Where those users can read: plants, and the programs wherever they were built.
chmod 0755, temp_dir();
my %copy;
for my $name (qw(mbserverd simulatord mbshm)) {
	$copy{$name} = temp_dir() . "/$name";
	copy(program($name), $copy{$name}) or die "$name: $!";
	chmod 0755, $copy{$name};
}

sub as
{
	my ($uid, $groups, @command) = @_;
	return ('setpriv', "--reuid=$uid", "--regid=$uid", $groups ? "--groups=$groups"
		: '--clear-groups', '--', @command);
}

sub start_as
{
	my ($uid, $name, $plant) = @_;
	my $self = spawn(as($uid, $gid, $copy{$name}, '--plant', $plant));
	wait_line($self, qr/\bready$/);
	($self->{port}) = $self->{err} =~ /\blistening on \S+:(\d+)$/m;
	return $self;
}

sub holding { return unpack 'x2 n', request($_[0], pack 'C n n', 3, $_[1], 1) }

my $image = 'group = "games" holding_registers = ["1000-1099"] coils = ["1000-1099"]';
for my $first (qw(mbserverd simulatord)) {
	my $name = image_name();
	my $plant = plant(name => $name, image => $image,
		simulator => 'period = "10ms" start_delay = "0s"');
	my %uid = (mbserverd => $SERVER, simulatord => $SIMULATOR);
	my ($second) = grep { $_ ne $first } keys %uid;
	my %process = map { $_ => start_as($uid{$_}, $_, $plant) } $first, $second;

	my @stat = stat "/dev/shm$name";
	is($stat[4], $uid{$first}, "$first has made the image");
	is($stat[5], $gid, 'of the group');
	is($stat[2] & 07777, 0660, 'for owner and group only, whatever the umask');

	my $sock = tcp($process{mbserverd}{port});
	my %values;
	wait_until(sub { $values{holding($sock, 1000)}++; return keys %values >= 5 });
	cmp_ok(scalar(keys %values), '>=', 5, 'the server serves what the simulator writes');
	is(hx(request($sock, h('06 041a 004d'))), '06041a004d', 'and writes itself');

	# The one that did not make it may be killed and come back.
	kill9($process{$second});
	$process{$second} = start_as($uid{$second}, $second, $plant);
	is(holding(tcp($process{mbserverd}{port}), 1050), 77,
		"$second is killed, comes back, and finds the values");

	for my $program (qw(simulatord mbserverd)) {
		my ($status, $out, $err) = run(as($STRANGER, 0, $copy{$program}, '--plant',
			$plant));
		is($status, 1, "a stranger cannot run $program on it");
		like($err, qr/permission|denied/i, 'and is told') or diag $err;
	}
	my ($status) = run(as($STRANGER, 0, '/bin/sh', '-c', ": >> /dev/shm$name"));
	isnt($status, 0, 'a stranger cannot write to it');
	($status) = run(as($STRANGER, 0, '/bin/sh', '-c', ": < /dev/shm$name"));
	isnt($status, 0, 'nor read it');
	($status) = run(as($STRANGER, 0, 'rm', '-f', "/dev/shm$name"));
	isnt($status, 0, 'nor take it away');
	ok(-e "/dev/shm$name", 'it is still there');
	is(holding(tcp($process{mbserverd}{port}), 1050), 77, 'with its values');
	is(stop($process{$_}), 0, "$_ ends with status 0") for keys %process;
}

# As the service: a folder for everybody, counters for the group.
subtest 'who may read the counters' => sub {
	my $folder = temp_dir() . '/run';
	mkdir $folder or die;
	chown $SERVER, $gid, $folder;
	my @env = ({ env => { RUNTIME_DIRECTORY => $folder } });
	my $plant = plant(image => $image);
	umask 027;
	my $server = spawn(@env, 'setpriv', "--reuid=$SERVER", "--regid=$gid", '--clear-groups',
		'--', $copy{mbserverd}, '--plant', $plant);
	umask 022;
	wait_line($server, qr/\bready$/);
	my @stats = ($copy{mbserverd}, '--plant', $plant, '--stats');
	my ($status, $out, $err) = run(@env, as($SIMULATOR, $gid, @stats));
	is($status, 0, 'a member of the group');
	($status, $out, $err) = run(@env, as($STRANGER, 0, @stats));
	is($status, 1, 'a stranger may not');
	like($err, qr{/mbserverd-\S+: Permission denied: you are not a member of group games$}m,
		'and is told why');
	is(stop($server), 0, 'stops');
};

# A user who forgets --plant asks for an image that only he would have.
{
	my ($status, $out, $err) = run(as($STRANGER, 0, $copy{mbshm}, 'info'));
	is($status, 1, 'no image of the built-in plant');
	# gcov has something to say of its own.
	like($err, qr/^mbshm: image \S+: no such image \(of the built-in plant; /m, 'which plant');
	like($err, qr/; expected --plant FILE for another\)$/m, 'and how to name another one');
	($status, $out, $err) = run(as($STRANGER, 0, $copy{mbserverd}, '--stats'));
	is($status, 1, 'no server of it');
	like($err, qr/^mbserverd: that is the built-in plant; expected --plant FILE for another$/m,
		'likewise');
}

done_testing;
