/* Creation: the segment is built complete without a name and then linked to its name, so nobody
 * ever sees half of it. */
#include "libshm/create.h"

#include "libshm/attach.h"
#include "libshm/clock.h"
#include "libshm/descriptor.h"
#include "libshm/header.h"
#include "libshm/image.h"
#include "libshm/name.h"
#include "libshm/read.h"
#include "libshm/source.h"
#include "libshm/why.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void header_fill(struct segment_header *header, const struct mbshm_config *config,
			uint32_t pool_pages)
{
	header->magic = SEGMENT_MAGIC;
	header->layout = SEGMENT_LAYOUT;
	header->byte_order = SEGMENT_BYTE_ORDER;
	header->size_bytes = segment_size(pool_pages);
	header->pool_pages = pool_pages;
	header->span_count = config->layout.span_count;
	header->created_wall_ns = (uint64_t)clock_ns(CLOCK_REALTIME);
	span_pack(header->spans, &config->layout);
	header->checksum = header_checksum(header);
}

/* Version 1: live pages 0..live-1, all zero, then the root page; the rest is free, with stamp 0,
 * which warns no reader. */
static void pool_fill(struct segment *seg, uint32_t pool_pages, unsigned live)
{
	struct segment_page *root =
		(struct segment_page *)((char *)seg + pool_offset(pool_pages)) + live;
	page_store(&root->word[ROOT_VERSION], 1);
	page_store(&root->word[ROOT_WALL_NS], (uint64_t)clock_ns(CLOCK_REALTIME));
	page_store(&root->word[ROOT_MONO_NS], (uint64_t)clock_ns(CLOCK_MONOTONIC));
	for (unsigned i = 0; i < live; i++) {
		_Atomic uint64_t *word = &root->word[ROOT_PAGES + i / 4];
		page_store(word, page_load(word) | (uint64_t)i << i % 4 * 16);
	}
	for (uint32_t page = live + 1; page < pool_pages; page++)
		owner_store(&seg->free_list[page - live - 1], page);
	owner_store(&seg->control.free_tail, pool_pages - live - 1);
	commit_publish(&seg->control, 0, UINT64_C(1) << 16 | live);
}

/* The umask must not decide who may write, so mode and group are set on the open file. */
static int segment_build(int fd, const struct mbshm_config *config, char *why)
{
	uint32_t pool_pages =
		config->pool_pages ? config->pool_pages : mbshm_pool_default(&config->layout);
	size_t size = segment_size(pool_pages);
	int error = posix_fallocate(fd, 0, (off_t)size);
	if (error)
		return why_set(why, -error,
			       error == ENOSPC ? "no room for %zu KiB in /dev/shm (%s)"
					       : "cannot reserve %zu KiB: %s",
			       size / 1024, strerror(error));
	if (config->group != (gid_t)-1 && fchown(fd, (uid_t)-1, config->group))
		return why_set(why, -errno,
			       "cannot give the image to group %u: %s (be a member of it, or root)",
			       (unsigned)config->group, strerror(errno));
	if (fchmod(fd, config->mode))
		return why_set(why, -errno, "cannot set mode %04o: %s", (unsigned)config->mode,
			       strerror(errno));

	struct segment *seg = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (seg == MAP_FAILED)
		return why_set(why, -errno, "cannot map %zu KiB: %s", size / 1024, strerror(errno));
	header_fill(&seg->header, config, pool_pages);
	pool_fill(seg, pool_pages, mbshm_layout_pages(&config->layout));
	munmap(seg, size);
	return 0;
}

/* Build a segment without a name.  0 and *fd (the caller's), or -errno and why. */
static int image_build(const struct mbshm_config *config, int *fd, char *why)
{
	int rc;
	*fd = descriptor_open(NAME_FOLDER, O_TMPFILE | O_RDWR, 0600);
	if (*fd < 0)
		return why_set(why, -errno, "cannot create in " NAME_FOLDER ": %s",
			       strerror(errno));
	rc = segment_build(*fd, config, why);
	if (rc) {
		close(*fd);
		*fd = -1;
	}
	return rc;
}

/* Copy the journal and the sources, whose names outlive segments too. */
static void history_copy(struct mbshm *img, struct segment_page *root, const struct mbshm *old)
{
	uint64_t words[ROOT_WORDS_MAX];
	if (root_copy(old, words, NULL))
		return;
	for (unsigned n = 0; n < SEGMENT_JOURNAL; n++)
		for (unsigned i = 0; i < sizeof(struct segment_journal_entry) / 8; i++)
			page_store(&img->seg->journal[n].word[i],
				   page_load(&old->seg->journal[n].word[i]));
	for (unsigned n = 0; n < SEGMENT_SOURCES; n++)
		source_copy(&img->seg->sources[n], &old->seg->sources[n]);
	page_store(&root->word[ROOT_JOURNAL], words[ROOT_JOURNAL]);
	owner_store(&img->seg->control.journal_floor, page_load(&old->seg->control.journal_floor));
}

/* Of an image that nobody else can see yet. */
static void version_set(struct mbshm *img, uint64_t version)
{
	struct segment_page *root = &img->pool[img->live];
	page_store(&root->word[ROOT_VERSION], version);
	owner_store(&img->seg->control.commit, version << 16 | img->live);
}

/* Fill the new image while nobody else can see it: with the values of every address in both
 * layouts, as one version more, the journal and the sources. */
static int image_seed(const char *path, const struct mbshm_config *config,
		      const struct values *seed, const struct mbshm *old, char *why)
{
	struct mbshm *img;
	int rc = handle_make(path, 0, config, MBSHM_WRITE, &img, why);
	if (rc)
		return rc;
	version_set(img, seed->version);
	if (old)
		history_copy(img, &img->pool[img->live], old);
	rc = values_publish(img, seed, false, NULL, 1000000);
	/* Without a common address nothing was published. */
	if (!rc && commit_version(commit_load(&img->seg->control)) == seed->version)
		version_set(img, seed->version + 1);
	mbshm_close(img);
	return rc ? why_set(why, rc, "cannot fill the new image: %s", strerror(-rc)) : 0;
}

int image_create(const struct mbshm_config *config, const struct values *seed,
		 const struct mbshm *old, bool replace, char *why)
{
	char from[64], to[NAME_PATH_SIZE], beside[NAME_PATH_SIZE + 8];
	int fd, rc = image_build(config, &fd, why);
	if (rc)
		return rc;
	/* By /proc, since AT_EMPTY_PATH needs a capability. */
	snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
	if (seed)
		rc = image_seed(from, config, seed, old, why);
	/* If root replaces another user's image, that user stays its owner. */
	if (!rc && old && !geteuid() &&
	    fchown(fd, old->owner, config->group != (gid_t)-1 ? config->group : old->group))
		rc = why_set(why, -errno, "cannot give the image to user %u: %s",
			     (unsigned)old->owner, strerror(errno));
	if (rc)
		goto done;
	name_path(config->name, to);
	snprintf(beside, sizeof beside, NAME_FOLDER "/.%s.new", config->name + 1);
	if (replace) /* a killed replacer may have left it; we own the old image's lock */
		unlink(beside);
	if (linkat(AT_FDCWD, from, AT_FDCWD, replace ? beside : to, AT_SYMLINK_FOLLOW)) {
		rc = why_set(why, -errno, "cannot link the new image to %s: %s",
			     replace ? beside : to, strerror(errno));
	} else if (replace && rename(beside, to)) {
		rc = why_set(why, -errno, "cannot rename the new image to %s: %s", to,
			     strerror(errno));
		unlink(beside);
	}
done:
	close(fd);
	return rc;
}
