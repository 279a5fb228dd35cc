/* image: what reading and writing the image costs, alone and beside a writer in another process,
 * and what a rwlock and a seqlock over the same registers cost.
 *
 *   image [ROUNDS]
 *
 * A round measures every row under each of its conditions once, so that what the machine does
 * besides hits all of them. One line for each on stdout:  ROW|CONDITION|calls|refused|ns ns ns ...
 * (ns per call of each round's batch; refused: calls that returned -EAGAIN or -ETIMEDOUT), and one
 * for each writer:  writer|SUBJECT|CONDITION|publishes a second. */
#include "bench.h"
#include "mbshm.h"
#include "plant/load.h"
#include "rivals.h"

#include <err.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	ROUNDS = 301,
	BATCH_NS = 1000000, /* long against the clock and the paced writer's period, short against a
			       time slice */
	PACED_NS = 100000,  /* 10,000 publishes a second */
	COMMIT_US = 100000,
	OBEY_S = 10,
	FIRST = 1000, /* where the default plant has its holding registers and coils */
	REGISTERS = 125,
	BITS = 2000,
};

/* ---- what is shared ------------------------------------------------------------------------ */

/* What is read, and what the writer in the other process writes meanwhile: one register of it. */
enum subject { SMALL, LARGE, IMAGES, RWLOCK = IMAGES, SEQLOCK, SUBJECTS };
static const char *const subject_names[SUBJECTS] = { "default plant", "all 272 pages", "rwlock",
						     "seqlock" };

enum condition { ALONE, TWO_READERS, PACED_WRITER, FLAT_OUT_WRITER, CONDITIONS };
static const char *const condition_names[CONDITIONS] = { "alone", "two", "paced", "flatout" };

/* Between the two processes. */
static struct shared {
	struct rival rival;
	sem_t ordered, obeyed;
	enum subject subject;
	enum condition condition;
	_Atomic bool halt;
	uint64_t published;
} * shared;

static struct {
	struct mbshm_config config;
	struct mbshm *img;
	struct mbshm_txn *txn;
} images[IMAGES];

static _Thread_local uint8_t buffers[MBSHM_TABLES]
				    [MBSHM_ITEMS * 2]; /* of all spans, by table and first item */
static int cpus[2]; /* who measures, and who writes or reads beside */

/* ---- what is measured ---------------------------------------------------------------------- */

static int read_registers(enum subject subject, unsigned count)
{
	return mbshm_read_registers(images[subject].img, MBSHM_HOLDING_REGISTERS, FIRST,
				    (uint16_t)count, (uint16_t *)*buffers, NULL);
}

static int read_bits(enum subject subject, unsigned count)
{
	return mbshm_read_bits(images[subject].img, MBSHM_COILS, FIRST, (uint16_t)count, *buffers,
			       NULL);
}

/* Where a span's items are in the buffers, for both directions. */
static uint8_t *buffer_of(const struct mbshm_span *span)
{
	return buffers[span->table] +
	       (span->table >= MBSHM_HOLDING_REGISTERS ? 2 * span->first : (span->first + 7) / 8);
}

static int read_all(enum subject subject, unsigned count)
{
	const struct mbshm_layout *layout = mbshm_layout_of(images[subject].img);
	struct mbshm_read reads[8];
	(void)count;
	for (unsigned i = 0; i < layout->span_count; i++) {
		const struct mbshm_span *span = &layout->spans[i];
		reads[i] = (struct mbshm_read){ span->table, span->first, span->count,
						buffer_of(span) };
	}
	return mbshm_read(images[subject].img, reads, layout->span_count, NULL);
}

static int write_registers(enum subject subject, unsigned count)
{
	struct mbshm_txn *txn = images[subject].txn;
	uint16_t *values = (uint16_t *)*buffers;
	values[0]++;
	mbshm_txn_begin(txn, images[subject].img);
	int rc = mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, FIRST, (uint16_t)count,
					   values);
	return rc ? rc : mbshm_txn_commit(txn, COMMIT_US, NULL);
}

static int stage_all(struct mbshm_txn *txn, const struct mbshm_layout *layout)
{
	struct mbshm_write writes[MBSHM_SPANS_MAX];
	for (unsigned i = 0; i < layout->span_count; i++) {
		const struct mbshm_span *span = &layout->spans[i];
		writes[i] = (struct mbshm_write){ span->table, span->first, span->count,
						  buffer_of(span) };
	}
	return mbshm_txn_write(txn, writes, layout->span_count);
}

