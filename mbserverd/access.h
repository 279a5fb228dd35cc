/* Access rules: what a peer may do, with each unit.  Pure; any thread, once access_init is done.
 *
 * When a peer connects, and whenever the policy changes, the rules that apply to it are collected
 * into a 64-bit set.  A request then costs the lowest bit that this set and the set of rules about
 * its unit have in common, and a bit test. */
#ifndef MBSERVERD_ACCESS_H
#define MBSERVERD_ACCESS_H

#include "plant/plant.h"

/* The plant's rules, and the one for everybody else. */
enum { ACCESS_DEFAULT = PLANT_ACCESS_MAX, ACCESS_RULES };

/* What one rule allows. */
struct access_rule {
	struct function_set functions;
	struct function_set refused;       /* those of the server that would write, and may not */
	const struct mbshm_layout *writes; /* what may be written; NULL: everything */
	bool none;                         /* nothing, not even to connect */
	bool keep;                         /* close neither to make room nor for being idle */
	uint8_t refusal;                   /* the exception for a write that is not allowed */
};

struct access {
	const struct plant_server *server; /* whose rules these are */
	/* Rules about a unit, bit i is rules[i]: those about any id that leads to its values. */
	uint64_t by_unit[256];
	struct access_rule rules[ACCESS_RULES]; /* in order; the first that applies counts */
};

/* plant: the caller's, in use as long as access is. */
void access_init(struct access *access, const struct plant *plant);

/* The set of rules for a peer, whose address is of that family (IPv4 mapped into IPv6: AF_INET). */
uint64_t access_rules(const struct access *access, int family, const uint8_t *address);

/* May a peer with these rules do nothing at all?  Are its connections kept? */
bool access_refused(const struct access *access, uint64_t rules);
bool access_kept(const struct access *access, uint64_t rules);

/* The rule for a unit. */
static inline const struct access_rule *access_rule(const struct access *access, uint64_t rules,
						    uint8_t unit)
{
	return &access->rules[__builtin_ctzll((rules & access->by_unit[unit]) |
					      UINT64_C(1) << ACCESS_DEFAULT)];
}

/* May these items be written?  0 or the exception. */
int access_write(const struct access_rule *rule, enum mbshm_table table, uint32_t addr,
		 uint32_t count);

#endif
