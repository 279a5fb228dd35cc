/* Steps of all points of a plant. */
#include "simulatord/simulation.h"

#include "base/log.h"
#include "plant/load.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* The loop that waits here also answers signals and feeds the watchdog. */
enum { COMMIT_MAX_US = 500000 };

static bool is_bit(const struct plant_point *point)
{
	return point->type == MBSHM_BOOL;
}

/* A seed that a plant file can name, so that a run can be repeated; 31 bits, as larger numbers need
 * an L in the file. */
static int draw_seed(uint64_t *seed)
{
	while (*seed == 0) {
		if (getrandom(seed, sizeof *seed, 0) != sizeof *seed)
			return -errno;
		*seed &= INT32_MAX;
	}
	return 0;
}

static int prepare_points(struct simulation *sim)
{
	const struct plant *plant = sim->plant;
	sim->cells = calloc(plant->point_count + 1, sizeof *sim->cells);
	sim->reads = calloc(plant->point_count + 1, sizeof *sim->reads);
	sim->streams = calloc(plant->point_count + 1, sizeof *sim->streams);
	sim->txn = mbshm_txn_new(plant->point_count);
	if (!sim->cells || !sim->reads || !sim->streams || !sim->txn)
		return -ENOMEM;
	for (unsigned i = 0; i < plant->point_count; i++) {
		const struct plant_point *point = &plant->points[i];
		struct simulation_cell *cell = &sim->cells[i];
		sim->reads[i] = (struct mbshm_read){ point->table, point->addr, 1,
						     is_bit(point) ? (void *)&cell->bits
								   : (void *)&cell->value };
		model_seed(&sim->streams[i], sim->seed, point->name);
	}
	return 0;
}

int simulation_open(struct plant *plant, struct simulation **out, char *why)
{
	if (!plant_has_image(plant)) {
		snprintf(why, MBSHM_WHY_SIZE,
			 "the plant declares no address: there is nothing to simulate");
		return -ENODATA;
	}
	struct simulation *sim = calloc(1, sizeof *sim);
	if (!sim) {
		snprintf(why, MBSHM_WHY_SIZE, "out of memory");
		return -ENOMEM;
	}
	sim->plant = plant;
	sim->seed = plant->simulator.seed;
	uint64_t half_us = plant->simulator.period_ms * 1000 / 2;
	sim->commit_timeout_us = half_us < COMMIT_MAX_US ? (uint32_t)half_us : COMMIT_MAX_US;

	struct mbshm_status status;
	int rc = draw_seed(&sim->seed);
	if (!rc)
		rc = prepare_points(sim);
	if (!rc)
		rc = follow_open(&sim->follow, &plant->image, MBSHM_CREATE);
	if (!rc)
		rc = mbshm_status(sim->follow.img, &status);
	if (rc) {
		const char *words = sim->follow.why;
		snprintf(why, MBSHM_WHY_SIZE, "%s", *words ? words : strerror(-rc));
		sim->plant = NULL; /* stays the caller's */
		simulation_close(sim);
		return rc;
	}
	sim->version = status.version;
	*out = sim;
	return 0;
}

void simulation_close(struct simulation *sim)
{
	if (!sim)
		return;
	follow_close(&sim->follow);
	mbshm_txn_free(sim->txn);
	free(sim->streams);
	free(sim->reads);
	free(sim->cells);
	plant_free(sim->plant);
	free(sim);
}

int simulation_claim(struct simulation *sim)
{
	int rc = 0;
	if (!sim->claimed)
		rc = mbshm_source_claim(sim->follow.img, sim->plant->simulator.source,
					sim->commit_timeout_us);
	sim->claimed = !rc;
	sim->shut_out = rc == -EBUSY;
	return rc;
}

/* Move point i and stage its new value. */
static int step_point(struct simulation *sim, unsigned i, double dt_s)
{
	const struct plant_point *point = &sim->plant->points[i];
	struct simulation_cell *cell = &sim->cells[i];
	double before = is_bit(point) ? cell->bits & 1 : cell->value;
	cell->value = (uint16_t)lround(model_step(&point->model, before, dt_s, &sim->streams[i]));
	cell->bits = (uint8_t)cell->value;
	if (is_bit(point))
		return mbshm_txn_write_bits(sim->txn, point->table, point->addr, 1, &cell->bits);
	return mbshm_txn_write_registers(sim->txn, point->table, point->addr, 1, &cell->value);
}

int simulation_step(struct simulation *sim)
{
	unsigned count = sim->plant->point_count;
	if (sim->shut_out)
		return -EBUSY;
	if (count == 0) {
		mbshm_source_touch(sim->follow.img);
		return 0;
	}
	int rc = mbshm_read(sim->follow.img, sim->reads, count, NULL);
	if (rc)
		return rc;
	mbshm_txn_begin(sim->txn, sim->follow.img);
	double dt_s = (double)sim->plant->simulator.period_ms / 1000;
	for (unsigned i = 0; i < count; i++) {
		rc = step_point(sim, i, dt_s);
		if (rc)
			return rc;
	}
	return mbshm_txn_commit(sim->txn, sim->commit_timeout_us, NULL);
}
