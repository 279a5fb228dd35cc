/* publish: a simulator at full stretch: writes one register so many times a second, as a
 * transaction each, until SIGTERM.
 *
 *   publish NAME RATE      image NAME; RATE 0: back to back.  Prints "ready", and at the end
 * "published N a second" */
#include "bench.h"
#include "mbshm.h"

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMIT_US = 1000000, LOOK_EVERY = 64 };

static struct mbshm *image_open(const char *name)
{
	struct mbshm_config config = { .group = (gid_t)-1 };
	char why[MBSHM_WHY_SIZE];
	struct mbshm *img;
	snprintf(config.name, sizeof(config.name), "%s", name);
	if (mbshm_open(&config, MBSHM_WRITE, &img, why) != 0)
		errx(1, "%s: %s", name, why);
	return img;
}

static uint16_t first_register(const struct mbshm *img)
{
	const struct mbshm_layout *layout = mbshm_layout_of(img);
	for (unsigned i = 0; i < layout->span_count; i++)
		if (layout->spans[i].table == MBSHM_HOLDING_REGISTERS)
			return (uint16_t)layout->spans[i].first;
	errx(1, "the image has no holding registers");
}

int main(int argc, char **argv)
{
	sigset_t signals;
	uint16_t value = 0;
	uint64_t count = 0;
	if (argc != 3) {
		fprintf(stderr, "usage: publish NAME RATE\n");
		return 2;
	}
	const unsigned long rate = strtoul(argv[2], NULL, 10);
	struct mbshm *img = image_open(argv[1]);
	struct mbshm_txn *txn = mbshm_txn_new(1);
	const uint16_t address = first_register(img);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	pace_sharply();
	puts("ready");
	fflush(stdout);
	int64_t start = now_ns(), next = start;
	while (count++ % LOOK_EVERY != 0 ||
	       sigtimedwait(&signals, NULL, &(struct timespec){ 0 }) < 0) {
		value++;
		mbshm_txn_begin(txn, img);
		int error =
			mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, address, 1, &value);
		if (error == 0)
			error = mbshm_txn_commit(txn, COMMIT_US, NULL);
		if (error != 0)
			errx(1, "%s", strerror(-error));
		if (rate != 0)
			pace(&next, INT64_C(1000000000) / (int64_t)rate);
	}
	printf("published %.0f a second\n", (double)count * 1e9 / (double)(now_ns() - start));
	mbshm_txn_free(txn);
	mbshm_close(img);
	return 0;
}
