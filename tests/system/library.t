#!/usr/bin/perl
# libmbshm as others get it: installed below DESTDIR, found by pkg-config, linked by C and C++; and
# the examples, on a running plant.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;

plan skip_all => 'a sanitizer build is not installed' if $ENV{MB_SAN};
plan skip_all => 'needs pkg-config and a compiler'
	if system('pkg-config --version >/dev/null 2>&1 && cc --version >/dev/null 2>&1') != 0;

my $build = $ENV{BUILD} || 'build';
my $dest = temp_dir() . '/dest';
my $prefix = '/opt/mbimage';

sub shell
{
	my ($what, $command, $status) = @_;
	my ($got, $out, $err) = run('sh', '-c', $command);
	is($got, $status // 0, $what) or diag "$command\n$out$err";
	return $out;
}

shell('make install',
	"make --no-print-directory BUILD='$build' DESTDIR='$dest' PREFIX='$prefix' install");
my $lib = "$dest$prefix/lib";
ok(-e "$dest$prefix/include/mbshm.h", 'header');
ok(-e "$lib/libmbshm.a", 'static archive');
ok(-l "$lib/libmbshm.so" && -l "$lib/libmbshm.so.0" && -e "$lib/libmbshm.so.0",
	'shared library and its links');
ok(!-l readlink_all("$lib/libmbshm.so"), 'that lead to a file');

sub readlink_all
{
	my $path = shift;
	$path = "$lib/" . readlink $path while -l $path;
	return $path;
}

# ---- what it exports ---------------------------------------------------------------------------

my %declared = map { $_ => 1 } do { local (@ARGV, $/) = 'libshm/mbshm.h'; (my $text = <>) =~
	s{/\*.*?\*/}{}gs; $text =~ /\b(mbshm_\w+)\(/g };
cmp_ok(scalar(keys %declared), '>', 30, 'the header declares functions');
my %exported = map { (/^\S+ [TDBVW] (\w+)/ ? $1 : "not a symbol: $_") => 1 }
	grep { !/ A MBSHM_\d+$/ } split /\n/,
		shell('nm -D', "nm -D --defined-only '$lib/libmbshm.so.0'");
is_deeply([ sort keys %exported ], [ sort keys %declared ],
	'the shared library exports exactly what the header declares');
my %global = map { (split)[2] => 1 } grep { / [A-Z] / } split /\n/,
	shell('nm', "nm -g --defined-only '$lib/libmbshm.a'");
is_deeply([ sort keys %global ], [ sort keys %declared ], 'and so does the archive');
like(shell('readelf', "readelf -d '$lib/libmbshm.so'"), qr/SONAME.*\[libmbshm\.so\.0\]/, 'soname');
unlike(shell('readelf', "readelf -d '$lib/libmbshm.so'"), qr/NEEDED.*\[lib(?!c\.|pthread)/,
	'needs the C library alone');

# ---- the manual --------------------------------------------------------------------------------

my $page = do { local (@ARGV, $/) = 'docs/man/mbshm.3'; <> };
my %manual;
while ($page =~ /^\.Ft "?(.*?)"?\n\.Fo (mbshm_\w+)\n((?:\.Fa .*\n)+)\.Fc$/mg) {
	my ($type, $function, $arguments) = ($1, $2, $3);
	$manual{$function} = "$type $function(" . join(', ', $arguments =~ /^\.Fa "?(.*?)"?$/mg)
		. ')';
}
my $header = do { local (@ARGV, $/) = 'libshm/mbshm.h'; (my $text = <>) =~
	s{/\*.*?\*/}{}gs; $text };
my %prototype = map { /\b(mbshm_\w+)\(/ ? ("$1" => s/\s+/ /gr) : () } $header =~
	/^(\w[^;{}#]*\([^;{}]*\));/mg;
s/ ?\* ?mbshm/ *mbshm/ for values %prototype, values %manual;
is_deeply([ sort values %manual ], [ sort values %prototype ],
	'mbshm(3) has the prototypes of mbshm.h');
for my $function (sort keys %declared) {
	like($page, qr/^\.Sh DESCRIPTION.*^\.Fn \Q$function\E\b/ms,
		"mbshm(3) says what $function is for");
}
my ($example) = $page =~ /^\.Bd -literal.*?\n(.*?)^\.Ed/ms;
$example =~ s/\\e/\\/g;

# ---- consumers ---------------------------------------------------------------------------------

my $dir = temp_dir();
$ENV{PKG_CONFIG_PATH} = "$lib/pkgconfig";
$ENV{PKG_CONFIG_SYSROOT_DIR} = $dest;
my $version = shell('pkg-config knows it', 'pkg-config --modversion mbshm');
like($version, qr/^\d+\.\d+\.\d+$/, "version $version");

my $consumer = write_file('consumer.c', <<'END');
#include <mbshm.h>
#include <stdio.h>
#include <string.h>

/* Names that a program may well have for itself. */
int lock_take(void);
int lock_take(void) { return 7; }
int mono_ns(void);
int mono_ns(void) { return 8; }

int main(int argc, char **argv)
{
	struct mbshm_config config;
	struct mbshm *img;
	char why[MBSHM_WHY_SIZE];
	uint16_t value;

	if (argc != 2)
		return 2;
	memset(&config, 0, sizeof config);
	config.group = (gid_t)-1;
	snprintf(config.name, sizeof config.name, "%s", argv[1]);
	if (mbshm_open(&config, 0, &img, why)) {
		puts(why);
		return 1;
	}
	if (mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, 1000, 1, &value, NULL))
		return 3;
	printf("%d\n", value + lock_take() + mono_ns());
	mbshm_close(img);
	return 0;
}
END
my $strict = '-Wall -Wextra -Wpedantic -Wconversion -Werror';
shell('a C program',
	"cc -std=c99 $strict -o $dir/shared $consumer \$(pkg-config --cflags --libs mbshm)");
shell('a static one', "cc -std=c11 $strict -o $dir/static $consumer "
	. "\$(pkg-config --cflags mbshm) $lib/libmbshm.a -pthread");
my @programs = ("LD_LIBRARY_PATH=$lib $dir/shared", "$dir/static");
my $name = image_name();
$example =~ s{/mbimage-default}{$name} or die;
write_file('manual.c', "#include <err.h>\n#include <mbshm.h>\n#include <sys/stat.h>\n"
	. "int main(void)\n{\n${example}return 0;\n}\n");
shell('the example of mbshm(3)',
	"cc -std=gnu11 $strict -o $dir/manual $dir/manual.c \$(pkg-config --cflags --libs mbshm)");
SKIP: {
	skip 'no C++ compiler', 1 if system('c++ --version >/dev/null 2>&1') != 0;
	for my $standard (qw(c++11 c++17)) {
		shell("a $standard program", "c++ -x c++ -std=$standard $strict "
			. "-o $dir/$standard $consumer \$(pkg-config --cflags --libs mbshm)");
		push @programs, "LD_LIBRARY_PATH=$lib $dir/$standard";
	}
}
like(shell('linked against the soname', "LD_LIBRARY_PATH=$lib ldd $dir/shared"),
	qr{libmbshm\.so\.0 => \Q$lib\E/}, 'soname');

my $plant = plant(name => $name, image => 'holding_registers = ["1000-1099"] coils = ["1000-1099"]',
	simulator => undef, points => undef);
is(shell("$_: no image", "$_ $name", 1), "no such image\n", 'said by the library') for @programs;
my $server = start_server($plant);
my $sock = tcp($server->{port});
request($sock, h('06 03e8 0064'));
is(shell($_, "$_ $name"), "115\n", 'reads the plant, and keeps its own names') for @programs;

SKIP: {
	skip 'needs root', 2 if $>;
	chown 0, 60123, "/dev/shm$name" or die;	# as an installed plant's: of another group
	request($sock, h('06 03e8 0191'));
	shell('the example of mbshm(3) runs', "LD_LIBRARY_PATH=$lib $dir/manual");
	is(hx(request($sock, h('01 03e9 0001'))), '010101', 'and sets the coil');
	chown 0, 0, "/dev/shm$name";
	request($sock, h('05 03e9 0000'));
}

# ---- examples ----------------------------------------------------------------------------------

shell('example alarm.c', "cc -std=c11 $strict -o $dir/alarm docs/examples/alarm.c "
	. "\$(pkg-config --cflags --libs mbshm)");
$ENV{LD_LIBRARY_PATH} = $lib;
my $alarm = spawn("$dir/alarm", $name, 1000, 400, 1001);
sub coil { return ord substr request($sock, h('01 03e9 0001')), 2 }
request($sock, h('06 03e8 0191'));
wait_line($alarm, qr/^401: alarm on$/, undef, 'out');
is(coil(), 1, 'alarm: on above the limit');
request($sock, h('06 03e8 0190'));
wait_line($alarm, qr/^400: alarm off$/, undef, 'out');
is(coil(), 0, 'off again');
like(shell('mbshm info', program('mbshm') . " --plant $plant info"),
	qr/^source      alarm: [\d.]+ s ago, version \d+, 2 commits$/m, 'it is a source');

kill9($alarm);
request($sock, h('06 03e8 0192'));
$alarm = spawn("$dir/alarm", $name, 1000, 400, 1001);
wait_line($alarm, qr/^402: alarm on$/, undef, 'out');
is(coil(), 1, 'killed and started again');
shell('recreate', program('mbshm') . " --plant $plant recreate");
shell('set', program('mbshm') . " --plant $plant set holding:1000 3");
wait_line($alarm, qr/^3: alarm off$/, undef, 'out');
ok(1, 'it follows a replaced image');
stop($alarm);
shell('usage', "$dir/alarm", 2);
$alarm = spawn("$dir/alarm", '/mbtest-none', 1000, 400, 1001);
wait_line($alarm, qr{^/mbtest-none: no such image; waiting for it$});
ok(1, 'alarm: says that it waits');
stop($alarm);
shell('set', program('mbshm') . " --plant $plant set holding:1000 500");
$alarm = spawn("$dir/alarm", $name, 1000, 400, 1001);
wait_line($alarm, qr/^500: alarm on$/, undef, 'out');
like((run("$dir/alarm", $name, 1000, 400, 1001))[2],
	qr/^\Q$name\E: another process is the source alarm$/, 'a second one says why not');
stop($alarm);
request($sock, h('05 03e9 0000'));
$alarm = spawn("$dir/alarm", $name, 5, 400, 1001);
is(wait_exit($alarm), 1, 'an address that is not declared');
is((run("$dir/alarm", $name, 66536, 400, 1001))[0], 2, 'an address above 65535');

SKIP: {
	skip 'no python3', 1 if system('python3 -c "import ctypes" 2>/dev/null') != 0;
	local $ENV{MBSHM_LIBRARY} = "$lib/libmbshm.so.0";
	my $mbshm = program('mbshm') . " --plant $plant";
	shell('set', "$mbshm set holding:1000 10 0");
	my $python = spawn('python3', 'docs/examples/mean.py', $name, 1000, 1001, 3);
	wait_line($python, qr/^\d+ 10$/, undef, 'out');
	shell('set', "$mbshm set holding:1001 5"); # another register: no change of this one
	shell('set', "$mbshm set holding:1000 20");
	wait_line($python, qr/^\d+ 20$/, undef, 'out');
	shell('set', "$mbshm set holding:1000 60");
	wait_line($python, qr/^\d+ 60$/, undef, 'out');
	wait_line($python, qr/^mean 30 published in version \d+$/, undef, 'out');
	is(wait_exit($python), 0, 'example mean.py');
	is(shell('get', "$mbshm get holding:1001"), "holding   1001 30\n", 'has written');
	my ($status, undef, $err) = run('python3', 'docs/examples/mean.py', '/mbtest-none', 1000,
		1001, 1);
	like((run('python3', 'docs/examples/mean.py', 'mbtest-none', 1000, 1001, 1))[2],
		qr{^mbtest-none: expected "/NAME"$}, 'a name without its slash');
	is($status, 1, 'without an image: status 1');
	is($err, "/mbtest-none: no such image\n", 'and why, in one line');
	for (66536, '-1', 'x') {
		($status, undef, $err) = run('python3', 'docs/examples/mean.py', $name, 1000, $_,
			1);
		is($status, 1, "register $_");
		is($err, "$_: expected a number 0..65535\n", 'refused');
	}
	SKIP: {
		skip 'needs root', 2 if $>;
		# As an installed plant's: of another user and group.
		chown 60124, 60123, "/dev/shm$name";
		is((run('python3', 'docs/examples/mean.py', $name, 1000, 1001, 1))[0], 0,
			'mean.py: an image of another group');
		$alarm = spawn("$dir/alarm", $name, 1000, 30, 1001);
		wait_line($alarm, qr/^60: alarm on$/, undef, 'out');
		ok(1, 'alarm likewise');
		chown 0, 0, "/dev/shm$name";
		stop($alarm);
	}
}

# ---- a damaged image -----------------------------------------------------------------------------

shell('set', program('mbshm') . " --plant $plant set holding:1000 500 coil:1001 0");
$alarm = spawn("$dir/alarm", $name, 1000, 400, 1001);
wait_line($alarm, qr/^500: alarm on$/, undef, 'out');
stop($server);
truncate "/dev/shm$name", 100;
is(wait_exit($alarm), 1, 'alarm: the end with a damaged image');
like($alarm->{err}, qr/\Q$name\E: the image is damaged/, 'said');

done_testing;
