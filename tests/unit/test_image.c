/* The image through its interface, against a model that is one array per table. */
#include "image_fixture.h"

/* ---- layouts ------------------------------------------------------------------------------- */

enum { SMALL = 200 }; /* a small range of addresses, so that random spans touch and overlap often */

static void layout_matches(const struct mbshm_layout *layout, bool declared[MBSHM_TABLES][SMALL],
			   uint64_t seed)
{
	unsigned s = 0;
	for (unsigned t = 0; t < MBSHM_TABLES; t++)
		for (uint32_t a = 0; a < SMALL;) {
			uint32_t first = a;
			while (a < SMALL && declared[t][a])
				a++;
			if (a == first) {
				a++;
				continue;
			}
			if (s >= layout->span_count || layout->spans[s].table != t ||
			    layout->spans[s].first != first || layout->spans[s].count != a - first)
				fail_msg("seed %llu: span %u of table %u is not %u-%u",
					 (unsigned long long)seed, s, t, first, a - 1);
			s++;
		}
	if (s != layout->span_count)
		fail_msg("seed %llu: %u spans; expected %u", (unsigned long long)seed,
			 layout->span_count, s);
}

static void layout_merges_like_a_bitmap(void **state)
{
	uint64_t random = test_seed();
	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		static bool declared[MBSHM_TABLES][SMALL];
		struct mbshm_layout layout = { 0 };
		uint64_t seed = random;
		memset(declared, 0, sizeof declared);
		for (unsigned i = random_below(&random, 40); i--;) {
			unsigned table = random_below(&random, MBSHM_TABLES);
			uint32_t first = random_below(&random, SMALL), most = SMALL - first;
			uint32_t count = 1 + random_below(&random, most < 20 ? most : 20);
			assert_int_equal(mbshm_layout_add(&layout, table, first, count), 0);
			memset(&declared[table][first], true, count);
		}
		layout_matches(&layout, declared, seed);
	}
}

static void layout_refuses(void **state)
{
	struct mbshm_layout layout = { 0 };
	(void)state;
	assert_int_equal(mbshm_layout_add(&layout, MBSHM_COILS, 0, 0), -ERANGE);
	assert_int_equal(mbshm_layout_add(&layout, MBSHM_COILS, 0, 65537), -ERANGE);
	assert_int_equal(mbshm_layout_add(&layout, MBSHM_COILS, 65535, 2), -ERANGE);
	assert_int_equal(mbshm_layout_add(&layout, MBSHM_COILS, 65536, 1), -ERANGE);
	assert_int_equal(mbshm_layout_add(&layout, MBSHM_COILS, UINT32_MAX, 2), -ERANGE);
	assert_int_equal(mbshm_layout_add(&layout, MBSHM_TABLES, 0, 1), -ERANGE);
	for (unsigned i = 0; i < MBSHM_SPANS_MAX; i++)
		assert_int_equal(mbshm_layout_add(&layout, i % MBSHM_TABLES, 10 * i, 5), 0);
	assert_int_equal(mbshm_layout_add(&layout, MBSHM_COILS, 60000, 1), -ENOSPC);
	/* One that touches a neighbour still fits. */
	assert_int_equal(mbshm_layout_add(&layout, MBSHM_COILS, 5, 1), 0);
	assert_int_equal(layout.span_count, MBSHM_SPANS_MAX);
	assert_int_equal(mbshm_layout_add(&layout, MBSHM_COILS, 0, 65536), 0);
	assert_int_equal(layout.spans[0].count, 65536);
}

static void layout_counts_pages(void **state)
{
	struct mbshm_layout layout = { 0 };
	(void)state;
	assert_int_equal(mbshm_layout_pages(&layout), 0);
	mbshm_layout_add(&layout, MBSHM_HOLDING_REGISTERS, 510, 2);
	assert_int_equal(mbshm_layout_pages(&layout), 1);
	mbshm_layout_add(&layout, MBSHM_HOLDING_REGISTERS, 100, 2); /* same page */
	assert_int_equal(mbshm_layout_pages(&layout), 1);
	mbshm_layout_add(&layout, MBSHM_HOLDING_REGISTERS, 512, 1);
	assert_int_equal(mbshm_layout_pages(&layout), 2);
	mbshm_layout_add(&layout, MBSHM_COILS, 8191, 2);
	assert_int_equal(mbshm_layout_pages(&layout), 4);
	assert_int_equal(mbshm_pool_default(&layout), 64);
	/* A small plant's image, without the journal. */
	assert_true(segment_size(64) - SEGMENT_JOURNAL * sizeof(struct segment_journal_entry) <=
		    96 * 1024);
	for (unsigned t = 0; t < MBSHM_TABLES; t++)
		mbshm_layout_add(&layout, t, 0, MBSHM_ITEMS);
	assert_int_equal(mbshm_layout_pages(&layout), MBSHM_PAGES_MAX);
	assert_int_equal(mbshm_pool_default(&layout), 4 * (MBSHM_PAGES_MAX + 1));
}

/* ---- values against a model ---------------------------------------------------------------- */

/* One item each; bits as 0 and 1. */
struct model {
	uint16_t item[MBSHM_TABLES][MBSHM_ITEMS];
	bool declared[MBSHM_TABLES][MBSHM_ITEMS];
};

enum { GUARD = 16, GUARD_BYTE = 0xa5, BUFFER = MBSHM_ITEMS * 2 };

static struct model model;
static uint8_t buffer[GUARD + BUFFER + GUARD];
static uint64_t seed; /* of the running step, for messages */

static bool is_registers(unsigned table)
{
	return table >= MBSHM_HOLDING_REGISTERS;
}

static size_t span_bytes(const struct mbshm_span *span)
{
	return is_registers(span->table) ? span->count * 2 : (span->count + 7) / 8;
}

static bool model_declared(const struct mbshm_span *span)
{
	for (uint32_t i = 0; i < span->count; i++)
		if (span->first + i >= MBSHM_ITEMS || !model.declared[span->table][span->first + i])
			return false;
	return span->count;
}

/* What a read of the span must give. */
static void model_pack(const struct mbshm_span *span, uint8_t *out)
{
	memset(out, 0, span_bytes(span));
	for (uint32_t i = 0; i < span->count; i++) {
		uint16_t value = model.item[span->table][span->first + i];
		if (is_registers(span->table))
			memcpy(out + 2 * i, &value, 2);
		else
			out[i / 8] |= (uint8_t)(value << i % 8);
	}
}

