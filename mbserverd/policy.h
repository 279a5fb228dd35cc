/* What the server goes by: units, their images and identities, limits.  One immutable object behind
 * one RCU pointer (liburcu, QSBR).
 *
 *   call                                  who
 *   policy_get, policy_reader_*           workers, each registered
 *   everything else                       the main thread only
 *
 * A worker may use what policy_get returned until its next policy_reader_sleep. */
#ifndef MBSERVERD_POLICY_H
#define MBSERVERD_POLICY_H

#include "mbserverd/access.h"
#include "mbserverd/identity.h"
#include "mbshm.h"
#include "plant/plant.h"

/* A device: what one or more unit ids lead to. */
struct device {
	struct mbshm *image; /* NULL: could not be attached, every access is answered 04 */
	const struct plant *plant;
	struct identity identity;
	char why[MBSHM_WHY_SIZE]; /* why there is no image */
	bool news;                /* policy.c's: it is not as it was in the policy before */
};

struct policy {
	struct plant *plant;
	int unknown_unit;    /* see plant.h */
	uint64_t generation; /* 1, 2, 3, ... */
	struct access access;
	struct network trace;            /* whose frames are logged */
	const struct device *units[256]; /* by unit id; NULL: there is none */
	unsigned device_count;
	struct device devices[]; /* of this plant, and of each other that its units have */
};

/* Log the frames of that network, whatever the plant says (option --trace).  Before policy_open. */
void policy_trace(const struct network *network);

/* Set up the first policy; the plant becomes the policy's.  Dies when an image can be neither
 * attached nor created. */
void policy_open(struct plant *plant);

/* After the last reader has gone. */
void policy_close(void);

/* The present policy, for the main thread. */
const struct policy *policy_present(void);

/* SIGHUP: read the plant anew; good: swap.  Anything wrong is logged and the present policy lives
 * on: false. */
bool policy_reload(void);

/* Once a second: when an image has been replaced, or could not be attached before, attach anew (a
 * reload, too).  While that fails the answer is 04; the reason is logged when it changes. */
void policy_check(void);

void policy_reader_register(void);
void policy_reader_unregister(void);

/* Around whatever waits: a swap does not wait for those who sleep, and what they got before is
 * theirs no more. */
void policy_reader_sleep(void);
void policy_reader_wake(void);

/* Registered and awake. */
const struct policy *policy_get(void);

#endif
