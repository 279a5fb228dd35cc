/* Saved values: a round trip, every byte of a file damaged, other layouts, a retain file at
 * creation. */
#include "image_fixture.h"

#include <glob.h>

static char folder[] = "/dev/shm/mbtest-values-XXXXXX"; /* fsync on a disk would be slow */
static char path[sizeof folder + 16];
static char why[MBSHM_WHY_SIZE];

static int enter_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/values", folder);
	return 0;
}

static int leave_folder(void **state)
{
	char command[sizeof folder + 16];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static size_t file_read(uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	size = fread(bytes, 1, size, file);
	fclose(file);
	return size;
}

static void file_write(const uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/* Nothing lies beside the file. */
static void alone(void)
{
	char pattern[sizeof path + 2];
	glob_t found;
	snprintf(pattern, sizeof pattern, "%s?*", path);
	assert_int_equal(glob(pattern, 0, NULL, &found), GLOB_NOMATCH);
}

/* Forget what other tests have left beside it. */
static void beside_clear(void)
{
	char pattern[sizeof path + 2];
	glob_t found;
	snprintf(pattern, sizeof pattern, "%s?*", path);
	if (glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		unlink(found.gl_pathv[i]);
	globfree(&found);
}

static void save(struct mbshm *img, uint64_t *version)
{
	int rc = mbshm_values_save(img, path, SECOND_US, version, why);
	if (rc)
		fail_msg("save: %s", why);
}

static void round_trip(void **state)
{
	struct mbshm *img;
	uint64_t version;
	(void)state;
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	assert_int_equal(pattern_commit(img, 4711, SECOND_US, NULL), 0);
	save(img, &version);
	assert_int_equal(version, 2);
	alone();
	for (uint32_t number = 1; number < 5; number++)
		assert_int_equal(pattern_commit(img, number, SECOND_US, NULL), 0);
	assert_int_equal(mbshm_values_restore(img, path, NULL, SECOND_US, why), 0);
	pattern_expect(img, 4711);
	assert_int_equal(image_status(img).version, 7); /* as one */
	save(img, &version);                            /* over the old file */
	assert_int_equal(version, 7);
	alone();
	image_audit(img);
	mbshm_close(img);
}

static bool is_registers(enum mbshm_table table)
{
	return table >= MBSHM_HOLDING_REGISTERS;
}

/* Three tables whole, and spans at every kind of edge. */
static void every_size(void **state)
{
	enum { BYTES = MBSHM_ITEMS * 2 };
	static const struct mbshm_span layouts[][3] = {
		{ { MBSHM_COILS, 0, MBSHM_ITEMS },
		  { MBSHM_HOLDING_REGISTERS, 0, MBSHM_ITEMS },
		  { MBSHM_INPUT_REGISTERS, 0, MBSHM_ITEMS } },
		{ { MBSHM_COILS, 65535, 1 },
		  { MBSHM_DISCRETE_INPUTS, 0, 1 },
		  { MBSHM_HOLDING_REGISTERS, 65535, 1 } },
		{ { MBSHM_COILS, 1, 63 },
		  { MBSHM_DISCRETE_INPUTS, 63, 65 },
		  { MBSHM_INPUT_REGISTERS, 511, 2 } },
		{ { MBSHM_COILS, 8191, 32769 },
		  { MBSHM_DISCRETE_INPUTS, 7, 65529 },
		  { MBSHM_INPUT_REGISTERS, 3, 32771 } },
	};
	static uint8_t in[3][BYTES], out[3][BYTES];
	uint64_t seed = test_seed();
	(void)state;
	for (unsigned l = 0; l < sizeof layouts / sizeof *layouts; l++) {
		struct mbshm_read reads[3];
		struct mbshm_txn *txn = mbshm_txn_new(8);
		struct mbshm *img;
		config.layout.span_count = 0;
		for (unsigned i = 0; i < 3; i++) {
			const struct mbshm_span *span = &layouts[l][i];
			assert_int_equal(mbshm_layout_add(&config.layout, span->table, span->first,
							  span->count),
					 0);
			reads[i] =
				(struct mbshm_read){ span->table, span->first, span->count, in[i] };
		}
		img = image_open(MBSHM_CREATE);
		mbshm_txn_begin(txn, img);
		for (unsigned i = 0; i < 3; i++) {
			const struct mbshm_span *span = &layouts[l][i];
			for (unsigned k = 0; k < BYTES; k++)
				out[i][k] = (uint8_t)random_next(&seed);
			for (uint32_t done = 0, n; done < span->count; done += n) {
				uint16_t addr = (uint16_t)(span->first + done), most = 32768;
				const uint16_t *registers = (const uint16_t *)out[i] + done;
				const uint8_t *bits = out[i] + done / 8;
				n = span->count - done < most ? span->count - done : most;
				assert_int_equal(
					is_registers(span->table)
						? mbshm_txn_write_registers(txn, span->table, addr,
									    (uint16_t)n, registers)
						: mbshm_txn_write_bits(txn, span->table, addr,
								       (uint16_t)n, bits),
					0);
			}
		}
		assert_int_equal(mbshm_txn_commit(txn, SECOND_US, NULL), 0);
		assert_int_equal(mbshm_read(img, reads, 3, NULL), 0);
		memcpy(out, in, sizeof out); /* with unused bits 0, and what lies behind */
		save(img, NULL);
		mbshm_close(img);
		unlink(image_path(&config));
		img = image_open(MBSHM_CREATE);
		assert_int_equal(mbshm_values_restore(img, path, NULL, SECOND_US, why), 0);
		for (unsigned i = 0; i < 3; i++)
			memset(in[i], 0,
			       is_registers(reads[i].table) ? reads[i].count * 2
							    : (reads[i].count + 7) / 8);
		assert_int_equal(mbshm_read(img, reads, 3, NULL), 0);
		assert_memory_equal(in, out, sizeof in);
		mbshm_txn_free(txn);
		mbshm_close(img);
		unlink(image_path(&config));
	}
}

/* Every byte wrong in three ways, every length: refused, and nothing is published. */
static void damaged(void **state)
{
	static uint8_t whole[8192], bytes[sizeof whole + 1];
	struct mbshm *img;
	size_t size;
	(void)state;
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	assert_int_equal(pattern_commit(img, 1, SECOND_US, NULL), 0);
	save(img, NULL);
	size = file_read(whole, sizeof whole);
	assert_true(size < sizeof whole);
	assert_int_equal(pattern_commit(img, 2, SECOND_US, NULL), 0);
	for (size_t at = 0; at < size; at++) {
		static const uint8_t flips[] = { 0x01, 0x80, 0xff };
		for (unsigned i = 0; i < 3; i++) {
			memcpy(bytes, whole, size);
			bytes[at] ^= flips[i];
			file_write(bytes, size);
			assert_int_equal(mbshm_values_restore(img, path, NULL, SECOND_US, why),
					 -EBADMSG);
			assert_true(!strncmp(why, path, strlen(path)) &&
				    strlen(why) > strlen(path) + 2);
		}
	}
	for (size_t length = 0; length <= size + 1; length++) {
		if (length == size)
			continue;
		memcpy(bytes, whole, size);
		file_write(bytes, length);
		assert_int_equal(mbshm_values_restore(img, path, NULL, SECOND_US, why), -EBADMSG);
	}
	file_write(whole, size);
	pattern_expect(img, 2);
	assert_int_equal(image_status(img).version, 3);
	assert_int_equal(mbshm_values_restore(img, path, NULL, SECOND_US, why), 0);
	pattern_expect(img, 1);
	image_audit(img);
	mbshm_close(img);
}

/* With a checksum that is right, as an attacker's would be: still nothing but refusals. */
static void forged(void **state)
{
	static uint8_t whole[8192], bytes[sizeof whole];
	uint64_t seed = test_seed();
	struct mbshm *img;
	size_t size;
	unsigned refused = 0, taken = 0;
	(void)state;
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	save(img, NULL);
	size = file_read(whole, sizeof whole);
	for (unsigned n = 0; n < 20000; n++) {
		uint64_t hash = UINT64_C(0xcbf29ce484222325);
		memcpy(bytes, whole, size);
		for (unsigned k = 0; k <= n % 4; k++)
			bytes[random_below(&seed, n & 1 ? 96 : (uint32_t)size - 8)] =
				(uint8_t)random_next(&seed);
		for (size_t i = 0; i < size - 8; i++)
			hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
		memcpy(bytes + size - 8, &hash, 8);
		file_write(bytes, size);
		int rc = mbshm_values_restore(img, path, NULL, SECOND_US, why);
		assert_true(rc == 0 || rc == -EBADMSG || rc == -ENXIO || rc == -ENOMEM);
		rc ? refused++ : taken++;
	}
	printf("# %u forged files refused, %u taken: they had other values\n", refused, taken);
	assert_true(refused > 0 && taken > 0);
	image_audit(img);
	mbshm_close(img);
}

static void other_layout(void **state)
{
	struct mbshm *img;
	(void)state;
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	save(img, NULL);
	mbshm_close(img);
	unlink(image_path(&config));
	mbshm_layout_add(&config.layout, MBSHM_COILS, 1, 1);
	img = image_open(MBSHM_CREATE);
	assert_int_equal(mbshm_values_restore(img, path, NULL, SECOND_US, why), -ENXIO);
	assert_non_null(strstr(why, "holds {coil 8100-8299; discrete 77-276; holding 500-1099; "
				    "input 65000-65063}"));
	assert_non_null(strstr(why, "declares {coil 1-1,8100-8299; "));
	assert_int_equal(image_status(img).version, 1);
	mbshm_close(img);
}

static void cannot(void **state)
{
	struct mbshm *img, *reader;
	char nowhere[] = "/nonexistent/values";
	(void)state;
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	reader = image_open(0);
	assert_int_equal(mbshm_values_save(img, nowhere, SECOND_US, NULL, why), -ENOENT);
	assert_int_equal(mbshm_values_restore(img, nowhere, NULL, SECOND_US, why), -ENOENT);
	assert_int_equal(mbshm_values_restore(img, "/dev/zero", NULL, SECOND_US, why), -EINVAL);
	assert_int_equal(mbshm_values_restore(img, "/", NULL, SECOND_US, NULL), -EISDIR);
	assert_int_equal(mbshm_values_save(reader, path, 0, NULL, why), 0); /* saving is reading */
	assert_int_equal(mbshm_values_restore(reader, path, NULL, SECOND_US, why), -EACCES);
	mbshm_close(reader);
	mbshm_close(img);
}

/* ---- at creation --------------------------------------------------------------------------- */

static void fills_at_creation(void **state)
{
	struct mbshm *img;
	uint64_t version;
	(void)state;
	unlink(path);
	pattern_declare();
	config.retain = path;
	img = image_open(MBSHM_CREATE); /* no file: no values, and nothing to say */
	pattern_expect(img, 0);
	for (uint32_t number = 1; number < 9; number++)
		assert_int_equal(pattern_commit(img, number, SECOND_US, NULL), 0);
	save(img, &version);
	assert_int_equal(pattern_commit(img, 9, SECOND_US, NULL), 0);
	mbshm_close(img);
	img = image_open(MBSHM_CREATE); /* it exists: the file is not asked */
	pattern_expect(img, 9);
	mbshm_close(img);
	unlink(image_path(&config));
	assert_int_equal(mbshm_open(&config, 0, &img, why), -ENOENT);
	img = image_open(MBSHM_CREATE);
	pattern_expect(img, 8);
	assert_true(image_status(img).version >
		    version); /* not fresh, and later than what was saved */
	image_audit(img);
	mbshm_close(img);
}

/* Of a layout that has changed meanwhile: what is in both. */
static void fills_what_is_in_both(void **state)
{
	struct mbshm *img;
	struct pattern pattern;
	uint16_t registers[20];
	uint8_t bits[3];
	(void)state;
	pattern_declare();
	config.retain = path;
	unlink(path);
	img = image_open(MBSHM_CREATE);
	assert_int_equal(pattern_commit(img, 77, SECOND_US, NULL), 0);
	save(img, NULL);
	mbshm_close(img);
	unlink(image_path(&config));
	config.layout.span_count = 0;
	mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, PATTERN_HOLDING - 10, 20);
	mbshm_layout_add(&config.layout, MBSHM_COILS, PATTERN_COIL + 3, 20);
	img = image_open(MBSHM_CREATE);
	pattern_fill(&pattern, 77);
	assert_int_equal(mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, PATTERN_HOLDING - 10,
					      20, registers, NULL),
			 0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(registers[i], 0);
	assert_memory_equal(registers + 10, pattern.holdings, 20);
	assert_int_equal(mbshm_read_bits(img, MBSHM_COILS, PATTERN_COIL + 3, 20, bits, NULL), 0);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(bits[i / 8] >> i % 8 & 1,
				 pattern.coils[(i + 3) / 8] >> (i + 3) % 8 & 1);
	image_audit(img);
	mbshm_close(img);
}

static void refuses_at_creation(void **state)
{
	char aside[sizeof path + 16];
	struct mbshm *img;
	(void)state;
	snprintf(aside, sizeof aside, "%s.refused", path);
	pattern_declare();
	config.retain = path;
	file_write((const uint8_t *)"nonsense", 8);
	assert_int_equal(mbshm_open(&config, MBSHM_CREATE, &img, why), 0);
	assert_non_null(strstr(why, "kept aside as"));
	pattern_expect(img, 0);
	mbshm_close(img);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(aside, F_OK), 0);
	unlink(aside);
	unlink(image_path(&config));
	/* What cannot be read is not thrown away. */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mbshm_open(&config, MBSHM_CREATE, &img, why), -EISDIR);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(access(image_path(&config), F_OK), -1);
	rmdir(path);
}

