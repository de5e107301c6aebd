#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/str.h"

enum { HELP_INDENT = 29, HELP_WIDTH = 100 };

static const char *listed(const option *o, int i)
{
    return o->name_in_table ? o->name_in_table(i) : o->words ? o->words[i] : NULL;
}

static bool has_bounds(const option *o) { return o->min != 0 || o->max != 0; }

/* The words that an option's help ends with, in lines of their own where there are many. */
static void print_list(const option *o)
{
    int column = HELP_WIDTH;
    for (int i = 0; listed(o, i); i++) {
        int n = (int)strlen(listed(o, i));
        if (o->name_in_table && column + n + 2 > HELP_WIDTH)
            column = HELP_INDENT, printf("\n%*s", HELP_INDENT, "");
        else
            putchar(' ');
        column += printf("%s%s", listed(o, i), listed(o, i + 1) ? "," : "") + 1;
    }
}

static void print_help(const verb *v, const option *table)
{
    printf("tiebreak %s: %s\n\nusage: tiebreak %s %s\n\noptions:\n", v->name, v->about, v->name, v->usage);
    for (const option *o = table; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        printf("  %-26s ", left);
        for (const char *c = o->help; *c; c++) {
            putchar(*c);
            if (*c == '\n') printf("%*s", HELP_INDENT, "");
        }
        print_list(o);
        if (o->kind == OPT_INT && has_bounds(o)) printf(" (%.0f..%.0f)", o->min, o->max);
        if (o->def) printf(" [%s]", o->def);
        if (o->required) printf(" (required)");
        putchar('\n');
    }
    printf("  %-26s this text\n", "--help");
    if (v->examples) printf("\nexamples:\n%s", v->examples);
}

static int set_word(const verb *v, const option *o, const char *text)
{
    for (int i = 0; o->words[i]; i++) {
        if (strcmp(o->words[i], text)) continue;
        *(int *)o->value = i;
        return OK;
    }
    return input_error("%s: --%s %s: must be one of %s", v->name, o->name, text,
                       words_listed(o->words, ", ", ", ").text);
}

static int set_value(const verb *v, const option *o, const char *text)
{
    char *end;
    errno = 0;
    switch (o->kind) {
    case OPT_FLAG: *(bool *)o->value = true; return OK;
    case OPT_STR: *(const char **)o->value = text; return OK;
    case OPT_WORD: return set_word(v, o, text);
    case OPT_INT:
    case OPT_NUM: break;
    }
    bool      whole = o->kind == OPT_INT;
    long long n     = whole ? strtoll(text, &end, 10) : 0;
    double    x     = whole ? (double)n : strtod(text, &end);
    if (end == text || *end || (whole ? errno : !isfinite(x)))
        return input_error("%s: --%s %s: must be a %snumber", v->name, o->name, text, whole ? "whole " : "");
    if (has_bounds(o) && !(x >= o->min && x <= o->max))
        return input_error(whole ? "%s: --%s %s: must be %.0f..%.0f" : "%s: --%s %s: must be %g..%g", v->name, o->name,
                           text, o->min, o->max);
    if (whole)
        *(int64_t *)o->value = n;
    else
        *(double *)o->value = x;
    return OK;
}

static const option *find_option(const option *table, const char *name, size_t length)
{
    while (table->name && (strlen(table->name) != length || strncmp(table->name, name, length))) table++;
    return table->name ? table : NULL;
}

static int no_such_option(const verb *v, const option *table, const char *name, size_t length)
{
    int count = 0;
    while (table[count].name) count++;
    const char **names = mem_alloc((size_t)count + 1, sizeof *names);
    for (int k = 0; k < count; k++) names[k] = table[k].name;
    char *word = mem_strndup(name, length);
    int   rc   = input_error("%s: --%s: no such option%s; `tiebreak %s --help` lists them", v->name, word,
                             did_you_mean_as(word, names, "--", "").text, v->name);
    free(word);
    free(names);
    return rc;
}

/* Takes argv[*i], which is an option, and its value, where that is the next argument. */
static int take_option(const verb *v, const option *table, int argc, char **argv, int *i, bool *seen)
{
    const char   *name = argv[*i] + 2, *equals = strchr(name, '='), *value = equals ? equals + 1 : NULL;
    size_t        length = equals ? (size_t)(equals - name) : strlen(name);
    const option *o      = find_option(table, name, length);
    if (!o) return no_such_option(v, table, name, length);
    if (o->kind == OPT_FLAG && value) return input_error("%s: --%s takes no value", v->name, o->name);
    if (o->kind != OPT_FLAG && !value) {
        if (*i + 1 >= argc)
            return input_error("%s: --%s needs a value (%s)", v->name, o->name, o->arg ? o->arg : "VALUE");
        value = argv[++*i];
    }
    seen[o - table] = true;
    if (o->given) *o->given = true;
    return set_value(v, o, value);
}

int options_parse(const verb *v, const option *table, int argc, char **argv, positionals *p)
{
    int count = 0;
    for (const option *o = table; o->name; o++) {
        count++;
        if (o->given) *o->given = false;
        if (o->kind == OPT_FLAG) *(bool *)o->value = false;
        if (o->def && set_value(v, o, o->def)) return ERR_INPUT;
    }
    bool *seen = mem_alloc((size_t)count + 1, sizeof *seen);
    int   rc   = OK;
    for (int i = 1; i < argc && !rc; i++) {
        const char *arg = argv[i];
        if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
            print_help(v, table);
            rc = OPTIONS_HELP;
        } else if (!strncmp(arg, "--", 2) && arg[2]) {
            rc = take_option(v, table, argc, argv, &i, seen);
        } else if (p && p->n < p->max && (arg[0] != '-' || !arg[1])) {
            p->args[p->n++] = arg;
        } else {
            rc = input_error("%s: \"%s\": not understood here; `tiebreak %s --help` lists the options", v->name, arg,
                             v->name);
        }
    }
    for (const option *o = table; !rc && o->name; o++)
        if (o->required && !seen[o - table])
            rc = input_error("%s: --%s %s is needed: %s", v->name, o->name, o->arg ? o->arg : "", o->help);
    if (!rc && p && p->n < p->min)
        rc = input_error("%s: %s is missing; `tiebreak %s --help` shows how to call it", v->name, p->what, v->name);
    free(seen);
    return rc;
}
