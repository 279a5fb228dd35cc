#!/usr/bin/perl
# The manual pages say what the programs say: every option, every setting with its values and
# default, every model; all examples are right.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;

my %source = map {
	open my $in, '<', $_ or die "$_: $!";
	(m{([^/]+)$} => do { local $/; <$in> });
} glob 'docs/man/*.[1-8]';

sub plain { return $_[0] =~ s/\\\(dq/"/gr =~ s/\\-/-/gr =~ s/\\e/\\/gr =~ s/\\&//gr }

# ---- the pages themselves --------------------------------------------------------------------

for my $page (sort keys %source) {
	SKIP: {
		skip 'no mandoc here', 1 if system('command -v mandoc >/dev/null');
		is((run('mandoc', '-T', 'lint', '-W', 'warning', "docs/man/$page"))[1], '',
			"$page: mandoc has nothing to say");
	}
	SKIP: {
		skip 'no man here', 1 if system('command -v man >/dev/null');
		local $ENV{LC_ALL} = 'C.UTF-8';
		is((run('man', '--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z',
			"docs/man/$page"))[2], '', "$page: nor has man");
	}
	my @dead = grep { !$source{$_} } map { /^\.Xr (\S+) (\d)/ ? "$1.$2" : () } split /\n/,
		$source{$page};
	is("@dead", '', "$page: what it refers to is there");
}

# ---- options ---------------------------------------------------------------------------------

for my $page (qw(mbserverd.8 simulatord.8 mbclient.1 mbshm.1)) {
	my ($program) = $page =~ /^(\w+)/;
	my ($status, $help) = run(program($program), '--help');
	is($status, 0, "$program --help");
	my %said = map { $_ => 1 } $help =~ /^  --([a-z-]+)/mg;
	my %written = map { $_ => 1 } plain($source{$page} // '') =~
		/^(?:\.It Fl -|\.BR? "?--|\.IP "?--|\\fB--)([a-z-]+)/mg;
	is(join(' ', sort keys %written), join(' ', sort keys %said),
		"$page describes the options of --help, and no others");
}

# ---- settings --------------------------------------------------------------------------------

my $conf = plain($source{'mbimage.conf.5'});
my ($status, $table) = run(program('tests/settings'));
is($status, 0, 'the table of settings');
my (%row, %model);
for (split /\n/, $table) {
	my ($path, @rest) = split /\t/, $_, -1;
	if (@rest) {
		$row{$path} = { expected => $rest[0], default => $rest[1] };
	} else {
		$model{(split /: /, $path)[0]} = 1;
	}
}

my %entry = $conf =~ /^\.It Cm ([\w.*#]+)\n(.*?)(?=^\.(?:It|El|Sh))/msg;
my %example;
for my $path (sort keys %row) {
	my $want = "Value: $row{$path}{expected}.\n"
		. (length $row{$path}{default} ? "Default: $row{$path}{default}.\n"
		: "Required.\n");
	my $entry = $entry{$path} // '';
	ok(index($entry, ".Pp\n$want.Dl ") > 0, "mbimage.conf(5): $path")
		or diag('expected in docs/man/mbimage.conf.5, with an explanation and an example:',
			"\n.It Cm $path\n...\n.Pp\n$want.Dl ...");
	($example{$path}) = $entry =~ /^\.Dl (.*)$/m;
}
is(join(' ', grep { !$row{$_} } sort keys %entry), '', '... and no others');

my %described = map { $_ => 1 } ($conf =~ /^\.Sh MODELS\n(.*?)^\.Sh/ms)[0] =~ /^\.It Cm (.*)$/mg;
is(join(', ', sort keys %described), join(', ', sort keys %model), 'the models, and no others');

# ---- examples --------------------------------------------------------------------------------

# The examples of all settings, each in its section, are one plant.  "#" stands for the sections of
# a list, "*" for any name.
my %example_list = map { /^(.*)\.#\./ ? ($1 => 1) : () } keys %example;
sub section
{
	my ($prefix) = @_;
	my ($text, %inner) = ('');
	for my $path (sort keys %example) {
		next unless $path =~ /^\Q$prefix\E([^.]+)(\.)?/ && defined $example{$path};
		if ($2) {
			$inner{$1} = 1;
		} else {
			$text .= "$example{$path}\n";
		}
	}
	for my $name (sort keys %inner) {
		my $body = section("$prefix$name.");
		$text .= $name eq '#' ? "{\n$body}\n" : ($name eq '*' ? 'example' : $name)
			. ($example_list{"$prefix$name"} ? " = (\n$body)\n" : " = {\n$body}\n");
	}
	return $text;
}

sub checked
{
	my ($text, $what) = @_;
	my $group = getgrgid((split ' ', $))[0]);
	$text =~ s/(group\s*=\s*)"mbimage"/$1"$group"/g;	# which this machine may not have
	my ($status, $out, $err) = run(program('mbserverd'), '--plant',
		write_file('example.conf', $text), '--check');
	is("$status $out$err", "0 ok\n", $what);
}

# which one of them names
write_file('pump.conf', 'image = { name = "' . image_name() . '"  coils = [0] }');
checked(section(''), 'the examples of all settings make a good plant');
my ($default) = $conf =~ /^\.Bd -literal -offset indent\n(.*?)^\.Ed/ms;
open my $in, '<', 'default.conf' or die $!;
my $built_in = do { local $/; <$in> };
is($default, $built_in =~ s/^(?:#.*\n)+\n//r, 'the default plant is the one in the manual');
for my $file (glob 'docs/examples/*.conf') {
	open my $in, '<', $file or die "$file: $!";
	checked(do { local $/; <$in> }, $file);
}
done_testing;
