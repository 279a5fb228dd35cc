#!/usr/bin/perl
# Services under the real systemd that cannot start now: a full /dev/shm, a file in the image's
# place.  They go on trying, the socket stays, and they come up by themselves.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Boot;
use Test::More;

machine();

my @SERVICES = map { "$_\@default.service" } qw(mbserverd simulatord mbimage-retain);
my $IMAGE = '/dev/shm/mbimage-default';

sub active { my $unit = shift; return until_true(sub { show($unit, 'ActiveState') eq 'active' }) }
sub says { my ($unit, $what) = @_; return until_true(sub { journal("--unit=$unit") =~ $what }) }

# Somebody tries the programs first, as the README says.
my $tried = spawn({ env => { XDG_RUNTIME_DIR => '' } }, 'setpriv', '--reuid=65534',
	'--regid=65534', '--clear-groups', '/usr/bin/simulatord');
wait_line($tried, qr/\bready$/);
is(stop($tried), 0, 'a user has tried the simulator');
is(join(' ', glob '/dev/shm/mb*'), '/dev/shm/mbimage-65534-default', '... with its own image');

# ---- a full /dev/shm -------------------------------------------------------------------------

unlink '/dev/shm/mbimage-65534-default';
is((run('mount', '-o', 'remount,size=64k', '/dev/shm'))[0], 0, 'a small /dev/shm');
ok(systemctl('start', '--no-block', 'mbserverd@default.socket', @SERVICES), 'no room at the start');
for my $unit (@SERVICES) {
	ok(until_true(sub { show($unit, 'StatusText') eq 'cannot start, the log says why' }),
		"... $unit waits before the next attempt");
}
my $client = tcp(502);
send_all($client, adu(1, 1, h('03 03f2 0001')));
is(show($_, 'StartLimitIntervalUSec'), '0', "... $_ is tried for ever") for @SERVICES;
run('mount', '-o', 'remount,size=64m', '/dev/shm');
ok(active($_), "room is made: $_ comes up") for @SERVICES;
ok(says($_, qr/no room for \d+ KiB in \/dev\/shm/), "... $_ had said why") for @SERVICES;
is(hx(scalar read_response($client)), '03020000', '... a client that has waited is answered');
is(show('mbserverd@default.socket', 'ActiveState'), 'active', '... the socket was there all along');

# ---- somebody's file in its place ------------------------------------------------------------

systemctl('stop', @SERVICES);
unlink $IMAGE;
chmod 0755, temp_dir();
my $squatter = spawn('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups',
	'/usr/bin/simulatord', '--plant', plant(name => '/mbimage-default'));
wait_line($squatter, qr/\bready$/);
stop($squatter);
ok(-e $IMAGE, 'somebody has taken the name');
systemctl('start', '--no-block', @SERVICES);
ok(says($_, qr/of user nobody, group nogroup.*remove \Q$IMAGE\E as that user or root/),
	"... says $_") for @SERVICES;
systemctl('stop', @SERVICES, 'mbserverd@default.socket');
is(join(' ', map { show($_, 'ActiveState') } @SERVICES), join(' ', ('inactive') x 3),
	'... and ends as it should when it is stopped meanwhile');
done_testing;
