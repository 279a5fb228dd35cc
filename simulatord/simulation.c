#include "simulatord/simulation.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	COMMIT_MAX_US = 500000
}; /* the loop that waits here also answers signals and feeds the watchdog */

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
	*why = '\0';
	struct simulation *sim = calloc(1, sizeof *sim);
	if (!sim)
		return -ENOMEM;
	sim->plant = plant;
	sim->seed = plant->simulator.seed;
	uint64_t half_us = plant->simulator.period_ms * 1000 / 2;
	sim->commit_timeout_us = half_us < COMMIT_MAX_US ? (uint32_t)half_us : COMMIT_MAX_US;

	struct mbshm_status status;
	int rc = draw_seed(&sim->seed);
	if (!rc)
		rc = prepare_points(sim);
	if (!rc)
		rc = mbshm_open(&plant->image, MBSHM_CREATE, &sim->img, why);
	if (!rc)
		rc = mbshm_status(sim->img, &status);
	if (rc) {
		if (!*why)
			snprintf(why, MBSHM_WHY_SIZE, "%s", strerror(-rc));
		sim->plant = NULL; /* stays the caller's */
		simulation_close(sim);
		return rc;
	}
	rc = mbshm_source_claim(sim->img, plant->simulator.source, COMMIT_MAX_US);
	if (rc)
		snprintf(why, MBSHM_WHY_SIZE, "not among the image's sources: %s", strerror(-rc));
	sim->version = status.version;
	*out = sim;
	return 0;
}

void simulation_close(struct simulation *sim)
{
	if (!sim)
		return;
	mbshm_close(sim->img);
	mbshm_txn_free(sim->txn);
	free(sim->streams);
	free(sim->reads);
	free(sim->cells);
	plant_free(sim->plant);
	free(sim);
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
	if (count == 0) {
		mbshm_source_touch(sim->img);
		return 0;
	}
	int rc = mbshm_read(sim->img, sim->reads, count, NULL);
	if (rc)
		return rc;
	mbshm_txn_begin(sim->txn, sim->img);
	double dt_s = (double)sim->plant->simulator.period_ms / 1000;
	for (unsigned i = 0; i < count; i++) {
		rc = step_point(sim, i, dt_s);
		if (rc)
			return rc;
	}
	return mbshm_txn_commit(sim->txn, sim->commit_timeout_us, NULL);
}
