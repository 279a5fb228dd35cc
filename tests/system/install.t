#!/usr/bin/perl
# make install and make uninstall: into a folder, and into a running system, where the services then
# work from /usr/local.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Boot;
use Test::More;

my @make = ('make', '--no-print-directory', 'BUILD=' . ($ENV{BUILD} || 'build'));
delete @ENV{qw(MAKEFLAGS MAKELEVEL)};

sub files
{
	my $folder = shift;
	my ($status, $out) = run('find', $folder, '!', '-type', 'd');
	return sort map { s/^\Q$folder\E//r } split /\n/, $out;
}

if (!$ENV{MB_INSIDE_MACHINE}) {
	my $tree = temp_dir() . '/destination';
	subtest 'into a folder' => sub {
		my @where = ("DESTDIR=$tree", 'PREFIX=/opt/mb');
		my $umask = umask 0027;
		my ($status, $out, $err) = run(@make, 'install', @where);
		is($status, 0, 'make install') or diag($err);
		umask $umask;
		is((run('find', $tree, '!', '-type', 'l', '!', '-perm', '-0044'))[1], '',
			'everybody may read it, whatever the umask');
		my @files = files($tree);
		is(join(' ', grep { !m{^/opt/mb/|^/etc/mbimage/} } @files), '',
			'all below PREFIX, but the configuration');
		my $files = join "\n", @files, '';
		like($files, qr/^\/opt\/mb\/$_$/m, $_) for qw(
			bin/mbserverd bin/simulatord bin/mbclient bin/mbshm
			include/mbshm.h lib/libmbshm\.a
			lib/systemd/system/mbserverd@\.service lib/systemd/system/mbserverd@\.socket
			lib/systemd/system/simulatord@\.service
			lib/systemd/system/mbimage-retain@\.service
			lib/systemd/system/mbimage\.target
			lib/sysusers\.d/mbimage\.conf lib/tmpfiles\.d/mbimage\.conf
			share/man/man8/mbserverd\.8
			share/man/man5/mbimage\.conf\.5
			share/bash-completion/completions/mbclient share/doc/mbimage/README\.md
			share/doc/mbimage/examples/pump\.conf);
		like($files, qr{^/etc/mbimage/default\.conf$}m, '/etc/mbimage/default.conf');
		like(slurp("$tree/opt/mb/lib/systemd/system/mbserverd\@.service"),
			qr{^ExecStart=/opt/mb/bin/mbserverd }m, 'units say PREFIX');
		is((run("$tree/opt/mb/bin/mbserverd", '--version'))[0], 0,
			'what was installed runs');

		is((run(@make, 'install', @where))[0], 0, 'make install again');
		is(join("\n", files($tree), ''), $files, '... is no different');
		edit_file("$tree/etc/mbimage/default.conf", sub { s/2s/3s/ or die });
		run(@make, 'install', @where);
		like(slurp("$tree/etc/mbimage/default.conf"), qr/3s/,
			'... and leaves a changed configuration alone');
		is((run(@make, 'uninstall', @where))[0], 0, 'make uninstall');
		is(join(' ', files($tree)), '/etc/mbimage/default.conf',
			'... leaves what was changed');
		edit_file("$tree/etc/mbimage/default.conf", sub { s/3s/2s/ or die });
		run(@make, 'uninstall', @where);
		is(join(' ', files($tree)), '', '... and else nothing');
		ok(!-d "$tree/etc/mbimage" && !-d "$tree/opt/mb/share/doc/mbimage",
			'... no folder of its own either');
	};
	my ($help_status, $help) = run(@make, 'help');
	is($help_status, 0, 'make help');
	like($help, qr/^ +make +the programs.*^ +make help /ms, '... says what there is to make');
	subtest 'completion' => sub {
		local $ENV{PATH} = ($ENV{BUILD} || 'build') . ":$ENV{PATH}";
		my $complete = sub {
			my $line = shift;
			my ($status, $out, $err) = run('bash', '-c', <<'END', 'bash', $line);
source scripts/completion.bash
compopt() { :; }
read -ra COMP_WORDS <<<"$1"
[[ $1 != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_mbimage "${COMP_WORDS[0]}"
printf '%s\n' "${COMPREPLY[@]}"
END
			return join ' ', sort split /\n/, $out . $err;
		};
		is($complete->('simulatord --d'), '--display', 'an option');
		is($complete->('mbclient --'), '--check --help --plant --timeout --unit --version',
			'all options');
		is($complete->('mbserverd --plant defau'), 'default.conf', 'a file');
		is($complete->('mbshm rec'), 'recreate', 'a command');
		like($complete->('mbshm --plant default.conf '), qr/^dump get info /,
			'commands after an option and its value');
		is($complete->('mbshm README'), '', 'a command is no file');
		is($complete->('mbshm save defau'), 'default.conf', 'the file of a command');
		is($complete->('mbshm info '), '', 'one command, no second');
		is($complete->('mbshm get h'), 'holding:', 'a table');
		is($complete->('mbshm get holding : '), '', 'no table after a table');
		is($complete->('mbshm set '), 'coil: discrete: holding: input:', 'all tables');
		is($complete->('mbshm journal --address c'), 'coil:', 'the address of an option');
		is($complete->('mbshm get --count '), '', 'a number is not guessed');
		is($complete->('mbserverd --trace '), '', 'nor an address of the network');
		is($complete->('mbshm source '), 'forget', 'its word');
		is($complete->('mbshm info --format '), 'csv json table', 'values of an option');
		is($complete->('mbshm get --order '), 'ABCD BADC CDAB DCBA', 'of another');
		is($complete->('mbshm get --type f'), 'f32 f64', 'those that begin like this');
		is($complete->('mbshm info --format = j'), 'json', '--format=j');
		is($complete->('mbshm --format ='), 'csv json table', '--format=');
		is($complete->("$_ --plant = defau"), 'default.conf', "$_ --plant=FILE")
			for qw(mbserverd simulatord mbclient mbshm);
		is($complete->('mbshm --plant = default.conf un'), 'unlink', 'and a command');
	};
	machine(boots => 1, tree => do { mkdir temp_dir() . '/empty'; temp_dir() . '/empty' });
}

# ---- in the machine --------------------------------------------------------------------------

# Where make install writes, and what else a service leaves.
sub traces { return
	map { my $folder =
	$_; map { "$folder$_" } files($folder) } grep { -e } qw(/usr/local /etc /var/lib) }

my %before = map { $_ => 1 } traces();
my ($status, $out, $err) = run(@make, 'install');
is($status, 0, 'make install') or diag($err);
like($out, qr/systemctl enable --now mbimage\.target$/m, '... says what is next');
like($out, qr/listens on 127\.0\.0\.1:502\b/, '... and for whom it listens');
ok(systemctl('enable', '--now', 'mbimage.target'), '... which works');
my $sock = tcp(502);
is(hx(request($sock, h('06 03f2 beef'))), '0603f2beef', '... there is a server');
my ($run) = slurp('/proc/' . unit_pid('mbserverd@default') . '/cmdline') =~ /^([^\0]+)/;
is($run, '/usr/local/bin/mbserverd', '... the one that was installed');

my $program = write_file('reader.c', <<'END');
#include <mbshm.h>
#include <stdio.h>
int main(void)
{
	struct mbshm_config config = { .name = "/mbimage-default", .group = (gid_t)-1 };
	struct mbshm *img;
	char why[MBSHM_WHY_SIZE];
	uint16_t value = 0;
	if (mbshm_open(&config, 0, &img, why) && (fprintf(stderr, "%s\n", why), 1))
		return 1;
	mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, 1010, 1, &value, NULL);
	printf("%04x\n", value);
	mbshm_close(img);
	return 0;
}
END
my $reader = temp_dir() . '/reader';
my $flags = -e '/usr/local/lib/pkgconfig/mbshm.pc' ? '$(pkg-config --cflags --libs mbshm)'
	: '-lmbshm';
is(join('', (run('sh', '-c', "cc -o $reader $program $flags"))[1, 2]), '',
	'a program is built with the installed library');
my $as = (getpwuid((stat '/dev/shm/mbimage-default')[4]))[0];
chmod 0755, temp_dir();
is(join('', (run('setpriv', "--reuid=$as", '--regid=mbimage', '--clear-groups', $reader))[1, 2]),
	"beef\n", '... and reads the image');

is((run(@make, 'uninstall'))[0], 0, 'make uninstall, while all runs');
ok(!Boot::connect_once(502), '... nobody listens any more');
is(join(' ', grep { (getpwuid((stat)[4] // 0) // '') =~ /^(?:mb|simulatord)/ } glob '/proc/[0-9]*'),
	'', '... no process is left');
is(join(' ', grep { !$before{$_} && !m{^/etc/[.\w-]+$|^/var/lib/systemd/} } traces()),
	'/var/lib/mbimage/default.values',
   '... leaves nothing but saved values');
done_testing;