static void model_write(const struct mbshm_span *span, const uint8_t *in)
{
	for (uint32_t i = 0; i < span->count; i++) {
		uint16_t *item = &model.item[span->table][span->first + i];
		if (is_registers(span->table))
			memcpy(item, in + 2 * i, 2);
		else
			*item = in[i / 8] >> i % 8 & 1;
	}
}

/* Random spans near declared borders and page borders: first is one of a few interesting places,
 * give or take some. */
static struct mbshm_span random_span(uint64_t *random)
{
	static const uint32_t places[] = {
		0,    63,    500,   512,   999,   1024,  1100,  8100,
		8192, 16384, 24576, 32768, 65024, 65500, 65535,
	};
	unsigned table = random_below(random, MBSHM_TABLES);
	uint32_t first = places[random_below(random, sizeof places / sizeof *places)] +
			 random_below(random, 80);
	uint32_t most = is_registers(table) ? 200 : 2200,
		 count = random_below(random, 4) ? 1 + random_below(random, most) : 1;
	first = first < 20 ? first : first - random_below(random, 20);
	if (!random_below(random, 50))
		return (struct mbshm_span){ table, 0, MBSHM_ITEMS }; /* a whole table */
	if (first > MBSHM_ITEMS - 1)
		first = MBSHM_ITEMS - 1;
	return (struct mbshm_span){ table, first,
				    count < MBSHM_ITEMS - first ? count : MBSHM_ITEMS - first };
}

static int span_read(const struct mbshm *img, const struct mbshm_span *span, uint8_t *out,
		     uint64_t *version)
{
	if (span->count > UINT16_MAX)
		return mbshm_read(
			img, &(struct mbshm_read){ span->table, span->first, span->count, out }, 1,
			version);
	uint16_t first = (uint16_t)span->first, count = (uint16_t)span->count;
	if (is_registers(span->table))
		return mbshm_read_registers(img, span->table, first, count, (uint16_t *)(void *)out,
					    version);
	return mbshm_read_bits(img, span->table, first, count, out, version);
}

static int span_stage(struct mbshm_txn *txn, const struct mbshm_span *span, const uint8_t *in)
{
	uint16_t first = (uint16_t)span->first, count = (uint16_t)span->count;
	if (is_registers(span->table))
		return mbshm_txn_write_registers(txn, span->table, first, count,
						 (const uint16_t *)(const void *)in);
	return mbshm_txn_write_bits(txn, span->table, first, count, in);
}

static void guards_hold(const uint8_t *out, size_t bytes, const struct mbshm_span *span)
{
	for (unsigned i = 0; i < GUARD; i++)
		if (out[-1 - (int)i] != GUARD_BYTE || out[bytes + i] != GUARD_BYTE)
			fail_msg("seed %llu: a read of table %u, %u + %u wrote beyond its buffer",
				 (unsigned long long)seed, span->table, span->first, span->count);
}

static void span_matches(const struct mbshm_span *span, const uint8_t *out)
{
	static uint8_t wanted[BUFFER];
	model_pack(span, wanted);
	for (size_t i = 0; i < span_bytes(span); i++)
		if (out[i] != wanted[i])
			fail_msg("seed %llu: table %u, %u + %u: byte %zu is %#x; expected %#x",
				 (unsigned long long)seed, span->table, span->first, span->count, i,
				 out[i], wanted[i]);
}

