/* Another program, run to its end with its output in a file. */
#ifndef TIEBREAK_CORE_PROCESS_H
#define TIEBREAK_CORE_PROCESS_H

/* Runs the program, looked up on PATH unless it has a slash, with these arguments, argv[0] its
 * name and NULL at the end, in the folder dir; NULL: in this one. What it prints and complains goes
 * to the file `log`, a path from here, which is made anew. *status is its exit status: 127 where
 * there is no such program, 128 and the signal's number where one ended it. ERR_FAILED when the log
 * cannot be written or no process be started. */
int process_run(const char *program, char *const argv[], const char *dir, const char *log, int *status);
#endif
