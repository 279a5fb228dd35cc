/* The one file that knows RCU.  The writer is the main thread; readers are the workers, quiescent
 * once per turn of their loop. */
#include "mbserverd/policy.h"

#include "base/log.h"
#include "plant/load.h"
#include "plant/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define _LGPL_SOURCE
#include <urcu/urcu-qsbr.h>

/* ThreadSanitizer cannot see liburcu's grace periods: going to sleep happens before the end of one
 * that waited for it.  Only its runtime has these. */
void __tsan_release(void *address) __attribute__((weak));
void __tsan_acquire(void *address) __attribute__((weak));
static char grace; /* not present: a store there would hide who has gone to sleep before */

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
		__tsan_release(&grace);
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

/* Does it have this handle?  policy: NULL has none. */
static bool holds(const struct policy *policy, const struct mbshm *image)
{
	for (unsigned i = 0; policy && i < policy->device_count; i++)
		if (policy->devices[i].image == image)
			return true;
	return false;
}

/* Would the same handle do for both? */
static bool configs_equal(const struct mbshm_config *a, const struct mbshm_config *b)
{
	const struct mbshm_layout *left = &a->layout, *right = &b->layout;
	return !strcmp(a->name, b->name) && a->pool_pages == b->pool_pages &&
	       a->group == b->group && left->span_count == right->span_count &&
	       !memcmp(left->spans, right->spans, left->span_count * sizeof *left->spans);
}

/* Keep the handle that the present policy has for that plant, if it is to be used on: the values of
 * a lost image have no other copy, and an open one costs no second descriptor. */
static void device_keep(struct device *device, const struct policy *policy)
{
	for (unsigned i = 0; present && i < present->device_count; i++) {
		const struct device *now = &present->devices[i];
		if (!now->image || now->state == FOLLOW_REOPEN || holds(policy, now->image) ||
		    strcmp(now->plant->file, device->plant->file) != 0 ||
		    !configs_equal(&now->plant->image, &device->plant->image))
			continue;
		device->follow = now->follow;
		device->follow.config = &device->plant->image;
		device->image = now->image;
		return;
	}
}

/* The device of that plant, made when it is the first with it. */
static const struct device *device_of(struct policy *policy, const struct plant *plant)
{
	for (unsigned i = 0; i < policy->device_count; i++)
		if (policy->devices[i].plant == plant)
			return &policy->devices[i];
	struct device *device = &policy->devices[policy->device_count++];
	device->plant = plant;
	identity_init(&device->identity, &plant->server.identity);
	device_keep(device, policy);
	return device;
}

static struct network trace_option;

void policy_trace(const struct network *network)
{
	trace_option = *network;
}

/* Without images but those that the present policy has.  The plant becomes the policy's, or is that
 * of the present one.  NULL: no memory, and the plant stays the caller's. */
static struct policy *policy_new(struct plant *plant)
{
	const struct plant_server *server = &plant->server;
	struct policy *policy =
		calloc(1, sizeof *policy + (1 + server->unit_count) * sizeof *policy->devices);
	if (!policy)
		return NULL;
	policy->plant = plant;
	policy->unknown_unit = server->unknown_unit;
	policy->generation = present ? present->generation + 1 : 1;
	access_init(&policy->access, plant);
	policy->trace = trace_option.family ? trace_option : server->trace;
	const struct plant *units[UNIT_IDS];
	units_map(plant, units);
	for (unsigned id = 0; id < UNIT_IDS; id++)
		policy->units[id] = units[id] ? device_of(policy, units[id]) : NULL;
	return policy;
}

/* Open the other images.  They may be missing then. */
static void policy_open_images(struct policy *policy)
{
	for (unsigned i = 0; i < policy->device_count; i++) {
		struct device *device = &policy->devices[i];
		if (device->image)
			continue;
		follow_open(&device->follow, &device->plant->image, MBSHM_CREATE);
		device->image = device->follow.img;
	}
}

/* But for what the present one has, too. */
static void policy_free(struct policy *policy)
{
	for (unsigned i = 0; i < policy->device_count; i++)
		if (!holds(present, policy->devices[i].image))
			follow_close(&policy->devices[i].follow);
	if (!present || present->plant != policy->plant)
		plant_free(policy->plant);
	free(policy);
}

/* The first device of the present policy whose image is lost, and that policy does not keep it; or
 * NULL. */