static int write_all(enum subject subject, unsigned count)
{
	struct mbshm_txn *txn = images[subject].txn;
	(void)count;
	mbshm_txn_begin(txn, images[subject].img);
	int rc = stage_all(txn, mbshm_layout_of(images[subject].img));
	return rc ? rc : mbshm_txn_commit(txn, COMMIT_US, NULL);
}

static const struct mbshm_origin origin = { .kind = MBSHM_ORIGIN_NETWORK,
					    .unit = 255,
					    .function = 16,
					    .port = 502 };

static int journal_registers(enum subject subject, unsigned count)
{
	struct mbshm_txn *txn = images[subject].txn;
	uint16_t *values = (uint16_t *)*buffers;
	values[0]++;
	mbshm_txn_begin(txn, images[subject].img);
	mbshm_txn_journal(txn, &origin);
	int rc = mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, FIRST, (uint16_t)count,
					   values);
	return rc ? rc : mbshm_txn_commit(txn, COMMIT_US, NULL);
}

static int journal_all(enum subject subject, unsigned count)
{
	struct mbshm_txn *txn = images[subject].txn;
	(void)count;
	mbshm_txn_begin(txn, images[subject].img);
	mbshm_txn_journal(txn, &origin);
	int rc = stage_all(txn, mbshm_layout_of(images[subject].img));
	return rc ? rc : mbshm_txn_commit(txn, COMMIT_US, NULL);
}

/* Whoever serves the tables has to know whether a span is declared, so the rivals ask, too. */
static int read_rival(enum subject subject, unsigned count)
{
	uint16_t *out = (uint16_t *)*buffers;
	if (!mbshm_declared(images[SMALL].img, MBSHM_HOLDING_REGISTERS, FIRST, count))
		return -ERANGE;
	return subject == RWLOCK ? rwlock_read(&shared->rival, FIRST, count, out)
				 : seqlock_read(&shared->rival, FIRST, count, out);
}

static int write_rival(enum subject subject, unsigned count)
{
	static uint16_t value;
	(void)count;
	value++;
	return subject == RWLOCK ? rwlock_write(&shared->rival, FIRST, value)
				 : seqlock_write(&shared->rival, FIRST, value);
}

enum {
	ALL = 1 << ALONE | 1 << TWO_READERS | 1 << PACED_WRITER | 1 << FLAT_OUT_WRITER,
	ONE = ALL & ~(1 << TWO_READERS),
};

/* By subject, so that the writer seldom has to change over. */
static struct row {
	const char *name;
	int (*call)(enum subject subject, unsigned count);
	enum subject subject;
	unsigned count, conditions;
	struct {
		unsigned batch_calls;
		uint64_t calls, refused;
		double *ns;
	} results[CONDITIONS];
} rows[] = {
	{ "read 1 register", read_registers, SMALL, 1, ALL, { { 0 } } },
	{ "read 125 registers", read_registers, SMALL, REGISTERS, ALL, { { 0 } } },
	{ "read 2000 bits", read_bits, SMALL, BITS, ALL, { { 0 } } },
	{ "read the default plant", read_all, SMALL, 0, ALL, { { 0 } } },
	{ "write 1 register", write_registers, SMALL, 1, ONE, { { 0 } } },
	{ "write 123 registers", write_registers, SMALL, 123, ONE, { { 0 } } },
	{ "write the default plant", write_all, SMALL, 0, ONE, { { 0 } } },
	{ "write 1 register, journal", journal_registers, SMALL, 1, ONE, { { 0 } } },
	{ "write 123 registers, journal", journal_registers, SMALL, 123, ONE, { { 0 } } },
	{ "write the default plant, journal", journal_all, SMALL, 0, ONE, { { 0 } } },
	{ "read all 272 pages", read_all, LARGE, 0, ALL, { { 0 } } },
	{ "write 1 register of 272 pages", write_registers, LARGE, 1, ONE, { { 0 } } },
	{ "write all 272 pages", write_all, LARGE, 0, ONE, { { 0 } } },
	{ "rwlock: read 125 registers", read_rival, RWLOCK, REGISTERS, ALL, { { 0 } } },
	{ "rwlock: write 1 register", write_rival, RWLOCK, 1, 1 << ALONE, { { 0 } } },
	{ "seqlock: read 125 registers", read_rival, SEQLOCK, REGISTERS, ALL, { { 0 } } },
	{ "seqlock: write 1 register", write_rival, SEQLOCK, 1, 1 << ALONE, { { 0 } } },
};
enum { ROWS = sizeof(rows) / sizeof(*rows) };

