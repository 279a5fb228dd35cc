/* retain: a service that keeps the values in the plant's retain file, for whoever creates the image
 * next. */
#include "mbshm/tool.h"
#include "program/daemon.h"
#include "program/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_US = 1000000 }; /* does the name still lead to our image? */

struct keeper {
	struct plant *plant;
	struct mbshm *img; /* NULL: lost, and no other could be opened yet */
	uint64_t saved;    /* version in the file; 0: not known */
	uint32_t interval_s, waited_s;
	bool failed;      /* the last save: said once */
	int revive_error; /* likewise */
};

static void attach(struct keeper *keeper, char *why)
{
	keeper->saved = 0;
	if (mbshm_open(&keeper->plant->image, MBSHM_CREATE, &keeper->img, why))
		return;
	if (why[0])
		log_warn("%s", why);
	why[0] = '\0';
}

/* Save what is not saved yet.  0 or -errno. */
static int save(struct keeper *keeper)
{
	char why[MBSHM_WHY_SIZE] = "no usable image";
	uint64_t version;
	int rc = keeper->img ? mbshm_wait(keeper->img, keeper->saved, 0, NULL) : -ENOENT;
	if (rc == -ETIMEDOUT)
		return 0; /* nothing new */
	if (!rc)
		rc = mbshm_values_save(keeper->img, keeper->plant->image.retain, TOOL_TIMEOUT_US,
				       &version, why);
	if (rc && !keeper->failed)
		log_error("not saved: %s", why);
	else if (!rc && keeper->failed)
		log_info("saved again, version %" PRIu64, version);
	keeper->failed = rc;
	if (!rc)
		keeper->saved = version;
	return rc;
}

/* Read the plant file anew and open its image; *plant stays when that cannot be. */
static void renew(struct keeper *keeper, bool say)
{
	char why[PLANT_ERROR_SIZE];
	struct plant *plant;
	if (!plant_load(options_plant_path(), &plant, why)) {
		if (plant->image.retain) {
			plant_free(keeper->plant);
			keeper->plant = plant;
		} else {
			log_warn("%s names no image.retain any more: the old one lives on",
				 plant->file);
			plant_free(plant);
		}
	} else if (say) {
		log_error("the old plant lives on: %s", why);
	}
	mbshm_close(keeper->img);
	keeper->img = NULL;
	attach(keeper, why);
	if (keeper->img)
		log_info("keeping %s in %s", keeper->plant->image.name,
			 keeper->plant->image.retain);
	else if (say)
		log_error("waiting for a usable image: %s", why);
}

static void follow(struct keeper *keeper)
{
	char why[MBSHM_WHY_SIZE];
	int rc = keeper->img ? mbshm_check(keeper->img) : 0;
	if (keeper->img && !rc)
		return;
	/* If the name was taken away, our values get a new image, from us or from another who has
	 * them; if it leads elsewhere, the others on our image are told. */
	if (rc) {
		rc = mbshm_revive(keeper->img, &keeper->plant->image, TOOL_TIMEOUT_US, why);
		if (rc && rc != -EEXIST && rc != -ESTALE && rc != -EBADMSG) {
			if (rc != keeper->revive_error)
				log_error("image %s was removed and cannot be made again yet: %s",
					  keeper->plant->image.name, why);
			keeper->revive_error = rc;
			return; /* again in a second */
		}
		keeper->revive_error = 0;
	}
	renew(keeper, keeper->img != NULL);
}

static int on_second(sd_event_source *source, uint64_t us, void *context)
{
	struct keeper *keeper = context;
	(void)us;
	follow(keeper);
	if (++keeper->waited_s >= keeper->interval_s) {
		keeper->waited_s = 0;
		save(keeper);
	}
	int rc = sd_event_source_set_time_relative(source, LOOK_US);
	return rc < 0 ? rc : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void on_reload(void *context)
{
	struct keeper *keeper = context;
	daemon_reloading();
	follow(keeper);
	save(keeper);
	renew(keeper, true);
	daemon_reloaded();
}

static void on_status(void *context, char *text, size_t size)
{
	const struct keeper *keeper = context;
	snprintf(text, size, "version %" PRIu64 " is in %s%s", keeper->saved,
		 keeper->plant->image.retain, keeper->img ? "" : "; waiting for a usable image");
}

int run_retain(struct tool *tool, int argc, char **argv)
{
	struct keeper keeper = { .plant = tool->plant, .interval_s = tool->interval_s };
	struct daemon_hooks hooks = { .reload = on_reload,
				      .status = on_status,
				      .context = &keeper };
	char why[MBSHM_WHY_SIZE];
	sd_event *event;
	int rc;
	(void)argc, (void)argv;
	if (!keeper.plant->image.retain)
		die(EXIT_FAILURE,
		    "%s: image.retain is not set, expected the file to keep the values in",
		    keeper.plant->file);
	attach(&keeper, why);
	if (!keeper.img)
		die(EXIT_FAILURE, "image %s: %s", keeper.plant->image.name, why);
	rc = daemon_open(&hooks, &event);
	if (rc >= 0)
		rc = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, LOOK_US, 0, on_second,
						&keeper);
	if (rc >= 0)
		rc = daemon_run(event);
	if (rc < 0)
		die(EXIT_FAILURE, "event loop: %s", strerror(-rc));
	follow(&keeper);
	rc = save(&keeper);
	sd_event_unref(event);
	mbshm_close(keeper.img);
	tool->plant = keeper.plant; /* a reload has replaced it */
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
