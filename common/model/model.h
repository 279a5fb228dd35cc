/* Models: what makes a point move.  A model is a pure function of its parameters, the point's
 * value, the time step and a random stream: no clock, no image, no globals, no state between steps
 * but the value and the stream, both the caller's.
 *
 * The list of models is one table in model.c: name, parameters with their limits, step function.
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

/* One random stream per point (xoshiro256**). */
struct model_stream {
	uint64_t word[4];
};

/* Seed a point's stream from the plant's seed and the point's name, so that adding a point does not
 * change the values of the others. */
void model_seed(struct model_stream *stream, uint64_t seed, const char *name);

/* Parse "NAME PARAM...".  The parameters must keep the model's own limits, and its values must lie
 * in low..high, the range of the point's type.  0, or -EINVAL and error: what was wrong and what
 * was expected (MODEL_ERROR_SIZE bytes). */
int model_parse(const char *text, double low, double high, struct model_config *config,
		char *error);

/* The value that follows value after dt_s seconds; in low..high as given to model_parse.  No model
 * depends on value or dt_s yet. */
double model_step(const struct model_config *config, double value, double dt_s,
		  struct model_stream *stream);

/* For listings: row index of the table as one line, "uniform LOW HIGH: what it does"; NULL past the
 * end. */
const char *model_usage(size_t index);

#endif
