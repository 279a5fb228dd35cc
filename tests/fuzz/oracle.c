#include "oracle.h"

#include <string.h>

enum { FUNCTION = 1, ADDRESS = 2, VALUE = 3, FAILURE = 4, BUSY = 6, NO_TARGET = 0x0B };

/* A request being answered: exception, or answer[0 .. count - 1]. */
struct exchange {
	struct oracle *oracle;
	bool detached;
	const uint8_t *pdu;
	size_t bytes;
	uint8_t answer[65536]; /* never too small, so that what is too long is seen */
	size_t count;
};

/* ---- tables -------------------------------------------------------------------------------- */

void oracle_reset(struct oracle *o)
{
	for (unsigned i = 0; i < o->config.range_count; i++) {
		const struct oracle_range *range = &o->config.ranges[i];
		memcpy(&o->items[range->table][range->first],
		       &o->initial[range->table][range->first], range->count * 2);
	}
	o->foreign = o->requests = o->write_count = 0;
	memset(o->counters, 0, sizeof o->counters);
	o->completed = 0;
	o->event_count = 1;
	o->events[0] = 0x00; /* communication restarted */
}

static uint16_t initial(enum oracle_table table, uint32_t addr)
{
	if (table == ORACLE_COILS || table == ORACLE_DISCRETE)
		return (addr * 7 + addr / 5 + table) % 3 == 0;
	return (uint16_t)(addr * 257 + 1000 * table);
}

void oracle_open(struct oracle *o, const struct oracle_config *config)
{
	memset(o, 0, sizeof *o);
	o->config = *config;
	for (unsigned i = 0; i < config->range_count; i++) {
		const struct oracle_range *range = &config->ranges[i];
		for (uint32_t k = range->first; k < range->first + range->count; k++) {
			o->declared[range->table][k] = true;
			o->initial[range->table][k] = initial(range->table, k);
		}
	}
	oracle_reset(o);
}

/* ---- bytes --------------------------------------------------------------------------------- */

static unsigned word_at(const struct exchange *x, size_t at)
{
	return x->pdu[at] * 256u + x->pdu[at + 1];
}

static void put_byte(struct exchange *x, unsigned byte)
{
	x->answer[x->count] = (uint8_t)byte;
	x->count++;
}

static void put_word(struct exchange *x, unsigned word)
{
	put_byte(x, word / 256);
	put_byte(x, word % 256);
}

static void put_request(struct exchange *x, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		put_byte(x, x->pdu[i]);
}

/* 02 if the span reaches across a seam. */
static int seam_check(const struct exchange *x, enum oracle_table table, unsigned addr,
		      unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		for (unsigned k = 0; k < x->oracle->config.seam_count; k++)
			if (x->oracle->config.seams[k].table == table &&
			    x->oracle->config.seams[k].first == addr + i)
				return ADDRESS;
	return 0;
}

/* 02 for a span that is not all there; 04 when nothing can be known about it. */
static int span_check(const struct exchange *x, enum oracle_table table, unsigned addr,
		      unsigned count)
{
	if (addr + count > 65536)
		return ADDRESS;
	if (x->detached)
		return FAILURE;
	for (unsigned i = 0; i < count; i++)
		if (!x->oracle->declared[table][addr + i])
			return ADDRESS;
	return seam_check(x, table, addr, count);
}

/* May the client write these items? */
static int write_check(const struct exchange *x, enum oracle_table table, unsigned addr,
		       unsigned count)
{
	const struct oracle_access *access = x->oracle->access;
	if (access == NULL)
		return 0;
	for (unsigned i = 0; i < count; i++) {
		bool found = false;
		for (unsigned k = 0; k < access->write_count; k++)
			if (access->writes[k].table == table &&
			    addr + i >= access->writes[k].first &&
			    addr + i < access->writes[k].first + access->writes[k].count)
				found = true;
		if (!found)
			return access->refusal;
	}
	return 0;
}

/* All is checked, the write may begin: or another writer is in the way. */
static int write_begin(const struct exchange *x)
{
	return x->oracle->busy ? BUSY : 0;
}

/* The request wrote these items; their values are noted when it is done. */
static void wrote(struct exchange *x, enum oracle_table table, unsigned addr, unsigned count)
{
	struct oracle *o = x->oracle;
	o->writes[o->write_count] = (struct oracle_write){
		.function = x->pdu[0], .table = table, .addr = addr, .count = count
	};
	o->write_count++;
}

