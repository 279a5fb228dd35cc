/* Following an image: open, look, create again, log it once. */
#include "program/follow.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	REVIVE_US = 100000, /* for other writers; the loop that waits here also answers signals */
	OTHERS_LOOKS = 3,   /* they look once a second, as we do */
};

/* Copy the values, in case that the segment is damaged. */
static void copy_values(const struct follow *follow)
{
	if (follow->flags & MBSHM_CREATE)
		mbshm_keep(follow->img);
}

/* Add who has put the file there that cannot be used, and what can be done about it. */
static void add_owner(struct follow *follow, int rc)
{
	struct stat st;
	const char *name = follow->config->name;
	if (mbshm_stat(name, &st) || st.st_uid == geteuid())
		return;
	char user[64], group[64];
	const struct passwd *passwd = getpwuid(st.st_uid);
	const struct group *members = getgrgid(st.st_gid);
	snprintf(user, sizeof user, "%u", (unsigned)st.st_uid);
	snprintf(group, sizeof group, "%u", (unsigned)st.st_gid);
	size_t used = strlen(follow->why);
	snprintf(follow->why + used, sizeof follow->why - used,
		 "; it is of user %s, group %s%s; if it is in the way, remove /dev/shm%s as that "
		 "user or root",
		 passwd ? passwd->pw_name : user, members ? members->gr_name : group,
		 rc == -EACCES ? ", whose members may be allowed to use it" : "", name);
}

static bool is_obstacle(int rc)
{
	return rc == -EPERM || rc == -EACCES || rc == -EBADMSG || rc == -EISDIR || rc == -ELOOP;
}

int follow_open(struct follow *follow, const struct mbshm_config *config, int flags)
{
	follow->config = config;
	follow->flags = flags;
	follow->lost = false;
	follow->left_to_others = 0;
	int rc = mbshm_guard();
	if (rc) {
		follow->img = NULL;
		snprintf(follow->why, sizeof follow->why, "SIGBUS: %s", strerror(-rc));
		return rc;
	}
	rc = mbshm_open(config, flags, &follow->img, follow->why);
	if (is_obstacle(rc))
		add_owner(follow, rc);
	if (rc)
		return rc;
	if (follow->why[0])
		log_warn("%s", follow->why);
	follow->why[0] = '\0';
	follow->trouble = (struct log_once){ 0 };
	copy_values(follow);
	return 0;
}

void follow_close(struct follow *follow)
{
	mbshm_close(follow->img);
	follow->img = NULL;
}

/* Create the image again.  missing: nothing has the name.  0: there is an image to open, or nothing
 * that could be saved. */
static int revive(struct follow *follow, bool missing)
{
	int rc = mbshm_revive(follow->img, follow->config, REVIVE_US, follow->why);
	/* Ours was replaced, and the other has lost the name as well: those who have it create it
	 * again, with its values, if we do not make an empty one before. */
	if (rc == -ESTALE && missing && follow->left_to_others++ < OTHERS_LOOKS)
		return rc;
	return rc == -EEXIST || rc == -ESTALE || rc == -EBADMSG ? 0 : rc;
}

/* What has become of the image, by the answer of mbshm_check. */
static const char *loss(int rc)
{
	return rc == -ESTALE    ? "replaced"
	       : rc == -EBUSY   ? "removed, and another file has its name"
	       : rc == -EBADMSG ? "truncated or overwritten by another process"
				: "removed";
}

enum follow_state follow_check(struct follow *follow)
{
	if (!follow->img)
		return FOLLOW_REOPEN;
	int rc = mbshm_check(follow->img);
	if (!rc) {
		follow->lost = false;
		copy_values(follow);
		return FOLLOW_SAME;
	}
	const char *name = follow->config->name;
	if (!follow->lost)
		(rc == -ESTALE || rc == -ENOENT ? log_info : log_warn)("image %s was %s", name,
								       loss(rc));
	follow->lost = true;
	if (!(follow->flags & MBSHM_CREATE))
		return rc == -EBUSY ? FOLLOW_LOST : FOLLOW_REOPEN;
	/* Once another image has the name, those on ours are told if its lock can be had. */
	if (!revive(follow, rc == -ENOENT) || rc == -ESTALE)
		return FOLLOW_REOPEN;
	log_once(&follow->trouble, "image %s cannot be created again yet: %s", name, follow->why);
	return FOLLOW_LOST;
}

void follow_report(struct follow *follow, const char *meanwhile, const char *why)
{
	log_once(&follow->trouble, "cannot attach image %s, %s: %s", follow->config->name,
		 meanwhile, why);
}

bool follow_changed(const struct follow *old, const struct follow *new)
{
	if (!old->img != !new->img)
		return true;
	return old->img ? mbshm_check(old->img) != 0 : strcmp(old->why, new->why) != 0;
}
