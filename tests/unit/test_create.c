/* Creating an image, many at once, and attaching to what may not be one. */
#include "image_fixture.h"
#include "libshm/header.h"

#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

enum { RACERS = 16, ROUNDS = 40, NOBODY = 65534, SOMEBODY = 65533, SOME_GROUP = 65532 };

/* ---- creation ------------------------------------------------------------------------------ */

struct race {
	struct gate go;
	struct {
		ino_t ino;
		bool early;
	} racer[RACERS]; /* early: started before the winner's image was built */
};
struct racer {
	struct race *race;
	unsigned index;
};

static void racer_body(void *arg)
{
	const struct racer *racer = arg;
	struct race *race = racer->race;
	char why[MBSHM_WHY_SIZE], byte;
	struct timespec start;
	struct mbshm *img;
	/* All of them wait for the same byte to go away: the end of the pipe. */
	close(race->go.fd[1]);
	CHILD_CHECK(read(race->go.fd[0], &byte, 1) == 0);
	clock_gettime(CLOCK_REALTIME, &start);
	CHILD_CHECK(!mbshm_open(&config, MBSHM_CREATE, &img, why) && !why[0] && !mbshm_check(img));
	race->racer[racer->index].ino = img->ino;
	race->racer[racer->index].early =
		(uint64_t)start.tv_sec * UINT64_C(1000000000) + (uint64_t)start.tv_nsec <
		img->seg->header.created_wall_ns;
	CHILD_CHECK(!pattern_commit(img, racer->index, 5 * SECOND_US, NULL));
	mbshm_close(img);
}

/* How many racers were early. */
static unsigned race_round(struct race *race)
{
	unsigned early = 0;
	pid_t pids[RACERS];
	struct racer racers[RACERS];
	struct mbshm *img;
	gate_make(&race->go);
	for (unsigned i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){ race, i };
		pids[i] = child_start(racer_body, &racers[i]);
	}
	gate_close(&race->go);
	for (unsigned i = 0; i < RACERS; i++)
		assert_int_equal(child_end(pids[i]), 0);
	img = image_open(MBSHM_WRITE);
	for (unsigned i = 0; i < RACERS; i++) {
		assert_int_equal(race->racer[i].ino, img->ino);
		early += race->racer[i].early;
	}
	assert_int_equal(image_status(img).version,
			 1 + RACERS); /* nobody's commit went to another image */
	image_audit(img);
	mbshm_close(img);
	assert_int_equal(image_names(false), 1);
	assert_int_equal(unlink(image_path(&config)), 0);
	assert_int_equal(image_names(false), 0);
	return early;
}

static void one_of_many_creators_wins(void **state)
{
	struct race *race = shared_new(sizeof *race);
	unsigned early = 0;
	(void)state;
	pattern_declare();
	config.pool_pages = 8192; /* takes its time to build */
	for (unsigned i = 0; i < ROUNDS; i++)
		early += race_round(race);
	printf("# %u of %d creators started before the winner's image was there\n", early,
	       ROUNDS * RACERS);
	assert_true(early > ROUNDS); /* the winners, and some that were in the race */
	munmap(race, sizeof *race);
}

static void mode_whatever_the_umask(void **state)
{
	static const mode_t umasks[] = { 0, 022, 077, 0777 }, modes[] = { 0600, 0640, 0660, 0664 };
	struct stat st;
	(void)state;
	pattern_declare();
	for (unsigned u = 0; u < 4; u++)
		for (unsigned m = 0; m < 4; m++) {
			mode_t before = umask(umasks[u]);
			config.mode = modes[m];
			mbshm_close(image_open(MBSHM_CREATE));
			umask(before);
			assert_int_equal(stat(image_path(&config), &st), 0);
			assert_int_equal(st.st_mode & 07777, modes[m]);
			/* All of it is there, and no more: no write can find the file system full.
			 */
			assert_int_equal(st.st_size, segment_size(64));
			assert_true(st.st_blocks * 512 >= st.st_size);
			assert_int_equal(unlink(image_path(&config)), 0);
		}
}

