/* All values at once: taken out of an image, put into one. */
#include "libshm/values.h"

#include "libshm/image.h"
#include "libshm/lock.h"
#include "libshm/spans.h"
#include "libshm/txn.h"

#include <errno.h>
#include <stdlib.h>

static size_t span_bytes(const struct mbshm_span *span)
{
	return (span->count * table_bits(span->table) + 63) / 64 * 8;
}

int values_alloc(struct values *values)
{
	values->size_bytes = 0;
	for (unsigned i = 0; i < values->layout.span_count; i++)
		values->size_bytes += span_bytes(&values->layout.spans[i]);
	values->bytes = calloc(1, values->size_bytes);
	return values->bytes ? 0 : -ENOMEM;
}

void values_free(struct values *values)
{
	free(values->bytes);
	values->bytes = NULL;
}

void values_drop(struct values *values)
{
	if (values)
		values_free(values);
	free(values);
}

int mbshm_snapshot(struct mbshm *img, const struct mbshm_read *reads, unsigned count,
		   uint32_t timeout_us, uint64_t *version)
{
	int rc = mbshm_read(img, reads, count, version), released;
	if (rc != -EAGAIN || !img->writable)
		return rc;
	rc = lock_take(img, timeout_us);
	if (rc)
		return rc;
	rc = mbshm_read(img, reads, count, version); /* nobody can overtake now */
	released = lock_release(img);
	return rc ? rc : released;
}

/* values: allocated for the image's layout.  Undefined after an error. */
static int values_read(struct mbshm *img, bool under_lock, uint32_t timeout_us,
		       struct values *values)
{
	struct mbshm_read reads[MBSHM_SPANS_MAX];
	uint8_t *out = values->bytes;
	for (unsigned i = 0; i < img->layout.span_count; i++) {
		const struct mbshm_span *span = &img->layout.spans[i];
		reads[i] = (struct mbshm_read){ span->table, span->first, span->count, out };
		out += span_bytes(span);
	}
	if (under_lock) /* nobody publishes: the first try holds */
		return mbshm_read(img, reads, img->layout.span_count, &values->version);
	return mbshm_snapshot(img, reads, img->layout.span_count, timeout_us, &values->version);
}

int values_take(struct mbshm *img, bool under_lock, uint32_t timeout_us, struct values *values)
{
	values->layout = img->layout;
	int rc = values_alloc(values);
	if (rc)
		return rc;
	rc = values_read(img, under_lock, timeout_us, values);
	if (rc)
		values_free(values);
	return rc;
}

/* What two spans have in common. */
static bool overlap(const struct mbshm_span *a, const struct mbshm_span *b, struct mbshm_span *part)
{
	uint32_t a_end = a->first + a->count, b_end = b->first + b->count;
	uint32_t first = a->first > b->first ? a->first : b->first;
	uint32_t end = a_end < b_end ? a_end : b_end;
	*part = (struct mbshm_span){ a->table, first, end - first };
	return a->table == b->table && first < end;
}

static int values_stage(struct mbshm_txn *txn, const struct mbshm *img, const struct values *values)
{
	const uint8_t *bytes = values->bytes;
	struct mbshm_span part;
	int rc = 0;
	for (unsigned i = 0; i < values->layout.span_count; i++) {
		const struct mbshm_span *span = &values->layout.spans[i];
		for (unsigned j = 0; j < img->layout.span_count && !rc; j++) {
			if (!overlap(span, &img->layout.spans[j], &part))
				continue;
			struct mbshm_write write = { part.table, part.first, part.count, bytes };
			rc = txn_write_part(txn, &write,
					    (part.first - span->first) * table_bits(part.table));
		}
		bytes += span_bytes(span);
	}
	return rc;
}

int values_publish(struct mbshm *img, const struct values *values, bool whole,
		   const struct mbshm_origin *origin, uint32_t timeout_us)
{
	struct mbshm_txn *txn;
	int rc;
	if (whole && !layout_equal(&values->layout, &img->layout))
		return -ENXIO;
	txn = mbshm_txn_new((unsigned)(values->size_bytes / 8 + MBSHM_SPANS_MAX));
	if (!txn)
		return -ENOMEM;
	mbshm_txn_begin(txn, img);
	mbshm_txn_journal(txn, origin);
	rc = values_stage(txn, img, values);
	if (!rc)
		rc = mbshm_txn_commit(txn, timeout_us, NULL);
	mbshm_txn_free(txn);
	return rc;
}

static struct values *values_new(const struct mbshm *img)
{
	struct values *values = calloc(1, sizeof *values);
	if (!values)
		return NULL;
	values->layout = img->layout;
	if (!values_alloc(values))
		return values;
	free(values);
	return NULL;
}

/* Into the spare copy, so that a failure costs nothing; both are allocated once. */
int mbshm_keep(struct mbshm *img)
{
	uint64_t version;
	int rc = mbshm_read(img, NULL, 0, &version);
	if (rc || (img->kept && img->kept->version == version))
		return rc;
	struct values *values = img->spare ? img->spare : values_new(img);
	if (!values)
		return -ENOMEM;
	img->spare = values;
	rc = values_read(img, false, 0, values);
	if (rc)
		return rc;
	img->spare = img->kept ? img->kept : values_new(img);
	img->kept = values;
	return 0;
}