/* ---- the other process: the writer --------------------------------------------------------- */

static void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void images_open(int flags)
{
	char why[MBSHM_WHY_SIZE];
	for (unsigned i = 0; i < IMAGES; i++) {
		if (mbshm_open(&images[i].config, flags, &images[i].img, why))
			errx(1, "%s", why);
		images[i].txn = mbshm_txn_new(REGISTERS / 4 + 2);
		if (!images[i].txn)
			err(1, "memory");
	}
}

static _Noreturn void write_on_order(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(cpus[1]);
	pace_sharply();
	images_open(MBSHM_WRITE);
	sem_post(&shared->obeyed);
	for (;;) {
		sem_wait(&shared->ordered);
		enum subject subject = shared->subject;
		int (*call)(enum subject, unsigned) =
			subject < IMAGES ? write_registers : write_rival;
		int64_t next = now_ns();
		sem_post(&shared->obeyed);
		while (!shared->halt) {
			int rc = call(subject, 1);
			if (rc && rc != -ETIMEDOUT)
				errx(1, "writer: %s", strerror(-rc));
			shared->published += !rc;
			if (shared->condition == PACED_WRITER)
				pace(&next, PACED_NS);
		}
		sem_post(&shared->obeyed);
	}
}

static void await_writer(void)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += OBEY_S;
	if (sem_timedwait(&shared->obeyed, &until))
		err(1, "the writer");
}

static struct {
	uint64_t published;
	int64_t ns;
} writers[SUBJECTS][CONDITIONS];

static void writer_start(enum subject subject, enum condition condition)
{
	shared->subject = subject;
	shared->condition = condition;
	shared->published = 0;
	shared->halt = false;
	writers[subject][condition].ns -= now_ns();
	sem_post(&shared->ordered);
	await_writer();
}

static void writer_halt(void)
{
	shared->halt = true;
	await_writer();
	writers[shared->subject][shared->condition].ns += now_ns();
	writers[shared->subject][shared->condition].published += shared->published;
}

/* ---- measuring ----------------------------------------------------------------------------- */

/* ns of so many calls. */
static int64_t batch(const struct row *row, unsigned calls, uint64_t *refused)
{
	int64_t start = now_ns();
	for (unsigned i = 0; i < calls; i++) {
		int rc = row->call(row->subject, row->count);
		if (rc == -EAGAIN || rc == -ETIMEDOUT)
			++*refused;
		else if (rc)
			errx(1, "%s: %s", row->name, strerror(-rc));
	}
	return now_ns() - start;
}

struct reader {
	const struct row *row;
	unsigned calls;
	int cpu;
	uint64_t refused;
	int64_t ns;
};
static _Atomic unsigned begun, ended;

/* The other one goes on until both have been timed, so that each is timed beside the other only. */
static void *read_beside(void *context)
{
	struct reader *reader = context;
	uint64_t untimed = 0;
	pin(reader->cpu);
	batch(reader->row, 1, &untimed);
	begun++;
	while (begun < 2)
		cpu_relax();
	reader->ns = batch(reader->row, reader->calls, &reader->refused);
	ended++;
	while (ended < 2)
		batch(reader->row, 1, &untimed);
	return NULL;
}

static int64_t batch_of_two(const struct row *row, unsigned calls, uint64_t *refused)
{
	struct reader readers[2] = { { row, calls, cpus[0], 0, 0 }, { row, calls, cpus[1], 0, 0 } };
	pthread_t threads[2];
	begun = ended = 0;
	for (unsigned i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, read_beside, &readers[i]))
			errx(1, "no thread");
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		*refused += readers[i].refused;
	}
	return (readers[0].ns + readers[1].ns) / 2;
}

static void measure(struct row *row, enum condition condition, unsigned round)
{
	__auto_type result = &row->results[condition];
	int64_t (*run)(const struct row *, unsigned, uint64_t *) =
		condition == TWO_READERS ? batch_of_two : batch;
	uint64_t untimed = 0;
	if (round == 0)
		for (result->batch_calls = 1; run(row, result->batch_calls, &untimed) < BATCH_NS;)
			result->batch_calls *= 2;
	result->ns[round] =
		(double)run(row, result->batch_calls, &result->refused) / result->batch_calls;
	result->calls += result->batch_calls * (condition == TWO_READERS ? 2 : 1);
}

