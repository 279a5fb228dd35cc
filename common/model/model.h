/* Models: what makes a point move.  Pure functions of (state, inputs, dt, random stream): no clock,
 * no image, no globals.
 *
 * The list of models is one table in model.c: name, parameters with their limits, init and step.
 * Every program links it, because every program checks all of the plant file. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stddef.h>
#include <stdint.h>

enum { MODEL_PARAMS_MAX = 8, MODEL_ERROR_SIZE = 256 };

struct model; /* a row of the table */

/* A model with its parameters, as written in the plant file: "uniform 380 420". */
struct model_config {
	const struct model *model;
	double params[MODEL_PARAMS_MAX];
};

/* One random stream per point (xoshiro256**), seeded from the plant's seed and the point's name, so
 * that adding a point does not change the values of the others. */
struct model_stream {
	uint64_t word[4];
};

void model_seed(struct model_stream *stream, uint64_t seed, const char *name);

/* Parse "NAME PARAM...", checked against the model's limits and against low..high, what the point's
 * type can hold. 0, or -EINVAL and error (MODEL_ERROR_SIZE bytes): what was wrong and what was
 * expected. */
int model_parse(const char *text, double low, double high, struct model_config *config,
		char *error);

/* The value after a step of dt_s seconds from value.  Always within the limits that model_parse
 * checked. */
double model_step(const struct model_config *config, double value, double dt_s,
		  struct model_stream *stream);

/* For listings: name and a line of description of row index; NULL past the end. */
const char *model_name(size_t index);
const char *model_usage(size_t index);

#endif
