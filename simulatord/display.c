/* The table, written without blocking. */
#include "simulatord/display.h"

#include "point/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct display {
	int fd;     /* standard output, or the same file opened without blocking */
	char *text; /* the table being written, malloc'd */
	size_t size, written;
};

static const enum mbshm_table sections[] = { MBSHM_HOLDING_REGISTERS, MBSHM_COILS,
					     MBSHM_INPUT_REGISTERS, MBSHM_DISCRETE_INPUTS };

/* O_NONBLOCK belongs to the open file, which the shell and others share: so a second one is opened.
 * A regular file never blocks, and opened again would start at its beginning; what cannot be opened
 * again is written to as it is. */
static int open_stdout(void)
{
	struct stat st;
	if (fstat(STDOUT_FILENO, &st) || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return STDOUT_FILENO;
	int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 ? fd : STDOUT_FILENO;
}

struct display *display_new(void)
{
	struct display *display = calloc(1, sizeof *display);
	if (display)
		display->fd = open_stdout();
	return display;
}

void display_free(struct display *display)
{
	if (!display)
		return;
	if (display->fd != STDOUT_FILENO)
		close(display->fd);
	free(display->text);
	free(display);
}

static int format_table(struct display *display, const struct simulation *sim)
{
	free(display->text);
	display->text = NULL;
	display->size = display->written = 0;
	FILE *out = open_memstream(&display->text, &display->size);
	if (!out)
		return -errno;
	fprintf(out, "======================\nModbus Table\n");
	for (size_t s = 0; s < sizeof sections / sizeof *sections; s++) {
		const char *title = address_table_title(sections[s]);
		for (unsigned i = 0; i < sim->plant->point_count; i++) {
			const struct plant_point *point = &sim->plant->points[i];
			if (point->table != sections[s])
				continue;
			if (title)
				fprintf(out, "%s\n", title);
			title = NULL;
			fprintf(out, " R%u: [%u]\n", point->addr, sim->cells[i].value);
		}
	}
	return fclose(out) ? -errno : 0;
}

/* 0 also when not all of it could be written now. */
static int write_rest(struct display *display)
{
	while (display->written < display->size) {
		ssize_t n = write(display->fd, display->text + display->written,
				  display->size - display->written);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		display->written += (size_t)n;
	}
	return 0;
}

int display_print(struct display *display, const struct simulation *sim)
{
	int rc = write_rest(display);
	if (rc || display->written < display->size)
		return rc;
	rc = format_table(display, sim);
	return rc ? rc : write_rest(display);
}
