/* The language of --method: reading a spec, checking the step-0 rule, and writing a spec. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/nearest.h"
#include "adapters/method.h"

const char        factor_letter[FACTOR_COUNT + 1] = "AuRBv";
const char *const scope_name[SCOPE_COUNT + 1]     = { "one", "layer", "group", "tied", "model", NULL };

/* text: what stands after "s="; a number there is SCALE_CONST. */
static const struct {
    const char *text;
    scale_rule  rule;
} scale_rules[] = { { "alpha/r", SCALE_ALPHA_R },
                    { "alpha/sqrt(r)", SCALE_ALPHA_SQRT_R },
                    { "alpha/(r+1e-5)", SCALE_ALPHA_R_EPS } };
enum { SCALE_RULES = sizeof scale_rules / sizeof scale_rules[0] };

/* Inits by name. matrix: it has a fan-in and a diagonal, so it is for A, R and B only. */
static const struct {
    const char *name;
    init_id     init;
    double      value;
    bool        matrix;
} inits[] = {
    { "zero", INIT_ZERO, 0, false },      { "ones", INIT_NUMBER, 1, false },  { "normal", INIT_NORMAL, 1, false },
    { "kaiming", INIT_KAIMING, 0, true }, { "xavier", INIT_XAVIER, 0, true }, { "eye", INIT_EYE, 0, true },
    { "vera", INIT_PEFT_VERA, 0, true },
};
enum { INITS = sizeof inits / sizeof inits[0] };

/* Reads a text that is one finite number. */
static bool number(const char *text, double *out)
{
    char *end;
    errno = 0;
    if (!strchr("+-.0123456789", *text) || !*text) return false;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out);
}

/* Splits at the first `at`: returns the head, ended by a NUL, and moves *rest past it. NULL at the
 * end. */
static char *take(char **rest, char at)
{
    char *head = *rest;
    if (!head) return NULL;
    char *cut = strchr(head, at);
    if (cut) *cut = '\0';
    *rest = cut ? cut + 1 : NULL;
    return head;
}

static int parse_scope(factor_spec *f, const char *part, char **rest)
{
    const char *word = take(rest, ':');
    int         s    = 0;
    while (s < SCOPE_COUNT && strcmp(word, scope_name[s])) s++;
    if (s == SCOPE_COUNT)
        return input_error("method: %s: scope \"%s\": must be one, layer, group:K, tied or model%s", part, word,
                           did_you_mean(word, scope_name).text);
    f->scope = (scope_id)s;
    if (f->scope != SCOPE_GROUP) return OK;
    const char *k = take(rest, ':');
    double      n;
    if (!k || !number(k, &n) || n != floor(n) || n < 1 || n > 65536)
        return input_error(
            "method: %s: group:%s: K, the number of consecutive layers that share, must be a whole number 1..65536",
            part, k ? k : "");
    f->group = (int64_t)n;
    return OK;
}

static int parse_init(factor_spec *f, factor_id id, const char *part, char **rest)
{
    const char *word = take(rest, ':'), *argument = take(rest, ':');
    double      value;
    if (number(word, &value)) {
        *f = (factor_spec) { f->scope, f->group, f->trained, value == 0 ? INIT_ZERO : INIT_NUMBER, value };
        return argument ? input_error("method: %s: nothing may follow the number %s", part, word) : OK;
    }
    const char *names[INITS + 1] = { 0 };
    int         i;
    for (i = 0; i < INITS; i++) names[i] = inits[i].name;
    for (i = 0; i < INITS && strcmp(word, names[i]); i++) {
    }
    if (i == INITS)
        return input_error(
            "method: %s: init \"%s\": must be zero, ones, a number, normal[:SIGMA], kaiming, xavier or eye%s", part,
            word, did_you_mean(word, names).text);
    f->init  = inits[i].init;
    f->value = inits[i].value;
    if (inits[i].matrix && (id == FACTOR_U || id == FACTOR_V))
        return input_error(
            "method: %s: %s is for matrices (A, R, B); a vector takes zero, ones, a number or normal[:SIGMA]", part,
            word);
    if (f->init == INIT_PEFT_VERA && (f->scope != SCOPE_MODEL || id == FACTOR_R))
        return input_error(
            "method: %s: vera is PEFT's draw of one pair for the whole model: A or B with scope model only", part);
    if (argument && f->init != INIT_NORMAL) return input_error("method: %s: %s takes no argument", part, word);
    if (argument && (!number(argument, &f->value) || f->value <= 0))
        return input_error("method: %s: normal:%s: the standard deviation must be a number above 0", part, argument);
    return *rest ? input_error("method: %s: \"%s\" follows the init and is not understood", part, *rest) : OK;
}