static void writes_note(struct oracle *o, unsigned first, uint8_t unit)
{
	if (o->write_count > first)
		o->requests++;
	for (; first < o->write_count; first++) {
		struct oracle_write *write = &o->writes[first];
		write->unit = unit;
		for (unsigned i = 0; i < write->count; i++) {
			unsigned value = o->items[write->table][write->addr + i];
			if (write->table >= ORACLE_HOLDING)
				write->values[i] = (uint16_t)value;
			else
				write->values[i / 16] |= (uint16_t)(value << i % 16);
		}
	}
}

/* ---- functions ----------------------------------------------------------------------------- */

/* 1, 2: 6.1, 6.2 */
static int read_bits(struct exchange *x, enum oracle_table table)
{
	if (x->bytes != 5)
		return VALUE;
	unsigned addr = word_at(x, 1), count = word_at(x, 3);
	if (count < 1 || count > 2000)
		return VALUE;
	int exception = span_check(x, table, addr, count);
	if (exception)
		return exception;
	put_byte(x, x->pdu[0]);
	put_byte(x, count % 8 == 0 ? count / 8 : count / 8 + 1);
	for (unsigned i = 0; i < count; i += 8) {
		unsigned byte = 0;
		for (unsigned k = 0; k < 8 && i + k < count; k++)
			if (x->oracle->items[table][addr + i + k])
				byte += 1u << k;
		put_byte(x, byte);
	}
	return 0;
}

/* 3, 4: 6.3, 6.4 */
static int read_registers(struct exchange *x, enum oracle_table table)
{
	if (x->bytes != 5)
		return VALUE;
	unsigned addr = word_at(x, 1), count = word_at(x, 3);
	if (count < 1 || count > 125)
		return VALUE;
	int exception = span_check(x, table, addr, count);
	if (exception)
		return exception;
	put_byte(x, x->pdu[0]);
	put_byte(x, count * 2);
	for (unsigned i = 0; i < count; i++)
		put_word(x, x->oracle->items[table][addr + i]);
	return 0;
}

/* 5: 6.5, value before address */
static int write_coil(struct exchange *x)
{
	if (x->bytes != 5)
		return VALUE;
	unsigned addr = word_at(x, 1), value = word_at(x, 3);
	if (value != 0x0000 && value != 0xFF00)
		return VALUE;
	int exception = span_check(x, ORACLE_COILS, addr, 1);
	if (!exception)
		exception = write_check(x, ORACLE_COILS, addr, 1);
	if (!exception)
		exception = write_begin(x);
	if (exception)
		return exception;
	x->oracle->items[ORACLE_COILS][addr] = value == 0xFF00;
	wrote(x, ORACLE_COILS, addr, 1);
	put_request(x, 5);
	return 0;
}

/* 6: 6.6 */
static int write_register(struct exchange *x)
{
	if (x->bytes != 5)
		return VALUE;
	unsigned addr = word_at(x, 1);
	int exception = span_check(x, ORACLE_HOLDING, addr, 1);
	if (!exception)
		exception = write_check(x, ORACLE_HOLDING, addr, 1);
	if (!exception)
		exception = write_begin(x);
	if (exception)
		return exception;
	x->oracle->items[ORACLE_HOLDING][addr] = (uint16_t)word_at(x, 3);
	wrote(x, ORACLE_HOLDING, addr, 1);
	put_request(x, 5);
	return 0;
}

/* 7: 6.7 */
static int read_status(struct exchange *x)
{
	if (x->bytes != 1)
		return VALUE;
	unsigned byte = 0;
	for (unsigned i = 0; i < 8; i++)
		if (x->oracle->config.status[i].mapped) {
			if (x->detached)
				return FAILURE;
			byte += (unsigned)x->oracle
					->items[ORACLE_COILS][x->oracle->config.status[i].coil]
				<< i;
		}
	put_byte(x, 7);
	put_byte(x, byte);
	return 0;
}

/* 8: 6.8.1.  11 counts messages that were detected, this one among them, since they were cleared;
 * the other counters take a request in when it has been answered. */
