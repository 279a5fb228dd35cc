/* Surviving a truncated segment.  Access beyond the end of a file raises SIGBUS; the handler maps a
 * stand-in over the whole segment, which looks like an image that was retired, and the access is
 * repeated.  Readers that were in the middle of a copy refuse it, since min_valid is as high as it
 * can be; a writer's publish and unlock fail. */
#include "libshm/attach.h"
#include "libshm/descriptor.h"
#include "libshm/image.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_rc;
static int stand_in; /* a file, as long as the largest segment; of its pages only one exists */
static struct sigaction before;

static int stand_in_make(void)
{
	const struct segment_control control = { .commit = COMMIT_RETIRED,
						 .min_valid = UINT64_MAX,
						 .journal_floor = UINT64_MAX };
	stand_in = descriptor_move(memfd_create("mbshm-retired", MFD_CLOEXEC));
	if (stand_in < 0 || ftruncate(stand_in, (off_t)segment_size(MBSHM_POOL_MAX)) ||
	    pwrite(stand_in, &control, sizeof control, offsetof(struct segment, control)) < 0)
		return -errno;
	return 0;
}

static bool stand_in_map(struct mbshm *img)
{
	int access = PROT_READ | (img->writable ? PROT_WRITE : 0);
	if (mmap(img->seg, img->size_bytes, access, MAP_PRIVATE | MAP_FIXED, stand_in, 0) ==
	    MAP_FAILED)
		return false;
	madvise(img->seg, img->size_bytes, MADV_DONTFORK);
	flag_raise(&img->lost);
	return true;
}

static void on_bus_error(int signal, siginfo_t *info, void *context)
{
	int error = errno;
	if (info->si_code == BUS_ADRERR && handle_at(info->si_addr, stand_in_map)) {
		errno = error;
	} else if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(signal, info, context);
	} else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
		sigaction(SIGBUS, &before, NULL);
		raise(SIGBUS); /* on return */
	} else {
		before.sa_handler(signal);
	}
}

static void prepare(void)
{
	once_rc = stand_in_make();
}

int mbshm_guard(void)
{
	const struct sigaction ours = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };
	struct sigaction now;
	pthread_once(&once, prepare);
	if (once_rc)
		return once_rc;
	if (sigaction(SIGBUS, NULL, &now))
		return -errno;
	if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_bus_error)
		return 0;
	before = now;
	return sigaction(SIGBUS, &ours, NULL) ? -errno : 0;
}
