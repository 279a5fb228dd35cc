/* journal: who wrote what. */
#include "mbshm/journal.h"

#include "base/network.h"
#include "mbshm/open.h"
#include "mbshm/operand.h"
#include "mbshm/view.h"
#include "point/value.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static const struct field fields[] = {
	{ "sequence", FIELD_NUMBER, 6 }, { "version", FIELD_NUMBER, 0 },
	{ "time", FIELD_TEXT, -24 },     { "origin", FIELD_TEXT, -7 },
	{ "client", FIELD_TEXT, -21 },   { "unit", FIELD_NUMBER, 3 },
	{ "function", FIELD_NUMBER, 3 }, { "table", FIELD_TEXT, -8 },
	{ "address", FIELD_NUMBER, 5 },  { "count", FIELD_NUMBER, 0 },
	{ "values", FIELD_LIST, 1 },     { 0 },
};

enum { LOOK_TRIES = 100, SHORT_TEXT = 24, VALUES_TEXT = MBSHM_JOURNAL_BYTES * 8 * 2 + 2 };

static const char *client_text(const struct mbshm_origin *origin, char text[NETWORK_TEXT_SIZE])
{
	uid_t user;
	if (origin->kind == MBSHM_ORIGIN_LOCAL && origin->family == AF_UNIX) {
		memcpy(&user, origin->address, sizeof user);
		const struct passwd *passwd = getpwuid(user);
		if (passwd)
			snprintf(text, NETWORK_TEXT_SIZE, "%s", passwd->pw_name);
		else
			snprintf(text, NETWORK_TEXT_SIZE, "%u", (unsigned)user);
		return text;
	}
	if (origin->family != AF_INET && origin->family != AF_INET6)
		return "-";
	return network_peer_text(origin->family, origin->address, origin->port, text);
}

static void values_text(const struct mbshm_journal_entry *entry, char *text)
{
	enum mbshm_type type = value_type_usual(entry->table);
	char value[VALUE_TEXT_SIZE];
	size_t used = 0;
	for (uint32_t i = 0; i < entry->count; i++) {
		value_text(type, MBSHM_ABCD, entry->values, i, value);
		used += (size_t)snprintf(text + used, VALUES_TEXT - used, "%s%s", i ? " " : "",
					 value);
	}
}

static void entry_print(struct output *output, const struct mbshm_journal_entry *entry)
{
	char numbers[6][SHORT_TEXT], time[TIME_TEXT_SIZE], client[NETWORK_TEXT_SIZE],
		values[VALUES_TEXT];
	snprintf(numbers[0], SHORT_TEXT, "%" PRIu64, entry->sequence);
	snprintf(numbers[1], SHORT_TEXT, "%" PRIu64, entry->version);
	snprintf(numbers[2], SHORT_TEXT, "%u", entry->origin.unit);
	snprintf(numbers[3], SHORT_TEXT, "%u", entry->origin.function);
	snprintf(numbers[4], SHORT_TEXT, "%u", entry->addr);
	snprintf(numbers[5], SHORT_TEXT, "%u", entry->count);
	time_text(entry->wall_ns, time);
	values_text(entry, values);
	output_record(output,
		      (const char *const[]){
			      numbers[0], numbers[1], time,
			      entry->origin.kind == MBSHM_ORIGIN_NETWORK ? "network" : "local",
			      client_text(&entry->origin, client), numbers[2], numbers[3],
			      mbshm_table_name(entry->table), numbers[4], numbers[5], values });
}

/* Is it one of --from: a user, or a network address with or without its port or brackets? */
static bool is_from(const struct mbshm_origin *origin, const char *from)
{
	char text[NETWORK_TEXT_SIZE];
	const char *client = client_text(origin, text);
	size_t length = strlen(from);
	if (!strcmp(client, from))
		return true;
	if (origin->kind != MBSHM_ORIGIN_NETWORK)
		return false;
	if (*client == '[' && *from != '[')
		client++;
	return !strncmp(client, from, length) &&
	       (!strncmp(client + length, "]:", 2) ||
		(client[length] == ':' && strrchr(client, ':') == client + length));
}

static bool is_wanted(const struct tool *tool, const struct mbshm_span *span,
		      const struct mbshm_journal_entry *entry)
{
	if (tool->from && !is_from(&entry->origin, tool->from))
		return false;
	return !span || (entry->table == span->table && entry->addr < span->first + span->count &&
			 span->first < (uint32_t)entry->addr + entry->count);
}

struct journal {
	const struct mbshm_span *span; /* of the entries to print; NULL: all */
	struct output output;
	uint64_t cursor;                 /* as of mbshm_journal_next */
	uint64_t left;                   /* entries still to print */
	struct mbshm_journal_entry last; /* printed; its sequence is 0 before the first */
};

/* Print what there is from the cursor on. */
static void entries_print(const struct tool *tool, const struct mbshm *img, struct journal *journal)
{
	struct mbshm_journal_entry *entry = &journal->last, next;
	uint64_t missed;
	while (journal->left) {
		int rc = mbshm_journal_next(img, &journal->cursor, &next, &missed);
		/* An image that was replaced is left to tool_wait. */
		if (rc == -EAGAIN || rc == -ESTALE)
			break;
		if (rc)
			tool_die(tool, rc);
		if (missed)
			log_warn("%" PRIu64
				 " entries missed: they were overwritten before entry %" PRIu64,
				 missed, next.sequence);
		*entry = next;
		if (!is_wanted(tool, journal->span, entry))
			continue;
		entry_print(&journal->output, entry);
		journal->left--;
	}
	tool_flush();
}

/* Read before the entries: its version makes sure that no later entry is slept through. */
static struct mbshm_status status_take(const struct tool *tool, const struct mbshm *img)
{
	struct mbshm_status status = { 0 };
	int rc = mbshm_status(img, &status);
	if (rc && rc != -EAGAIN && rc != -ESTALE)
		tool_die(tool, rc);
	return status;
}

/* Does another image continue the journal, as mbshm_recreate makes it?  Then it has the entry that
 * was printed last, or has already overwritten it. */
static bool journal_continues(const struct mbshm *img, const struct journal *journal)
{
	const struct mbshm_journal_entry *last = &journal->last;
	struct mbshm_journal_entry entry;
	uint64_t cursor = last->sequence;
	int rc = -EAGAIN;
	for (int tries = 0; rc == -EAGAIN && tries < LOOK_TRIES; tries++)
		rc = mbshm_journal_next(img, &cursor, &entry, NULL);
	if (rc)
		return false;
	return entry.sequence != last->sequence ||
	       (entry.version == last->version && entry.wall_ns == last->wall_ns &&
		entry.mono_ns == last->mono_ns);
}

int run_journal(struct tool *tool, char **words)
{
	bool follow = tool_given(tool, OPTION_FOLLOW);
	struct mbshm_span span = { 0 };
	if (tool->address)
		span = operand_take(&(char **){ (char *[]){ tool->address, NULL } }).span;
	struct mbshm *img = tool_open(tool, 0);
	struct journal journal = { .span = tool->address ? &span : NULL,
				   .left = tool->count ? tool->count : UINT64_MAX };
	(void)words;
	output_begin(&journal.output, stdout, tool->format, follow, fields);
	for (;;) {
		uint64_t version = status_take(tool, img).version;
		entries_print(tool, img, &journal);
		if (!follow || !journal.left)
			break;
		/* Another image may continue the journal, or start a new one. */
		if (tool_wait(tool, &img, version) && !journal_continues(img, &journal))
			journal.cursor = 0;
	}
	output_end(&journal.output);
	tool_flush();
	mbshm_close(img);
	return 0;
}
