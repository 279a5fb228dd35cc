/* An example of your own program beside a running plant: it watches a register and keeps a coil set
 * while the register is above a limit.
 *
 *   cc alarm.c $(pkg-config --cflags --libs mbshm) -o alarm
 *   ./alarm /mbimage-default 1000 400 1001      image, holding register, limit, coil
 *
 * That is the image of the installed default plant; "mbshm info" tells the name of the one that is
 * used without a plant file, /mbimage-UID-default.
 *
 * It may be killed and restarted at any time, and started before or after the other programs. */
#include <errno.h>
#include <mbshm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_US = 100000, LOOK_MS = 1000 };

/* Open the image, whatever its layout and group, and wait until there is one.  For an installed
 * plant, be a member of the group mbimage, or root. */
static struct mbshm *attach(const char *name)
{
	struct mbshm_config config = { .group = (gid_t)-1 };
	char why[MBSHM_WHY_SIZE];
	struct mbshm *img;
	struct stat st;
	int rc;
	bool waits = false;
	snprintf(config.name, sizeof config.name, "%s", name);
	for (;; sleep(1)) {
		if (!mbshm_stat(name, &st))
			config.group = st.st_gid;
		rc = mbshm_open(&config, MBSHM_WRITE, &img, why);
		if (rc != -ENOENT)
			break;
		if (!waits)
			fprintf(stderr, "%s: %s; waiting for it\n", name, why);
		waits = true;
	}
	if (rc) {
		fprintf(stderr, "%s: %s\n", name, why);
		exit(1);
	}
	rc = mbshm_source_claim(img, "alarm", LOCK_US); /* "mbshm info" shows that we live */
	if (rc) {
		fprintf(stderr, "%s: %s\n", name,
			rc == -EBUSY ? "another process is the source alarm" : strerror(-rc));
		exit(1);
	}
	return img;
}

/* Read register and coil, both of one version, and change the coil if necessary; only if nobody has
 * changed the register meanwhile. */
static int look(struct mbshm *img, struct mbshm_txn *txn, uint16_t addr, uint16_t limit,
		uint16_t coil, uint64_t *version)
{
	uint16_t value;
	uint8_t is;
	const struct mbshm_read reads[] = {
		{ MBSHM_HOLDING_REGISTERS, addr, 1, &value },
		{ MBSHM_COILS, coil, 1, &is },
	};
	int rc = mbshm_read(img, reads, 2, version);
	uint8_t shall = value > limit;
	if (rc || is == shall) {
		mbshm_source_touch(img); /* nothing to do, but alive */
		return rc;
	}
	mbshm_txn_begin(txn, img);
	const struct mbshm_write seen = { MBSHM_HOLDING_REGISTERS, addr, 1, &value };
	const struct mbshm_write alarm = { MBSHM_COILS, coil, 1, &shall };
	rc = mbshm_txn_expect(txn, &seen, 1);
	if (!rc)
		rc = mbshm_txn_write(txn, &alarm, 1);
	if (!rc)
		rc = mbshm_txn_commit(txn, LOCK_US, version);
	if (!rc) {
		printf("%u: alarm %s\n", value, shall ? "on" : "off");
		fflush(stdout);
	}
	return rc;
}

/* 0..65535; exits if it is anything else. */
static uint16_t number(const char *word)
{
	char *end;
	long value = strtol(word, &end, 10);
	if (end == word || *end || value < 0 || value > UINT16_MAX) {
		fprintf(stderr, "%s: expected a number 0..65535\n", word);
		exit(2);
	}
	return (uint16_t)value;
}

/* Is this an error that may be gone the next time? */
static int passes(int rc)
{
	return !rc || rc == -ETIMEDOUT || rc == -ECANCELED || rc == -EAGAIN || rc == -ESTALE;
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: alarm IMAGE REGISTER LIMIT COIL\n");
		return 2;
	}
	uint16_t addr = number(argv[2]), limit = number(argv[3]), coil = number(argv[4]);
	mbshm_guard(); /* a truncated image is an error, not SIGBUS */
	struct mbshm *img = attach(argv[1]);
	struct mbshm_txn *txn = mbshm_txn_new(4);
	while (txn) {
		uint64_t version = 0;
		int rc = look(img, txn, addr, limit, coil, &version);
		if (rc == -ERANGE) {
			fprintf(stderr, "holding %u or coil %u is not declared\n", addr, coil);
			return 1;
		}
		if (!rc) /* sleep until somebody publishes, or a second, to check the image */
			rc = mbshm_wait(img, version, LOOK_MS, NULL);
		int found = mbshm_check(img);
		if (!passes(rc) || found == -EBADMSG) {
			fprintf(stderr, "%s: %s\n", argv[1],
				found == -EBADMSG ? "the image is damaged" : strerror(-rc));
			return 1;
		}
		if (rc == -ESTALE || found == -ESTALE || found == -ENOENT) {
			mbshm_close(img);
			img = attach(argv[1]);
		}
	}
	return 1;
}