/* A save does not overwrite what was refused: it may be all that is left of somebody's values. */
static void save_keeps_the_damaged(void **state)
{
	char aside[sizeof path + 16];
	struct mbshm *img;
	(void)state;
	snprintf(aside, sizeof aside, "%s.refused", path);
	beside_clear();
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	file_write((const uint8_t *)"nonsense", 8);
	assert_int_equal(mbshm_values_save(img, path, SECOND_US, NULL, why), 0);
	assert_int_equal(access(aside, F_OK), 0);
	assert_int_equal(unlink(aside), 0);
	assert_int_equal(mbshm_values_save(img, path, SECOND_US, NULL, why), 0);
	assert_int_equal(access(aside, F_OK), -1);
	assert_int_equal(mbshm_values_restore(img, path, NULL, SECOND_US, why), 0);
	mbshm_close(img);
	unlink(path);
}

/* Nor what was refused before, until there are ten: then the first of them goes. */
static void keeps_older_refused(void **state)
{
	char aside[sizeof path + 24], text[16], kept[16];
	struct mbshm *img;
	(void)state;
	beside_clear();
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	for (unsigned i = 0; i <= 10; i++) {
		snprintf(text, sizeof text, "nonsense %u", i);
		file_write((const uint8_t *)text, sizeof text);
		save(img, NULL);
	}
	for (unsigned i = 0; i < 10; i++) {
		snprintf(aside, sizeof aside, i ? "%s.refused.%u" : "%s.refused", path, i);
		snprintf(text, sizeof text, "nonsense %u", i ? i : 10);
		FILE *file = fopen(aside, "rb");
		assert_non_null(file);
		assert_int_equal(fread(kept, 1, sizeof kept, file), sizeof kept);
		fclose(file);
		assert_string_equal(kept, text);
		unlink(aside);
	}
	alone();
	mbshm_close(img);
	unlink(path);
}

