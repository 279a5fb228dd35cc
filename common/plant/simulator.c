/* The section "simulator". */
#include "plant/simulator.h"

#include "plant/kinds.h"

#define SIMULATOR(member) FIELD(struct plant, simulator.member)

static const struct setting_row rows[] = {
	{ "simulator.period", &kind_duration, .min = 1, .max = 3600000, .preset = "\"1s\"",
	  SIMULATOR(period_ms), .help = "time between steps" },
	{ "simulator.start_delay", &kind_duration, .max = 3600000, .preset = "\"2s\"",
	  SIMULATOR(start_delay_ms), .help = "before the first step, on a fresh image only" },
	{ "simulator.seed", &kind_number, .max = INT64_MAX, .preset = "0", SIMULATOR(seed),
	  .help = "seed of all random streams; 0: the system's choice, logged at start" },
	{ "simulator.source", &kind_ascii, .min = 1, PRODUCER, .preset = "\"simulatord\"",
	  SIMULATOR(source), .help = "name of the simulator as a producer" },
};

const struct setting_section simulator_section = { ROWS(rows), NULL };
