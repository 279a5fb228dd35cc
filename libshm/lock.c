/* The writer lock: one word, taken by compare-and-swap.  The kernel knows whether its owner lives:
 * it drops the owner's slot lock at death. */
#include "libshm/lock.h"

#include "libshm/clock.h"
#include "libshm/name.h"
#include "libshm/wait.h"
#include "libshm/why.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
	SPIN_TURNS = 20,  /* about 1 us of pauses before the first look at the clock */
	NO_SLEEP_US = 20, /* waits up to this never sleep */
	NAP_NS = 50 * 1000,
	PROBE_NS = 1000 * 1000, /* ask at least this often whether the owner lives */
};

/* The word's owner as slot + 1; 0: free. */
static unsigned word_owner(uint64_t word)
{
	return word & 0xffff;
}
/* Taking and releasing both raise the generation, so a word never returns while another process
 * still compares with it. */
static uint64_t word_next(uint64_t word, unsigned owner)
{
	return ((word >> 16) + 1) << 16 | owner;
}

static struct flock slot_range(unsigned slot, short type)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1 };
}

/* F_RDLCK conflicts with write locks only, so another process's read lock on the byte cannot pass
 * for the owner. */
bool slot_alive(const struct mbshm *img, unsigned slot)
{
	struct flock range = slot_range(slot, F_RDLCK);
	return fcntl(img->fd, F_OFD_GETLK, &range) || range.l_type != F_UNLCK;
}

static bool owner_dead(const struct mbshm *img, uint64_t word)
{
	unsigned slot = word_owner(word) - 1;
	return slot >= SEGMENT_SLOTS || slot == img->slot || !slot_alive(img, slot);
}

/* A bounded wait, first for the mutex and then for the lock word.  The clock is first read after
 * the spinning. */
struct wait {
	uint64_t timeout_ns;
	uint64_t start_ns; /* 0: the clock was not read yet */
	uint64_t now_ns;
	uint64_t probe_ns; /* when to ask next whether the owner lives */
	unsigned turns;
};

/* One turn of waiting.  false: the time is over. */
static bool wait_turn(struct wait *wait)
{
	if (wait->turns++ < SPIN_TURNS && wait->timeout_ns) {
		cpu_relax();
		return true;
	}
	wait->now_ns = mono_ns();
	if (!wait->start_ns) {
		wait->start_ns = wait->now_ns;
		wait->probe_ns =
			wait->now_ns +
			(wait->timeout_ns / 2 < PROBE_NS ? wait->timeout_ns / 2 : PROBE_NS);
	}
	uint64_t waited = wait->now_ns - wait->start_ns;
	if (waited >= wait->timeout_ns)
		return false;
	if (wait->timeout_ns <= NO_SLEEP_US * 1000) {
		cpu_relax();
		return true;
	}
	uint64_t left = wait->timeout_ns - waited;
	struct timespec nap = { 0, (long)(left < NAP_NS ? left : NAP_NS) };
	clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	return true;
}

/* Is it time to ask whether the owner lives?  Half-way through a short wait, and each millisecond
 * of a long one. */
static bool probe_due(struct wait *wait)
{
	if (!wait->start_ns || wait->now_ns < wait->probe_ns)
		return false;
	wait->probe_ns = wait->now_ns + PROBE_NS;
	return true;
}

static int mutex_take(struct mbshm *img, struct wait *wait)
{
	/* trylock and naps: a timed lock would do, but ThreadSanitizer misreads
	 * pthread_mutex_clocklock. */
	while (pthread_mutex_trylock(&img->mutex))
		if (!wait_turn(wait))
			return -ETIMEDOUT;
	return 0;
}

/* One look at the word, one attempt.  0: ours; 1: not yet. */
static int word_try(struct mbshm *img, bool probe)
{
	struct segment_control *control = &img->seg->control;
	uint64_t word = lock_load(control);
	unsigned mine = img->slot + 1u;
	bool stolen = word_owner(word) != 0;
	/* Our slot in a word that we do not hold means a dead predecessor in that slot. */
	if (stolen && word_owner(word) != mine && !(probe && owner_dead(img, word)))
		return 1;
	if (!lock_swap(control, word, word_next(word, mine)))
		return 1;
	img->held = word_next(word, mine);
	POINT(lock_taken);
	if (stolen) {
		owner_store(&control->steals, owner_load(&control->steals) + 1);
		POINT(lock_stolen);
		/* The dead owner may have been replacing the image, and have given its name to the
		 * new one already. */
		if (mbshm_check(img) == -ESTALE) {
			commit_retire(control);
			wait_wake(img);
		}
	}
	return 0;
}

/* A byte that is locked, but not for writing as an owner locks it, is kept by a process that may
 * read the file. */
static int slots_taken(const struct mbshm *img, char *why)
{
	unsigned kept = 0;
	for (unsigned slot = 0; slot < SEGMENT_SLOTS; slot++)
		kept += !slot_alive(img, slot);
	if (!kept)
		return why_set(why, -EUSERS, "all %d writer slots are taken", SEGMENT_SLOTS);
	return why_set(
		why, -EUSERS,
		"no writer slot: read locks of other processes keep %u of %d from being taken; "
		"fuser(1) lists who has the image open",
		kept, SEGMENT_SLOTS);
}

int slot_claim(struct mbshm *img, char *why)
{
	struct segment_control *control = &img->seg->control;
	for (unsigned slot = 0; slot < SEGMENT_SLOTS; slot++) {
		struct flock range = slot_range(slot, F_WRLCK);
		if (fcntl(img->fd, F_OFD_SETLK, &range)) {
			if (errno == EAGAIN || errno == EACCES)
				continue;
			return why_set(why, -errno, "cannot lock a writer slot: %s",
				       strerror(errno));
		}
		img->slot = (uint16_t)slot;
		/* A dead predecessor may still own the lock under this slot, and would look alive
		 * from now on: take its lock over. */
		if (word_owner(lock_load(control)) == slot + 1 && !word_try(img, false))
			lock_swap(control, img->held, word_next(img->held, 0));
		return 0;
	}
	return slots_taken(img, why);
}

int lock_take(struct mbshm *img, uint32_t timeout_us)
{
	struct wait wait = { .timeout_ns = timeout_us * UINT64_C(1000) };
	bool over = false, probe = false;
	if (handle_dead(img))
		return -EPERM;
	if (!img->writable)
		return -EACCES;
	if (mutex_take(img, &wait))
		return -ETIMEDOUT;
	wait.turns = 0;
	while (word_try(img, probe)) {
		if (over) {
			pthread_mutex_unlock(&img->mutex);
			return -ETIMEDOUT;
		}
		over = !wait_turn(&wait);
		probe = over || probe_due(&wait); /* ask once more before giving up */
	}
	if (commit_gone(commit_load(&img->seg->control))) {
		lock_release(img);
		return -ESTALE;
	}
	return 0;
}

int lock_release(struct mbshm *img)
{
	bool ours = lock_swap(&img->seg->control, img->held, word_next(img->held, 0));
	POINT(unlocked);
	pthread_mutex_unlock(&img->mutex);
	return ours ? 0 : -EBADMSG;
}