static int diagnose(struct exchange *x)
{
	struct oracle *o = x->oracle;
	if (x->bytes < 3)
		return VALUE;
	unsigned sub = word_at(x, 1);
	if (sub != 0 && sub != 2 && sub != 20 && (sub < 10 || sub > 18))
		return FUNCTION;
	if (x->bytes < 5 || x->bytes % 2 == 0)
		return VALUE;
	if (sub == 0) {
		put_request(x, x->bytes);
		return 0;
	}
	if (x->bytes != 5 || word_at(x, 3) != 0)
		return VALUE;
	if ((sub == 10 || sub == 20) && o->access != NULL)
		return FUNCTION; /* for those who may write everything */
	put_request(x, 3);
	if (sub == 2)
		put_word(x, (x->detached ? 1 : 0) + (o->config.running ? 0 : 2));
	else if (sub == 10 || sub == 20)
		put_word(x, 0);
	else
		put_word(x, (o->counters[sub - 11] + (sub == 11)) % 65536u);
	if (sub == 10) {
		memset(o->counters, 0, sizeof o->counters);
		o->counters[11 - 11] = (uint16_t)-1; /* will count this request */
		o->completed = 0;
	}
	if (sub == 20)
		o->counters[18 - 11] = 0;
	return 0;
}

/* 11: 6.9 */
static int count_events(struct exchange *x)
{
	if (x->bytes != 1)
		return VALUE;
	put_byte(x, 11);
	put_word(x, 0);
	put_word(x, x->oracle->completed);
	return 0;
}

/* 12: 6.10.  A receive event is stored before the message is processed, so the newest is that of
 * this one.  The message count is that of 8/11. */
static int list_events(struct exchange *x)
{
	const struct oracle *o = x->oracle;
	if (x->bytes != 1)
		return VALUE;
	unsigned count = o->event_count < 63 ? o->event_count : 63;
	put_byte(x, 12);
	put_byte(x, 7 + count);
	put_word(x, 0);
	put_word(x, o->completed);
	put_word(x, (o->counters[11 - 11] + 1) % 65536u);
	put_byte(x, 0x80);
	for (unsigned i = 1; i <= count; i++)
		put_byte(x, o->events[o->event_count - i]);
	return 0;
}

/* 15: 6.11 */
static int write_coils(struct exchange *x)
{
	if (x->bytes < 6)
		return VALUE;
	unsigned addr = word_at(x, 1), count = word_at(x, 3), bytes = x->pdu[5];
	if (count < 1 || count > 1968 || bytes != (count + 7) / 8 || x->bytes != 6 + bytes)
		return VALUE;
	int exception = span_check(x, ORACLE_COILS, addr, count);
	if (!exception)
		exception = write_check(x, ORACLE_COILS, addr, count);
	if (!exception)
		exception = write_begin(x);
	if (exception)
		return exception;
	for (unsigned i = 0; i < count; i++)
		x->oracle->items[ORACLE_COILS][addr + i] = x->pdu[6 + i / 8] / (1u << i % 8) % 2;
	wrote(x, ORACLE_COILS, addr, count);
	put_request(x, 5);
	return 0;
}

/* 16: 6.12 */
static int write_registers(struct exchange *x)
{
	if (x->bytes < 6)
		return VALUE;
	unsigned addr = word_at(x, 1), count = word_at(x, 3), bytes = x->pdu[5];
	if (count < 1 || count > 123 || bytes != count * 2 || x->bytes != 6 + bytes)
		return VALUE;
	int exception = span_check(x, ORACLE_HOLDING, addr, count);
	if (!exception)
		exception = write_check(x, ORACLE_HOLDING, addr, count);
	if (!exception)
		exception = write_begin(x);
	if (exception)
		return exception;
	for (unsigned i = 0; i < count; i++)
		x->oracle->items[ORACLE_HOLDING][addr + i] = (uint16_t)word_at(x, 6 + 2 * i);
	wrote(x, ORACLE_HOLDING, addr, count);
	put_request(x, 5);
	return 0;
}

/* 17: 6.13 */
static int report_id(struct exchange *x)
{
	const struct oracle_config *config = &x->oracle->config;
	if (x->bytes != 1)
		return VALUE;
	put_byte(x, 17);
	put_byte(x, (unsigned)config->server_id_bytes + 1);
	for (size_t i = 0; i < config->server_id_bytes; i++)
		put_byte(x, config->server_id[i]);
	put_byte(x, config->running ? 0xFF : 0x00);
	return 0;
}

/* The group of a file request at pdu + at: reference type, file, record, length.  0 and where in
 * the holding registers, or 02. */
