#!/usr/bin/perl
# image.retain: values outlive every process and the segment; "mbshm retain" keeps the file.
use strict;
use warnings;
use lib 'tests/lib';
use IO::Select;
use IO::Socket::UNIX;
use MB;
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(time sleep);

my $name = image_name();
my $file = temp_dir() . '/plant.values';
my $plant = write_plant('plant.values');

sub write_plant
{
	my ($retain, $ranges) = @_;
	$ranges ||= 'holding_registers = ["1000-1009"] coils = ["0-9"]';
	return plant(name => $name, image => "$ranges retain = \"$retain\"", simulator => undef,
		points => undef, file => 'plant.conf');
}

sub mbshm
{
	my ($status, $out, $err) = run(program('mbshm'), '--plant', $plant, @_);
	is($status, 0, "mbshm @_") or diag $err;
	return $out;
}

sub start_retain
{
	my $self = spawn(program('mbshm'), '--plant', $plant, 'retain', @_);
	wait_line($self, qr/\bready$/);
	return $self;
}

sub holding { return (mbshm('get', 'holding:1000') =~ /^holding +1000 (\d+)$/)[0] }

# Until the code is true: values and files that appear by themselves.
sub eventually
{
	my ($what, $code) = @_;
	ok(wait_until($code), $what);
}

sub inode { return (stat $file)[1] }

# ---- on SIGTERM, and then from the file --------------------------------------------------------

my $retain = start_retain('--interval', 86400);
ok(-e "/dev/shm$name", 'retain makes the image when it is the first');
ok(!-e $file, 'no file yet');
mbshm('set', 'holding:1000', 4711, 'coil:3', 1);
is(stop($retain), 0, 'SIGTERM: status 0');
ok(-s $file, 'the values are saved');
my $inode = inode();
is(stop(start_retain(), 'INT'), 0, 'SIGINT likewise');
is(stop(start_retain()), 0, 'once more');
ok(!glob("$file.*"), 'nothing lies beside the file');

mbshm('unlink');
my $server = start_server($plant);
is(holding(), 4711, 'whoever makes the image next finds the values in it');
is(mbshm('get', 'coil:3'), "coil         3 1\n", 'of all tables');
is(hx(request(tcp($server->{port}), h('03 03e8 0001'))), '03021267',
	'and serves them from its first answer on');

# ---- each interval, when something changed -----------------------------------------------------

$retain = start_retain('--interval', 1);
$inode = inode();
eventually('saved after the interval', sub { inode() != $inode });
$inode = inode();
request(tcp($server->{port}), h('06 03e8 0007'));
eventually('and again after a write', sub { inode() != $inode });
kill9($retain);
kill9($server);
unlink "/dev/shm$name";
my $get = spawn(program('mbserverd'), '--plant', $plant);
wait_line($get, qr/ready$/);
is(holding(), 7,
	'SIGKILL and the loss of the segment lost only what came after the last save');
stop($get);

$retain = start_retain('--interval', 1);
$inode = inode();
eventually('saved once: it does not know what is in the file', sub { inode() != $inode });
$inode = inode();
kill 'HUP', $retain->{pid};	# looks whether something is to be saved
wait_line($retain, qr/keeping \Q$name\E in \Q$file\E$/);
is(inode(), $inode, 'nothing changed: not saved again');
is(stop($retain), 0, 'end');

# ---- READY=1 -----------------------------------------------------------------------------------

my $path = temp_dir() . '/notify';
my $notify = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die $!;
$retain = spawn('env', "NOTIFY_SOCKET=$path", program('mbshm'), '--plant', $plant, 'retain',
	'--interval', 86400);
ok(IO::Select->new($notify)->can_read($MB::TIMEOUT), 'a manager is told');
$notify->recv(my $message, 4096);
is($message, 'READY=1', 'READY=1');

# ---- another image -----------------------------------------------------------------------------

write_plant('plant.values', 'holding_registers = ["1000-1029"] coils = ["0-9"]');
mbshm('set', 'holding:1001', 5);
mbshm('recreate');
wait_line($retain, qr/keeping/);
mbshm('set', 'holding:1029', 1029);
unlink "/dev/shm$name";
eventually('the name is gone: retain brings the image back', sub { -e "/dev/shm$name" });
wait_line($retain, qr/keeping/);
is(mbshm('get', 'holding:1000-1001', 'holding:1029'),
	"holding   1000 7\nholding   1001 5\nholding   1029 1029\n", 'with all values');
mbshm('set', 'holding:1002', 9);
is(stop($retain), 0, 'end');
mbshm('unlink');
mbshm('restore', $file);
is(mbshm('get', 'holding:1000-1002'), "holding   1000 7\nholding   1001 5\nholding   1002 9\n",
	'what was written last is in the file');

