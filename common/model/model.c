/* The models, their parameters, and the random numbers that they draw. */
#include "model/model.h"

#include "base/hash.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 63 }; /* characters of one parameter */

/* What a parameter may be. */
enum limits {
	POINT_VALUE, /* a whole number that the point's type can hold */
	PROBABILITY, /* 0..1 */
};

struct param {
	const char *name; /* NULL ends the list */
	enum limits limits;
};

struct model {
	const char *name;
	const char *usage;
	struct param params[MODEL_PARAMS_MAX + 1];
	bool ordered;  /* the parameters must not fall: LOW <= HIGH */
	bool switches; /* makes 0 and 1, which the point's type must be able to hold */
	double (*step)(const double *params, double value, double dt_s,
		       struct model_stream *stream);
};

/* ---- random numbers ------------------------------------------------------------------------ */

/* splitmix64 (Steele, Lea, Flood 2014): the seeder that xoshiro's authors recommend.  A bijection
 * of its counter, so the four words it makes are never all zero. */
static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void model_seed(struct model_stream *stream, uint64_t seed, const char *name)
{
	uint64_t state = splitmix(&seed) ^ hash_text(name);
	for (int i = 0; i < 4; i++)
		stream->word[i] = splitmix(&state);
}

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

/* xoshiro256** 1.0 (Blackman, Vigna 2018). */
static uint64_t next(struct model_stream *stream)
{
	uint64_t *s = stream->word;
	uint64_t result = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

/* 0 .. count - 1, all equally likely: what is left of 2^64 beyond a multiple of count is drawn
 * again. */
static uint64_t below(struct model_stream *stream, uint64_t count)
{
	uint64_t surplus = (0 - count) % count; /* 2^64 mod count */
	uint64_t x;
	do
		x = next(stream);
	while (x < surplus);
	return x % count;
}

/* ---- the models ---------------------------------------------------------------------------- */

static double uniform_step(const double *params, double value, double dt_s,
			   struct model_stream *stream)
{
	(void)value, (void)dt_s;
	return params[0] + (double)below(stream, (uint64_t)(params[1] - params[0]) + 1);
}

static double toss_step(const double *params, double value, double dt_s,
			struct model_stream *stream)
{
	(void)value, (void)dt_s;
	/* 53 bits: every multiple of 2^-53 in [0, 1) */
	return (double)(next(stream) >> 11) * 0x1p-53 < params[0];
}

static double constant_step(const double *params, double value, double dt_s,
			    struct model_stream *stream)
{
	(void)value, (void)dt_s, (void)stream;
	return params[0];
}

static const struct model models[] = {
	{ "uniform",
	  "uniform LOW HIGH: at each step a whole number from LOW to HIGH, all equally likely",
	  { { "LOW", POINT_VALUE }, { "HIGH", POINT_VALUE } },
	  .ordered = true,
	  .step = uniform_step },
	{ "toss",
	  "toss P: at each step 1 with the probability P, else 0",
	  { { "P", PROBABILITY } },
	  .switches = true,
	  .step = toss_step },
	{ "constant",
	  "constant VALUE: always that whole number",
	  { { "VALUE", POINT_VALUE } },
	  .step = constant_step },
};
enum { MODELS = sizeof models / sizeof *models };

/* ---- parsing ------------------------------------------------------------------------------- */

struct word {
	const char *start;
	int length;
};

/* The next word of *text, which moves past it; length 0 at the end. */
static struct word next_word(const char **text)
{
	static const char space[] = " \t";
	*text += strspn(*text, space);
	struct word word = { *text, (int)strcspn(*text, space) };
	*text += word.length;
	return word;
}

/* A finite decimal number and nothing else: strtod alone would take "inf", "nan", hexadecimal and
 * trailing junk. */
static bool parse_number(struct word word, double *number)
{
	char digits[NUMBER_MAX + 1];
	if (word.length == 0 || word.length > NUMBER_MAX)
		return false;
	memcpy(digits, word.start, (size_t)word.length);
	digits[word.length] = '\0';
	if (strspn(digits, "0123456789+-.eE") != (size_t)word.length)
		return false;
	char *end;
	*number = strtod(digits, &end);
	return *end == '\0' && isfinite(*number);
}

static int parse_param(const struct model *model, const struct param *param, struct word word,
		       double low, double high, double *number, char *error)
{
	bool whole = param->limits == POINT_VALUE;
	if (!whole)
		low = 0, high = 1;
	if (parse_number(word, number) && *number >= low && *number <= high &&
	    (!whole || *number == floor(*number)))
		return 0;
	snprintf(error, MODEL_ERROR_SIZE, "model %s: %s is \"%.*s\", expected a %s %.15g..%.15g",
		 model->name, param->name, word.length > NUMBER_MAX ? NUMBER_MAX : word.length,
		 word.start, whole ? "whole number" : "number", low, high);
	return -EINVAL;
}

static const struct model *find_model(struct word word, char *error)
{
	for (size_t i = 0; i < MODELS; i++)
		if (strlen(models[i].name) == (size_t)word.length &&
		    !memcmp(models[i].name, word.start, (size_t)word.length))
			return &models[i];
	int used =
		snprintf(error, MODEL_ERROR_SIZE, "no model is called \"%.*s\", expected one of:",
			 word.length > NUMBER_MAX ? NUMBER_MAX : word.length, word.start);
	for (size_t i = 0; i < MODELS && used < MODEL_ERROR_SIZE; i++)
		used += snprintf(error + used, (size_t)(MODEL_ERROR_SIZE - used), " %s",
				 models[i].name);
	return NULL;
}

static int parse_params(const struct model *model, const char *text, double low, double high,
			double *params, char *error)
{
	unsigned count = 0;
	for (const struct param *param = model->params; param->name; param++, count++) {
		struct word word = next_word(&text);
		if (word.length == 0)
			break;
		int rc = parse_param(model, param, word, low, high, &params[count], error);
		if (rc)
			return rc;
	}
	if (model->params[count].name || next_word(&text).length) {
		snprintf(error, MODEL_ERROR_SIZE, "model %s: too %s words, expected \"%.*s\"",
			 model->name, model->params[count].name ? "few" : "many",
			 (int)strcspn(model->usage, ":"), model->usage);
		return -EINVAL;
	}
	for (unsigned i = 1; model->ordered && i < count; i++)
		if (params[i] < params[i - 1]) {
			snprintf(error, MODEL_ERROR_SIZE,
				 "model %s: %s %.15g is below %s %.15g, expected at least that",
				 model->name, model->params[i].name, params[i],
				 model->params[i - 1].name, params[i - 1]);
			return -EINVAL;
		}
	return 0;
}

int model_parse(const char *text, double low, double high, struct model_config *config, char *error)
{
	const struct model *model = find_model(next_word(&text), error);
	if (!model)
		return -EINVAL;
	if (model->switches && (low > 0 || high < 1)) {
		snprintf(error, MODEL_ERROR_SIZE,
			 "model %s: makes 0 and 1, expected a point that can hold both",
			 model->name);
		return -EINVAL;
	}
	*config = (struct model_config){ .model = model };
	return parse_params(model, text, low, high, config->params, error);
}

double model_step(const struct model_config *config, double value, double dt_s,
		  struct model_stream *stream)
{
	return config->model->step(config->params, value, dt_s, stream);
}

const char *model_usage(size_t index)
{
	return index < MODELS ? models[index].usage : NULL;
}
