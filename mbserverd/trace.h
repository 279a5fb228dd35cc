/* Frames in the log, for a chosen address: bytes, and what they mean. */
#ifndef MBSERVERD_TRACE_H
#define MBSERVERD_TRACE_H

#include "mbshm.h"

#include <stddef.h>
#include <stdint.h>

/* The ADU of a request, and that of its answer (answer_bytes 0: none). */
void trace_exchange(const struct mbshm_origin *peer, const uint8_t *adu, size_t bytes,
		    const uint8_t *answer, size_t answer_bytes);

/* Bytes that are no request, and why. */
void trace_odd(const struct mbshm_origin *peer, const uint8_t *bytes, size_t count,
	       const char *why);

#endif