static void group_is_set(void **state)
{
	struct stat st;
	(void)state;
	pattern_declare();
	config.group = geteuid() ? getegid() : SOME_GROUP;
	mbshm_close(image_open(MBSHM_CREATE));
	assert_int_equal(stat(image_path(&config), &st), 0);
	assert_int_equal(st.st_gid, config.group);
	assert_int_equal(st.st_mode & 07777, 0660);
}

/* ---- attaching to something else ----------------------------------------------------------- */

/* Attaching fails with rc, whatever the flags, and says a sentence that contains word. */
static void attach_expect(int rc, const char *word)
{
	static const int flags[] = { 0, MBSHM_WRITE, MBSHM_CREATE };
	for (unsigned i = 0; i < 3; i++) {
		char why[MBSHM_WHY_SIZE] = "";
		struct mbshm *img;
		int got = mbshm_open(&config, flags[i], &img, why);
		if (got != rc || !strstr(why, word))
			fail_msg("flags %d: %d, \"%s\"; expected %d and \"%s\"", flags[i], got, why,
				 rc, word);
		assert_null(img);
	}
}

/* A good image, open for damaging. */
static int victim_make(struct segment_header *header)
{
	int fd;
	pattern_declare();
	mbshm_close(image_open(MBSHM_CREATE));
	fd = open(image_path(&config), O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, header, sizeof *header, 0), sizeof *header);
	return fd;
}

static void header_put(int fd, const struct segment_header *header)
{
	assert_int_equal(pwrite(fd, header, sizeof *header, 0), sizeof *header);
}

/* As a program of another make would have written it. */
static void header_sign(int fd, struct segment_header *header)
{
	header->checksum = header_checksum(header);
	header_put(fd, header);
}

static void each_header_byte_flipped(void **state)
{
	static struct segment_header good, bad;
	uint64_t random = test_seed();
	int fd = victim_make(&good);
	struct mbshm *img;
	(void)state;
	for (size_t i = 0; i < sizeof good; i++) {
		uint8_t flip = (uint8_t)(1 + random_below(&random, 255));
		bad = good;
		((uint8_t *)&bad)[i] ^= flip;
		header_put(fd, &bad);
		/* With MBSHM_CREATE it is replaced: test_truncated. */
		if (mbshm_open(&config, i % 2 ? MBSHM_WRITE : 0, &img, NULL) != -EBADMSG)
			fail_msg("byte %zu ^ %#x was not noticed", i, flip);
	}
	header_put(fd, &good);
	mbshm_close(image_open(0));
	close(fd);
}

/* Headers that are signed, and yet impossible or foreign. */
static void foreign_headers(void **state)
{
	static struct segment_header good, bad;
	int fd = victim_make(&good);
	(void)state;
#define FOREIGN(change, word)                  \
	do {                                   \
		bad = good;                    \
		change;                        \
		header_sign(fd, &bad);         \
		attach_expect(-EBADMSG, word); \
	} while (0)
	FOREIGN(bad.magic ^= 1, "magic");
	FOREIGN(bad.byte_order = 0x04030201, "byte order");
	FOREIGN(bad.layout++, "layout version");
	FOREIGN(bad.pool_pages = MBSHM_POOL_MIN - 1, "damaged");
	FOREIGN(bad.pool_pages = MBSHM_POOL_MAX + 1, "damaged");
	FOREIGN(bad.pool_pages = 1025, "damaged");
	FOREIGN(bad.pool_pages = UINT32_MAX, "damaged");
	FOREIGN(bad.size_bytes += 4096, "damaged");
	FOREIGN(bad.span_count = 0, "span");
	FOREIGN(bad.span_count = MBSHM_SPANS_MAX + 1, "span");
	FOREIGN(bad.span_count = UINT32_MAX, "span");
	FOREIGN(bad.spans[0].table = MBSHM_TABLES, "span");
	FOREIGN(bad.spans[0].count = 0, "span");
	FOREIGN(bad.spans[0].count = UINT32_MAX, "span");
	FOREIGN(bad.spans[3].count = 65536, "span");
	FOREIGN(bad.spans[1].table = MBSHM_INPUT_REGISTERS, "span");
	/* Small enough for its file, too small for its tables. */
	assert_int_equal(ftruncate(fd, (off_t)segment_size(8)), 0);
	FOREIGN((bad.pool_pages = 8, bad.size_bytes = segment_size(8)), "pool");
#undef FOREIGN
	close(fd);
}