/* Reads "tied:train:zero" of "A=tied:train:zero". */
static int parse_factor(factor_spec *f, factor_id id, const char *part, char *value)
{
    char *rest = value;
    int   rc   = parse_scope(f, part, &rest);
    if (rc) return rc;
    if (f->scope == SCOPE_ONE)
        return rest ? input_error("method: %s: a factor that is one has nothing to train or to start", part) : OK;
    const char *how = take(&rest, ':');
    f->trained      = how && !strcmp(how, "train");
    if (!how || (!f->trained && strcmp(how, "frozen")))
        return input_error("method: %s: \"%s\": after the scope, say train or frozen", part, how ? how : "");
    return rest ? parse_init(f, id, part, &rest) : OK;
}

static int parse_scale(method *m, const char *part, const char *value)
{
    for (int i = 0; i < SCALE_RULES; i++)
        if (!strcmp(value, scale_rules[i].text)) {
            m->rule = scale_rules[i].rule;
            return OK;
        }
    m->rule = SCALE_CONST;
    if (!number(value, &m->scale) || m->scale == 0)
        return input_error("method: %s: s must be alpha/r, alpha/sqrt(r), alpha/(r+1e-5) or a number other than 0",
                           part);
    return OK;
}

static int parse_part(method *m, bool *seen, const char *part, char *copy)
{
    char       *value  = strchr(copy, '=');
    size_t      length = value ? (size_t)(value - copy) : 0;
    const char *letter = length == 1 ? strchr(factor_letter, copy[0]) : NULL;
    bool        scale  = length == 1 && copy[0] == 's';
    if (!letter && !scale)
        return input_error("method: \"%s\": must be A=, u=, R=, B=, v= or s=, in parts separated by commas", part);
    int at = scale ? FACTOR_COUNT : (int)(letter - factor_letter);
    if (seen[at]) return input_error("method: %s: %c was already given", part, copy[0]);
    seen[at] = true;
    return scale ? parse_scale(m, part, value + 1) : parse_factor(&m->factor[at], (factor_id)at, part, value + 1);
}

/* Fills in the default inits that method.h lists. */
static void resolve_defaults(method *m)
{
    bool zero = false;
    for (int f = 0; f < FACTOR_COUNT; f++) zero |= m->factor[f].scope != SCOPE_ONE && m->factor[f].init == INIT_ZERO;
    const factor_spec by_default[FACTOR_COUNT] = {
        [FACTOR_A] = { .init = INIT_KAIMING },
        [FACTOR_U] = { .init = INIT_NUMBER, .value = 1 },
        [FACTOR_R] = { .init = INIT_EYE },
        [FACTOR_B] = { .init = zero ? INIT_KAIMING : INIT_ZERO },
        [FACTOR_V] = { .init = INIT_NUMBER, .value = 1 },
    };
    for (int i = 0; i < FACTOR_COUNT; i++) {
        factor_spec *f = &m->factor[i];
        if (f->scope == SCOPE_ONE || f->init != INIT_DEFAULT) continue;
        f->init  = by_default[i].init;
        f->value = by_default[i].value;
    }
}