static void read_step(const struct mbshm *img, uint64_t *random, uint64_t version)
{
	struct mbshm_span span = random_span(random);
	/* Bits may go to any byte, registers to any even one. */
	uint8_t *out =
		buffer + GUARD +
		(is_registers(span.table) ? 2 * random_below(random, 4) : random_below(random, 8));
	uint64_t seen;
	int rc;
	if (span.count == MBSHM_ITEMS)
		out = buffer + GUARD;
	memset(out - GUARD, GUARD_BYTE, span_bytes(&span) + 2 * GUARD);
	rc = span_read(img, &span, out, &seen);
	assert_int_equal(mbshm_declared(img, span.table, span.first, span.count),
			 model_declared(&span));
	if (!model_declared(&span)) {
		assert_int_equal(rc, -ERANGE);
		return;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(seen, version);
	guards_hold(out, span_bytes(&span), &span);
	span_matches(&span, out);
}

/* The steps of a transaction say whether they staged something. */
static bool mask_step(struct mbshm_txn *txn, uint64_t *random)
{
	struct mbshm_span span = random_span(random);
	uint16_t keep = (uint16_t)random_next(random), set = (uint16_t)random_next(random);
	uint16_t *item = &model.item[span.table][span.first];
	int rc = mbshm_txn_mask_register(txn, span.table, (uint16_t)span.first, keep, set);
	if (!is_registers(span.table) || !model.declared[span.table][span.first]) {
		assert_int_equal(rc, -ERANGE);
		return false;
	}
	assert_int_equal(rc, 0);
	*item = (uint16_t)((*item & keep) | (set & ~keep));
	return true;
}

/* Stage a write; the buffer's unused bits and what lies behind it are random, and must not matter.
 */
static bool write_step(struct mbshm_txn *txn, uint64_t *random)
{
	struct mbshm_span span = random_span(random);
	uint8_t *in =
		buffer + (span.count == MBSHM_ITEMS ? 0 : GUARD + 2 * random_below(random, 4));
	const struct mbshm_write write = { span.table, span.first, span.count, in };
	int rc;
	for (size_t i = 0; i < span_bytes(&span); i++)
		in[i] = (uint8_t)random_next(random);
	if (span.count > UINT16_MAX || random_below(random, 2))
		rc = mbshm_txn_write(txn, &write, 1);
	else
		rc = span_stage(txn, &span, in);
	assert_int_equal(rc, model_declared(&span) ? 0 : -ERANGE);
	if (!rc)
		model_write(&span, in);
	return !rc;
}

/* A transaction of several stagings in random order, one of its reads checked against the model
 * afterwards. */
static void commit_step(struct mbshm_txn *txn, struct mbshm *img, uint64_t *random,
			uint64_t *version)
{
	static uint8_t out[BUFFER];
	struct mbshm_span span;
	uint64_t published;
	unsigned stagings = 1 + random_below(random, 5), changes = 0;
	mbshm_txn_begin(txn, img);
	do
		span = random_span(random);
	while (!model_declared(&span));
	assert_int_equal(mbshm_txn_read(txn, &(struct mbshm_read){ span.table, span.first,
								   span.count, out }),
			 0);
	while (stagings--)
		changes +=
			random_below(random, 4) ? write_step(txn, random) : mask_step(txn, random);
	assert_int_equal(mbshm_txn_commit(txn, 0, &published), 0);
	assert_int_equal(published,
			 *version + (changes > 0)); /* nothing staged: nothing published */
	*version = published;
	span_matches(&span, out);
}

static void declare(enum mbshm_table table, uint32_t first, uint32_t count)
{
	assert_int_equal(mbshm_layout_add(&config.layout, table, first, count), 0);
	memset(&model.declared[table][first], true, count);
}

static void model_run(void)
{
	unsigned steps = getenv("MB_SAN") ? 3000 : 20000; /* sanitizers are slow */
	struct mbshm *img = image_open(MBSHM_CREATE), *reader = image_open(0);
	struct mbshm_txn *txn = mbshm_txn_new(0);
	uint64_t random = test_seed(), version = 1;
	for (unsigned i = 0; i < steps; i++) {
		seed = random;
		if (random_below(&random, 3))
			read_step(reader, &random, version);
		else
			commit_step(txn, img, &random, &version);
	}
	image_audit(img);
	mbshm_txn_free(txn);
	mbshm_close(reader);
	mbshm_close(img);
}

static void full_tables(void **state)
{
	(void)state;
	memset(&model, 0, sizeof model);
	for (unsigned t = 0; t < MBSHM_TABLES; t++)
		declare(t, 0, MBSHM_ITEMS);
	model_run();
}

static void tables_with_gaps(void **state)
{
	uint64_t random = test_seed();
	(void)state;
	memset(&model, 0, sizeof model);
	for (unsigned t = 0; t < MBSHM_TABLES; t++) {
		declare(t, 0, 100);
		declare(t, 400, 1000);
		declare(t, 8000, 60);
		declare(t, 8100, 25000);
		declare(t, 65000, 536);
		declare(t, 2000 + random_below(&random, 1000), 1);
	}
	config.pool_pages = 2 * (mbshm_layout_pages(&config.layout) +
				 1); /* the smallest: every page lives many times */
	model_run();
}

/* Write a span, read it back, and look whether something near it has changed. */
static void alignment_step(struct mbshm *img, struct mbshm_txn *txn, struct mbshm_span span,
			   uint32_t border, uint64_t *random)
{
	struct mbshm_span around = { span.table, border - 200, 400 };
	uint8_t *bytes = buffer + GUARD;
	for (size_t i = 0; i < span_bytes(&span); i++)
		bytes[i] = (uint8_t)random_next(random);
	mbshm_txn_begin(txn, img);
	assert_int_equal(span_stage(txn, &span, bytes), 0);
	model_write(&span, bytes);
	assert_int_equal(mbshm_txn_commit(txn, 0, NULL), 0);
	memset(buffer, GUARD_BYTE, span_bytes(&span) + 2 * GUARD);
	assert_int_equal(span_read(img, &span, bytes, NULL), 0);
	guards_hold(bytes, span_bytes(&span), &span);
	span_matches(&span, bytes);
	assert_int_equal(span_read(img, &around, bytes, NULL), 0);
	span_matches(&around, bytes);
}

/* Every alignment of a short span, at the borders of words and of a page. */
static void every_alignment(void **state)
{
	struct mbshm *img;
	struct mbshm_txn *txn = mbshm_txn_new(0);
	uint64_t random = test_seed();
	(void)state;
	memset(&model, 0, sizeof model);
	for (unsigned t = 0; t < MBSHM_TABLES; t++)
		declare(t, 0, 9000);
	img = image_open(MBSHM_CREATE);
	for (unsigned t = 0; t < MBSHM_TABLES; t++) {
		uint32_t border = PAGE_BITS / table_bits(t), most = is_registers(t) ? 12 : 140;
		for (uint32_t first = border - most; first < border + 2; first++)
			for (uint32_t count = 1; count <= most; count++)
				alignment_step(img, txn, (struct mbshm_span){ t, first, count },
					       border, &random);
	}
	image_audit(img);
	mbshm_txn_free(txn);
	mbshm_close(img);
}

/* ---- transactions -------------------------------------------------------------------------- */

static void default_declare(void)
{
	mbshm_layout_add(&config.layout, MBSHM_COILS, 0, 100);
	mbshm_layout_add(&config.layout, MBSHM_COILS, 1000, 100);
	mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, 1000, 100);
}

static void borders(void **state)
{
	struct mbshm *img;
	struct mbshm_txn *txn = mbshm_txn_new(0);
	uint16_t values[200] = { 7 };
	uint8_t bits[32] = { 1 };
	(void)state;
	default_declare();
	img = image_open(MBSHM_CREATE);
	mbshm_txn_begin(txn, img);
	static const struct {
		uint16_t addr, count;
		int rc;
	} cases[] = {
		{ 999, 1, -ERANGE },      { 1000, 1, 0 },        { 1099, 1, 0 },
		{ 1100, 1, -ERANGE },     { 65535, 1, -ERANGE }, { 999, 2, -ERANGE },
		{ 1099, 2, -ERANGE },     { 1000, 100, 0 },      { 1000, 101, -ERANGE },
		{ 999, 100, -ERANGE },    { 1000, 0, -ERANGE },  { 65535, 2, -ERANGE },
		{ 1099, 65535, -ERANGE }, { 0, 65535, -ERANGE },
	};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint16_t addr = cases[i].addr, count = cases[i].count;
		assert_int_equal(mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, addr, count,
						      values, NULL),
				 cases[i].rc);
		assert_int_equal(mbshm_read_bits(img, MBSHM_COILS, addr, count, bits, NULL),
				 cases[i].rc);
		assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, addr,
							   count, values),
				 cases[i].rc);
		assert_int_equal(mbshm_txn_write_bits(txn, MBSHM_COILS, addr, count, bits),
				 cases[i].rc);
		assert_int_equal(mbshm_declared(img, MBSHM_COILS, addr, count), !cases[i].rc);
	}
	/* Across the gap, in a table without spans, and with the other kind's call. */
	assert_int_equal(mbshm_read_bits(img, MBSHM_COILS, 99, 2, bits, NULL), -ERANGE);
	assert_int_equal(mbshm_read_registers(img, MBSHM_INPUT_REGISTERS, 0, 1, values, NULL),
			 -ERANGE);
	assert_int_equal(mbshm_read_registers(img, MBSHM_COILS, 0, 1, values, NULL), -ERANGE);
	assert_int_equal(mbshm_read_bits(img, MBSHM_HOLDING_REGISTERS, 1000, 1, bits, NULL),
			 -ERANGE);
	assert_int_equal(mbshm_read_registers(img, MBSHM_TABLES, 1000, 1, values, NULL), -ERANGE);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_COILS, 0, 1, values), -ERANGE);
	assert_int_equal(mbshm_txn_write_bits(txn, MBSHM_HOLDING_REGISTERS, 1000, 1, bits),
			 -ERANGE);
	assert_int_equal(mbshm_txn_mask_register(txn, MBSHM_COILS, 0, 0, 0), -ERANGE);
	assert_int_equal(mbshm_txn_read(txn, &(struct mbshm_read){ MBSHM_COILS, 100, 1, bits }),
			 -ERANGE);
	mbshm_txn_free(txn);
	mbshm_close(img);
}