static void wrong_sizes(void **state)
{
	struct segment_header header;
	struct mbshm *img;
	int fd = victim_make(&header);
	off_t size = (off_t)header.size_bytes;
	const off_t sizes[] = {
		0,
		1,
		100,
		4095,
		4096,
		sizeof(struct segment) - 1,
		sizeof(struct segment),
		size - 4096,
		size - 1,
		size + 1,
		2 * size,
	};
	(void)state;
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		assert_int_equal(ftruncate(fd, sizes[i]), 0);
		if (sizes[i] >= 4096)
			header_put(fd, &header);
		/* With MBSHM_CREATE it is replaced: test_truncated. */
		assert_int_equal(mbshm_open(&config, MBSHM_WRITE, &img, NULL), -EBADMSG);
	}
	close(fd);
}

static void not_a_file(void **state)
{
	struct mbshm_config other;
	struct mbshm *img;
	char why[MBSHM_WHY_SIZE] = "", target[MBSHM_NAME_SIZE + 16];
	(void)state;
	pattern_declare();
	assert_int_equal(mkfifo(image_path(&config), 0600), 0);
	attach_expect(-EBADMSG, "regular file");
	assert_int_equal(unlink(image_path(&config)), 0);

	assert_int_equal(mkdir(image_path(&config), 0700), 0);
	assert_int_equal(mbshm_open(&config, 0, &img, why), -EBADMSG);
	assert_non_null(strstr(why, "regular file"));
	assert_int_equal(mbshm_open(&config, MBSHM_CREATE, &img, why), -EISDIR);
	assert_int_equal(rmdir(image_path(&config)), 0);

	/* A link, even to a good image, and one that leads nowhere: nothing is created behind it.
	 */
	other = config;
	strcat(other.name, "-target");
	strcpy(target, image_path(&other));
	assert_int_equal(symlink(target, image_path(&config)), 0);
	attach_expect(-ELOOP, "");
	assert_int_equal(access(target, F_OK), -1);
	assert_int_equal(mbshm_open(&other, MBSHM_CREATE, &img, NULL), 0);
	mbshm_close(img);
	attach_expect(-ELOOP, "");
	assert_int_equal(unlink(target), 0);
}

/* A layout that no layout_add has made: refused before anything walks along it. */
static void impossible_layouts(void **state)
{
	struct mbshm *img;
	(void)state;
	config.layout.span_count = 1000000;
	assert_int_equal(mbshm_open(&config, MBSHM_CREATE, &img, NULL), -EINVAL);
	config.layout.span_count = 1;
	config.layout.spans[0] = (struct mbshm_span){ (enum mbshm_table)100000000, 0, 1 };
	assert_int_equal(mbshm_open(&config, MBSHM_CREATE, &img, NULL), -EINVAL);
	config.layout.spans[0] = (struct mbshm_span){ MBSHM_COILS, 0, 0 };
	assert_int_equal(mbshm_open(&config, MBSHM_CREATE, &img, NULL), -EINVAL);
	assert_int_equal(image_names(false), 0);
}

/* ---- owners and permissions ---------------------------------------------------------------- */

static void writable_by_everybody(void **state)
{
	(void)state;
	pattern_declare();
	mbshm_close(image_open(MBSHM_CREATE));
	assert_int_equal(chmod(image_path(&config), 0662), 0);
	attach_expect(-EPERM, "writable by everybody");
	assert_int_equal(chmod(image_path(&config), 0664), 0);
	mbshm_close(image_open(0));
}

