#!/usr/bin/perl
# Link-local clients: they are told apart by their interface, in access rules and in the log.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;

# In a network of its own, where lo has a link-local address.
unless ($ENV{MB_ZONES}) {
	plan skip_all => 'needs root, for a network of its own'
		if $> != 0 || system('unshare -n true 2>/dev/null') != 0;
	plan skip_all => 'needs ip (iproute2)' if system('ip -V >/dev/null 2>&1') != 0;
	$ENV{MB_ZONES} = 1;
	exec 'unshare', '-n', $^X, $0 or die "unshare: $!";
}
system('ip link set lo up && ip addr add fe80::1/64 dev lo nodad') == 0
	or plan skip_all => 'needs IPv6';

my $name = image_name();

sub conf
{
	return plant(name => $name, file => 'zones.conf', server => join "\n",
		'listen = ["[fe80::1%lo]:0"]  log = "connections"', @_);
}

my $server = start_server(conf());
my ($port) = $server->{err} =~ /listening on \[fe80::1%lo\]:(\d+)$/m;
my $sock;
# The kernel adds the route of a new address in its own time.
wait_until(sub { $sock = eval { tcp($port, 'fe80::1%lo') } }) or die $@;
my $from = $sock->sockport;
is(hx(request($sock, h('06 03e8 0007'))), '0603e80007', 'a link-local client');
wait_line($server, qr/\[fe80::1%lo\]:$from connected$/);
pass('its line names the interface');
my (undef, $journal) = run(program('mbshm'), 'journal', '--plant', temp_dir() . '/zones.conf');
like($journal, qr/\[fe80::1\]:$from/, 'the journal has the address');

for (['fe80::1%lo', 1], ['fe80::1', 1], ['fe80::/10', 1], ['fe80::/64', 1], ['fe80::%1/64', 1],
	['fe80::1%eth77', 0], ['fe80::2%lo', 0]) {
	my ($network, $applies) = @$_;
	conf("access = ( { from = \"$network\"  allow = \"read\" } )");
	kill 'HUP', $server->{pid};
	wait_line($server, qr/\breloaded$/);
	is(hx(request($sock, h('06 03e8 0007'))), $applies ? '8602' : '0603e80007',
		$network . ($applies ? ' is it' : ' is another'));
}
is(stop($server), 0, 'stops');
done_testing;
