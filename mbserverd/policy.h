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
#include "program/follow.h"

/* What one or more unit ids lead to. */
struct device {
	/* Set before the policy is published. */
	struct mbshm *image; /* follow's; NULL: every access is answered 04 */
	const struct plant *plant;
	struct identity identity;

	/* The main thread's only. */
	struct follow follow;
	enum follow_state state; /* of the last look */
	bool changed;            /* against the policy before */
};

struct policy {
	struct plant *plant;
	int unknown_unit;    /* see plant.h */
	uint64_t generation; /* 1, 2, 3, ... */
	struct access access;
	struct network trace;            /* whose frames are logged */
	const struct device *units[256]; /* by unit id; NULL: there is none */
	unsigned device_count;
	struct device devices[]; /* of this plant, and of each other plant that its units name */
};

/* Log the frames of that network, whatever the plant says (option --trace).  Before policy_open. */
void policy_trace(const struct network *network);

/* Set up the first policy; the plant becomes the policy's.  Dies when an image can be neither
 * attached nor created, and when there is no memory. */
void policy_open(struct plant *plant);

/* After the last reader has gone. */
void policy_close(void);

/* The present policy, for the main thread. */
const struct policy *policy_present(void);

/* SIGHUP: read the plant again and publish a policy made of it, with the open images of the present
 * one if they stay the same.  false: something is wrong and the present policy stays; so it does
 * when it has the only copy of values (FOLLOW_LOST) whose image the new one does not have.  why:
 * one line, PLANT_ERROR_SIZE bytes. */
bool policy_reload(char *why);

/* Once a second: when an image has been replaced, or could not be attached before, read the plant
 * again and attach those images (as a reload does).  When the plant cannot be read, they are
 * attached as the present one says.  While that fails, their units answer 04.  Reasons are logged
 * when they change. */
void policy_check(void);

void policy_reader_register(void);
void policy_reader_unregister(void);

/* Around every wait.  A new policy does not wait for readers that sleep; after waking they must get
 * the policy again. */
void policy_reader_sleep(void);
void policy_reader_wake(void);

/* Registered and awake. */
const struct policy *policy_get(void);

#endif
