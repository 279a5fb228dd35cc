/* The points of one plant on one image: read, moved by their models, published, all in one step.
 *
 * One thread.  A simulation is built whole before it replaces another, so that a plant file or an
 * image that is no good changes nothing. */
#ifndef SIMULATORD_SIMULATION_H
#define SIMULATORD_SIMULATION_H

#include "plant/plant.h"
#include "program/follow.h"

/* What a point held at the last step. */
struct simulation_cell {
	uint16_t value; /* 0 or 1 in the bit tables */
	uint8_t bits;   /* where the image's bits are read to */
};

struct simulation {
	/* set by open, for all to read */
	struct plant *plant;
	struct follow follow; /* of its image */
	uint64_t seed;        /* the plant's, or drawn */
	uint64_t version;     /* of the image, when it was opened; 1: fresh */
	struct simulation_cell
		*cells; /* one a point, as published by the last step that succeeded */

	bool claimed;  /* its source is ours; set by claim */
	bool shut_out; /* another process has it */

	/* the step's own */
	struct mbshm_txn *txn;
	struct mbshm_read *reads;
	struct model_stream *streams;
	uint32_t commit_timeout_us;
};

/* Open the plant's image, or create it, and seed the points' streams.  Takes the plant over when it
 * succeeds.  why: MBSHM_WHY_SIZE bytes, a sentence when it fails.  0, or what mbshm_open or the
 * system says. */
int simulation_open(struct plant *plant, struct simulation **sim, char *why);

/* Frees the plant too.  NULL is fine. */
void simulation_close(struct simulation *sim);

/* Become the image's producer of the plant's name, if it is not yet; as often as wanted.  Without
 * an entry its values have no age, but it steps all the same, unless another process is the
 * producer: two of them would write over each other.  0, or the errors of mbshm_source_claim. */
int simulation_claim(struct simulation *sim);

/* Read the points' values from one version, move each by one period, publish all of them as one
 * version.  Waits for other writers at most half a period, and never longer than half a second.
 * Without points it only shows that the producer lives.  0, or the errors of mbshm_read and
 * mbshm_txn_commit (nothing was published); -EBUSY: another process has the source. */
int simulation_step(struct simulation *sim);

#endif
