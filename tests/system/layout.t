#!/usr/bin/perl
# The table of the segment's layout in docs/image.md is what the header says.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;

my ($status, $out) = run(program('tests/layout'));
is($status, 0, 'tests/tools/layout.c');
my %header = map { /^(\d+) (\d+) (\S+)$/ ? ($3 => "$1 $2") : () } split /\n/, $out;

my $document = do { local (@ARGV, $/) = 'docs/image.md'; <> };
my %table =
	map { $_->[2] => "$_->[0] $_->[1]" } map { /^\|\s*(\d+)\s*\|\s*(\d+)\s*\|\s*`([\w.]+)`\s*\|/
	? [ $1, $2, $3 ] : () } split /\n/, $document;
cmp_ok(scalar(keys %table), '>=', 30, 'the document has a table');
is_deeply(\%table, \%header, 'offsets and sizes in docs/image.md are those of layout.h');

# The tool prints every field that the header has but holes.
my $layout = do { local (@ARGV, $/) = 'libshm/layout.h'; <> };
for my $struct (qw(header control)) {
	my ($body) = $layout =~ /^struct segment_$struct \{(.*?)^\};/ms;
	my @fields = grep { !/^hole/ } $body =~
		/^\s+(?:_Atomic )?(?:struct )?\w+ (\w+)(?:\[[^;]*\])?;/mg;
	cmp_ok(scalar(@fields), '>=', 9, "$struct has fields");
	ok($table{"$struct.$_"}, "$struct.$_ is in the table") for @fields;
}
my ($version) = $layout =~ /SEGMENT_LAYOUT = (\d+)/;
like($document, qr/`header\.layout` \| version of this table: $version \|/, 'the version');
done_testing;
