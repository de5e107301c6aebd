#include "core/process.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds(struct timeval t) { return (double)t.tv_sec + 1e-6 * (double)t.tv_usec; }

/* In the new process, until it is the other program. */
static void become(const char *program, char *const argv[], int log, pid_t parent, const process_options *o)
{
    /* it does not outlive its parent, which may have ended already */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) || getppid() != parent) _exit(127);
    if (o->dir && chdir(o->dir)) _exit(127);
    if (o->variable && setenv(o->variable, o->value, 1)) _exit(127);
    if (o->pinned) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(o->core, &set);
        (void)!sched_setaffinity(0, sizeof set, &set);
    }
    dup2(log, 1);
    dup2(log, 2);
    execvp(program, argv);
    _exit(127);
}

int process_run_as(const char *program, char *const argv[], const char *log, const process_options *o, process_end *end)
{
    int state = 0, fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return run_error("%s: cannot be written: %s", log, strerror(errno));
    struct rusage used  = { 0 };
    const double  start = now_s();
    const pid_t   here = getpid(), pid = fork();
    if (pid == 0) become(program, argv, fd, here, o);
    pid_t ended = pid;
    while (pid > 0 && (ended = wait4(pid, &state, 0, &used)) < 0 && errno == EINTR) continue;
    const int why = errno;
    close(fd);
    if (ended <= 0) return run_error("%s: a process could not be started: %s", argv[0], strerror(why));
    *end = (process_end) { .status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state),
                           .wall_s = now_s() - start,
                           .cpu_s  = seconds(used.ru_utime) + seconds(used.ru_stime) };
    return OK;
}

int process_run(const char *program, char *const argv[], const char *dir, const char *log, int *status)
{
    process_end end;
    int         rc = process_run_as(program, argv, log, &(process_options) { .dir = dir }, &end);
    if (!rc) *status = end.status;
    return rc;
}

const char *process_end_text(int status)
{
    static _Thread_local char text[96];
    if (status > 128)
        snprintf(text, sizeof text, "killed by signal %d (%s)", status - 128, strsignal(status - 128));
    else
        snprintf(text, sizeof text, "exit status %d%s", status,
                 status == 127 ? ", as of a program that is not there" : "");
    return text;
}

int process_last_core(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) return -1;
    for (int core = CPU_SETSIZE - 1; core >= 0; core--)
        if (CPU_ISSET(core, &set)) return core;
    return -1;
}

double process_machine_busy_s(void)
{
    /* user nice system idle iowait irq softirq steal, in ticks */
    unsigned long long t[8] = { 0 };
    FILE              *f    = fopen("/proc/stat", "r");
    int n = f ? fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", t, t + 1, t + 2, t + 3, t + 4, t + 5, t + 6,
                       t + 7)
              : 0;
    if (f) fclose(f);
    const long ticks = sysconf(_SC_CLK_TCK);
    if (n != 8 || ticks <= 0) return NAN;
    return (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) / (double)ticks;
}