/* Many creators at once, and a damaged file: one image, and the file is kept. */
static void creator(void *arg)
{
	struct mbshm *img;
	CHILD_CHECK(gate_wait(arg));
	CHILD_CHECK(!mbshm_open(&config, MBSHM_CREATE, &img, NULL));
	mbshm_close(img);
}

static void refuses_once(void **state)
{
	char aside[sizeof path + 16];
	(void)state;
	snprintf(aside, sizeof aside, "%s.refused", path);
	pattern_declare();
	config.retain = path;
	for (unsigned round = 0; round < 50; round++) {
		struct gate gate;
		pid_t pids[4];
		gate_make(&gate);
		file_write((const uint8_t *)"nonsense", 8);
		for (unsigned i = 0; i < 4; i++)
			pids[i] = child_start(creator, &gate);
		for (unsigned i = 0; i < 4; i++)
			assert_true(gate_signal(&gate));
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(child_end(pids[i]), 0);
		assert_int_equal(access(aside, F_OK), 0);
		unlink(aside);
		unlink(image_path(&config));
		gate_close(&gate);
	}
}

/* ---- killed while saving ------------------------------------------------------------------- */

static void save_forever(void *arg)
{
	struct mbshm *img;
	(void)arg;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	for (;;)
		CHILD_CHECK(!mbshm_values_save(img, path, SECOND_US, NULL, NULL));
}

