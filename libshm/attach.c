/* Attaching: nothing in the segment is believed before it is checked, and the checked copy is
 * private. */
#include "libshm/attach.h"

#include "libshm/descriptor.h"
#include "libshm/header.h"
#include "libshm/image.h"
#include "libshm/lock.h"
#include "libshm/source.h"
#include "libshm/spans.h"
#include "libshm/values.h"
#include "libshm/why.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* All handles of this process, so that a forked child can give up those that it inherited. */
static pthread_mutex_t handles_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct mbshm *handles;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void fork_prepare(void)
{
	pthread_mutex_lock(&handles_mutex);
}
static void fork_parent(void)
{
	pthread_mutex_unlock(&handles_mutex);
}

/* The slot's lock belongs to the open file description, which parent and child share: unlocking
 * here would unlock the parent, and keeping the descriptor would keep the slot locked after the
 * parent's death.  So close it.  (The mapping is not inherited: MADV_DONTFORK.) */
static void fork_child(void)
{
	for (struct mbshm *img = handles; img; img = img->next) {
		flag_raise(&img->dead);
		close(img->fd);
		img->fd = -1;
	}
	pthread_mutex_unlock(&handles_mutex);
}

static void fork_watch(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* Open and list under one mutex: if another thread forked in between, its child would have a
 * descriptor that nobody closes and that keeps the slot locked after our death. */
static int handle_add(struct mbshm *img, const char *path, int flags)
{
	int error;
	pthread_once(&fork_once, fork_watch);
	pthread_mutex_lock(&handles_mutex);
	/* O_NONBLOCK: a FIFO must not hang us. */
	img->fd = descriptor_open(path, flags | O_NONBLOCK, 0);
	error = errno;
	if (img->fd >= 0) {
		img->next = handles;
		handles = img;
	}
	pthread_mutex_unlock(&handles_mutex);
	return img->fd < 0 ? -error : 0;
}

/* Close under the same mutex, for the same reason. */
static void handle_remove(struct mbshm *img)
{
	pthread_mutex_lock(&handles_mutex);
	for (struct mbshm **at = &handles; *at; at = &(*at)->next)
		if (*at == img) {
			*at = img->next;
			break;
		}
	if (img->fd >= 0)
		close(img->fd);
	pthread_mutex_unlock(&handles_mutex);
}

/* Under the mutex, since another thread's fault may be looking for its handle now. */
static void handle_map(struct mbshm *img, void *seg)
{
	pthread_mutex_lock(&handles_mutex);
	img->seg = seg;
	pthread_mutex_unlock(&handles_mutex);
}

bool handle_at(const void *address, bool (*found)(struct mbshm *img))
{
	bool done = false;
	pthread_mutex_lock(&handles_mutex);
	for (struct mbshm *img = handles; img && !done; img = img->next)
		if (img->seg && (uintptr_t)address - (uintptr_t)img->seg < img->size_bytes)
			done = found(img);
	pthread_mutex_unlock(&handles_mutex);
	return done;
}

#define RECREATE "\"mbshm recreate\" makes the image what the plant says"

static int wanted_check(const struct mbshm *img, const struct mbshm_config *config, char *why)
{
	char ours[200], theirs[200];
	if (config->layout.span_count && !layout_equal(&config->layout, &img->layout)) {
		layout_text(&config->layout, ours, sizeof ours);
		layout_text(&img->layout, theirs, sizeof theirs);
		return why_set(why, -ENXIO, "declares {%s}; the plant says {%s}; " RECREATE, theirs,
			       ours);
	}
	if (config->pool_pages && config->pool_pages != img->pool_pages)
		return why_set(why, -ENXIO, "has a pool of %u pages; the plant says %u; " RECREATE,
			       img->pool_pages, config->pool_pages);
	return 0;
}

/* Compute where the index of each page is in a root page, which words of a page are used, and where
 * the spans of each table begin. */
static void index_build(struct mbshm *img)
{
	unsigned place = 0, i = 0;
	memset(img->root_slot, 0xff, sizeof img->root_slot);
	for (unsigned s = 0; s < img->layout.span_count; s++) {
		const struct mbshm_span *span = &img->layout.spans[s];
		uint32_t first = span->first * table_bits(span->table),
			 last = first + span->count * table_bits(span->table) - 1;
		for (uint32_t p = first / PAGE_BITS; p <= last / PAGE_BITS; p++) {
			uint16_t *slot = &img->root_slot[table_first_page(span->table) + p];
			if (*slot == NO_PAGE) {
				*slot = (uint16_t)place++;
				img->used[*slot].first =
					(uint8_t)(p == first / PAGE_BITS ? first / 64 % PAGE_WORDS
									 : 0);
			}
			img->used[*slot].last =
				(uint8_t)(p == last / PAGE_BITS ? last / 64 % PAGE_WORDS
								: PAGE_WORDS - 1);
		}
	}
	img->live = place;
	img->root_words = ROOT_PAGES + (place + 3) / 4;
	img->named[0] = (uint16_t)place; /* by img->known, which is zero */
	for (unsigned t = 0; t <= MBSHM_TABLES; t++) {
		while (i < img->layout.span_count && (unsigned)img->layout.spans[i].table < t)
			i++;
		img->first_span[t] = (uint16_t)i;
	}
}

static int segment_map(struct mbshm *img, const struct mbshm_config *config, char *why)
{
	struct segment_header header;
	struct stat st;
	int rc = header_read(img->fd, config->group, &header, &img->layout, &st, why);
	if (rc)
		return rc;
	img->dev = st.st_dev;
	img->ino = st.st_ino;
	img->owner = st.st_uid;
	img->group = st.st_gid;
	img->accepted = config->group;
	img->pool_pages = header.pool_pages;
	img->size_bytes = header.size_bytes;
	rc = wanted_check(img, config, why);
	if (rc)
		return rc;
	void *seg = mmap(NULL, img->size_bytes, PROT_READ | (img->writable ? PROT_WRITE : 0),
			 MAP_SHARED, img->fd, 0);
	if (seg == MAP_FAILED)
		return why_set(why, -errno, "cannot map %zu KiB: %s", img->size_bytes / 1024,
			       strerror(errno));
	madvise(seg, img->size_bytes, MADV_DONTFORK);
	handle_map(img, seg);
	img->pool = (struct segment_page *)((char *)img->seg + pool_offset(img->pool_pages));
	img->free_mask = free_list_slots(img->pool_pages) - 1;
	index_build(img);
	return 0;
}

int handle_make(const char *path, int follow, const struct mbshm_config *config, int flags,
		struct mbshm **out, char *why)
{
	struct mbshm *img = calloc(1, sizeof *img);
	void *seg;
	int rc;
	if (!img)
		return why_set(why, -ENOMEM, "out of memory");
	img->writable = flags & MBSHM_WRITE;
	img->retries = &img->overtaken;
	memcpy(img->name, config->name, sizeof img->name);
	/* Without O_CREAT, which fs.protected_regular refuses on other users' files. */
	rc = handle_add(img, path, (img->writable ? O_RDWR : O_RDONLY) | follow);
	if (rc) {
		free(img);
		return why_set(why, rc, "%s", rc == -ENOENT ? "no such image" : strerror(-rc));
	}
	pthread_mutex_init(&img->mutex, NULL);
	rc = segment_map(img, config, why);
	if (rc)
		goto fail;
	rc = img->writable ? slot_claim(img, why) : 0;
	if (rc)
		goto fail;
	if (img->writable)
		sources_leave(img);
	*out = img;
	return 0;
fail:
	seg = img->seg;
	handle_remove(img);
	if (seg)
		munmap(seg, img->size_bytes);
	pthread_mutex_destroy(&img->mutex);
	free(img);
	return rc;
}

void mbshm_close(struct mbshm *img)
{
	if (!img)
		return;
	void *seg = img->seg;
	handle_remove(img);
	if (!handle_dead(img))
		munmap(seg, img->size_bytes);
	values_drop(img->kept);
	values_drop(img->spare);
	pthread_mutex_destroy(&img->mutex);
	free(img);
}

const struct mbshm_layout *mbshm_layout_of(const struct mbshm *img)
{
	return &img->layout;
}

bool mbshm_declared(const struct mbshm *img, enum mbshm_table table, uint32_t first, uint32_t count)
{
	return handle_declares(img, table, first, count);
}