static void several_spans_of_one_version(void **state)
{
	struct mbshm *img;
	uint32_t number;
	uint64_t version;
	uint16_t value;
	(void)state;
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	pattern_expect(img, 0);
	for (uint32_t n = 1; n < 500; n++) {
		assert_int_equal(pattern_commit(img, n, 0, &version), 0);
		assert_int_equal(version, n + 1);
		assert_int_equal(pattern_read(img, &number, &version), 0);
		assert_int_equal(number, n);
		assert_int_equal(version, n + 1);
	}
	assert_int_equal(mbshm_read(img, NULL, 0, &version), 0);
	assert_int_equal(version, 500);
	const struct mbshm_read bad[] = {
		{ MBSHM_HOLDING_REGISTERS, PATTERN_HOLDING, 1, &value },
		{ MBSHM_HOLDING_REGISTERS, PATTERN_HOLDING - 1, 1, &value },
	};
	assert_int_equal(mbshm_read(img, bad, 2, NULL), -ERANGE);
	assert_int_equal(image_status(img).version, 500);
	image_audit(img);
	mbshm_close(img);
}

/* Several spans are staged together or not at all, for writing and for expecting. */
static void spans_are_staged_together(void **state)
{
	const uint16_t one[2] = { 1, 2 }, zero[2] = { 0 };
	const uint8_t bits[1] = { 0x05 };
	const struct mbshm_write writes[] = {
		{ MBSHM_HOLDING_REGISTERS, 1098, 2, one },
		{ MBSHM_COILS, 97, 3, bits },
		{ MBSHM_HOLDING_REGISTERS, 1099, 2, one }, /* one too far */
	};
	const struct mbshm_write expected[] = { { MBSHM_HOLDING_REGISTERS, 1098, 2, zero },
						{ MBSHM_COILS, 97, 4, bits } };
	struct mbshm_txn *txn = mbshm_txn_new(1);
	uint64_t version;
	uint16_t registers[2];
	uint8_t coils;
	(void)state;
	default_declare();
	struct mbshm *img = image_open(MBSHM_CREATE);
	mbshm_txn_begin(txn, img);
	mbshm_txn_journal(txn, &(struct mbshm_origin){ .kind = MBSHM_ORIGIN_LOCAL });
	assert_int_equal(mbshm_txn_write(txn, writes, 3), -ERANGE);
	assert_int_equal(mbshm_txn_expect(txn, expected, 2), -ERANGE);
	assert_int_equal(mbshm_txn_commit(txn, 0, &version), 0);
	assert_int_equal(version, 1); /* nothing was staged */
	assert_int_equal(image_status(img).journal_next, 1);
	assert_int_equal(mbshm_txn_write(txn, NULL, 0), 0);
	assert_int_equal(mbshm_txn_expect(txn, NULL, 0), 0);
	mbshm_txn_journal(txn, &(struct mbshm_origin){ .kind = MBSHM_ORIGIN_LOCAL });
	assert_int_equal(mbshm_txn_write(txn, writes, 2), 0);
	assert_int_equal(mbshm_txn_expect(txn, expected, 1), 0);
	assert_int_equal(mbshm_txn_commit(txn, 0, &version), 0);
	assert_int_equal(version, 2);
	assert_int_equal(image_status(img).journal_next, 3);
	assert_int_equal(mbshm_txn_write(txn, writes, 2), 0);
	assert_int_equal(mbshm_txn_expect(txn, expected, 1), 0);
	assert_int_equal(mbshm_txn_commit(txn, 0, &version), -ECANCELED);
	assert_int_equal(
		mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, 1098, 2, registers, NULL), 0);
	assert_memory_equal(registers, one, sizeof one);
	assert_int_equal(mbshm_read_bits(img, MBSHM_COILS, 97, 3, &coils, NULL), 0);
	assert_int_equal(coils, 5);
	mbshm_txn_free(txn);
	mbshm_close(img);
}

/* Spans of 65,536 items in one call, written and expected. */
static void whole_tables_in_one_call(void **state)
{
	static uint16_t registers[2][MBSHM_ITEMS];
	static uint8_t bits[2][MBSHM_ITEMS / 8];
	struct mbshm_txn *txn = mbshm_txn_new(0);
	struct mbshm_write writes[MBSHM_TABLES];
	struct mbshm *img;
	uint64_t random = test_seed();
	(void)state;
	for (unsigned t = 0; t < MBSHM_TABLES; t++) {
		mbshm_layout_add(&config.layout, t, 0, MBSHM_ITEMS);
		void *values = is_registers(t) ? (void *)registers[t % 2] : bits[t % 2];
		writes[t] = (struct mbshm_write){ t, 0, MBSHM_ITEMS, values };
		for (unsigned i = 0; i < (is_registers(t) ? MBSHM_ITEMS * 2 : MBSHM_ITEMS / 8); i++)
			((uint8_t *)values)[i] = (uint8_t)random_next(&random);
	}
	img = image_open(MBSHM_CREATE);
	mbshm_txn_begin(txn, img);
	assert_int_equal(mbshm_txn_write(txn, writes, MBSHM_TABLES), 0);
	assert_int_equal(mbshm_txn_commit(txn, 0, NULL), 0);
	assert_int_equal(mbshm_txn_expect(txn, writes, MBSHM_TABLES), 0);
	assert_int_equal(mbshm_txn_commit(txn, 0, NULL), 0);
	for (unsigned t = 0; t < MBSHM_TABLES; t++) {
		uint8_t *last = is_registers(t) ? (uint8_t *)&registers[t % 2][MBSHM_ITEMS - 1]
						: &bits[t % 2][MBSHM_ITEMS / 8 - 1];
		*last ^= 0x80;
		mbshm_txn_begin(txn, img);
		assert_int_equal(mbshm_txn_expect(txn, writes, MBSHM_TABLES), 0);
		assert_int_equal(mbshm_txn_commit(txn, 0, NULL), -ECANCELED);
		*last ^= 0x80;
	}
	image_audit(img);
	mbshm_txn_free(txn);
	mbshm_close(img);
}

