#!/usr/bin/perl
# A request costs the server no more than it did: user instructions and system calls, which are the
# same on a busy machine, against the committed figures.  When one became better, or the compiler
# changed: make bench T=instructions SAVE=1
use strict;
use warnings;
use lib 'tests/lib', 'tests/bench';
use MB;
use Instructions;
use Test::More;

my $ROOM = 1.05;	# list moves each 4 ms depend on how long the run takes
plan skip_all => 'a sanitizer build has its own instructions' if $ENV{MB_SAN};
plan skip_all => 'a coverage build has its own instructions' if $ENV{MB_COVER};
for my $tool (qw(valgrind strace readelf)) {
	plan skip_all => "needs $tool" if system("command -v $tool >/dev/null") != 0;
}
plan skip_all => 'valgrind does not run here'
	if system('valgrind -q --tool=none true >/dev/null 2>&1') != 0;
my $options = build_options();
plan skip_all => "the figures are of -O2, this build is of '$options'" if $options !~ / -O2\b/;
my ($build, $figures) = figures_read();
plan skip_all => "the figures are of '$build', this is '" . build_id() . "'"
	if build_id() ne $build;

is(join(', ', sort keys %$figures), join(', ', sort map { $_->[0] } @CELLS), 'a figure for each');
my %instructions = measure_instructions(@CELLS);
for my $name (map { $_->[0] } @CELLS) {
	my $most = $ROOM * $figures->{$name}[0];
	cmp_ok($instructions{$name}, '<=', $most, "$name: instructions")
		or diag "committed: $figures->{$name}[0]; if this price is wanted, renew the table";
	diag sprintf('%s: %.0f instructions, %d committed: save the better figure', $name,
		$instructions{$name}, $figures->{$name}[0])
		if $instructions{$name} * $ROOM < $figures->{$name}[0];
}

SKIP: {
	skip 'strace may not trace here', 2 if system('strace -o /dev/null true 2>/dev/null') != 0;
	my @cells = @CELLS[0, 1];
	my %calls = measure_calls(@cells);
	cmp_ok($calls{$_->[0]}, '<=', $ROOM * $figures->{$_->[0]}[1], "$_->[0]: system calls")
		for @cells;
}
done_testing;
