#include "gate/date.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

/* Exactly n digits; -1: they are not there. */
static int digits(const char **at, int n)
{
    int x = 0;
    for (int i = 0; i < n; i++) {
        if ((*at)[i] < '0' || (*at)[i] > '9') return -1;
        x = 10 * x + ((*at)[i] - '0');
    }
    *at += n;
    return x;
}

static bool one_of(const char **at, const char *chars)
{
    const bool is = **at && strchr(chars, **at);
    *at += is;
    return is;
}

int64_t gate_date(const char *text)
{
    const char *at   = text;
    struct tm   t    = { 0 };
    int         year = digits(&at, 4), month = one_of(&at, "-/") ? digits(&at, 2) : -1,
        day = one_of(&at, "-/") ? digits(&at, 2) : -1;
    if (year < 1970 || month < 1 || day < 1) return -1;
    t.tm_year = year - 1900, t.tm_mon = month - 1, t.tm_mday = day;
    if (one_of(&at, "T -")) {
        t.tm_hour = digits(&at, 2);
        t.tm_min  = one_of(&at, ":-") ? digits(&at, 2) : -1;
        t.tm_sec  = one_of(&at, ":-") ? digits(&at, 2) : -1;
        if (t.tm_hour < 0 || t.tm_hour > 23 || t.tm_min < 0 || t.tm_min > 59 || t.tm_sec < 0 || t.tm_sec > 60)
            return -1;
    }
    const struct tm asked = t;
    int64_t         s     = timegm(&t);
    if (t.tm_mon != asked.tm_mon || t.tm_mday != asked.tm_mday) return -1; /* the 30th of February */
    const int sign = *at == '+' ? 1 : *at == '-' ? -1 : 0;
    if (sign) {
        at++;
        const int hours = digits(&at, 2);
        one_of(&at, ":");
        const int minutes = digits(&at, 2);
        if (hours < 0 || minutes < 0) return -1;
        s -= sign * (hours * 3600 + minutes * 60);
    }
    return s < 0 ? -1 : s;
}
