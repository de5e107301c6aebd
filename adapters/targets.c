/* What a PEFT config says of a module of the base: whether it is adapted, and with which rank and
 * alpha. The rules are those of PEFT 0.21.2's check_target_module_exists and get_pattern_key, whose
 * regular expressions PCRE2 reads here. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "adapters/adapter_private.h"
#include "adapters/peft.h"

/* One expression and the entry of the config that it stands for. */
typedef struct {
    pcre2_code *code;
    const json *entry;
} pattern;

typedef struct {
    pattern *items;
    size_t   n, cap;
} pattern_list;

struct peft_targets {
    const peft_layout   *layout;
    const json          *config;
    const char          *where;
    int64_t              rank; /* the config's own */
    pattern_list         ranks, alphas, target, exclude, layers;
    pcre2_match_data    *match;
    pcre2_match_context *limits;
};

/* An expression that needs more steps than this for a short path is built to need them. */
enum { MATCH_STEPS = 100000 };

static int add_pattern(peft_targets *t, pattern_list *list, const char *field, const char *before, const char *text,
                       const char *after, const json *entry)
{
    str        whole = { 0 };
    int        code;
    PCRE2_SIZE at;
    str_printf(&whole, "%s%s%s", before, text, after);
    pcre2_code *c = pcre2_compile((PCRE2_SPTR)str_c(&whole), whole.n, PCRE2_ANCHORED, &code, &at, NULL);
    str_free(&whole);
    if (!c) {
        char why[128] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        return input_error("%s: \"%s\": \"%.80s\": is not a regular expression: %s", t->where, field, text, why);
    }
    if (list->n == list->cap) list->items = mem_grow(list->items, &list->cap, sizeof *list->items);
    list->items[list->n++] = (pattern) { c, entry };
    return OK;
}

/* The first of the list that matches from the path's begin; NULL: none. The expression's first
 * group goes to *group, when it is asked for. */
static int first_match(const peft_targets *t, const pattern_list *list, const char *path, const pattern **out,
                       int64_t *group)
{
    *out = NULL;
    for (size_t i = 0; i < list->n && !*out; i++) {
        int n = pcre2_match(list->items[i].code, (PCRE2_SPTR)path, strlen(path), 0, 0, t->match, t->limits);
        if (n == PCRE2_ERROR_NOMATCH) continue;
        if (n < 0)
            return input_error("%s: a regular expression of this config takes too long on \"%s\"; simplify it",
                               t->where, path);
        *out = &list->items[i];
        if (group) *group = strtoll(path + pcre2_get_ovector_pointer(t->match)[2], NULL, 10);
    }
    return OK;
}

static int add_map(peft_targets *t, pattern_list *list, const char *field)
{
    int rc = OK;
    for (const json *m = json_members(json_find(t->config, field)); m && !rc; m = m->next)
        rc = add_pattern(t, list, field, "(?:.*\\.)?(?:", m->string, ")$", m);
    return rc;
}

/* A text is one expression for whole paths; a list of names is looked up without expressions. */
static int add_whole(peft_targets *t, pattern_list *list, const char *field)
{
    const json *j = json_find(t->config, field);
    return json_text(j) ? add_pattern(t, list, field, "(?:", json_text(j), ")\\z", j) : OK;
}

static int add_layers(peft_targets *t)
{
    static const char field[] = "layers_pattern";
    const json       *j       = json_find(t->config, field);
    int               rc      = OK;
    if (!json_size(j) && !(json_text(j) && *json_text(j)))
        return add_pattern(t, &t->layers, field, "", ".*?\\.[^.]*\\.(\\d+)\\.", "", NULL);
    for (const json *p = json_is_array(j) ? j->child : j; p && !rc; p = json_is_array(j) ? p->next : NULL) {
        if (!json_text(p)) return json_refuse(p, t->where, field, "a text or a list of them");
        rc = add_pattern(t, &t->layers, field, "(?:^|.*?\\.)(?:", json_text(p), ")\\.(\\d+)\\.", p);
    }
    return rc;
}

static int check_names(const peft_targets *t, const char *field)
{
    const json *j = json_find(t->config, field);
    if (!json_has(t->config, field) || json_text(j)) return OK;
    if (!json_is_array(j)) return json_refuse(j, t->where, field, "a list of modules or a regular expression");
    for (const json *m = j->child; m; m = m->next)
        if (!json_text(m)) return json_refuse(m, t->where, field, "a list of modules' names");
    return OK;
}

static int check_layers(const peft_targets *t)
{
    static const char field[] = "layers_to_transform";
    const json       *j       = json_find(t->config, field);
    if (!json_has(t->config, field) || json_is_number(j)) return OK;
    if (!json_is_array(j)) return json_refuse(j, t->where, field, "a layer's number or a list of them");
    for (const json *m = j->child; m; m = m->next)
        if (!json_is_number(m)) return json_refuse(m, t->where, field, "a layer's number or a list of them");
    return OK;
}