int method_parse(method *m, const char *spec)
{
    *m          = (method) { .rule = SCALE_CONST, .scale = 1 };
    char *whole = mem_strdup(spec), *rest = whole;
    bool  seen[FACTOR_COUNT + 1] = { false };
    int   rc                     = OK;
    for (char *part; !rc && (part = take(&rest, ','));) {
        part += strspn(part, " ");
        char *copy = mem_strdup(part);
        rc         = parse_part(m, seen, part, copy);
        free(copy);
    }
    free(whole);
    if (!rc) resolve_defaults(m);
    return rc;
}

int method_check(const method *m, const char *text)
{
    int zeros = 0, trained = 0, zero = 0;
    for (int f = 0; f < FACTOR_COUNT; f++) {
        const factor_spec *spec = &m->factor[f];
        if (spec->scope == SCOPE_ONE) continue;
        trained += spec->trained;
        if (spec->init == INIT_ZERO) zeros++, zero = f;
    }
    const char *missing = m->factor[FACTOR_A].scope == SCOPE_ONE   ? "A"
                          : m->factor[FACTOR_B].scope == SCOPE_ONE ? "B"
                                                                   : NULL;
    if (missing)
        return input_error("method \"%s\": %s is missing; every method has A and B, e.g. %s=layer:train", text, missing,
                           missing);
    if (!trained)
        return input_error("method \"%s\": nothing is trained; give at least one factor train instead of frozen", text);
    if (zeros > 1)
        return input_error(
            "method \"%s\": %d factors start at zero, so none of them would ever get a gradient; let exactly one trained factor start at zero",
            text, zeros);
    if (zeros == 0)
        return input_error(
            "method \"%s\": no factor starts at zero, so the adapter would change the base before the first step; "
            "let exactly one trained factor start at zero, e.g. B=...:zero",
            text);
    if (!m->factor[zero].trained)
        return input_error(
            "method \"%s\": %c starts at zero and is frozen, so the adapter's output stays zero; train %c, or let another, trained factor "
            "start at zero, e.g. A=...:train:zero or v=layer:train:zero",
            text, factor_letter[zero], factor_letter[zero]);
    return OK;
}

/* Writes the shortest decimal text that reads back to the same number. */
static void shortest(double x, char *out, size_t size)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, size, "%.*g", digits, x);
        if (strtod(out, NULL) == x) return;
    }
}

static void print_init(const factor_spec *f, char *out, size_t size)
{
    char value[32];
    shortest(f->value, value, sizeof value);
    if (f->init == INIT_NUMBER && f->value != 1) {
        snprintf(out, size, "%s", value);
        return;
    }
    for (int i = 0; i < INITS; i++)
        if (inits[i].init == f->init) snprintf(out, size, "%s", inits[i].name);
    if (f->init == INIT_NORMAL && f->value != 1) snprintf(out, size, "normal:%s", value);
}

void method_spec(const method *m, char *out, int64_t size)
{
    char text[METHOD_SPEC_MAX] = "";
    int  n                     = 0;
    for (int f = 0; f < FACTOR_COUNT; f++) {
        const factor_spec *spec = &m->factor[f];
        char               init[48], group[24] = "";
        if (spec->scope == SCOPE_ONE) continue;
        print_init(spec, init, sizeof init);
        if (spec->scope == SCOPE_GROUP) snprintf(group, sizeof group, ":%lld", (long long)spec->group);
        n += snprintf(text + n, sizeof text - (size_t)n, "%c=%s%s:%s:%s,", factor_letter[f], scope_name[spec->scope],
                      group, spec->trained ? "train" : "frozen", init);
    }
    char scale[32];
    shortest(m->scale, scale, sizeof scale);
    const char *rule = scale;
    for (int i = 0; i < SCALE_RULES; i++)
        if (scale_rules[i].rule == m->rule) rule = scale_rules[i].text;
    snprintf(text + n, sizeof text - (size_t)n, "s=%s", rule);
    snprintf(out, (size_t)size, "%s", text);
}
