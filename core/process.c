#include "core/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"

int process_run(const char *program, char *const argv[], const char *dir, const char *log, int *status)
{
    int state = 0, fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return run_error("%s: cannot be written: %s", log, strerror(errno));
    pid_t here = getpid(), pid = fork();
    if (pid == 0) {
        /* it does not outlive this process, which may have ended already */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) || getppid() != here) _exit(127);
        if (dir && chdir(dir)) _exit(127);
        dup2(fd, 1);
        dup2(fd, 2);
        execvp(program, argv);
        _exit(127);
    }
    bool ended = pid > 0 && waitpid(pid, &state, 0) == pid;
    int  why   = errno;
    close(fd);
    if (!ended) return run_error("%s: a process could not be started: %s", argv[0], strerror(why));
    *status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    return OK;
}
