/* Another program, run to its end with its output in a file. */
#ifndef TIEBREAK_CORE_PROCESS_H
#define TIEBREAK_CORE_PROCESS_H
#include <stdbool.h>

/* Runs the program, looked up on PATH unless it has a slash, with these arguments, argv[0] its
 * name and NULL at the end, in the folder dir; NULL: in this one. What it prints and complains goes
 * to the file `log`, a path from here, which is made anew. *status is its exit status: 127 where
 * there is no such program, 128 and the signal's number where one ended it. ERR_FAILED when the log
 * cannot be written or no process be started. */
int process_run(const char *program, char *const argv[], const char *dir, const char *log, int *status);

/* How else it may be run. A zeroed struct is process_run's way. */
typedef struct {
    const char *dir;              /* NULL: this one */
    const char *variable, *value; /* one more in its environment; NULL: none */
    bool        pinned;           /* it runs on `core` alone, where the system allows that */
    int         core;
} process_options;
typedef struct {
    int    status;
    double wall_s, cpu_s; /* cpu_s: of it and of those it waited for */
} process_end;
int process_run_as(const char *program, char *const argv[], const char *log, const process_options *o,
                   process_end *end);

/* "exit status 1", "killed by signal 9 (Killed)"; of a status as above. Valid until the next
 * call. */
const char *process_end_text(int status);

/* The last core that this process may run on; -1 where the system does not tell. */
int process_last_core(void);
/* Seconds that all cores together have been busy since the machine started; NaN where the system
 * does not tell. */
double process_machine_busy_s(void);
#endif
