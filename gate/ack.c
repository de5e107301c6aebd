#include "gate/ack.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "gate/date.h"

ack_entry *ack_find(ack_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->entries[i].name, name)) return &l->entries[i];
    return NULL;
}

void ack_free(ack_list *l)
{
    free(l->entries);
    arena_free(&l->memory);
    *l = (ack_list) { 0 };
}

/* Whether a word of four, two and two digits begins there: a date, if that day exists. */
static bool is_date(const char *s)
{
    static const char digits[] = "0123456789", form[] = "dddd-dd-dd";
    for (const char *f = form; *f; f++, s++)
        if (*f == 'd' ? !*s || !strchr(digits, *s) : *s != *f) return false;
    return !*s || *s == ' ';
}

/* The first such word of the line after a name, which may hold blanks; NULL: there is none. */
static char *date_in(char *line)
{
    for (char *at = strchr(line, ' '); at; at = strchr(at + 1, ' '))
        if (is_date(at + 1)) return at + 1;
    return NULL;
}

static void trim(char *s)
{
    size_t n = strlen(s);
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\r')) s[--n] = '\0';
}

static int add_line(ack_list *l, char *line, int64_t number)
{
    for (char *c = line; *c; c++)
        if (*c == '\t') *c = ' ';
    trim(line);
    if (!*line || *line == '#') return OK;
    if (utf8_valid_prefix(line, strlen(line)) < strlen(line) || utf8_control(line))
        return input_error("%s: line %lld: is not plain text", l->path, (long long)number);
    char *date = date_in(line), *reason = date ? strchr(date, ' ') : NULL;
    if (!date)
        return input_error("%s: line %lld: \"%.80s\": has no date; a line is NAME YYYY-MM-DD reason", l->path,
                           (long long)number, line);
    if (!reason)
        return input_error("%s: line %lld: \"%.80s\": gives no reason; a line is NAME YYYY-MM-DD reason", l->path,
                           (long long)number, line);
    date[-1] = *reason++ = '\0';
    trim(line);
    const int64_t day = gate_date(date);
    if (day < 0)
        return input_error("%s: line %lld: \"%.40s\": is no day; write it as 2026-01-31", l->path, (long long)number,
                           date);
    if (ack_find(l, line))
        return input_error("%s: line %lld: \"%.80s\": stands on line %lld already", l->path, (long long)number, line,
                           (long long)ack_find(l, line)->line);
    if (l->n == l->cap) l->entries = mem_grow(l->entries, &l->cap, sizeof *l->entries);
    while (*reason == ' ') reason++;
    l->entries[l->n++] = (ack_entry) { arena_strndup(&l->memory, line, strlen(line)),
                                       arena_strndup(&l->memory, date, strlen(date)),
                                       arena_strndup(&l->memory, reason, strlen(reason)),
                                       number,
                                       day + 86400,
                                       false };
    return OK;
}

int ack_read(ack_list *l, const char *path)
{
    str         text   = { 0 };
    size_t      pos    = 0, n;
    int64_t     number = 0;
    const char *line;
    *l     = (ack_list) { .path = path };
    int rc = file_read(path, 1u << 20, &text);
    while (!rc && next_line(str_c(&text), text.n, &pos, &line, &n)) {
        char *own = mem_strndup(line, n);
        number++;
        /* A NUL would hide what follows it. */
        rc = strlen(own) < n ? input_error("%s: line %lld: holds a NUL byte", path, (long long)number)
                             : add_line(l, own, number);
        free(own);
    }
    str_free(&text);
    if (rc) ack_free(l);
    return rc;
}