static void layout_has_what_it_declares(void **state)
{
	const struct mbshm_layout *layout = &config.layout;
	(void)state;
	default_declare();
	assert_true(mbshm_layout_has(layout, MBSHM_COILS, 0, 100));
	assert_true(mbshm_layout_has(layout, MBSHM_COILS, 1099, 1));
	assert_false(mbshm_layout_has(layout, MBSHM_COILS, 0, 101));
	assert_false(mbshm_layout_has(layout, MBSHM_COILS, 99, 902));
	assert_false(mbshm_layout_has(layout, MBSHM_COILS, 0, 0));
	assert_false(mbshm_layout_has(layout, MBSHM_DISCRETE_INPUTS, 0, 1));
	assert_false(mbshm_layout_has(layout, MBSHM_COILS, 1099, UINT32_MAX));
	assert_false(mbshm_layout_has(layout, MBSHM_TABLES, 0, 1));
	assert_string_equal(mbshm_table_name(MBSHM_DISCRETE_INPUTS), "discrete");
	assert_null(mbshm_table_name(MBSHM_TABLES));
}

/* Read-write in one: the reads see what commit publishes, in the order of staging, and at most
 * MBSHM_TXN_READS of them. */
static void transaction_reads(void **state)
{
	struct mbshm *img;
	struct mbshm_txn *txn = mbshm_txn_new(0);
	uint16_t first = 1, second[2] = { 2, 3 }, out[3] = { 0 };
	const struct mbshm_read read = { MBSHM_HOLDING_REGISTERS, 1000, 3, out };
	uint64_t version;
	(void)state;
	default_declare();
	img = image_open(MBSHM_CREATE);
	mbshm_txn_begin(txn, img);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 1000, 2, second),
			 0);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 1000, 1, &first),
			 0); /* wins */
	assert_int_equal(mbshm_txn_mask_register(txn, MBSHM_HOLDING_REGISTERS, 1001, 0x00f2,
						 0x0025),
			 0); /* of 3 */
	for (unsigned i = 0; i < MBSHM_TXN_READS; i++)
		assert_int_equal(mbshm_txn_read(txn, &read), 0);
	assert_int_equal(mbshm_txn_read(txn, &read), -ENOSPC);
	assert_int_equal(mbshm_txn_commit(txn, 0, &version), 0);
	assert_int_equal(version, 2);
	assert_int_equal(out[0], 1);
	assert_int_equal(out[1], (3 & 0xf2) | (0x25 & ~0xf2));
	assert_int_equal(out[2], 0);
	/* Reads alone publish nothing; what was committed is no longer staged. */
	assert_int_equal(mbshm_txn_read(txn, &read), 0);
	out[0] = 99;
	assert_int_equal(mbshm_txn_commit(txn, 0, &version), 0);
	assert_int_equal(version, 2);
	assert_int_equal(out[0], 1);
	mbshm_txn_free(txn);
	mbshm_txn_free(NULL);
	mbshm_close(img);
	mbshm_close(NULL);
}

static void status_tells(void **state)
{
	struct mbshm_status status;
	struct timespec before, after;
	struct mbshm *img;
	(void)state;
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	status = image_status(img);
	assert_int_equal(status.version, 1);
	assert_int_equal(status.live_pages, PATTERN_PAGES);
	assert_int_equal(status.pool_pages, 64);
	assert_int_equal(status.free_pages, 64 - PATTERN_PAGES - 1);
	assert_int_equal(status.steals + status.retries, 0);
	clock_gettime(CLOCK_REALTIME_COARSE, &before);
	assert_int_equal(pattern_commit(img, 1, 0, NULL), 0);
	clock_gettime(CLOCK_REALTIME_COARSE, &after);
	status = image_status(img);
	assert_true(status.wall_ns >= before.tv_sec * INT64_C(1000000000) + before.tv_nsec);
	assert_true(status.wall_ns <= after.tv_sec * INT64_C(1000000000) + after.tv_nsec);
	assert_true(status.mono_ns <= (int64_t)mono_ns());
	assert_int_equal(status.free_pages, 64 - PATTERN_PAGES - 1);
	mbshm_close(img);
}

/* ---- readers that are overtaken ------------------------------------------------------------ */

/* The reader copies into two pages of which one is closed; its fault runs act, in the midst of the
 * copy, and closes the other page. So each try of a read is overtaken at a known place. */
static struct {
	uint8_t *pages; /* two */
	size_t page_size;
	void (*act)(void);
	unsigned faults, most; /* how often act is run */
	struct mbshm *writer;
	struct segment *seg;
	struct mbshm_txn *txn; /* made before: a handler must not allocate */
	uint32_t number;       /* committed last */
	struct gate go, reached;
} trap;

static void trap_spring(int signal_number, siginfo_t *info, void *context)
{
	size_t offset = (size_t)((uint8_t *)info->si_addr - trap.pages);
	uint8_t *here = trap.pages + offset / trap.page_size * trap.page_size;
	uint8_t *there = here == trap.pages ? trap.pages + trap.page_size : trap.pages;
	(void)context;
	if (offset >= 2 * trap.page_size) { /* not ours: die of it */
		signal(signal_number, SIG_DFL);
		return;
	}
	mprotect(here, trap.page_size, PROT_READ | PROT_WRITE);
	if (trap.faults++ >= trap.most)
		return;
	trap.act();
	mprotect(there, trap.page_size, PROT_NONE);
}

static void trap_commit(void)
{
	mbshm_txn_begin(trap.txn, trap.writer);
	if (pattern_stage(trap.txn, ++trap.number) || mbshm_txn_commit(trap.txn, 0, NULL))
		_exit(1);
}

/* Of the smallest pool, a commit of all pages takes what is free: the second one takes what the
 * reader is copying. */
static void trap_two_commits(void)
{
	trap_commit();
	trap_commit();
}

