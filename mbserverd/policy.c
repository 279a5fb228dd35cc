/* The one file that knows RCU.  The writer is the main thread; readers are the workers, quiescent
 * once per turn of their loop. */
#include "mbserverd/policy.h"

#include "base/log.h"
#include "program/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define _LGPL_SOURCE
#include <urcu/urcu-qsbr.h>

/* ThreadSanitizer cannot see liburcu's grace periods: going to sleep happens before the end of one
 * that waited for it.  Only its runtime has these. */
void __tsan_release(void *address) __attribute__((weak));
void __tsan_acquire(void *address) __attribute__((weak));

enum { REVIVE_US = 100000 }; /* wait for other writers */

/* Stored by the main thread; a C11 atomic instead of rcu_dereference because the compiler and the
 * sanitizers understand it. */
static struct policy *_Atomic present;

/* ---- readers ------------------------------------------------------------------------------- */

void policy_reader_register(void)
{
	urcu_qsbr_register_thread();
}

void policy_reader_unregister(void)
{
	urcu_qsbr_unregister_thread();
}

void policy_reader_sleep(void)
{
	if (__tsan_release)
		__tsan_release(&present);
	urcu_qsbr_thread_offline();
}

void policy_reader_wake(void)
{
	urcu_qsbr_thread_online();
}

const struct policy *policy_get(void)
{
	return present;
}

/* ---- the writer ---------------------------------------------------------------------------- */

const struct policy *policy_present(void)
{
	return present;
}

/* The image may be missing. */
static void unit_init(struct device *unit, const struct plant *plant)
{
	unit->plant = plant;
	identity_init(&unit->identity, &plant->server.identity);
	if (mbshm_open(&plant->image, MBSHM_CREATE, &unit->image, unit->why) != 0) {
		unit->image = NULL;
		return;
	}
	if (unit->why[0] != '\0')
		log_warn("%s", unit->why);
	unit->why[0] = '\0';
}

/* The device of that plant; made when there is none yet. */
static const struct device *device(struct policy *policy, const struct plant *plant)
{
	for (unsigned i = 0; i < policy->device_count; i++)
		if (policy->devices[i].plant == plant)
			return &policy->devices[i];
	struct device *unit = &policy->devices[policy->device_count++];
	unit_init(unit, plant);
	return unit;
}

static struct network trace_option;

void policy_trace(const struct network *network)
{
	trace_option = *network;
}

/* Images may be missing; the plant becomes the policy's. */
static struct policy *policy_new(struct plant *plant)
{
	const struct plant_server *server = &plant->server;
	struct policy *policy =
		calloc(1, sizeof *policy + (1 + server->unit_count) * sizeof *policy->devices);
	if (!policy)
		abort(); /* a few KiB */

	policy->plant = plant;
	policy->unknown_unit = server->unknown_unit;
	policy->generation = present ? present->generation + 1 : 1;
	access_init(&policy->access, server);
	policy->trace = trace_option.family != 0 ? trace_option : server->trace;
	const struct device *itself = device(policy, plant);
	for (unsigned id = 0; id < 256; id++)
		if (server->unit_count == 0 || id == 0 || id == 255)
			policy->units[id] = itself;
	for (unsigned i = 0; i < server->unit_count; i++) {
		const struct plant_unit *unit = &server->units[i];
		policy->units[unit->id] = device(policy, unit->plant ? unit->plant : plant);
	}
	return policy;
}

static void policy_free(struct policy *policy)
{
	for (unsigned i = 0; i < policy->device_count; i++)
		mbshm_close(policy->devices[i].image);
	plant_free(policy->plant);
	free(policy);
}

/* The first device without an image, or NULL. */
static const struct device *detached(const struct policy *policy)
{
	for (unsigned i = 0; i < policy->device_count; i++)
		if (!policy->devices[i].image)
			return &policy->devices[i];
	return NULL;
}

static void policy_publish(struct policy *policy)
{
	struct policy *old = present;
	present = policy;
	urcu_qsbr_synchronize_rcu();
	if (__tsan_acquire)
		__tsan_acquire(&present);
	policy_free(old);
}

