#!/usr/bin/perl
# tests/lint/house finds an offence of each kind, planted in a copy of this tree, at its line.
# (Faults of the tree itself are the business of make lint.)
use strict;
use warnings;
use lib 'tests/lib';
use File::Copy qw(copy);
use File::Path qw(make_path);
use MB;
use Test::More;

my ($status, $files) = run('git', 'ls-files', '--cached', '--others', '--exclude-standard');
plan skip_all => 'not a git checkout' if $status;
for ([ 'clang-format', qr/clang-format/ ], [ 'ctags', qr/^Universal/ ]) {
	my ($missing, $version) = run($_->[0], '--version');
	plan skip_all => "no $_->[0]" if $missing || $version !~ $_->[1];
}

# ---- a copy --------------------------------------------------------------------------------------

my $tree = temp_dir() . '/tree';
for (grep { -f && !-l } split /\n/, $files) {
	make_path("$tree/" . (m{(.*)/} ? $1 : ''));
	copy($_, "$tree/$_") or die "$_: $!";
}
($status) = run('git', 'init', '-q', $tree);
is($status, 0, 'a copy of the tree');

# What the check makes of the copy: exit status, faults, figures.
sub house
{
	my ($status, $out, $err) = run('sh', '-c', 'cd "$1" && exec tests/lint/house', 'sh', $tree);
	is($err, '', 'nothing on stderr');
	my @faults = grep { !/^house: / } split /\n/, $out;
	return ($status, [ sort @faults ], $out =~ /^(house: \d+ functions.*)$/m);
}

# Append lines to a file of the copy; the number of the first one.
sub add
{
	my ($file, @lines) = @_;
	make_path("$tree/$1") if $file =~ m{(.*)/};
	open my $out, '+>>', "$tree/$file" or die "$file: $!";
	seek $out, 0, 0;
	my $first = 1 + (() = <$out>);
	print $out map { "$_\n" } @lines;
	close $out or die "$file: $!";
	return $first;
}

chmod 0755, "$tree/tests/lint/house";
my ($before, $old, $figures) = house();
is($before, @$old ? 1 : 0, 'exit status of the copy as it is');
like($figures, qr/^house: \d{3,} functions in \d+ files: median \d+ lines, p90 \d+, longest \d+$/,
	'figures of all functions');

# ---- offences ------------------------------------------------------------------------------------

my @expected;
sub offence
{
	my ($file, $what, $at, @lines) = @_;
	my $line = add($file, @lines) + $at;
	push @expected, "$file:$line: $what";
}

my $umlauts = "\xc3\xa4" x 90;	# 90 characters, 180 bytes
my $long = 'x ' x 50 . 'x';
add('scripts/narrow.sh', "# $umlauts", ("\t" x 12) . '# 4!');
offence('scripts/wide.sh', '101 columns, expected at most 100', 1, '#!/bin/sh',
	"# $umlauts 4567890.",
	"# see https://example.org/" . 'x' x 100);
offence('scripts/tabs.sh', '101 columns, expected at most 100', 0, "\t" x 12 . '# 56!');
offence('docs/wide.md', '101 columns, expected at most 100', 1, "| $long |", $long);
offence('docs/man/mbimage.conf.5', '101 columns, expected at most 100', 1, "Value: $long", $long);
add('tests/fuzz/corpus/wide', $long);

offence('common/base/format.h', 'differs from what clang-format writes, run: make format', 0,
	'int  format_spaces(void);');

offence('libshm/up.h', 'libshm may not use "base/log.h" (common/base), expected: only its own '
	. 'files', 0, '#include "base/log.h"');
offence('common/base/up.h', 'common/base may not use "mbshm.h" (libshm), expected: only its own '
	. 'files', 0, '#include "mbshm.h"');
offence('common/model/up.h', 'common/model may not use "point/value.h" (common/point), expected: '
	. 'common/base', 0, '#include "point/value.h"');
my $all = 'libshm ' . join ' ', map { "common/$_" } qw(base modbus point model plant program);
offence('mbclient/across.h', 'mbclient may not use "mbserverd/worker.h" (mbserverd), expected: '
	. $all, 0, '#include "mbserverd/worker.h"');
offence('simulatord/private.h', '"libshm/image.h" is private to libshm, expected "mbshm.h"', 0,
	'#include "libshm/image.h"');
offence('mbserverd/roomless.h', '"worker.h" is no file of a room, expected "ROOM/FILE.h"', 0,
	'#include "worker.h"');
offence('mbshm/test.h', 'mbshm may not use "tests/tools/none.h" (no room), expected: ' . $all, 0,
	'#include "tests/tools/none.h"');
add('tests/tools/none.h', '#include "libshm/image.h"');	# tests may

# first.h -> second.h -> second.c's pair -> first.h: a .c and its .h are one
add('common/base/first.h', '#include "base/second.h"');
add('common/base/second.h', '/* declares nothing */');
offence('common/base/second.c', 'closes a circle of includes: common/base/first -> '
	. 'common/base/second -> common/base/first', 0, '#include "base/first.h"');

# A static one counts, main does not.
add('common/model/twin.c', 'static int lint_twin(void)', '{', "\treturn 1;", '}');
offence('mbclient/twin.c', 'lint_twin is also a function at common/model/twin.c:1', 0,
	'static int lint_twin(void)', '{', "\treturn 2;", '}');

add('mbshm/fifty.c', 'void lint_fifty(void)', '{', ("\t;") x 47, '}');
offence('mbshm/long.c', 'lint_long has 51 lines, expected at most 50', 0,
	'void lint_long(void)', '{', ("\t;") x 48, '}');

my ($dirty, $found) = house();
is($dirty, 1, 'offences: exit status 1');
my %found = map { $_ => 1 } @$found;
my %expected = map { $_ => 1 } @expected, @$old;
ok($found{$_}, $_) for @expected;
is_deeply([ grep { !$expected{$_} } @$found ], [], 'and nothing else');

done_testing;