static int file_group(const struct exchange *x, size_t at, unsigned *addr, unsigned *count)
{
	unsigned type = x->pdu[at], number = word_at(x, at + 1), record = word_at(x, at + 3);
	*count = word_at(x, at + 5);
	if (type != 6 || number < 1 || record > 0x270F)
		return ADDRESS;
	for (unsigned i = 0; i < x->oracle->config.file_count; i++) {
		const struct oracle_range *file = &x->oracle->config.files[i];
		if (file->number != number)
			continue;
		if (record + *count > file->count || record + *count > 10000)
			return ADDRESS;
		*addr = file->first + record;
		return 0;
	}
	return ADDRESS;
}

/* 20: 6.14.  Lengths first, then each group, then all values. */
static int read_files(struct exchange *x)
{
	unsigned addr, count;
	size_t answer = 0;
	if (x->bytes < 2)
		return VALUE;
	unsigned bytes = x->pdu[1];
	if (bytes < 0x07 || bytes > 0xF5 || bytes % 7 != 0 || x->bytes != 2 + bytes)
		return VALUE;
	for (size_t at = 2; at < x->bytes; at += 7) {
		if (word_at(x, at + 5) == 0)
			return VALUE;
		answer += 2 + 2 * (size_t)word_at(x, at + 5);
	}
	if (answer > 0xF5)
		return VALUE;
	for (size_t at = 2; at < x->bytes; at += 7)
		if (file_group(x, at, &addr, &count))
			return ADDRESS;
	if (x->detached)
		return FAILURE;
	for (size_t at = 2; at < x->bytes; at += 7) {
		file_group(x, at, &addr, &count);
		if (seam_check(x, ORACLE_HOLDING, addr, count))
			return ADDRESS;
	}
	put_byte(x, 20);
	put_byte(x, (unsigned)answer);
	for (size_t at = 2; at < x->bytes; at += 7) {
		file_group(x, at, &addr, &count);
		put_byte(x, 1 + 2 * count);
		put_byte(x, 6);
		for (unsigned i = 0; i < count; i++)
			put_word(x, x->oracle->items[ORACLE_HOLDING][addr + i]);
	}
	return 0;
}

/* 21: 6.15.  All groups are checked before the first is written; of groups that overlap, the later
 * one wins. */
static int write_files(struct exchange *x)
{
	unsigned addr, count;
	if (x->bytes < 2)
		return VALUE;
	unsigned bytes = x->pdu[1];
	if (bytes < 0x09 || bytes > 0xFB || x->bytes != 2 + bytes)
		return VALUE;
	for (size_t at = 2; at < x->bytes; at += 7 + 2 * (size_t)word_at(x, at + 5))
		if (x->bytes - at < 7 || word_at(x, at + 5) == 0 ||
		    x->bytes - at - 7 < 2 * (size_t)word_at(x, at + 5))
			return VALUE;
	for (size_t at = 2; at < x->bytes; at += 7 + 2 * (size_t)word_at(x, at + 5))
		if (file_group(x, at, &addr, &count))
			return ADDRESS;
	if (x->detached)
		return FAILURE;
	int exception = 0;
	for (size_t at = 2; at < x->bytes && !exception; at += 7 + 2 * (size_t)count) {
		file_group(x, at, &addr, &count);
		exception = seam_check(x, ORACLE_HOLDING, addr, count);
		if (!exception)
			exception = write_check(x, ORACLE_HOLDING, addr, count);
	}
	if (!exception)
		exception = write_begin(x);
	if (exception)
		return exception;
	for (size_t at = 2; at < x->bytes; at += 7 + 2 * (size_t)count) {
		file_group(x, at, &addr, &count);
		for (unsigned i = 0; i < count; i++)
			x->oracle->items[ORACLE_HOLDING][addr + i] =
				(uint16_t)word_at(x, at + 7 + 2 * i);
		wrote(x, ORACLE_HOLDING, addr, count);
	}
	put_request(x, x->bytes);
	return 0;
}

/* 22: 6.16 */
static int mask_register(struct exchange *x)
{
	if (x->bytes != 7)
		return VALUE;
	unsigned addr = word_at(x, 1), and_mask = word_at(x, 3), or_mask = word_at(x, 5);
	int exception = span_check(x, ORACLE_HOLDING, addr, 1);
	if (!exception)
		exception = write_check(x, ORACLE_HOLDING, addr, 1);
	if (!exception)
		exception = write_begin(x);
	if (exception)
		return exception;
	unsigned result = 0;
	for (unsigned bit = 1; bit < 65536; bit *= 2)
		if (and_mask & bit ? x->oracle->items[ORACLE_HOLDING][addr] & bit : or_mask & bit)
			result += bit;
	x->oracle->items[ORACLE_HOLDING][addr] = (uint16_t)result;
	wrote(x, ORACLE_HOLDING, addr, 1);
	put_request(x, 7);
	return 0;
}