static void trap_two_commits_and_a_death(void)
{
	trap_commit();
	owner_store(&trap.seg->control.dirty,
		    1); /* what a writer leaves that dies before it publishes */
	trap_commit();
}

/* The child is to go on to its point, and the reader with it. */
static void trap_child(void)
{
	if (!gate_signal(&trap.go) || !gate_wait(&trap.reached))
		_exit(1);
}

/* Read the pattern's holding registers across the trap's two pages, interrupted at most so often.
 * What it gives must be the pattern of one number. */
static int trapped_read(struct mbshm *reader, void (*act)(void), unsigned most, uint32_t *number,
			uint64_t *version)
{
	struct sigaction action = { .sa_sigaction = trap_spring,
				    .sa_flags = SA_SIGINFO | SA_NODEFER },
			 old;
	struct pattern pattern;
	uint16_t *out;
	int rc;
	trap.page_size = (size_t)sysconf(_SC_PAGESIZE);
	trap.pages = mmap(NULL, 2 * trap.page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	trap.act = act;
	trap.faults = 0;
	trap.most = most;
	sigaction(SIGSEGV, &action, &old);
	mprotect(trap.pages + trap.page_size, trap.page_size, PROT_NONE);
	out = (uint16_t *)(void *)(trap.pages + trap.page_size) - PATTERN_HOLDINGS / 2;
	rc = mbshm_read_registers(reader, MBSHM_HOLDING_REGISTERS, PATTERN_HOLDING,
				  PATTERN_HOLDINGS, out, version);
	sigaction(SIGSEGV, &old, NULL);
	mprotect(trap.pages, 2 * trap.page_size, PROT_READ | PROT_WRITE);
	assert_true(trap.faults);
	if (!rc) {
		*number = out[0] | (uint32_t)out[1] << 16;
		pattern_fill(&pattern, *number);
		assert_memory_equal(out, pattern.holdings, sizeof pattern.holdings);
	}
	munmap(trap.pages, 2 * trap.page_size);
	return rc;
}

static struct mbshm *trap_open(void)
{
	pattern_declare();
	config.pool_pages = 2 * (PATTERN_PAGES + 1);
	trap.writer = image_open(MBSHM_CREATE);
	trap.seg = segment_poke(trap.writer);
	trap.txn = mbshm_txn_new(PATTERN_WORDS);
	trap.number = 0;
	return image_open(0);
}

static void trap_close(struct mbshm *reader)
{
	segment_drop(trap.writer, trap.seg);
	mbshm_txn_free(trap.txn);
	mbshm_close(reader);
	mbshm_close(trap.writer);
}

static void overtaken_reader_tries_again(void **state)
{
	struct mbshm *reader = trap_open();
	uint64_t version;
	uint32_t number;
	(void)state;
	/* One commit reuses nothing that the reader copies: it sees the version it began with. */
	assert_int_equal(trapped_read(reader, trap_commit, 1, &number, &version), 0);
	assert_int_equal(number, 0);
	assert_int_equal(version, 1);
	assert_int_equal(image_status(reader).retries, 0);
	/* Overtaken once. */
	assert_int_equal(trapped_read(reader, trap_two_commits, 1, &number, &version), 0);
	assert_int_equal(number, trap.number);
	assert_int_equal(version, 1 + trap.number);
	assert_int_equal(image_status(reader).retries, 1);
	/* The same, where the free list was made anew in between. */
	assert_int_equal(trapped_read(reader, trap_two_commits_and_a_death, 1, &number, &version),
			 0);
	assert_int_equal(number, trap.number);
	assert_int_equal(image_status(reader).retries, 2);
	/* Overtaken each time. */
	assert_int_equal(trapped_read(reader, trap_two_commits, 1000, &number, &version), -EAGAIN);
	assert_int_equal(image_status(reader).retries, 2 + 16);
	trap_close(reader);
}

/* A child that publishes two versions, and stops in the second one, when it has changed pages but
 * not published them. */
static void pausing_hook(const char *name)
{
	if (!strcmp(name, "root_written") && trap.number == 2)
		CHILD_CHECK(gate_signal(&trap.reached) && gate_wait(&trap.go));
}

static void pausing_body(void *arg)
{
	struct mbshm *img;
	(void)arg;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL) && gate_wait(&trap.go));
	mbshm_point_hook = pausing_hook;
	for (trap.number = 1; trap.number <= 2; trap.number++)
		CHILD_CHECK(!pattern_commit(img, trap.number, 0, NULL));
	mbshm_close(img);
}

/* Readers of a page must be warned before it changes, not just before that is published. */
static void reader_is_warned_in_time(void **state)
{
	struct mbshm *reader = trap_open();
	uint64_t version;
	uint32_t number;
	pid_t pid;
	(void)state;
	gate_make(&trap.go);
	gate_make(&trap.reached);
	pid = child_start(pausing_body, NULL);
	assert_int_equal(trapped_read(reader, trap_child, 1, &number, &version), 0);
	assert_int_equal(number, 1);
	assert_int_equal(version, 2);
	assert_int_equal(image_status(reader).retries, 1);
	assert_true(gate_signal(&trap.go));
	assert_int_equal(child_end(pid), 0);
	pattern_expect(reader, 2);
	gate_close(&trap.go);
	gate_close(&trap.reached);
	trap_close(reader);
}

/* ---- what goes wrong ----------------------------------------------------------------------- */

static void fork_body(void *arg)
{
	struct mbshm *img = arg, *anew;
	struct mbshm_txn *txn = mbshm_txn_new(0);
	struct mbshm_status status;
	uint16_t value = 1;
	uint8_t bits;
	CHILD_CHECK(mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, 1000, 1, &value, NULL) ==
		    -EPERM);
	CHILD_CHECK(mbshm_read_bits(img, MBSHM_COILS, 0, 1, &bits, NULL) == -EPERM);
	CHILD_CHECK(mbshm_read(img, NULL, 0, NULL) == -EPERM);
	CHILD_CHECK(mbshm_check(img) == -EPERM);
	CHILD_CHECK(mbshm_status(img, &status) == -EPERM);
	CHILD_CHECK(mbshm_audit(img, 0, NULL) == -EPERM);
	mbshm_txn_begin(txn, img);
	CHILD_CHECK(!mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 1000, 1, &value));
	CHILD_CHECK(mbshm_txn_commit(txn, SECOND_US, NULL) == -EPERM);
	mbshm_close(img);
	/* A handle of its own works. */
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &anew, NULL));
	mbshm_txn_begin(txn, anew);
	CHILD_CHECK(!mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 1000, 1, &value));
	CHILD_CHECK(!mbshm_txn_commit(txn, SECOND_US, NULL));
	mbshm_close(anew);
	mbshm_txn_free(txn);
}

