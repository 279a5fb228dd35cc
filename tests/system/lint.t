#!/usr/bin/perl
# tests/lint/house finds what it is there for: each kind of offence, planted in a small tree of its
# own, is reported with its place; the tree without it is clean.
use strict;
use warnings;
use lib 'tests/lib';
use Cwd 'abs_path';
use File::Copy 'copy';
use File::Path 'make_path';
use MB;
use Test::More;

for my $tool (qw(git clang-format ctags)) {
	plan skip_all => "needs $tool (scripts/deps.sh ci)"
		if system("command -v $tool >/dev/null") != 0;
}
my $house = abs_path('tests/lint/house');

my %clean = (
	'libshm/mbshm.h' => "int mbshm_read(void);\n",
	'libshm/image.h' => "int image(void);\n",
	'libshm/read.c' => "#include \"mbshm.h\"\n\nint mbshm_read(void)\n{\n\treturn 0;\n}\n",
	'common/base/log.h' => "int log_it(void);\n",
	'common/modbus/pdu.h' => "int pdu(void);\n",
	'common/plant/plant.h' => "#include \"base/log.h\"\n#include \"mbshm.h\"\n",
	'mbserverd/worker.h' => "#include \"plant/plant.h\"\n",
	'simulatord/main.c' => "#include \"plant/plant.h\"\n\nint main(void)\n{\n\treturn 0;\n}\n",
	'notes.md' => "| a row of a table | " . 'x' x 120 . " |\n",
);

# The faults of the tree with these files instead.
sub faults
{
	my %with = (%clean, @_);
	my $tree = temp_dir() . '/tree-' . ++(our $count);
	for my $file (keys %with) {
		make_path("$tree/" . $file =~ s{/?[^/]*$}{}r);
		open my $out, '>', "$tree/$file" or die "$tree/$file: $!";
		print $out $with{$file};
		close $out or die $!;
	}
	copy('.clang-format', "$tree/.clang-format") or die $!;
	my ($status, $said, $err) =
		run('sh', '-c', 'cd "$1" && git init -q . && "$2"', 'sh', $tree, $house);
	return ($status, $said . $err);
}

sub finds
{
	my ($name, $pattern, @with) = @_;
	my ($status, $said) = faults(@with);
	is($status, 1, "$name: status");
	like($said, $pattern, $name);
}

my ($status, $said) = faults();
is($status, 0, 'a clean tree is clean') or diag $said;
like($said, qr/^house: 2 functions of 8 files, median \d+ lines/m, 'and has figures');

finds('a wide line', qr{^scripts/run:2: 102 columns, expected at most 100$}m,
	'scripts/run' => "#!/bin/sh\n\t: " . 'x' x 92 . "\n");
finds('format', qr{^libshm/read\.c:\d+: not as clang-format writes it: make format$}m,
	'libshm/read.c' => "#include \"mbshm.h\"\n\nint mbshm_read(void)\n{\n  return 0;\n}\n");
finds('a room below that looks up', qr{^common/base/log\.h:1: common/base includes "plant/plant\.h"}m,
	'common/base/log.h' => "#include \"plant/plant.h\"\n");
finds('the library with something of ours', qr{^libshm/image\.h:1: libshm includes "base/log\.h"}m,
	'libshm/image.h' => "#include \"base/log.h\"\n");
finds("another program's header",
	qr{^simulatord/main\.c:1: simulatord includes "mbserverd/worker\.h" of mbserverd}m,
	'simulatord/main.c' =>
		"#include \"mbserverd/worker.h\"\n\nint main(void)\n{\n\treturn 0;\n}\n");
finds("a private header of the library's",
	qr{^mbserverd/worker\.h:1: includes "libshm/image\.h", expected "mbshm\.h"}m,
	'mbserverd/worker.h' => "#include \"libshm/image.h\"\n");
finds('a header that is nowhere', qr{^mbserverd/worker\.h:1: includes "plan\.h", which is no file}m,
	'mbserverd/worker.h' => "#include \"plan.h\"\n");
finds('a circle', qr{^common/modbus/rtu\.h:1: closes a circle of includes: .*pdu -> .*rtu -> .*pdu$}m,
	'common/modbus/rtu.h' => "#include \"modbus/pdu.h\"\n",
	'common/modbus/pdu.h' => "#include \"modbus/rtu.h\"\n");
finds('a circle through a .c file', qr{closes a circle of includes: .*pdu.*rtu}m,
	'common/modbus/rtu.h' => "#include \"modbus/pdu.h\"\n",
	'common/modbus/pdu.c' => "#include \"modbus/pdu.h\"\n\n#include \"modbus/rtu.h\"\n");
finds('a name taken twice',
	qr{^mbserverd/worker\.c:1: mbshm_read is the name of another function, too: libshm/read\.c:3$}m,
	'mbserverd/worker.c' => "static int mbshm_read(void)\n{\n\treturn 1;\n}\n");
finds('a long function', qr{^mbserverd/worker\.c:1: work has 53 lines, expected at most 50$}m,
	'mbserverd/worker.c' => "int work(void)\n{\n" . "\twork();\n" x 50 . "}\n");
done_testing;