/* A group that nobody has named may not write either. */
static void writable_by_a_group(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	pattern_declare();
	mbshm_close(image_open(MBSHM_CREATE));
	mbshm_close(image_open(MBSHM_CREATE)); /* group 0 of root */
	assert_int_equal(chown(image_path(&config), 0, SOME_GROUP), 0);
	attach_expect(-EPERM, "writable by group 65532");
	attach_expect(-EPERM, "image.group");
	assert_int_equal(chmod(image_path(&config), 0640), 0);
	mbshm_close(image_open(MBSHM_CREATE));
	assert_int_equal(chmod(image_path(&config), 0660), 0);
	config.group = SOMEBODY; /* another one */
	attach_expect(-EPERM, "writable by group 65532");
	config.group = SOME_GROUP;
	mbshm_close(image_open(MBSHM_CREATE));
}

struct visitor {
	uid_t uid;
	gid_t gid;
	int flags, rc;
	const char *word;
};

static void visitor_body(void *arg)
{
	const struct visitor *visitor = arg;
	char why[MBSHM_WHY_SIZE] = "";
	struct mbshm *img;
	int rc;
	CHILD_CHECK(!setgroups(0, NULL) && !setresgid(visitor->gid, visitor->gid, visitor->gid) &&
		    !setresuid(visitor->uid, visitor->uid, visitor->uid));
	rc = mbshm_open(&config, visitor->flags, &img, why);
	if (rc != visitor->rc || !strstr(why, visitor->word))
		fprintf(stderr, "# uid %u, flags %d: %d, \"%s\"; expected %d and \"%s\"\n",
			visitor->uid, visitor->flags, rc, why, visitor->rc, visitor->word);
	CHILD_CHECK(rc == visitor->rc && strstr(why, visitor->word));
	if (!rc && visitor->flags)
		CHILD_CHECK(!pattern_commit(img, visitor->uid, SECOND_US, NULL));
	mbshm_close(img);
}

static void visit(uid_t uid, gid_t gid, int flags, int rc, const char *word)
{
	struct visitor visitor = { uid, gid, flags, rc, word };
	assert_int_equal(child_end(child_start(visitor_body, &visitor)), 0);
}

static void other_users(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	pattern_declare();
	config.mode = 0664;
	mbshm_close(image_open(MBSHM_CREATE));

	/* Root's is good for everybody, within its mode. */
	visit(NOBODY, NOBODY, 0, 0, "");
	visit(NOBODY, NOBODY, MBSHM_WRITE, -EACCES, "");
	visit(NOBODY, NOBODY, MBSHM_CREATE, -EACCES, "");
	/* Somebody's is not, not even for root. */
	assert_int_equal(chown(image_path(&config), SOMEBODY, SOMEBODY), 0);
	visit(NOBODY, NOBODY, 0, -EPERM, "belongs to user 65533");
	visit(NOBODY, SOMEBODY, MBSHM_WRITE, -EPERM, "belongs to user 65533");
	visit(0, 0, MBSHM_CREATE, -EPERM, "belongs to user 65533");
	visit(SOMEBODY, SOMEBODY, MBSHM_WRITE, 0, "");
	/* Two daemons of one group. */
	config.group = SOME_GROUP;
	assert_int_equal(chown(image_path(&config), SOMEBODY, SOME_GROUP), 0);
	visit(NOBODY, SOME_GROUP, MBSHM_CREATE, 0, "");
	visit(SOMEBODY, SOME_GROUP, MBSHM_CREATE, 0, "");
	visit(NOBODY, NOBODY, MBSHM_WRITE, -EACCES, "");
	visit(0, 0, MBSHM_WRITE, 0, "");
	/* A group that one is not a member of cannot be given an image. */
	assert_int_equal(unlink(image_path(&config)), 0);
	visit(NOBODY, NOBODY, MBSHM_CREATE, -EPERM, "group");
	assert_int_equal(image_names(false), 0);
	visit(NOBODY, SOME_GROUP, MBSHM_CREATE, 0, "");
	visit(SOMEBODY, SOME_GROUP, MBSHM_CREATE, 0, "");
}

