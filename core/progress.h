/* Progress on stderr: a bar with rate and time left on a terminal, else a plain line every few
 * seconds.
 *
 *     progress p = progress_start("train", steps, "step", quiet);
 *     for (...) progress_update(&p, step, "loss 1.234");
 *     progress_end(&p); */
#ifndef TIEBREAK_CORE_PROGRESS_H
#define TIEBREAK_CORE_PROGRESS_H
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *label, *unit;
    int64_t     total, first; /* total 0 means unknown */
    double      started, shown;
    bool        terminal, quiet;
} progress;

progress progress_start(const char *label, int64_t total, const char *unit, bool quiet);
/* done counts from 0; note may be NULL. It may be called often: it prints at most ten times a
 * second on a terminal, else every 5 s. */
void progress_update(progress *p, int64_t done, const char *note);
void progress_end(progress *p);

/* A monotonic clock in seconds. */
double clock_s(void);
/* Processor time of all threads of this process in seconds: what work costs whatever else the
 * machine does. */
double processor_s(void);
#endif
