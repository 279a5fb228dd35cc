#!/usr/bin/perl
# The functions beyond reading and writing a table, over sockets: by hand and with libmodbus as the
# client; switched off and on.
use strict;
use warnings;
use lib 'tests/lib';
use MB;
use Test::More;

my $image = image_name();
my @plant = (name => $image, file => 'functions.conf', points => undef);
my $device = <<'DEVICE';
	listen = ["127.0.0.1:0"]  workers = 2
	files = ( { number = 4  registers = "1000-1049" }, { number = 3  registers = "1050-1099" } )
	fifos = ( { registers = "1090-1099" } )
	exception_status = ["coil 1000", "none", "coil 1007"]
	server_id = { id = "CLP"  text = "two words"  source = "simulatord"  after = "300ms" }
DEVICE
my $server = start_server(plant(@plant, server => $device));
my $sock = tcp($server->{port});

sub ask { return hx(request($sock, h($_[0]))) }
sub is_asked { my ($pdu, $wanted, $name) = @_; is(ask($pdu), $wanted =~ s/ //gr,
	$name || "function $pdu") }

subtest 'registers' => sub {
	is_asked('06 03e8 0012', '06 03e8 0012');
	is_asked('16 03e8 00f2 0025', '16 03e8 00f2 0025', 'mask');
	is_asked('17 03e8 0002 03e9 0001 02 abcd', '17 04 0017 abcd', 'write, then read');
	is_asked('17 03e7 0001 03e9 0001 02 1111', '97 02', 'neither when one is not there');
	is_asked('03 03e9 0001', '03 02 abcd');
};

subtest 'files' => sub {
	is_asked('15 14 06 0004 0001 0002 0dfe 0020 06 0003 0009 0001 33cd',
		'15 14 06 0004 0001 0002 0dfe 0020 06 0003 0009 0001 33cd', 'write two files');
	is_asked('14 0e 06 0004 0001 0002 06 0003 0009 0001', '14 0a 05 06 0dfe 0020 03 06 33cd',
		'read them');
	is_asked('03 0423 0001', '03 02 33cd', 'as registers');
	is_asked('14 07 06 0004 0032 0001', '94 02', 'past the end');
};

subtest 'FIFO' => sub {
	is_asked('10 0442 0003 06 0002 0102 0304', '10 0442 0003');
	is_asked('18 0442', '18 0006 0002 0102 0304') for 1 .. 2;
	is_asked('06 0442 000a', '06 0442 000a');
	is_asked('18 0442', '98 03', 'more than there is room for');
	is_asked('18 0443', '98 02');
};

subtest 'the device' => sub {
	is_asked('07', '07 00');
	is_asked('05 03ef ff00', '05 03ef ff00');
	is_asked('07', '07 04');
	is_asked('11', '11 0d 434c50 00' . hx('two words'), 'no producer yet: off');
	my $sim =
		start_simulator(plant(name => $image,
		simulator => 'period = "20ms"  start_delay = "0s"',
		points => 'relay = { address = "coil 1050"  model = "toss 0.5" }'));
	my $on = '110d434c50ff' . hx('two words');
	wait_until(sub { ask('11') eq $on });
	is(ask('11'), $on, 'on');
	kill9($sim);
	wait_until(sub { ask('11') ne $on });
	is_asked('11', '11 0d 434c50 00' . hx('two words'), 'it was killed: off');
	is_asked('08 0000 1234', '08 0000 1234', 'echo');
	is_asked("08 $_ 0000", '88 01', "no restart, no silence: $_") for qw(0001 0003 0004);
};