static const struct device *abandoned(const struct policy *policy)
{
	for (unsigned i = 0; i < present->device_count; i++)
		if (present->devices[i].state == FOLLOW_LOST &&
		    !holds(policy, present->devices[i].image))
			return &present->devices[i];
	return NULL;
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
		__tsan_acquire(&grace);
	policy_free(old);
}

void policy_open(struct plant *plant)
{
	present = policy_new(plant);
	if (!present)
		die(EXIT_FAILURE, "out of memory");
	policy_open_images(present);
	const struct device *device = detached(present);
	if (device)
		die(EXIT_FAILURE, "image %s: %s", device->plant->image.name, device->follow.why);
}

void policy_close(void)
{
	struct policy *last = present;
	present = NULL;
	policy_free(last);
}

static void policy_swap(struct policy *policy)
{
	const struct plant_server *now = &present->plant->server, *new = &policy->plant->server;
	if (now->workers != new->workers)
		log_warn("server.workers has changed: this needs a restart");
	policy_publish(policy);
}

/* Look at all images.  Is one of them to be opened again? */
static bool images_moved(struct policy *policy)
{
	bool moved = false;
	for (unsigned i = 0; i < policy->device_count; i++) {
		struct device *device = &policy->devices[i];
		device->state = follow_check(&device->follow);
		moved |= device->state == FOLLOW_REOPEN;
	}
	return moved;
}

/* Why this device's image stands in the way of a policy, which is freed.  NULL always. */
static struct policy *policy_refuse(const struct device *device, struct policy *policy, char *why)
{
	snprintf(why, PLANT_ERROR_SIZE, "image %s: %s", device->plant->image.name,
		 device->follow.why);
	policy_free(policy);
	return NULL;
}

/* A policy of the plant file as it is now, whose images may be missing; or NULL and why. */
static struct policy *policy_read(char *why)
{
	struct plant *plant;
	if (plant_reload(present->plant, &plant, why))
		return NULL;
	struct policy *policy = policy_new(plant);
	if (!policy) {
		plant_free(plant);
		snprintf(why, PLANT_ERROR_SIZE, "out of memory");
		return NULL;
	}
	/* Before it could create an empty image in the lost one's place. */
	const struct device *lost = abandoned(policy);
	if (lost)
		return policy_refuse(lost, policy, why);
	policy_open_images(policy);
	return policy;
}

bool policy_reload(char *why)
{
	/* An image that the new policy creates shall have the values that we have. */
	images_moved(present);
	struct policy *policy = policy_read(why);
	const struct device *device = policy ? detached(policy) : NULL;
	if (device)
		policy = policy_refuse(device, policy, why);
	if (!policy)
		return false;
	policy_swap(policy);
	return true;
}

/* Mark the devices that are not what they are at present.  Is there one? */
static bool devices_compare(struct policy *policy)
{
	bool changed = false;
	for (unsigned d = 0; d < policy->device_count; d++) {
		struct device *device = &policy->devices[d];
		device->changed = true; /* unless it is found, unchanged */
		for (unsigned i = 0; i < present->device_count; i++) {
			const struct device *now = &present->devices[i];
			if (!strcmp(now->plant->file, device->plant->file))
				device->changed = (!now->image || now->image != device->image) &&
						  follow_changed(&now->follow, &device->follow);
		}
		changed |= device->changed;
	}
	return changed;
}

/* What is left of an image that was replaced must not be taken for the plant's: swap also when the
 * new one cannot be attached. */
static void policy_attach(struct policy *policy)
{
	if (!devices_compare(policy)) {
		policy_free(policy);
		return;
	}
	policy_swap(policy);
	for (unsigned i = 0; i < policy->device_count; i++) {
		struct device *device = &policy->devices[i];
		if (device->changed && device->image)
			log_info("attached image %s again", device->plant->image.name);
		else if (device->changed)
			follow_report(&device->follow, "answering exception 04",
				      device->follow.why);
	}
}

/* One of the plant in memory: what the file is now is none. */
static struct policy *policy_again(void)
{
	struct policy *policy = policy_new(present->plant);
	if (policy)
		policy_open_images(policy);
	return policy;
}

void policy_check(void)
{
	static struct log_once trouble;
	char why[PLANT_ERROR_SIZE];
	if (!images_moved(present))
		return;
	struct policy *policy = policy_read(why);
	if (policy) {
		trouble = (struct log_once){ 0 };
	} else {
		log_once(&trouble, "attaching the images of the old plant: %s", why);
		policy = policy_again();
	}
	if (policy)
		policy_attach(policy);
}
