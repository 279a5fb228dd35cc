#!/usr/bin/perl
# Under the real systemd: two plants side by side, a server that the first client starts, and values
# that survive a reboot.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Boot;
use Test::More;

my $STATE = '/var/lib/mbimage';

if (!$ENV{MB_INSIDE_MACHINE}) {
	# The machine's own /var/lib/mbimage, which its boots have in common.
	my $state = temp_dir() . '/state';
	mkdir $state or die $!;
	chmod 0755, temp_dir();
	machine(boots => 3, share => "$state:$STATE", prepare => sub {
		my $tree = shift;
		my $socket = "$tree/etc/systemd/system/mbserverd\@pump.socket.d";
		run('mkdir', '-p', $socket);
		open my $out, '>', "$socket/port.conf" or die $!;
		print $out "[Socket]\nListenStream=\n",
			"ListenStream=127.0.0.1:1502\nListenStream=[::1]:1502\n";
		close $out;
		run('cp', 'docs/examples/pump.conf', "$tree/etc/mbimage/pump.conf");
		edit_file("$tree/etc/mbimage/default.conf",
			sub { s/start_delay = "2s"/start_delay = "0s"/ or die });
	});
}

my $boot = $ENV{MB_INSIDE_MACHINE};
my @DEFAULT = map { "$_\@default.service" } qw(mbserverd simulatord mbimage-retain);
my @PUMP = map { "$_\@pump.service" } qw(mbserverd simulatord mbimage-retain);

sub damage
{
	open my $out, '+<', $_[0] or die "$_[0]: $!";
	seek $out, 1000, 0;
	print $out 'damage';
	close $out;
}

sub active { my $unit = shift; return until_true(sub { show($unit, 'ActiveState') eq 'active' }) }

# ---- the first boot: two plants --------------------------------------------------------------

if ($boot == 1) {
	ok(systemctl('enable', '--now', 'mbimage.target'), 'the default plant');
	ok(systemctl('enable', '--now', 'mbserverd@pump.socket', @PUMP), 'another plant beside it');
	ok(active($_), "$_ is active") for @DEFAULT, @PUMP;
	my ($default, $pump) = (tcp(502), tcp(1502));
	ok(until_true(sub { hx(request($pump, h('04 0000 0001'))) eq '0402' . sprintf '%04x',
		2900 }), 'the other plant has values of its own');
	is(hx(request($default, h('04 0000 0001'))), '04020000',
		'... which are not in the default plant');
	is(hx(request($pump, h('03 03e8 0001'))), '8302', '... and addresses of its own');
	is(hx(request(tcp(1502, '::1'), h('04 0000 0001'))), sprintf('0402%04x', 2900),
		'... on IPv6, too');
	is(join(' ', sort glob '/dev/shm/mb*'), '/dev/shm/mbimage-default /dev/shm/mbimage-pump',
		'... and an image of its own');

	my %pid = map { $_ => unit_pid($_) } @DEFAULT, @PUMP;
	kill KILL => @pid{@PUMP};
	for my $unit (@PUMP) {
		ok(until_true(sub { my $now = unit_pid($unit); $now && $now != $pid{$unit}
			&& show($unit, 'ActiveState') eq 'active' }),
		   "$unit is killed with all of its plant, and comes again");
	}
	ok(systemctl('restart', @PUMP), 'restarted');
	is(hx(request($default, h('03 03e8 0001'))) =~ /^030201/ ? 'answers' : 'not', 'answers',
		'the default plant goes on');
	is(unit_pid($_), $pid{$_}, "... $_ does not notice") for @DEFAULT;

	# Started by the first client.
	ok(systemctl('stop', $PUMP[0]), 'a server is stopped, its socket is not');
	is(show($PUMP[0], 'ActiveState') . ' ' . show('mbserverd@pump.socket', 'ActiveState'),
		'inactive active', '... indeed');
	is(hx(request(tcp(1502), h('04 0000 0001'))), sprintf('0402%04x', 2900),
		'... and the next client starts it');
	ok(systemctl('stop', 'mbserverd@pump.socket'), 'the socket is stopped');
	ok(until_true(sub { show($PUMP[0], 'ActiveState') eq 'inactive' }),
		'... and takes the server with it');
	ok(!Boot::connect_once(1502), '... now nobody listens');

	# Written now, to be there after the boot.
	is(hx(request($default, h('06 03f2 beef'))), '0603f2beef', 'a client writes');
	is(hx(request($default, h('05 03f2 ff00'))), '0503f2ff00', '... two values');
	ok(systemctl('stop', 'mbimage.target'), 'the machine goes down');
	ok(until_true(sub { show('mbimage-retain@default.service', 'ActiveState') eq 'inactive' }),
		'... and the values are saved');
	my @file = stat "$STATE/default.values";
	is(join(' ', (getpwuid $file[4])[0], (getgrgid $file[5])[0], sprintf '%04o',
		$file[2] & 07777), 'mbimage-retain mbimage 0640',
	   '... for the group to read');
	is(join(' ', sort map { s{.*/}{}r } glob "$STATE/*"), 'default.values pump.values',
		'... and nothing else');
}

# ---- the second boot: what was saved ---------------------------------------------------------

if ($boot == 2) {
	ok(!-e '/dev/shm/mbimage-default', 'a new boot, no image');
	# Whoever is first makes the image: here a server alone.
	ok(systemctl('start', 'mbserverd@default.socket'), 'the server');
	my $sock = tcp(502);
	is(hx(request($sock, h('03 03f2 0001'))), '0302beef',
		'... finds what was saved at the end of the last one');
	is(hx(request($sock, h('01 03f2 0001'))), '010101', '... in all tables');
	ok(systemctl('start', 'mbimage.target', @DEFAULT), 'the others follow');
	ok(until_true(sub { journal('--unit=simulatord@default') =~ /resuming from version/ }),
		'... and the simulator goes on from there');
	is(hx(request($sock, h('03 03f2 0001'))), '0302beef', '... and changes nothing of it');
	systemctl('stop', 'mbimage.target');
	ok(until_true(sub { show('mbimage-retain@default.service', 'ActiveState') eq 'inactive' }),
		'saved again');
	damage("$STATE/default.values");
}

# ---- the third boot: a damaged file ----------------------------------------------------------

if ($boot == 3) {
	ok(systemctl('enable', '--now', 'mbimage.target'),
		'start with a damaged file of saved values');
	ok(active($_), "... $_ comes up") for @DEFAULT;
	my $sock = tcp(502);
	is(hx(request($sock, h('03 03f2 0001'))), '03020000', '... from zero');
	ok(-e "$STATE/default.values.refused", '... the file is kept aside');
	like(journal('--unit=mbimage-retain@default'), qr/default\.values.*damaged/,
		'... and the journal says so');
}
done_testing;
