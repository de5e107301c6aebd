#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char text[2048];

static int record(int rc, const char *format, va_list args)
{
    char fresh[sizeof text]; /* an argument may point into `text` */
    vsnprintf(fresh, sizeof fresh, format, args);
    memcpy(text, fresh, sizeof text);
    return rc;
}

int input_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = record(ERR_INPUT, format, args);
    va_end(args);
    return rc;
}

int run_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = record(ERR_FAILED, format, args);
    va_end(args);
    return rc;
}

int error_context(int rc, const char *format, ...)
{
    char    prefix[512], old[sizeof text];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    memcpy(old, text, sizeof text);
    snprintf(text, sizeof text, "%s: %.1500s", prefix, old);
    return rc;
}

const char *error_text(void) { return text; }
void        error_clear(void) { text[0] = '\0'; }

void warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("warning: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}
