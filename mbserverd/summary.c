/* What happened, in one line. */
#include "mbserverd/summary.h"

#include "base/clock.h"
#include "base/log.h"
#include "mbserverd/counters.h"

#include <inttypes.h>
#include <string.h>

static struct summary_counts counts_now(void)
{
	return (struct summary_counts){
		.opened = COUNTERS_SUM(opened),
		.closed = COUNTERS_SUM(ended),
		.refused = COUNTERS_SUM(refused) + COUNTERS_SUM(limited) + COUNTERS_SUM(crowded),
		.requests = COUNTERS_SUM(requests),
		.exceptions = COUNTERS_SUM(exceptions),
	};
}

void summary_begin(struct summary *summary)
{
	*summary = (struct summary){ clock_mono_ms(), counts_now() };
}

void summary_log(struct summary *summary)
{
	const struct summary before = *summary;
	const struct summary_counts *was = &before.counts, *now = &summary->counts;
	summary_begin(summary);
	if (!memcmp(was, now, sizeof *was))
		return;
	log_info("in %" PRId64 " min: %" PRIu64 " connections opened, %" PRIu64 " closed, %" PRIu64
		 " refused; %" PRIu64 " requests, %" PRIu64 " exceptions",
		 (summary->since_ms - before.since_ms + 30000) / 60000, now->opened - was->opened,
		 now->closed - was->closed, now->refused - was->refused,
		 now->requests - was->requests, now->exceptions - was->exceptions);
}
