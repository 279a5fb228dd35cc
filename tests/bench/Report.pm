# Report - figures against their goals: on the terminal as they come, and as a page of Markdown.
#
#   report_part('server');                        what follows belongs to it
#   goal('rate / echo', 0.97, '>= 0.95');         print it; returns its text for a cell of a table
#   report_table([ 'request', 'rate / echo' ], @rows);    in place of the part's list of goals
#   print_goals();  report_write('build/bench.md');
package Report;
use strict;
use warnings;
use Exporter 'import';
use POSIX qw(strftime);
use Bench;
use Instructions;
use MB;

our @EXPORT = qw(report_part report_table report_write goal print_goals);

my $start = time;
my (@parts, %began, %goals, %tables);	# of each part: its start, goals and table
my ($reached, @missed) = (0);

sub report_part
{
	my ($name) = @_;
	push @parts, $name;
	$began{$name} = time;
}

sub report_table { $tables{ $parts[-1] } = [ @_ ] }

# A figure; with a goal such as '>= 0.95' whether it is reached.
sub goal
{
	my ($what, $figure, $goal, $format) = @_;
	my $text = sprintf $format // '%.3f', $figure;
	my $good = !defined $goal || is_reached($figure, $goal);
	my $verdict = !defined $goal ? '' : $good ? 'reached' : 'MISSED';
	printf "    %-76s %10s   %s\n", $what, $text, $verdict && "goal $goal: $verdict";
	push @{ $goals{ $parts[-1] } },
		[ $what, $text, $goal // '', $good ? $verdict : "**$verdict**" ];
	$reached++ if $verdict eq 'reached';
	push @missed, "$what: $text, goal $goal" unless $good;
	return $good ? $text : "**$text** (goal $goal)";
}

sub is_reached
{
	my ($figure, $goal) = @_;
	my ($relation, $limit) = split ' ', $goal;
	return $relation eq '>=' ? $figure >= $limit : $figure <= $limit;
}

sub print_goals
{
	printf "\n%d goals reached, %d missed%s\n", $reached, scalar @missed, @missed ? ':' : '';
	print "  $_\n" for @missed;
}

# ---- the page ------------------------------------------------------------------------------------

sub line_of
{
	my ($command) = @_;
	my ($line) = qx($command 2>/dev/null) =~ /(.+)/;
	return $line // '';
}

sub machine
{
	open my $in, '<', '/proc/cpuinfo' or return '';
	my @models = map { /^model name\s*:\s*(.*)/ ? $1 : () } <$in>;
	return scalar(@models) . ' CPUs, ' . ($models[0] // 'unknown');
}

sub heading
{
	my $version = line_of(program('mbserverd') . ' --version');
	my $commit = line_of('git describe --always --dirty');
	my $runs = ($FULL ? 'all cells (FULL=1)' : 'main cells') . ", $RUNS runs of everything";
	return table([ '', '' ],
		[ 'date', strftime('%Y-%m-%d %H:%M UTC', gmtime $start) ],
		[ 'version', $version . ($commit && ", commit $commit") ],
		[ 'build', build_id() ],
		[ 'machine', machine() . ', ' . line_of('uname -sr') ],
		[ 'load average at the start', $load_at_start ],
		[ 'runs', "$runs, " . (time - $start) . ' s in all' ]);
}

sub table
{
	my ($header, @rows) = @_;
	return map { '| ' . join(' | ', @$_) . " |\n" } $header, [ map { '---' } @$header ], @rows;
}

sub part
{
	my ($name) = @_;
	my @table = $tables{$name} ? table(@{ $tables{$name} })
		: table([ 'figure', 'measured', 'goal', '' ], @{ $goals{$name} });
	my ($next) = sort { $a <=> $b } time, grep { $_ > $began{$name} } values %began;
	return ("\n## $name (" . ($next - $began{$name}) . " s)\n\n", @table);
}

sub report_write
{
	my ($path) = @_;
	open my $out, '>', $path or die "$path: $!\n";
	print $out "# mbimage: speed\n\n", heading(), "\n$reached goals reached, ", scalar @missed,
		" missed (**bold** below).  docs/bench.md says how each figure is measured.\n\n",
		map({ "* $_\n" } @missed), map { part($_) } @parts;
	close $out or die "$path: $!\n";
}

1;