subtest 'ranges that touch, declared apart' => sub {
	my $image = image_name();
	my $other = start_server(plant(name => $image, points => undef,
		image => 'coils = ["0-9 | 10-19"]  discrete_inputs = ["0-9 | 10-19 | 20"]
			holding_registers = ["0-9 | 10-19"]  input_registers = ["0-9", "10-19"]',
		server => 'files = ( { number = 1  registers = "0-19" } )
			fifos = ( { registers = "8-11" }, { registers = "12-19" } )'));
	my $sock = tcp($other->{port});
	my $is = sub { my ($ask, $answer) = @_;
		is(hx(request($sock, h($ask))), $answer =~ s/ //gr, "function $ask") };
	for my $ask ('01 0009 0002', '02 0009 0002', '02 0000 0015', '03 0000 0014',
		'0f 0009 0002 01 03',
		'10 0009 0002 04 00010002', '14 07 06 0001 0009 0002',
		'15 0b 06 0001 0009 0002 00010002', '18 0008',
		'17 0009 0002 0000 0001 02 0001', '17 0000 0001 0009 0002 04 00010002')
	{
		$is->($ask, sprintf '%02x02', 0x80 | hex substr $ask, 0, 2);
	}
	$is->('03 0000 000a', '03 14' . '0000' x 10);
	$is->('03 000a 000a', '03 14' . '0000' x 10);
	$is->('04 0009 0002', '04 04 0000 0000');
	$is->('10 000a 0002 04 00010002', '10 000a 0002');
	$is->('06 0009 0001', '06 0009 0001');
	$is->('16 000a ffff 0000', '16 000a ffff 0000');
	$is->('05 000a ff00', '05 000a ff00');
	$is->('18 000c', '18 0002 0000');
	is(stop($other), 0);
};

# 6.21: objects above 0x80 are the third level; a stream goes on where an answer is full.
subtest 'private identification objects' => sub {
	my $long = 'x' x 200;
	plant(@plant, server => qq{$device identity = { vendor_name = "V"  product_code = "P"
		major_minor_revision = "1"  objects = ( { id = 0xF0  value = "$long" },
		{ id = 0x80  value = "$long" } ) }});
	kill 'HUP', $server->{pid};
	wait_line($server, qr/\breloaded$/);
	my ($basic, $text) = ('00 01 56 01 01 50 02 01 31', 'c8' . hx($long));
	is_asked('2b 0e 01 00', "2b 0e 01 83 00 00 03 $basic");
	is_asked('2b 0e 03 00', "2b 0e 03 83 ff f0 04 $basic 80 $text", 'more follows');
	is_asked('2b 0e 03 f0', "2b 0e 03 83 00 00 01 f0 $text", 'the rest');
	is_asked('2b 0e 04 80', "2b 0e 04 83 00 00 01 80 $text", 'one');
	is_asked('2b 0e 04 81', 'ab 02', 'none');
	plant(@plant, server => $device);
	kill 'HUP', $server->{pid};
	wait_line($server, qr/\breloaded$/);
};

subtest 'counters and events' => sub {
	my $other = tcp($server->{port});
	is_asked('08 000a 0000', '08 000a 0000', 'clear');
	is_asked('08 000b 0000', '08 000b 0001', 'itself is the first message after it');
	is_asked('08 000a 0000', '08 000a 0000', 'clear again');
	is_asked('0b', '0b 0000 0001', 'the clearing is an event, as it was answered');
	is(hx(request($other, h('0b'))), '0b00000000', 'another connection has its own');
	is(hx(request($other, h('03 0000 0001'))), '8302');
	# 6.10: a receive event "is stored before the remote device processes the message", so the
	# newest is that of this request; the message count is that of 8/11.
	is(hx(request($other, h('0c'))), '0c0c000000000004' . '80' . '4180' . '4080' . '00',
		'and its own events');
	# 6.8.1, code 11: "messages that the remote device has detected ... since its last ... clear
	# counters operation": 11, 11, 3, 12 and this one, whichever workers they were on
	is_asked('08 000b 0000', '08 000b 0005', 'messages of all connections');
	# code 14: those "that the remote device has processed": clear, 11, 11, 3, 12 and 8
	is_asked('08 000e 0000', '08 000e 0006', 'messages processed');
	is_asked('08 000d 0000', '08 000d 0001', 'exceptions');
	send_all($other, h('0001 0001 0002 01 03'));
	is(hx(request($other, h('0b'))), '0b00000001');
	is_asked('08 000c 0000', '08 000c 0001', 'errors: a frame of another protocol');
	like(hx(request($other, h('0c'))), qr/^0c..00000001....80408082/, 'which is an event, too');
	is(hx(request($other, h('08 000c 0000'))), '08000c0001',
		'the same count from another worker');
};

subtest 'libmodbus asks' => sub {
	my ($status, $out, $err) =
		run({ stdin => <<'ASK' }, program('tests/lmclient'), $server->{port});
registers 1000 2
mask 1000 0xf0 0x05
registers 1000 1
writeread 1001 1000 3 7 8
writeread 999 1000 1 7
mask 999 0 1
id
ASK
	is("$status $err", '0 ');
	is($out, "23 3582\ndone\n21\n21 7 8\nIllegal data address\nIllegal data address\n434c5000"
		. hx('two words') . "\n");
};

subtest 'switched off' => sub {
	plant(@plant, server => "$device functions = [3, 6, 17]");
	kill 'HUP', $server->{pid};
	wait_line($server, qr/\breloaded$/);
	is_asked('03 03e8 0001', '03 02 0015', 'on the same connection: read');
	is_asked('06 03e8 0001', '06 03e8 0001', 'write');
	is_asked($_, (substr($_, 0, 2) =~ /2b/ ? 'ab' : sprintf '%02x', 0x80 | hex substr $_, 0, 2)
		. '01')
		for '01 03e8 0001', '04 0000 0001', '05 03e8 ff00', '07', '08 0000 0000', '0b',
			'0c', '0f 03e8 0001 01 00',
			'10 03e8 0001 02 0000', '14 07 06 0004 0001 0001',
				'15 09 06 0004 0001 0001 0000', '16 03e8 0000 0000',
			'17 03e8 0001 03e8 0001 02 0000', '18 0442', '2b 0e 01 00';
	plant(@plant, server => $device);
	kill 'HUP', $server->{pid};
	wait_line($server, qr/\breloaded$/);
	is_asked('16 03e8 ffff 0000', '16 03e8 ffff 0000', 'and on again');
};

is(stop($server), 0, 'stops');
done_testing;
