/* threadstop TID: stop one thread of a process, as no signal can (ptrace(2)); print "stopped"; at
 * the end of stdin let it go on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	pid_t tid = argc == 2 ? (pid_t)atoi(argv[1]) : 0;
	char byte;
	int status;
	if (tid <= 0) {
		fprintf(stderr, "usage: threadstop TID\n");
		return 2;
	}
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0 ||
	    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0 ||
	    waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status)) {
		fprintf(stderr, "threadstop: %d: %s\n", tid, strerror(errno));
		return errno == EPERM ? 77 : 1;
	}
	puts("stopped");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return ptrace(PTRACE_DETACH, tid, NULL, NULL) == 0 ? 0 : 1;
}