/* 23: 6.17.  Everything is checked first; the write comes before the read. */
static int read_write_registers(struct exchange *x)
{
	if (x->bytes < 10)
		return VALUE;
	unsigned from = word_at(x, 1), reads = word_at(x, 3), to = word_at(x, 5),
		 writes = word_at(x, 7), bytes = x->pdu[9];
	if (reads < 1 || reads > 125 || writes < 1 || writes > 121 || bytes != writes * 2 ||
	    x->bytes != 10 + bytes)
		return VALUE;
	if (from + reads > 65536 || to + writes > 65536)
		return ADDRESS;
	int exception = span_check(x, ORACLE_HOLDING, from, reads);
	if (!exception)
		exception = span_check(x, ORACLE_HOLDING, to, writes);
	if (!exception)
		exception = write_check(x, ORACLE_HOLDING, to, writes);
	if (!exception)
		exception = write_begin(x);
	if (exception)
		return exception;
	for (unsigned i = 0; i < writes; i++)
		x->oracle->items[ORACLE_HOLDING][to + i] = (uint16_t)word_at(x, 10 + 2 * i);
	wrote(x, ORACLE_HOLDING, to, writes);
	put_byte(x, 23);
	put_byte(x, reads * 2);
	for (unsigned i = 0; i < reads; i++)
		put_word(x, x->oracle->items[ORACLE_HOLDING][from + i]);
	return 0;
}

/* 24: 6.18 */
static int read_fifo(struct exchange *x)
{
	if (x->bytes != 3)
		return VALUE;
	unsigned addr = word_at(x, 1), i = 0;
	while (i < x->oracle->config.fifo_count && x->oracle->config.fifos[i].first != addr)
		i++;
	if (i == x->oracle->config.fifo_count)
		return ADDRESS;
	if (x->detached)
		return FAILURE;
	if (seam_check(x, ORACLE_HOLDING, addr, 1 + x->oracle->config.fifos[i].count))
		return ADDRESS;
	unsigned count = x->oracle->items[ORACLE_HOLDING][addr];
	if (count > 31 || count > x->oracle->config.fifos[i].count)
		return VALUE;
	put_byte(x, 24);
	put_word(x, 2 + 2 * count);
	put_word(x, count);
	for (unsigned k = 1; k <= count; k++)
		put_word(x, x->oracle->items[ORACLE_HOLDING][addr + k]);
	return 0;
}

/* 43/14: 6.21 */
static int identify(struct exchange *x)
{
	const char *const *objects = x->oracle->config.objects;
	if (x->bytes < 2)
		return VALUE;
	if (x->pdu[1] != 14)
		return FUNCTION;
	if (x->bytes != 4 || x->pdu[2] < 1 || x->pdu[2] > 4)
		return VALUE;
	unsigned code = x->pdu[2], object = x->pdu[3], level = 1;
	for (unsigned id = 3; id < 256; id++)
		if (objects[id] != NULL)
			level = id < 0x80 ? 2 : 3;
	unsigned end = code == 1 ? 3 : code == 2 ? 0x80 : 256;
	if (code == 4 && objects[object] == NULL)
		return ADDRESS;
	if (object >= end || objects[object] == NULL)
		object = 0;
	put_request(x, 3);
	put_byte(x, 0x80 + level);
	put_word(x, 0); /* nothing follows */
	put_byte(x, 0); /* objects of this answer */
	for (unsigned id = object; id < end; id++) {
		if (objects[id] == NULL)
			continue;
		size_t length = strlen(objects[id]);
		if (x->count + 2 + length > 253) {
			x->answer[4] = 0xFF;
			x->answer[5] = (uint8_t)id;
			return 0;
		}
		x->answer[6]++;
		put_byte(x, id);
		put_byte(x, (unsigned)length);
		for (size_t i = 0; i < length; i++)
			put_byte(x, (uint8_t)objects[id][i]);
		if (code == 4)
			return 0;
	}
	return 0;
}