# A plant with other ranges takes what is in both.
mbshm('unlink');
write_plant('plant.values', 'holding_registers = ["1001-1009", "2000"]');
$server = start_server($plant);
is(mbshm('get', 'holding:1001-1002', 'holding:2000'),
	"holding   1001 5\nholding   1002 9\nholding   2000 0\n",
	'another layout: every address in both');
stop($server);

# ---- files that cannot be ----------------------------------------------------------------------

mbshm('unlink');
write_file('plant.values', 'nonsense' x 1000);
$retain = start_retain();
my $kept = qr/\(kept aside as \Q$file\E\.refused\)/;
like($retain->{err}, qr/\Q$file\E: not a file of saved values, or of another format $kept/,
	'a damaged file is refused');
ok(-e "$file.refused", 'and kept aside');
is(mbshm('get', 'holding:2000'), "holding   2000 0\n", 'the image starts at zero');
is(stop($retain), 0, 'end');
ok(-s $file, 'and is saved');

mbshm('unlink');
unlink $file;
unlink "$file.refused";
mkdir $file;
my ($status, undef, $err) = run(program('mbshm'), '--plant', $plant, 'retain');
is($status, 1, 'a file that cannot be read is no reason to forget what is in it');
like($err, qr/\Q$file\E: Is a directory/, 'said');
ok(-d $file && !-e "/dev/shm$name", 'nothing was made, nothing taken away');
rmdir $file;

write_plant('no/such/folder/values');
$retain = start_retain('--interval', 1);
wait_line($retain, qr/not saved: cannot write .*no\/such\/folder\/values: No such file/);
is(stop($retain), 1, 'values that could not be saved at the end: status 1');
is((() = $retain->{err} =~ /not saved/g), 1, 'said once');

write_plant('no/such/folder/values');
$retain = spawn({ env => { NOTIFY_SOCKET => $path } }, program('mbshm'), '--plant', $plant,
	'retain',
	'--interval', 1);
wait_line($retain, qr/not saved/);
my $status_line = '';
until ($status_line =~ /^STATUS=.*not saved/) {
	IO::Select->new($notify)->can_read($MB::TIMEOUT) or last;
	$notify->recv($status_line, 4096);
}
like($status_line, qr{not saved since: cannot write .*: No such file.*; \Q$plant\E as of 20},
	'the status says what is not saved, and why');
like($status_line, qr{^STATUS=nothing yet saved in \S*no/such/folder/values;}, '... and what is');
write_plant('plant.values');
kill 'HUP', $retain->{pid};
wait_line($retain, qr/keeping \Q$name\E in \Q$file\E/);
is(stop($retain), 0, 'a reload takes another file');
ok(-s $file, 'and the values are in it');

# ---- the only copy of the values ----------------------------------------------------------------

# The name is gone and cannot be given to a new image yet, the values cannot be saved either.
write_plant('no/such/folder/values');
$retain = start_retain('--interval', 86400);
mbshm('set', 'holding:1003', 33);
my $holder = spawn(program('tests/lockholder'), $name);
wait_line($holder, qr/^lock_taken$/, undef, 'out');	# stopped with the writer lock
unlink "/dev/shm$name";
wait_line($retain, qr/cannot be created again yet: could not get the writer lock/);
kill 'HUP', $retain->{pid};
ok(wait_line($retain, qr/(reload refused, keeping the old plant: could not get the writer lock)/),
	'no reload while it has the only copy of the values');
ok(!-e "/dev/shm$name", 'and no empty image');
kill9($holder);
eventually('as soon as it can be, the image is created again', sub { -e "/dev/shm$name" });
is(mbshm('get', 'holding:1003'), "holding   1003 33\n", 'with them');
stop($retain);
mbshm('unlink');
write_plant('plant.values');

# ---- a plant file that is wrong, an image of another layout ------------------------------------

$retain = start_retain('--interval', 86400);
plant(name => $name, image => 'holding_registers = ["1000-1009"] coils = ["0-9"]',
	simulator => undef, points => undef, file => 'plant.conf');
kill 'HUP', $retain->{pid};
ok(wait_line($retain, qr/(reload refused, keeping the old plant: .*image\.retain is not set)/),
	'a plant that keeps no values is refused');
write_file('plant.conf', 'x');
my $wider = plant(name => $name, image => 'holding_registers = ["0-1099"]', simulator => undef,
	points => undef);
($status, undef, $err) = run(program('mbshm'), '--plant', $wider, 'recreate');
is($status, 0, 'another layout under the name') or diag $err;
ok(wait_line($retain, qr/(cannot attach image \Q$name\E, saving nothing: .+)/),
	'said, and nothing is saved');
ok(wait_line($retain, qr/(keeping the old plant: .+)/), 'with the plant that it has');
stop($retain);

done_testing;
