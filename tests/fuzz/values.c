/* Fuzz target: any bytes as a file of saved values.  What is read has a layout that can be; what is
 * restored is then in the image, value for value; what is refused changes nothing and is told.
 *
 * The first byte says how: HOW_RAW, the rest is the file; else the rest is {number of spans, spans
 * {table, first, count} of 2 + 2 + 4 bytes, little-endian, values}, and header and checksum are
 * made to fit. */
#include "fuzz.h"
#include "libshm/saved.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	HOW_RAW = 1,
	HOW_BAD_SUM = 2,
	HEADER_BYTES = 32 + 8 * MBSHM_SPANS_MAX,
	VALUES_ROOM = 1 << 16
};

static struct mbshm *image;

static void world_open(void)
{
	struct mbshm_config config = { .mode = 0600, .group = (gid_t)-1, .pool_pages = 24 };
	char why[MBSHM_WHY_SIZE], path[MBSHM_NAME_SIZE + 16];
	snprintf(config.name, sizeof config.name, "/mbfuzz-%d", (int)getpid());
	mbshm_layout_add(&config.layout, MBSHM_COILS, 3, 10);
	mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, 510, 4);
	if (mbshm_open(&config, MBSHM_CREATE, &image, why) != 0)
		finding("%s", why);
	snprintf(path, sizeof path, "/dev/shm%s", config.name);
	unlink(path);
}

static uint64_t checksum(const uint8_t *bytes, size_t count)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < count; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/* A file as mbshm_values_save writes it, with spans and values from the input. */
static size_t file_make(const uint8_t *data, size_t size, uint8_t *file)
{
	static const uint8_t begin[16] = { '.', 'M', 'B', 'R', 'E', 'G', 'S', '1', 1 };
	size_t spans = size != 0 ? data[0] : 0, span_bytes = 8 * spans;
	data += size != 0;
	size -= size != 0;
	if (span_bytes > size)
		span_bytes = size;
	if (span_bytes > 8 * MBSHM_SPANS_MAX)
		span_bytes = 8 * MBSHM_SPANS_MAX;
	memset(file, 0, HEADER_BYTES);
	memcpy(file, begin, sizeof begin);
	file[12] = (uint8_t)spans;
	file[16] = 1;
	memcpy(file + 32, data, span_bytes);
	size_t values = size - span_bytes < VALUES_ROOM ? size - span_bytes : VALUES_ROOM;
	memcpy(file + HEADER_BYTES, data + span_bytes, values);
	return HEADER_BYTES + values;
}

/* The image holds what the file says; values are in the file as the library reads them out. */
static void restored_check(const struct values *values)
{
	struct mbshm_read reads[MBSHM_SPANS_MAX];
	static uint8_t got[VALUES_ROOM];
	uint8_t *out = got;
	if (values->size_bytes > sizeof got)
		finding("%zu bytes of values", values->size_bytes);
	memset(got, 0, sizeof got);
	for (unsigned i = 0; i < values->layout.span_count; i++) {
		const struct mbshm_span *span = &values->layout.spans[i];
		uint32_t bits =
			span->table >= MBSHM_HOLDING_REGISTERS ? 16 * span->count : span->count;
		reads[i] = (struct mbshm_read){ span->table, span->first, span->count, out };
		out += (bits + 63) / 64 * 8;
	}
	int rc = mbshm_read(image, reads, values->layout.span_count, NULL);
	if (rc != 0)
		finding("restored what cannot be read: %s", strerror(-rc));
	for (unsigned i = 0; i < values->layout.span_count; i++) {
		const struct mbshm_span *span = &values->layout.spans[i];
		size_t at = (size_t)((uint8_t *)reads[i].out - got);
		unsigned item = span->table >= MBSHM_HOLDING_REGISTERS ? 16 : 1;
		for (uint32_t bit = 0; bit < span->count * item; bit++)
			if ((got[at + bit / 8] ^ values->bytes[at + bit / 8]) >> bit % 8 & 1)
				finding("span %u differs at item %u", i, span->first + bit / item);
	}
}

const unsigned replay_runs = 20000;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[HEADER_BYTES + VALUES_ROOM + 8];
	char why[MBSHM_WHY_SIZE] = "";
	struct values values;
	if (image == NULL)
		world_open();
	if (size < 1)
		return 0;

	const char *path;
	if (data[0] & HOW_RAW) {
		path = file_of(data + 1, size - 1);
	} else {
		size_t bytes = file_make(data + 1, size - 1, file);
		uint64_t sum = checksum(file, bytes) + !!(data[0] & HOW_BAD_SUM);
		memcpy(file + bytes, &sum, sizeof sum);
		path = file_of(file, bytes + sizeof sum);
	}
	int loaded = saved_load(path, &values, why);
	if (loaded != 0 && (loaded != -EBADMSG || why[0] == '\0'))
		finding("load: %d, \"%s\"", loaded, why);
	if (loaded == 0 && (data[0] & (HOW_RAW | HOW_BAD_SUM)) == HOW_BAD_SUM)
		finding("a wrong checksum was taken");

	uint64_t before, after;
	mbshm_read(image, NULL, 0, &before);
	int rc = mbshm_values_restore(image, path, NULL, 1000000, why);
	mbshm_read(image, NULL, 0, &after);
	if (rc != 0 && (after != before || why[0] == '\0'))
		finding("refused (%d, \"%s\") after %llu versions", rc, why,
			(unsigned long long)(after - before));
	if (rc != loaded && rc != -ENXIO)
		finding("restore: %d, load: %d", rc, loaded);
	if (rc == 0)
		restored_check(&values);
	if (loaded == 0)
		values_free(&values);
	return 0;
}