int peft_targets_open(peft_targets **out, const json *config, const peft_layout *p, const char *where)
{
    peft_targets *t = *out = mem_alloc(1, sizeof *t);
    *t                     = (peft_targets) { .layout = p, .config = config, .where = where };
    t->match               = pcre2_match_data_create(8, NULL);
    t->limits              = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(t->limits, MATCH_STEPS);
    int rc = json_get_int(config, where, p->rank_key, 1, RANK_MAX, &t->rank);
    /* AdaLoRA's rank_pattern holds masks, found by their exact keys */
    if (!rc && !p->keeps_empty) rc = add_map(t, &t->ranks, "rank_pattern");
    if (!rc) rc = add_map(t, &t->alphas, "alpha_pattern");
    if (!rc) rc = check_names(t, "target_modules");
    if (!rc) rc = check_names(t, "exclude_modules");
    if (!rc) rc = check_layers(t);
    if (!rc) rc = add_whole(t, &t->target, "target_modules");
    if (!rc) rc = add_whole(t, &t->exclude, "exclude_modules");
    if (!rc) rc = add_layers(t);
    if (rc) {
        peft_targets_close(t);
        *out = NULL;
    }
    return rc;
}

void peft_targets_close(peft_targets *t)
{
    if (!t) return;
    pattern_list *const lists[] = { &t->ranks, &t->alphas, &t->target, &t->exclude, &t->layers };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (size_t k = 0; k < lists[i]->n; k++) pcre2_code_free(lists[i]->items[k].code);
        free(lists[i]->items);
    }
    pcre2_match_data_free(t->match);
    pcre2_match_context_free(t->limits);
    free(t);
}

/* --- a module's rank and alpha */

/* AdaLoRA: how many of the initial ranks the module's mask keeps. */
static int masked_rank(const peft_targets *t, const char *path, int64_t *rank)
{
    const json *masks = json_find(t->config, "rank_pattern");
    for (const json *m = json_members(masks); m; m = m->next) {
        size_t n = strlen(path);
        if (strncmp(m->string, path, n) || strncmp(m->string + n, ".lora_E", 7)) continue;
        if (!json_is_array(m)) return json_refuse(m, t->where, m->string, "a list of true and false, one a rank");
        *rank = 0;
        for (const json *v = m->child; v; v = v->next) *rank += json_is_true(v);
        return OK;
    }
    return OK;
}

int peft_targets_rank(const peft_targets *t, const char *path, int64_t *rank)
{
    const pattern *p;
    *rank = t->rank;
    if (t->layout->keeps_empty) return masked_rank(t, path, rank);
    int rc = first_match(t, &t->ranks, path, &p, NULL);
    if (rc || !p) return rc;
    double v = json_number(p->entry);
    if (!(v >= 1 && v <= RANK_MAX) || v != (double)(int64_t)v)
        return input_error("%s: \"rank_pattern\": \"%s\": must be a whole number, 1..%d", t->where, p->entry->string,
                           RANK_MAX);
    *rank = (int64_t)v;
    return OK;
}

int peft_targets_alpha(const peft_targets *t, const char *path, double *alpha)
{
    const pattern *p;
    int            rc = first_match(t, &t->alphas, path, &p, NULL);
    if (rc || !p) return rc;
    if (!json_is_number(p->entry))
        return input_error("%s: \"alpha_pattern\": \"%s\": must be a number", t->where, p->entry->string);
    *alpha = p->entry->valuedouble;
    return OK;
}

/* --- whether a module is adapted */

/* Whether a list names the path: whole, or its end behind a dot. */
static bool names(const json *list, const char *path, bool *whole)
{
    size_t n = strlen(path);
    *whole   = false;
    for (const json *m = json_items(list); m; m = m->next)
        if (!strcmp(m->valuestring, path)) return *whole = true;
    for (const json *m = json_items(list); m; m = m->next) {
        size_t k = strlen(m->valuestring);
        if (k < n && path[n - k - 1] == '.' && !strcmp(path + n - k, m->valuestring)) return true;
    }
    return false;
}

static int in_layers(const peft_targets *t, const char *path, bool *yes)
{
    const json    *j     = json_find(t->config, "layers_to_transform");
    int64_t        layer = -1;
    const pattern *p;
    if (!json_is_number(j) && !json_size(j)) return OK;
    int rc = first_match(t, &t->layers, path, &p, &layer);
    if (rc) return rc;
    bool listed = json_is_number(j) && json_number(j) == (double)layer;
    for (const json *l = json_items(j); l; l = l->next) listed |= json_number(l) == (double)layer;
    *yes = p && listed;
    return OK;
}

int peft_targets_has(const peft_targets *t, const char *path, bool *yes)
{
    const json    *target = json_find(t->config, "target_modules"), *exclude = json_find(t->config, "exclude_modules");
    const pattern *p;
    bool           whole;
    *yes   = false;
    int rc = first_match(t, &t->exclude, path, &p, NULL);
    if (rc || p || names(exclude, path, &whole)) return rc;
    if (json_text(target)) {
        /* every linear but the head; a path here is one of those */
        if (!strcmp(json_text(target), "all-linear")) return *yes = strncmp(path, "lm_head", 7) != 0, OK;
        rc   = first_match(t, &t->target, path, &p, NULL);
        *yes = p != NULL;
        return rc;
    }
    *yes = names(target, path, &whole);
    return *yes && !whole ? in_layers(t, path, yes) : OK;
}

bool peft_targets_are_named(const peft_targets *t)
{
    return json_text(json_find(t->config, "target_modules")) || json_size(json_find(t->config, "target_modules")) > 0;
}
