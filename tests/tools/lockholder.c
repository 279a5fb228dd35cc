/* lockholder NAME [POINT]: attach image NAME, begin to write 4242 to its first holding register,
 * and stop (SIGSTOP) at a named point of commit (libshm/points.h; "lock_taken" without one), having
 * printed it.  After SIGCONT: finish, print "done", exit 0. */
#include "mbshm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void (*mbshm_point_hook)(const char *name);

static const char *point = "lock_taken";

static void stop_at_point(const char *name)
{
	if (strcmp(name, point) != 0)
		return;
	mbshm_point_hook = NULL;
	puts(name);
	fflush(stdout);
	raise(SIGSTOP);
}

int main(int argc, char **argv)
{
	struct mbshm_config config = { .group = (gid_t)-1 };
	struct mbshm *image;
	char why[MBSHM_WHY_SIZE] = "";
	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: lockholder NAME [POINT]\n");
		return 2;
	}
	snprintf(config.name, sizeof config.name, "%s", argv[1]);
	if (argc == 3)
		point = argv[2];
	if (mbshm_open(&config, MBSHM_WRITE, &image, why) != 0) {
		fprintf(stderr, "lockholder: %s: %s\n", argv[1], why);
		return 1;
	}

	const struct mbshm_layout *layout = mbshm_layout_of(image);
	unsigned i = 0;
	while (i < layout->span_count && layout->spans[i].table != MBSHM_HOLDING_REGISTERS)
		i++;
	const uint16_t value = 4242;
	struct mbshm_txn *txn = mbshm_txn_new(1);
	mbshm_point_hook = stop_at_point;
	int error = -1;
	if (txn != NULL && i < layout->span_count) {
		mbshm_txn_begin(txn, image);
		error = mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS,
						  (uint16_t)layout->spans[i].first, 1, &value);
		if (error == 0)
			error = mbshm_txn_commit(txn, 1000000, NULL);
	}
	mbshm_txn_free(txn);
	mbshm_close(image);
	if (error != 0) {
		fprintf(stderr, "lockholder: %s\n", strerror(-error));
		return 1;
	}
	puts("done");
	return 0;
}
