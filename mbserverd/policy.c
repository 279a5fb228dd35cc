/* The one file that knows RCU.  The writer is the main thread; readers are the workers, quiescent
 * once per turn of their loop. */
#include "mbserverd/policy.h"

#include "base/log.h"
#include "plant/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define _LGPL_SOURCE
#include <urcu/urcu-qsbr.h>

/* ThreadSanitizer cannot see liburcu's grace periods: going to sleep happens before the end of one
 * that waited for it.  Only its runtime has these. */
void __tsan_release(void *address) __attribute__((weak));
void __tsan_acquire(void *address) __attribute__((weak));

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
static void device_init(struct device *device, const struct plant *plant)
{
	device->plant = plant;
	identity_init(&device->identity, &plant->server.identity);
	follow_open(&device->follow, &plant->image, MBSHM_CREATE);
	device->image = device->follow.img;
}

/* The device of that plant, made when it is the first with it. */
static const struct device *device_of(struct policy *policy, const struct plant *plant)
{
	for (unsigned i = 0; i < policy->device_count; i++)
		if (policy->devices[i].plant == plant)
			return &policy->devices[i];
	struct device *device = &policy->devices[policy->device_count++];
	device_init(device, plant);
	return device;
}

static struct network trace_option;

void policy_trace(const struct network *network)
{
	trace_option = *network;
}

/* Images may be missing.  The plant becomes the policy's.  NULL: no memory, and the plant stays the
 * caller's. */
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
	access_init(&policy->access, server);
	policy->trace = trace_option.family ? trace_option : server->trace;
	const struct device *own = device_of(policy, plant);
	for (unsigned id = 0; id < 256; id++)
		if (server->unit_count == 0 || id == 0 || id == 255)
			policy->units[id] = own;
	for (unsigned i = 0; i < server->unit_count; i++) {
		const struct plant_unit *unit = &server->units[i];
		policy->units[unit->id] = device_of(policy, unit->plant ? unit->plant : plant);
	}
	return policy;
}

static void policy_free(struct policy *policy)
{
	for (unsigned i = 0; i < policy->device_count; i++)
		follow_close(&policy->devices[i].follow);
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
	if (!present)
		die(EXIT_FAILURE, "out of memory");
	const struct device *device = detached(present);
	if (device)
		die(EXIT_FAILURE, "image %s: %s", device->plant->image.name, device->follow.why);
}

void policy_close(void)
{
	policy_free(present);
	present = NULL;
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
	for (unsigned i = 0; i < policy->device_count; i++)
		if (follow_check(&policy->devices[i].follow) == FOLLOW_REOPEN)
			moved = true;
	return moved;
}

/* A policy of the plant file as it is now, or NULL and why. */
static struct policy *policy_read(char *why)
{
	struct plant *plant;
	if (plant_reload(present->plant, &plant, why))
		return NULL;
	struct policy *policy = policy_new(plant);
	if (!policy) {
		plant_free(plant);
		snprintf(why, PLANT_ERROR_SIZE, "out of memory");
	}
	return policy;
}

bool policy_reload(char *why)
{
	/* An image that the new policy creates shall have the values that we have. */
	images_moved(present);
	struct policy *policy = policy_read(why);
	if (!policy)
		return false;
	const struct device *device = detached(policy);
	if (device) {
		snprintf(why, PLANT_ERROR_SIZE, "image %s: %s", device->plant->image.name,
			 device->follow.why);
		policy_free(policy);
		return false;
	}
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
				device->changed = follow_changed(&now->follow, &device->follow);
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

void policy_check(void)
{
	static struct log_once trouble;
	char why[PLANT_ERROR_SIZE];
	if (!images_moved(present))
		return;
	struct policy *policy = policy_read(why);
	if (!policy) {
		log_once(&trouble, "cannot attach images again: %s", why);
		return;
	}
	trouble = (struct log_once){ 0 };
	policy_attach(policy);
}
