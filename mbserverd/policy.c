/* The one file that knows RCU.  The writer is the main thread; readers are the workers, quiescent once per turn of their loop. */
#include "policy.h"

#include "log.h"
#include "options.h"

#include <stdlib.h>
#include <string.h>

#define _LGPL_SOURCE
#include <urcu/urcu-qsbr.h>

/* ThreadSanitizer cannot see liburcu's grace periods: going to sleep happens before the end of one that waited for it.  Only its
 * runtime has these. */
void __tsan_release(void *address) __attribute__((weak));
void __tsan_acquire(void *address) __attribute__((weak));

/* Stored by the main thread; a C11 atomic instead of rcu_dereference because the compiler and the sanitizers understand it. */
static struct policy *_Atomic present;

/* ---- readers ------------------------------------------------------------------------------------------------------------- */

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
	if (__tsan_release != NULL)
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

/* ---- the writer ---------------------------------------------------------------------------------------------------------- */

const struct policy *policy_present(void)
{
	return present;
}

/* The image may be missing (why says why); the plant becomes the policy's. */
static struct policy *policy_new(struct plant *plant, char *why)
{
	struct policy *policy = calloc(1, sizeof *policy);
	if (policy == NULL)
		abort();	/* 3 KiB */

	policy->plant = plant;
	identity_init(&policy->unit.identity, &plant->server.identity);
	for (size_t id = 0; id < 256; id++)
		policy->units[id] = &policy->unit;
	if (mbshm_open(&plant->image, MBSHM_CREATE, &policy->unit.image, why) != 0)
		policy->unit.image = NULL;
	return policy;
}

static void policy_free(struct policy *policy)
{
	mbshm_close(policy->unit.image);
	plant_free(policy->plant);
	free(policy);
}

static void policy_publish(struct policy *policy)
{
	struct policy *old = present;
	present = policy;
	urcu_qsbr_synchronize_rcu();
	if (__tsan_acquire != NULL)
		__tsan_acquire(&present);
	policy_free(old);
}

void policy_open(struct plant *plant)
{
	char why[MBSHM_WHY_SIZE];
	present = policy_new(plant, why);
	if (present->unit.image == NULL)
		die(EXIT_FAILURE, "image %s: %s", plant->image.name, why);
}

void policy_close(void)
{
	policy_free(present);
	present = NULL;
}

static bool listen_equal(const struct plant_server *a, const struct plant_server *b)
{
	if (a->listen_count != b->listen_count)
		return false;
	for (unsigned i = 0; i < a->listen_count; i++)
		if (strcmp(a->listen[i].text, b->listen[i].text) != 0)
			return false;
	return true;
}

static void policy_swap(struct policy *policy)
{
	const struct plant_server *now = &policy_present()->plant->server, *new = &policy->plant->server;
	if (!listen_equal(now, new))
		log_warn("server.listen has changed: this needs a restart");
	if (now->workers != new->workers)
		log_warn("server.workers has changed: this needs a restart");
	policy_publish(policy);
}

void policy_reload(void)
{
	char error[PLANT_ERROR_SIZE], why[MBSHM_WHY_SIZE];
	struct plant *plant;
	if (plant_load(options_plant_path(), &plant, error) != 0) {
		log_error("%s", error);
		log_error("reload refused, going on as before");
		return;
	}
	struct policy *policy = policy_new(plant, why);
	if (policy->unit.image == NULL) {
		log_error("image %s: %s", plant->image.name, why);
		log_error("reload refused, going on as before");
		policy_free(policy);
		return;
	}
	policy_swap(policy);
	log_info("reloaded");
}

/* Log text unless it is what was logged last. */
static void trouble(const char *name, const char *text)
{
	static char last[PLANT_ERROR_SIZE];
	if (strncmp(last, text, sizeof last - 1) == 0)
		return;
	strncpy(last, text, sizeof last - 1);
	if (text[0] != '\0')
		log_error("cannot attach image %s, answering exception 04: %s", name, text);
}

void policy_check(void)
{
	const struct policy *now = policy_present();
	const char *name = now->plant->image.name;
	if (now->unit.image != NULL && mbshm_check(now->unit.image) == 0)
		return;

	char error[PLANT_ERROR_SIZE], why[MBSHM_WHY_SIZE];
	struct plant *plant;
	if (plant_load(options_plant_path(), &plant, error) != 0) {
		trouble(name, error);
		return;
	}
	struct policy *policy = policy_new(plant, why);
	if (policy->unit.image != NULL) {
		trouble(name, "");
		policy_swap(policy);
		log_info("attached image %s anew", plant->image.name);
		return;
	}
	bool fresh = now->unit.image != NULL;
	if (fresh)	/* what is left of that image must not be taken for the plant's */
		policy_publish(policy);
	trouble(plant->image.name, why);
	if (!fresh)
		policy_free(policy);
}