/* ---- a full /dev/shm ----------------------------------------------------------------------- */

enum { NO_NAMESPACE = 77 };

/* In a mount namespace of the child's own, with a /dev/shm of 256 KiB. */
static void full_body(void *arg)
{
	struct statvfs before, after;
	char why[MBSHM_WHY_SIZE] = "";
	struct mbshm *img;
	(void)arg;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=256k,mode=1777"))
		_exit(NO_NAMESPACE);
	CHILD_CHECK(!statvfs("/dev/shm", &before));
	CHILD_CHECK(mbshm_open(&config, MBSHM_CREATE, &img, why) == -ENOSPC);
	CHILD_CHECK(strstr(why, "no room") && strstr(why, "/dev/shm"));
	CHILD_CHECK(access(image_path(&config), F_OK) && errno == ENOENT);
	CHILD_CHECK(!statvfs("/dev/shm", &after) && after.f_bfree == before.f_bfree);
	/* With room it works, and gives everything back. */
	CHILD_CHECK(!mount(NULL, "/dev/shm", NULL, MS_REMOUNT, "size=4m"));
	CHILD_CHECK(!mbshm_open(&config, MBSHM_CREATE, &img, why));
	CHILD_CHECK(!pattern_commit(img, 1, SECOND_US, NULL));
	mbshm_close(img);
	CHILD_CHECK(!unlink(image_path(&config)));
	CHILD_CHECK(!statvfs("/dev/shm", &after) &&
		    after.f_blocks - after.f_bfree == before.f_blocks - before.f_bfree);
}

static void no_room(void **state)
{
	int status;
	(void)state;
	pattern_declare();
	status = child_end(child_start(full_body, NULL));
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_NAMESPACE)
		skip();
	assert_int_equal(status, 0);
}

/* ---- without standard files ---------------------------------------------------------------- */

static bool standard_closed(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			return false;
	return true;
}

/* Whatever the library opens for good or for a moment: none of it is where this process prints. */
static void closed_body(void *arg)
{
	const char *saved = arg;
	char why[MBSHM_WHY_SIZE];
	struct mbshm *img;
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	CHILD_CHECK(!mbshm_guard() && standard_closed());
	CHILD_CHECK(!mbshm_open(&config, MBSHM_CREATE, &img, why) && standard_closed());
	dprintf(STDERR_FILENO, "into the header of the image\n");
	CHILD_CHECK(!pattern_commit(img, 1, SECOND_US, NULL));
	CHILD_CHECK(!mbshm_values_save(img, saved, SECOND_US, NULL, why) && standard_closed());
	CHILD_CHECK(!mbshm_values_restore(img, saved, NULL, SECOND_US, why) && standard_closed());
	CHILD_CHECK(!mbshm_recreate(&config, SECOND_US, why) && standard_closed());
	CHILD_CHECK(mbshm_check(img) == -ESTALE && standard_closed());
	mbshm_close(img);
	CHILD_CHECK(standard_closed());
}

static void standard_files_closed(void **state)
{
	char saved[MBSHM_NAME_SIZE + 24];
	(void)state;
	pattern_declare();
	snprintf(saved, sizeof saved, "%s-saved", image_path(&config));
	assert_int_equal(child_end(child_start(closed_body, saved)), 0);
	struct mbshm *img = image_open(MBSHM_WRITE);
	image_audit(img);
	mbshm_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(one_of_many_creators_wins),
		IMAGE_TEST(mode_whatever_the_umask),
		IMAGE_TEST(group_is_set),
		IMAGE_TEST(each_header_byte_flipped),
		IMAGE_TEST(foreign_headers),
		IMAGE_TEST(wrong_sizes),
		IMAGE_TEST(not_a_file),
		IMAGE_TEST(impossible_layouts),
		IMAGE_TEST(writable_by_everybody),
		IMAGE_TEST(writable_by_a_group),
		IMAGE_TEST(other_users),
		IMAGE_TEST(no_room),
		IMAGE_TEST(standard_files_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
