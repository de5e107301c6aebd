#include "gate/pins.h"

#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"

static const double value_max = 9007199254740992.0; /* 2^53: a double holds each whole number up to it */

/* --- the text */

static void trim(char *s)
{
    size_t n = strlen(s);
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\r')) s[--n] = '\0';
}

/* Cuts the last word off; NULL: the line is one word. */
static char *last_word(char *line)
{
    char *at = strrchr(line, ' ');
    if (!at) return NULL;
    *at = '\0';
    trim(line);
    return at + 1;
}

static bool read_number(const char *text, const char *end, double most, double *out)
{
    char *rest;
    if (text[strspn(text, "0123456789.")] != *end) return false;
    *out = strtod(text, &rest);
    return rest > text && !strcmp(rest, end) && *out >= 0 && *out <= most;
}

static pin *find(const pin_list *p, const char *name)
{
    const int64_t at = string_table_get(&p->names, name, strlen(name));
    return at >= 0 ? &p->pins[at] : NULL;
}

static int add_line(pin_list *p, char *line, int64_t number)
{
    const char *path = p->path;
    pin         x    = { .line = number };
    for (char *c = line; *c; c++)
        if (*c == '\t') *c = ' ';
    trim(line);
    while (*line == ' ') line++;
    if (!*line || *line == '#') return OK;
    if (utf8_valid_prefix(line, strlen(line)) < strlen(line) || utf8_control(line))
        return input_error("%s: line %lld: is not plain text", path, (long long)number);
    char *word = last_word(line);
    if (word && word[strlen(word) - 1] == '%') {
        if (!read_number(word, "%", 100, &x.tolerance))
            return input_error("%s: line %lld: \"%.40s\": a tolerance is a percentage from 0 to 100, as 0.5%%", path,
                               (long long)number, word);
        word = last_word(line);
    }
    if (!word || !*line)
        return input_error("%s: line %lld: \"%.80s\": has no value; a line is NAME VALUE [TOLERANCE%%]", path,
                           (long long)number, line);
    if (!read_number(word, "", value_max, &x.value))
        return input_error("%s: line %lld: \"%.40s\": a value is a number from 0 to 2^53", path, (long long)number,
                           word);
    if (find(p, line))
        return input_error("%s: line %lld: \"%.80s\": stands on line %lld already", path, (long long)number, line,
                           (long long)find(p, line)->line);
    if (p->n == p->cap) p->pins = mem_grow(p->pins, &p->cap, sizeof *p->pins);
    x.name = arena_strndup(&p->memory, line, strlen(line));
    string_table_put(&p->names, x.name, strlen(x.name), (int64_t)p->n);
    p->pins[p->n++] = x;
    return OK;
}

int pins_parse(pin_list *p, const char *text, size_t size, const char *path)
{
    size_t      pos    = 0, n;
    int64_t     number = 0;
    int         rc     = OK;
    const char *line;
    *p = (pin_list) { .path = path };
    while (!rc && next_line(text, size, &pos, &line, &n)) {
        char *own = mem_strndup(line, n);
        number++;
        /* A NUL would hide what follows it. */
        rc = strlen(own) < n ? input_error("%s: line %lld: holds a NUL byte", path, (long long)number)
                             : add_line(p, own, number);
        free(own);
    }
    if (!rc && !p->n) rc = input_error("%s: holds no pin; a line is NAME VALUE [TOLERANCE%%]", path);
    if (rc) pins_free(p);
    return rc;
}

int pins_read(pin_list *p, const char *path)
{
    str text = { 0 };
    int rc   = file_read(path, 16u << 20, &text);
    *p       = (pin_list) { .path = path };
    if (!rc) rc = pins_parse(p, str_c(&text), text.n, path);
    str_free(&text);
    return rc;
}

void pins_free(pin_list *p)
{
    free(p->pins);
    string_table_free(&p->names);
    arena_free(&p->memory);
    *p = (pin_list) { .path = p->path };
}

int gate_read_counts(gate_set *s, const char *path)
{
    pin_list p;
    int      rc = pins_read(&p, path);
    if (!rc) gate_set_file(s, path);
    for (size_t i = 0; i < p.n && !rc; i++) gate_set_sample(s, p.pins[i].name, GATE_EXACT)->count = p.pins[i].value;
    pins_free(&p);
    return rc;
}

/* --- judging */

static void name_cases(gate_set *head)
{
    gate_set none = { .field = head->field };
    gate_set_names(&none, head);
    gate_set_free(&none);
}

static void judge_pin(gate_result *r, const pin *p, double count, const char *unit)
{
    gate_case   *c     = gate_add(r, p->name, GATE_EXACT);
    const double apart = count - p->value;
    c->base = p->value, c->head = count;
    c->unit     = unit;
    c->j.rule   = p->tolerance > 0 ? "pin with tolerance" : "pin";
    c->j.margin = p->tolerance;
    c->j.n_base = c->j.n_head = 1;
    c->j.change = c->j.low = c->j.high = apart == 0 ? 0 : 100 * (count / p->value - 1);
    c->j.verdict                       = fabs(apart) <= p->value * p->tolerance / 100 ? GATE_EQUIVALENT
                                         : apart > 0                                  ? GATE_REGRESSED
                                                                                      : GATE_CHANGED;
}