static void killed_while_saving(void **state)
{
	uint64_t seed = test_seed();
	struct mbshm *img;
	(void)state;
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	for (uint32_t number = 1; number <= 200; number++) {
		pid_t pid;
		assert_int_equal(pattern_commit(img, number, SECOND_US, NULL), 0);
		save(img, NULL);
		pid = child_start(save_forever, NULL);
		usleep(500 + random_below(&seed, 3000));
		kill(pid, SIGKILL);
		assert_true(was_killed(child_end(pid)));
		assert_int_equal(pattern_commit(img, 9999, SECOND_US, NULL), 0);
		assert_int_equal(mbshm_values_restore(img, path, NULL, SECOND_US, why),
				 0); /* whole */
		pattern_expect(img, number);
	}
	save(img, NULL);
	alone(); /* what the dead have left is gone */
	mbshm_close(img);
}

static void saver(void *arg)
{
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL) && gate_wait(arg));
	for (unsigned i = 0; i < 100; i++)
		CHILD_CHECK(!mbshm_values_save(img, path, SECOND_US, NULL, NULL));
	mbshm_close(img);
}

/* Many at once: each succeeds, and the file is one of theirs. */
static void savers_at_once(void **state)
{
	enum { SAVERS = 4 };
	struct gate gate;
	struct mbshm *img;
	pid_t pids[SAVERS];
	(void)state;
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	assert_int_equal(pattern_commit(img, 1, SECOND_US, NULL), 0);
	gate_make(&gate);
	for (unsigned i = 0; i < SAVERS; i++)
		pids[i] = child_start(saver, &gate);
	for (unsigned i = 0; i < SAVERS; i++)
		assert_true(gate_signal(&gate));
	for (unsigned i = 0; i < SAVERS; i++)
		assert_int_equal(child_end(pids[i]), 0);
	gate_close(&gate);
	alone();
	assert_int_equal(mbshm_values_restore(img, path, NULL, SECOND_US, why), 0);
	mbshm_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(round_trip),
		IMAGE_TEST(every_size),
		IMAGE_TEST(damaged),
		IMAGE_TEST(forged),
		IMAGE_TEST(other_layout),
		IMAGE_TEST(cannot),
		IMAGE_TEST(fills_at_creation),
		IMAGE_TEST(fills_what_is_in_both),
		IMAGE_TEST(refuses_at_creation),
		IMAGE_TEST(save_keeps_the_damaged),
		IMAGE_TEST(keeps_older_refused),
		IMAGE_TEST(refuses_once),
		IMAGE_TEST(killed_while_saving),
		IMAGE_TEST(savers_at_once),
	};
	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