static void forked_handles_are_dead(void **state)
{
	struct mbshm *img;
	uint16_t value;
	(void)state;
	default_declare();
	img = image_open(MBSHM_CREATE);
	assert_int_equal(child_end(child_start(fork_body, img)), 0);
	/* The child's close took nothing from us. */
	assert_int_equal(mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, 1000, 1, &value, NULL),
			 0);
	assert_int_equal(value, 1);
	image_audit(img);
	mbshm_close(img);
}

static void replaced_and_unlinked(void **state)
{
	struct mbshm *img, *anew;
	(void)state;
	default_declare();
	img = image_open(MBSHM_CREATE);
	assert_int_equal(mbshm_check(img), 0);
	assert_int_equal(unlink(image_path(&config)), 0);
	assert_int_equal(mbshm_check(img), -ENOENT);
	anew = image_open(MBSHM_CREATE);
	assert_int_equal(mbshm_check(img), -ESTALE);
	assert_int_equal(mbshm_check(anew), 0);
	mbshm_close(anew);
	mbshm_close(img);
}

static void mismatch_names_both(void **state)
{
	char why[MBSHM_WHY_SIZE];
	struct mbshm *img, *other;
	uint16_t value;
	(void)state;
	default_declare();
	img = image_open(MBSHM_CREATE);
	assert_true(mbshm_layout_of(img)->span_count == 3 &&
		    mbshm_layout_of(img)->spans[1].first == 1000);
	mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, 1100, 5);
	for (int flags = 0; flags <= MBSHM_CREATE; flags++) {
		assert_int_equal(mbshm_open(&config, flags, &other, why), -ENXIO);
		assert_null(other);
		assert_non_null(strstr(why, "1000-1099}"));
		assert_non_null(strstr(why, "1000-1104}"));
		assert_int_equal(mbshm_open(&config, flags, &other, NULL), -ENXIO);
	}
	/* Without spans: whatever the image has.  Another pool is a mismatch too. */
	config.layout.span_count = 0;
	other = image_open(MBSHM_WRITE);
	assert_int_equal(
		mbshm_read_registers(other, MBSHM_HOLDING_REGISTERS, 1099, 1, &value, NULL), 0);
	mbshm_close(other);
	config.pool_pages = 65;
	assert_int_equal(mbshm_open(&config, 0, &other, why), -ENXIO);
	assert_non_null(strstr(why, "pool of 64 pages"));
	assert_non_null(strstr(why, "says 65"));
	mbshm_close(img);
}

static void open_expect(int flags, int rc)
{
	char why[MBSHM_WHY_SIZE] = "";
	struct mbshm *img;
	assert_int_equal(mbshm_open(&config, flags, &img, why), rc);
	assert_null(img);
	assert_true(why[0]);
}

static void open_refuses(void **state)
{
	static const char *const bad[] = {
		"", "/", "name", "//name", "/a/b", "/.", "/..", "/name/"
	};
	struct mbshm_config good;
	(void)state;
	default_declare();
	open_expect(0, -ENOENT);
	open_expect(MBSHM_WRITE, -ENOENT);
	good = config;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		strcpy(config.name, bad[i]);
		open_expect(MBSHM_CREATE, -EINVAL);
	}
	memset(config.name, 'x', sizeof config.name);
	config.name[0] = '/';
	open_expect(0, -EINVAL);
	static const mode_t modes[] = { 0, 0400, 0200, 0662, 0666, 04660, 0061 };
	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
		config = good;
		config.mode = modes[i];
		open_expect(MBSHM_CREATE, -EINVAL);
	}
	static const uint32_t pools[] = { 1, MBSHM_POOL_MIN - 1, MBSHM_POOL_MAX + 1, UINT32_MAX };
	for (unsigned i = 0; i < sizeof pools / sizeof *pools; i++) {
		config = good;
		config.pool_pages = pools[i];
		open_expect(MBSHM_CREATE, -EINVAL);
	}
	config = good;
	config.layout.span_count = 0;
	open_expect(MBSHM_CREATE, -EINVAL);
	config.layout = (struct mbshm_layout){
		2, { { MBSHM_COILS, 5, 5 }, { MBSHM_COILS, 10, 1 } }
	}; /* they touch */
	open_expect(MBSHM_CREATE, -EINVAL);
	config.layout.span_count = MBSHM_SPANS_MAX + 1;
	open_expect(0, -EINVAL);
	config = good;
	open_expect(0, -ENOENT); /* none of these left anything behind */
}

static void read_only_handles(void **state)
{
	struct mbshm *img, *reader;
	struct mbshm_txn *txn = mbshm_txn_new(0);
	uint16_t value = 1;
	(void)state;
	default_declare();
	img = image_open(MBSHM_CREATE);
	reader = image_open(0);
	mbshm_txn_begin(txn, reader);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 1000, 1, &value),
			 0);
	assert_int_equal(mbshm_txn_commit(txn, 0, NULL), -EACCES);
	assert_int_equal(mbshm_audit(reader, 0, NULL), -EACCES);
	mbshm_txn_free(txn);
	mbshm_close(reader);
	mbshm_close(img);
}

static int value_commit(struct mbshm *img, uint16_t value)
{
	struct mbshm_txn *txn = mbshm_txn_new(0);
	int rc;
	mbshm_txn_begin(txn, img);
	rc = mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 1000, 1, &value);
	if (!rc)
		rc = mbshm_txn_commit(txn, 0, NULL);
	mbshm_txn_free(txn);
	return rc;
}

/* Every way to read a value. */
static void reads_expect(const struct mbshm *img, int rc)
{
	uint16_t value;
	uint8_t bits;
	assert_int_equal(mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, 1000, 1, &value, NULL),
			 rc);
	assert_int_equal(mbshm_read_bits(img, MBSHM_COILS, 0, 1, &bits, NULL), rc);
	assert_int_equal(mbshm_read(img, &(struct mbshm_read){ MBSHM_COILS, 0, 1, &bits }, 1, NULL),
			 rc);
}

