/* retain: a service that keeps the values in the plant's retain file, from which the next image
 * starts. */
#include "mbshm/retain.h"

#include "plant/load.h"
#include "program/daemon.h"
#include "program/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct keeper {
	struct plant *plant;
	struct follow follow;
	uint64_t saved;               /* version in the file; 0: not known */
	char failure[MBSHM_WHY_SIZE]; /* of the last save; "": it succeeded */
	struct log_once save_trouble, plant_trouble;
};

/* Save what is not saved yet.  0 or -errno. */
static int keeper_save(struct keeper *keeper)
{
	struct mbshm *img = keeper->follow.img;
	char why[MBSHM_WHY_SIZE] = "no usable image";
	bool failed = keeper->failure[0];
	uint64_t version;
	int rc = img ? mbshm_wait(img, keeper->saved, 0, NULL) : -ENOENT;
	if (rc == -ETIMEDOUT)
		return 0; /* nothing new */
	if (!rc)
		rc = mbshm_values_save(img, keeper->plant->image.retain, TOOL_TIMEOUT_US, &version,
				       why);
	if (rc) {
		log_once(&keeper->save_trouble, "not saved: %s", why);
		strcpy(keeper->failure, why);
	} else {
		if (failed)
			log_info("saved again, version %" PRIu64, version);
		keeper->save_trouble = (struct log_once){ 0 };
		keeper->saved = version;
		keeper->failure[0] = '\0';
	}
	return rc;
}

static bool retains(const struct plant *plant, char *why)
{
	if (plant->image.retain)
		return true;
	snprintf(why, PLANT_ERROR_SIZE,
		 "%.512s: image.retain is not set, expected the file to keep the values in",
		 plant->file);
	return false;
}

/* Read the plant file again; when that fails, the old plant stays.  Nothing follows it now. */
static int keeper_reload(struct keeper *keeper, char *why)
{
	struct plant *plant;
	int rc = plant_reload(keeper->plant, &plant, why);
	if (rc)
		return rc;
	if (!retains(plant, why)) {
		plant_free(plant);
		return -EINVAL;
	}
	plant_free(keeper->plant);
	keeper->plant = plant;
	return 0;
}

/* Close the image, read the plant file again and open its image.  The error of the plant file, and
 * why: then the old plant stays. */
static int keeper_renew(struct keeper *keeper, char *why)
{
	struct follow *follow = &keeper->follow;
	follow_close(follow);
	int rc = keeper_reload(keeper, why);
	keeper->saved = 0;
	if (follow_open(follow, &keeper->plant->image, MBSHM_CREATE))
		follow_report(follow, "saving nothing", follow->why);
	else
		log_info("keeping %s in %s", keeper->plant->image.name,
			 keeper->plant->image.retain);
	return rc;
}

static void keeper_look(void *context)
{
	struct keeper *keeper = context;
	char why[PLANT_ERROR_SIZE];
	if (follow_check(&keeper->follow) != FOLLOW_REOPEN)
		return;
	if (keeper_renew(keeper, why))
		log_once(&keeper->plant_trouble, "keeping the old plant: %s", why);
	else
		keeper->plant_trouble = (struct log_once){ 0 };
}

static void keeper_interval(void *context)
{
	keeper_look(context); /* the image may have been replaced just now */
	keeper_save(context);
}

/* While the handle has the only copy of the values, it must not be closed: the plant stays. */
static void keeper_sighup(void *context)
{
	struct keeper *keeper = context;
	char why[PLANT_ERROR_SIZE];
	daemon_reloading();
	keeper_interval(keeper);
	if (follow_check(&keeper->follow) == FOLLOW_LOST)
		daemon_reloaded(keeper->follow.why);
	else
		daemon_reloaded(keeper_renew(keeper, why) ? why : NULL);
}

static void keeper_status(void *context, char *text, size_t size)
{
	const struct keeper *keeper = context;
	char saved[32] = "nothing yet";
	if (keeper->saved)
		snprintf(saved, sizeof saved, "version %" PRIu64, keeper->saved);
	snprintf(text, size, "%s saved in %.255s%s%s%s", saved, keeper->plant->image.retain,
		 keeper->failure[0] ? "; not saved since: " : "", keeper->failure,
		 keeper->follow.img ? "" : "; waiting for a usable image");
	daemon_status_plant(text, size, keeper->plant);
}

static int keeper_run(struct keeper *keeper, uint32_t interval_s)
{
	struct daemon_hooks hooks = { .reload = keeper_sighup,
				      .status = keeper_status,
				      .context = keeper };
	sd_event *event;
	int rc = daemon_open(&hooks, &event);
	if (rc)
		return rc;
	rc = daemon_every(event, DAEMON_SECOND_US, keeper_look, keeper);
	if (!rc)
		rc = daemon_every(event, interval_s * UINT64_C(1000000), keeper_interval, keeper);
	if (!rc)
		rc = daemon_run(event);
	sd_event_unref(event);
	return rc;
}

int run_retain(struct tool *tool, char **words)
{
	struct keeper keeper = { .plant = tool->plant };
	struct follow *follow = &keeper.follow;
	char why[PLANT_ERROR_SIZE];
	(void)words;
	daemon_begin();
	if (!retains(keeper.plant, why))
		die(EXIT_USAGE, "%s", why);
	if (follow_open(follow, &keeper.plant->image, MBSHM_CREATE))
		die(EXIT_FAILURE, "image %s: %s", keeper.plant->image.name, follow->why);
	int rc = keeper_run(&keeper, tool->interval_s);
	if (rc)
		die(EXIT_FAILURE, "event loop: %s", strerror(-rc));
	keeper_look(&keeper);
	rc = keeper_save(&keeper);
	follow_close(follow);
	tool->plant = keeper.plant; /* a reload has replaced it */
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
