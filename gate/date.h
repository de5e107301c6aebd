/* Days and times as files write them. */
#ifndef TIEBREAK_GATE_DATE_H
#define TIEBREAK_GATE_DATE_H
#include <stdint.h>

/* Seconds since 1970 of "2026-01-31T12:00:00Z", "...+01:00", "2026-01-31T12-00-00.123456",
 * "2026-01-31 12:00:00", "2026/01/31-12:00:00" or "2026-01-31"; without an offset UTC is taken.
 * -1: it is no such date, or before 1970. What follows the seconds and is no offset is passed
 * over. */
int64_t gate_date(const char *text);
#endif