static void retired_image(void **state)
{
	struct mbshm_status status;
	struct mbshm *img;
	struct segment *seg;
	(void)state;
	default_declare();
	img = image_open(MBSHM_CREATE);
	seg = segment_poke(img);
	atomic_store(&seg->control.commit, COMMIT_RETIRED);
	reads_expect(img, -ESTALE);
	assert_int_equal(mbshm_status(img, &status), -ESTALE);
	assert_int_equal(value_commit(img, 1), -ESTALE);
	assert_int_equal(mbshm_audit(img, 0, NULL), -ESTALE);
	assert_int_equal(mbshm_check(img), -EBADMSG); /* no other has the name */
	segment_drop(img, seg);
	mbshm_close(img);
}

static void damaged_roots(void **state)
{
	struct mbshm *img;
	struct segment *seg;
	struct segment_page *pool;
	uint64_t commit, entries, min_valid;
	(void)state;
	default_declare();
	img = image_open(MBSHM_CREATE);
	seg = segment_poke(img);
	pool = (struct segment_page *)(void *)((char *)seg + pool_offset(img->pool_pages));
	commit = atomic_load(&seg->control.commit);

	/* The root page's number is outside the pool. */
	atomic_store(&seg->control.commit, commit | 0xffff);
	reads_expect(img, -EBADMSG);
	assert_int_equal(value_commit(img, 1), -EBADMSG);
	assert_int_equal(mbshm_audit(img, 0, NULL), -EBADMSG);
	atomic_store(&seg->control.commit, commit);
	assert_int_equal(value_commit(img, 2), 0);

	/* All its entries are. */
	commit = atomic_load(&seg->control.commit);
	entries = atomic_load(&pool[commit & 0xffff].word[ROOT_PAGES]);
	atomic_store(&pool[commit & 0xffff].word[ROOT_PAGES], UINT64_MAX);
	reads_expect(img, -EBADMSG);
	assert_int_equal(value_commit(img, 3), -EBADMSG);
	assert_int_equal(mbshm_audit(img, 0, NULL), -EBADMSG);
	/* Two tables share a page: the audit sees it. */
	atomic_store(&pool[commit & 0xffff].word[ROOT_PAGES],
		     (entries & ~UINT64_C(0xffff)) | (entries >> 16 & 0xffff));
	assert_int_equal(mbshm_audit(img, 0, NULL), -EBADMSG);
	atomic_store(&pool[commit & 0xffff].word[ROOT_PAGES], entries);
	image_audit(img);

	/* min_valid is ahead of the version. */
	min_valid = atomic_load(&seg->control.min_valid);
	atomic_store(&seg->control.min_valid, (commit >> 16) + 1);
	reads_expect(img, -EBADMSG);
	assert_int_equal(mbshm_audit(img, 0, NULL), -EBADMSG);
	atomic_store(&seg->control.min_valid, min_valid);
	image_audit(img);
	segment_drop(img, seg);
	mbshm_close(img);
}

/* A damaged free list costs nothing: the next commit makes it anew from the root. */
static void damaged_free_list(void **state)
{
	struct mbshm *img;
	struct segment *seg;
	uint64_t head, tail;
	(void)state;
	default_declare();
	img = image_open(MBSHM_CREATE);
	seg = segment_poke(img);
	for (unsigned damage = 0; damage < 5; damage++) {
		head = atomic_load(&seg->control.free_head);
		tail = atomic_load(&seg->control.free_tail);
		if (damage == 0)
			atomic_store(&seg->free_list[head & img->free_mask],
				     0xffff); /* no such page */
		else if (damage == 1)
			atomic_store(&seg->free_list[head & img->free_mask],
				     UINT64_C(1) << 40); /* a stamp from the future */
		else if (damage == 2)
			atomic_store(&seg->control.free_tail, head + 1); /* too few */
		else if (damage == 3)
			atomic_store(&seg->control.free_head, tail + 1); /* behind one another */
		else
			atomic_store(&seg->control.free_tail,
				     head + 2 * img->free_mask); /* more than it holds */
		assert_int_equal(mbshm_audit(img, 0, NULL), -EBADMSG);
		assert_int_equal(value_commit(img, (uint16_t)damage), 0);
		image_audit(img);
	}
	assert_int_equal(image_status(img).free_pages, 64 - 3 - 1);
	segment_drop(img, seg);
	mbshm_close(img);
}

/* Somebody else publishes in the midst of our commit: mutual exclusion is broken, and said so. */
static struct segment *intruder_seg;

static void intruder_hook(const char *name)
{
	if (!strcmp(name, "root_written"))
		atomic_fetch_add(&intruder_seg->control.commit, UINT64_C(1) << 16);
}

static void broken_exclusion(void **state)
{
	struct mbshm *img;
	uint64_t commit;
	(void)state;
	default_declare();
	img = image_open(MBSHM_CREATE);
	intruder_seg = segment_poke(img);
	commit = atomic_load(&intruder_seg->control.commit);
	mbshm_point_hook = intruder_hook;
	assert_int_equal(value_commit(img, 1), -EBADMSG);
	mbshm_point_hook = NULL;
	assert_int_equal(atomic_load(&intruder_seg->control.dirty), 1);
	assert_int_equal(atomic_load(&intruder_seg->control.commit), commit + (UINT64_C(1) << 16));
	assert_int_equal(value_commit(img, 2), 0); /* and the list is made anew */
	image_audit(img);
	segment_drop(img, intruder_seg);
	mbshm_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_merges_like_a_bitmap),
		cmocka_unit_test(layout_refuses),
		cmocka_unit_test(layout_counts_pages),
		IMAGE_TEST(full_tables),
		IMAGE_TEST(tables_with_gaps),
		IMAGE_TEST(every_alignment),
		IMAGE_TEST(borders),
		IMAGE_TEST(several_spans_of_one_version),
		IMAGE_TEST(spans_are_staged_together),
		IMAGE_TEST(whole_tables_in_one_call),
		IMAGE_TEST(layout_has_what_it_declares),
		IMAGE_TEST(transaction_reads),
		IMAGE_TEST(status_tells),
		IMAGE_TEST(overtaken_reader_tries_again),
		IMAGE_TEST(reader_is_warned_in_time),
		IMAGE_TEST(forked_handles_are_dead),
		IMAGE_TEST(replaced_and_unlinked),
		IMAGE_TEST(mismatch_names_both),
		IMAGE_TEST(open_refuses),
		IMAGE_TEST(read_only_handles),
		IMAGE_TEST(retired_image),
		IMAGE_TEST(damaged_roots),
		IMAGE_TEST(damaged_free_list),
		IMAGE_TEST(broken_exclusion),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