void policy_open(struct plant *plant)
{
	present = policy_new(plant);
	const struct device *unit = detached(present);
	if (unit)
		die(EXIT_FAILURE, "image %s: %s", unit->plant->image.name, unit->why);
}

void policy_close(void)
{
	policy_free(present);
	present = NULL;
}

static void policy_swap(struct policy *policy)
{
	const struct plant_server *now = &policy_present()->plant->server,
				  *new = &policy->plant->server;
	if (now->workers != new->workers)
		log_warn("server.workers has changed: this needs a restart");
	policy_publish(policy);
}

/* The name leads elsewhere or nowhere.  If nowhere, the values get a new image, from us or from
 * another who has them; if elsewhere, the others on our image are told.  False: stay with it, and
 * try again. */
static bool leave(const struct device *unit)
{
	static int last;
	char why[MBSHM_WHY_SIZE];
	int rc = mbshm_revive(unit->image, &unit->plant->image, REVIVE_US, why);
	if (rc == -EEXIST || rc == -ESTALE || rc == -EBADMSG)
		rc = 0;
	if (rc && rc != last)
		log_error("image %s was removed and cannot be made again yet: %s",
			  unit->plant->image.name, why);
	last = rc;
	return !rc;
}

static bool all_attached(const struct policy *policy)
{
	bool all = true;
	for (const struct device *unit = policy->devices;
	     unit < policy->devices + policy->device_count; unit++)
		if (!unit->image || (mbshm_check(unit->image) != 0 && leave(unit)))
			all = false;
	return all;
}

bool policy_reload(void)
{
	char error[PLANT_ERROR_SIZE];
	struct plant *plant;
	if (plant_load(options_plant_path(), &plant, error) != 0) {
		log_error("%s", error);
		log_error("reload refused, going on as before");
		return false;
	}
	all_attached(
		present); /* an image that is made anew now shall have the values that we have */
	struct policy *policy = policy_new(plant);
	const struct device *unit = detached(policy);
	if (unit) {
		log_error("image %s: %s", unit->plant->image.name, unit->why);
		log_error("reload refused, going on as before");
		policy_free(policy);
		return false;
	}
	policy_swap(policy);
	return true;
}

/* Has the image of a device come, gone, or been replaced, or can it not be attached for another
 * reason than before? */
static bool changed(const struct device *now, const struct device *new)
{
	if ((!now->image) != (!new->image))
		return true;
	return now->image ? mbshm_check(now->image) != 0 : strcmp(now->why, new->why) != 0;
}

/* Mark the devices that are not what they are at present.  Their number. */
static unsigned find_news(struct policy *policy)
{
	const struct policy *now = policy_present();
	unsigned news = 0;
	for (struct device *unit = policy->devices; unit < policy->devices + policy->device_count;
	     unit++) {
		unit->news = true; /* unless it is found, unchanged */
		for (unsigned i = 0; i < now->device_count; i++)
			if (!strcmp(now->devices[i].plant->file, unit->plant->file))
				unit->news = changed(&now->devices[i], unit);
		news += unit->news;
	}
	return news;
}

/* What is left of an image that was replaced must not be taken for the plant's: swap also when the
 * new one cannot be attached. */
static void policy_attach(struct policy *policy)
{
	if (find_news(policy) == 0) {
		policy_free(policy);
		return;
	}
	policy_swap(policy);
	for (const struct device *unit = policy->devices;
	     unit < policy->devices + policy->device_count; unit++) {
		const char *name = unit->plant->image.name;
		if (unit->news && unit->image)
			log_info("attached image %s anew", name);
		else if (unit->news)
			log_error("cannot attach image %s, answering exception 04: %s", name,
				  unit->why);
	}
}

void policy_check(void)
{
	static char last[PLANT_ERROR_SIZE];
	char error[PLANT_ERROR_SIZE];
	struct plant *plant;
	if (all_attached(policy_present()))
		return;
	if (plant_load(options_plant_path(), &plant, error) == 0) {
		last[0] = '\0';
		policy_attach(policy_new(plant));
	} else if (strcmp(last, error) != 0) {
		strcpy(last, error);
		log_error("cannot attach images anew: %s", error);
	}
}