static void measure_round(unsigned round)
{
	for (enum condition condition = ALONE; condition < CONDITIONS; condition++) {
		enum subject written = SUBJECTS;
		for (struct row *row = rows; row < rows + ROWS; row++) {
			if (!(row->conditions & 1U << condition))
				continue;
			if (condition >= PACED_WRITER && written != row->subject) {
				if (written != SUBJECTS)
					writer_halt();
				written = row->subject;
				writer_start(written, condition);
			}
			measure(row, condition, round);
		}
		if (written != SUBJECTS)
			writer_halt();
	}
}

static void report(unsigned rounds)
{
	for (enum subject subject = 0; subject < SUBJECTS; subject++)
		for (enum condition condition = PACED_WRITER; condition < CONDITIONS; condition++)
			printf("writer|%s|%s|%.0f\n", subject_names[subject],
			       condition_names[condition],
			       (double)writers[subject][condition].published * 1e9 /
				       (double)writers[subject][condition].ns);
	for (const struct row *row = rows; row < rows + ROWS; row++) {
		for (enum condition condition = ALONE; condition < CONDITIONS; condition++) {
			__auto_type result = &row->results[condition];
			if (!(row->conditions & 1U << condition))
				continue;
			printf("%s|%s|%llu|%llu|", row->name, condition_names[condition],
			       (unsigned long long)result->calls,
			       (unsigned long long)result->refused);
			for (unsigned i = 0; i < rounds; i++)
				printf("%.2f ", result->ns[i]);
			printf("\n");
		}
	}
}

/* ---- beginning ----------------------------------------------------------------------------- */

/* The default plant's ranges of 100 are widened to what the largest requests ask for; they touch
 * the same pages as before. */
static void images_describe(void)
{
	char error[PLANT_ERROR_SIZE];
	struct plant *plant;
	if (plant_load(NULL, &plant, error))
		errx(1, "%s", error);
	images[SMALL].config = plant->image;
	images[LARGE].config = (struct mbshm_config){ .mode = 0600, .group = (gid_t)-1 };
	plant_free(plant);
	struct mbshm_layout *layout = &images[SMALL].config.layout;
	unsigned pages = mbshm_layout_pages(layout);
	if (mbshm_layout_add(layout, MBSHM_HOLDING_REGISTERS, FIRST, REGISTERS) ||
	    mbshm_layout_add(layout, MBSHM_COILS, FIRST, BITS) ||
	    mbshm_layout_pages(layout) != pages)
		errx(1, "the default plant's layout is not the one that this measures");
	for (enum mbshm_table table = 0; table < MBSHM_TABLES; table++)
		mbshm_layout_add(&images[LARGE].config.layout, table, 0, MBSHM_ITEMS);
	for (unsigned i = 0; i < IMAGES; i++)
		snprintf(images[i].config.name, sizeof(images[i].config.name), "/mbbench-%d-%u",
			 (int)getpid(), i);
}

/* Two CPUs when there are two. */
static void cpus_choose(void)
{
	cpu_set_t allowed;
	unsigned found = 0;
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		err(1, "CPUs");
	for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			cpus[found++] = cpu;
	if (found < 2)
		cpus[1] = cpus[0];
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : ROUNDS;
	for (unsigned i = 0; i < ROWS * CONDITIONS; i++)
		if (!(rows[i / CONDITIONS].results[i % CONDITIONS].ns =
			      calloc(rounds + 1, sizeof(double))))
			err(1, "memory");
	cpus_choose();
	images_describe();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || rival_init(&shared->rival) ||
	    sem_init(&shared->ordered, 1, 0) || sem_init(&shared->obeyed, 1, 0))
		err(1, "memory");
	images_open(MBSHM_CREATE);
	pid_t writer = fork();
	if (writer == 0)
		write_on_order();
	/* Nothing is left over, however this ends. */
	if (writer > 0)
		await_writer();
	for (unsigned i = 0; i < IMAGES; i++)
		shm_unlink(images[i].config.name);
	if (writer < 0)
		err(1, "fork");
	pin(cpus[0]);
	for (unsigned round = 0; round < rounds; round++)
		measure_round(round);
	report(rounds);
	kill(writer, SIGKILL);
	return 0;
}