int pins_judge(gate_result *r, pin_list *p, gate_set *head, const gate_options *o)
{
    regex_t   only;
    const int bad = o->only ? regcomp(&only, o->only, REG_EXTENDED | REG_NOSUB) : 0;
    size_t    met = 0;
    if (bad) return input_error("--only %s: is no extended regular expression", o->only);
    if (!r->n) r->o = *o;
    name_cases(head);
    for (size_t i = 0; i < head->n_samples; i++) {
        const gate_sample *x = &head->samples[i];
        if (x->kind != GATE_EXACT || (o->only && regexec(&only, x->name, 0, NULL, 0))) continue;
        pin *known = find(p, x->name);
        met++;
        if (!known) {
            gate_say(r, &r->problems, "%s: %.17g in %s, and not pinned in %s; if it is meant, pin it (--update-pins)",
                     x->name, x->count, head->files[x->file].path, p->path);
            continue;
        }
        known->met = true;
        judge_pin(r, known, x->count, x->unit);
    }
    for (size_t i = 0; i < p->n; i++) {
        const pin *x = &p->pins[i];
        if (x->met || (o->only && regexec(&only, x->name, 0, NULL, 0))) continue;
        met++;
        gate_say(
            r, &r->problems,
            "%s: pinned in %s, line %lld, and the run has no such case; if it is gone or has another name, take it "
            "out (--update-pins)",
            x->name, p->path, (long long)x->line);
    }
    if (o->only) regfree(&only);
    return met ? OK : input_error("--only %s: neither a pin nor a count has such a name", o->only ? o->only : "");
}

/* --- updating */

static bool same_group(const char *a, const char *b)
{
    const size_t n = strcspn(a, "/");
    return strcspn(b, "/") == n && !strncmp(a, b, n);
}

static double group_tolerance(const pin_list *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (same_group(p->pins[i].name, name)) return p->pins[i].tolerance;
    return 0;
}

static void put_line(str *out, const char *name, double value, double tolerance)
{
    str_printf(out, "%s %.17g", name, value);
    if (tolerance > 0) str_printf(out, " %g%%", tolerance);
    str_putc(out, '\n');
}

/* HEAD's counts by their names; the first of each. */
static int collect(const gate_set *head, string_table *counts)
{
    for (size_t i = 0; i < head->n_samples; i++) {
        const gate_sample *x = &head->samples[i];
        if (x->kind != GATE_EXACT) continue;
        const int64_t before = string_table_put(counts, x->name, strlen(x->name), (int64_t)i);
        if (before >= 0 && head->samples[before].count != x->count)
            return input_error("%s: %.17g in %s, %.17g in %s; a pin has one value", x->name,
                               head->samples[before].count, head->files[head->samples[before].file].path, x->count,
                               head->files[x->file].path);
    }
    return OK;
}

int pins_update(const char *path, gate_set *head)
{
    str          old = { 0 }, new = { 0 };
    pin_list     pins   = { .path = path };
    string_table counts = { 0 };
    size_t       pos = 0, n, kept = 0;
    const char  *line;
    name_cases(head);
    int rc = collect(head, &counts);
    if (!rc && file_exists(path)) rc = file_read(path, 16u << 20, &old);
    if (!rc && old.n) rc = pins_parse(&pins, old.s, old.n, path);
    if (!rc && !old.n) str_puts(&new, "# NAME VALUE [TOLERANCE%]\n");
    for (int64_t number = 1; !rc && next_line(str_c(&old), old.n, &pos, &line, &n); number++) {
        const pin *p = kept < pins.n && pins.pins[kept].line == number ? &pins.pins[kept++] : NULL;
        if (!p) {
            str_add(&new, line, n);
            str_putc(&new, '\n');
            continue;
        }
        const int64_t at = string_table_get(&counts, p->name, strlen(p->name));
        if (at >= 0) put_line(&new, p->name, head->samples[at].count, p->tolerance);
    }
    for (size_t i = 0; i < head->n_samples && !rc; i++) {
        const gate_sample *x = &head->samples[i];
        if (x->kind != GATE_EXACT || find(&pins, x->name)) continue;
        if (string_table_get(&counts, x->name, strlen(x->name)) == (int64_t)i)
            put_line(&new, x->name, x->count, group_tolerance(&pins, x->name));
    }
    if (!rc) rc = file_write_atomic(path, str_c(&new), new.n);
    string_table_free(&counts);
    pins_free(&pins);
    str_free(&old);
    str_free(&new);
    return rc;
}