static bool writes(unsigned function)
{
	return function == 5 || function == 6 || function == 15 || function == 16 ||
	       (function >= 21 && function <= 23);
}

static int answer_pdu(struct exchange *x)
{
	const struct oracle_access *access = x->oracle->access;
	if (!x->oracle->config.functions[x->pdu[0]])
		return FUNCTION;
	if (access != NULL && !access->functions[x->pdu[0]])
		return FUNCTION;
	if (access != NULL && access->write_count == 0 && access->refusal == FUNCTION &&
	    writes(x->pdu[0]))
		return FUNCTION;
	switch (x->pdu[0]) {
	case 1:
		return read_bits(x, ORACLE_COILS);
	case 2:
		return read_bits(x, ORACLE_DISCRETE);
	case 3:
		return read_registers(x, ORACLE_HOLDING);
	case 4:
		return read_registers(x, ORACLE_INPUT);
	case 5:
		return write_coil(x);
	case 6:
		return write_register(x);
	case 7:
		return read_status(x);
	case 8:
		return diagnose(x);
	case 11:
		return count_events(x);
	case 12:
		return list_events(x);
	case 15:
		return write_coils(x);
	case 16:
		return write_registers(x);
	case 17:
		return report_id(x);
	case 20:
		return read_files(x);
	case 21:
		return write_files(x);
	case 22:
		return mask_register(x);
	case 23:
		return read_write_registers(x);
	case 24:
		return read_fifo(x);
	case 43:
		return identify(x);
	default:
		return FUNCTION;
	}
}

/* ---- frames -------------------------------------------------------------------------------- */

static void event(struct oracle *o, uint8_t what)
{
	o->events[o->event_count] = what;
	o->event_count++;
}

/* What functions 8, 11 and 12 will say of this request. */
static void count(struct oracle *o, uint8_t function, int exception)
{
	o->counters[11 - 11]++;
	o->counters[14 - 11]++;
	if (exception != 0)
		o->counters[13 - 11]++;
	else if (function != 11)
		o->completed++;
	event(o, 0x80);
	if (exception == BUSY)
		o->counters[17 - 11]++;
	event(o, exception == 0 ? 0x40 : exception <= 3 ? 0x41 : exception == BUSY ? 0x44 : 0x42);
}

size_t oracle_answer(struct oracle *oracle, const uint8_t *adu, size_t bytes, uint8_t *out)
{
	static struct exchange x;
	unsigned writes = oracle->write_count;
	x.oracle = oracle;
	oracle->access = oracle->config.access[adu[6]];
	x.detached = oracle->config.units[adu[6]] == ORACLE_DETACHED;
	x.pdu = adu + 7;
	x.bytes = bytes - 7;
	x.count = 0;
	int exception = oracle->config.units[adu[6]] == ORACLE_UNKNOWN ? NO_TARGET : answer_pdu(&x);
	if (exception) {
		x.count = 0;
		put_byte(&x, adu[7] | 0x80u);
		put_byte(&x, (unsigned)exception);
	}
	writes_note(oracle, writes, adu[6]);
	count(oracle, adu[7], exception);
	for (size_t i = 0; i < 7; i++)
		out[i] = adu[i];
	out[4] = (uint8_t)((1 + x.count) / 256);
	out[5] = (uint8_t)((1 + x.count) % 256);
	for (size_t i = 0; i < x.count && 7 + i < ORACLE_ADU_MAX; i++)
		out[7 + i] = x.answer[i];
	return 7 + x.count;
}

bool oracle_stream(struct oracle *oracle, const uint8_t *bytes, size_t count, uint8_t *out,
		   size_t *out_bytes, size_t *left)
{
	*out_bytes = 0;
	*left = count;
	while (*left >= 6) {
		const uint8_t *frame = bytes + (count - *left);
		size_t length = frame[4] * 256u + frame[5];
		if (length < 2 || length > 254) {
			*left = 0;
			return false;
		}
		if (*left < 6 + length)
			break;
		*left -= 6 + length;
		oracle->busy = count - *left <= oracle->busy_bytes;
		if (frame[2] == 0 && frame[3] == 0) {
			*out_bytes += oracle_answer(oracle, frame, 6 + length, out + *out_bytes);
			continue;
		}
		oracle->foreign++;
		oracle->counters[11 - 11]++;
		oracle->counters[12 - 11]++;
		event(oracle, 0x82);
		if (oracle->foreign == 3) {
			*left = 0;
			return false;
		}
	}
	return true;
}
