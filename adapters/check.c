/* Whether an adapter's config, its tensors and its base say the same. PEFT loads what is missing as
 * zeros and leaves out what it does not know, so a folder whose parts disagree would give another
 * model there than here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "adapters/adapter_private.h"
#include "adapters/peft.h"
#include "model/names.h"

/* A list for a message: three items, then how many more. */
typedef struct {
    str     text;
    int64_t n;
} shown;

static void show(shown *s, const char *item)
{
    if (s->n++ < 3) str_item(&s->text, ", ", item);
}

/* The list's text; the caller frees s->text. */
static const char *shown_text(shown *s)
{
    if (s->n > 3) str_printf(&s->text, " and %lld more", (long long)s->n - 3);
    return str_c(&s->text);
}

/* --- names that this layout does not have */

/* Finds a layer's module, as "layers.N.<module>", with a factor behind it; the result is what
 * stands before, or NULL. */
static const char *foreign_prefix(const model_config *c, const peft_layout *p, const char *name, str *prefix)
{
    const file_names *names = names_of(c);
    for (const char *at = strstr(name, names->layers); at; at = strstr(at + 1, names->layers)) {
        factor_id f;
        int64_t   layer;
        int       site;
        str       own = { 0 };
        str_printf(&own, PEFT_PREFIX "%s%s", names->prefix[0], at);
        bool known = (at == name || at[-1] == '.') && peft_parse_key(c, p, str_c(&own), &f, &layer, &site);
        str_free(&own);
        if (!known) continue;
        str_add(prefix, name, (size_t)(at - name));
        return str_c(prefix);
    }
    return NULL;
}

int peft_refuse_tensor(const model_config *c, const peft_layout *p, const char *name, const char *path,
                       const char *where)
{
    static const struct {
        const char *part, *what;
    } known[] = {
        { ".lora_magnitude_vector", "DoRA's magnitudes, which renormalise W + BA" },
        { ".lora_embedding_", "LoRA on an embedding" },
        { ".lora_B.bias", "a bias behind lora_B" },
        { "lm_head.", "a change of the output head" },
        { "embed_tokens.", "a change of the embedding" },
        { ".modules_to_save.", "a module of the base that was trained whole" },
        { "token_adapter.", "rows of the embedding" },
        { ".experts.", "expert weights" },
    };
    str         prefix = { 0 };
    const char *before = foreign_prefix(c, p, name, &prefix);
    int         rc;
    size_t      i = 0, n = sizeof known / sizeof *known;
    if (before) {
        rc = input_error("%s: tensor \"%s\": begins with \"%s\", where PEFT's names begin with \"" PEFT_PREFIX
                         "%s\", so PEFT would load nothing of it; rename the tensors to that beginning",
                         path, name, before, names_of(c)->prefix[0]);
    } else {
        while (i < n && !strstr(name, known[i].part)) i++;
        rc = input_error(
            "%s: tensor \"%s\": %s, not a %s tensor of a linear in the base's layers, is not supported; %s", path, name,
            i < n ? known[i].what : "what it changes", p->type, peft_merge_hint(where));
    }
    str_free(&prefix);
    return rc;
}

/* --- modules */

static int refuse_halves(const peft_found *x, const model_config *c)
{
    shown missing             = { 0 };
    char  there[PEFT_KEY_MAX] = "", key[PEFT_KEY_MAX];
    for (int64_t m = 0; m < c->layers * SITE_COUNT; m++) {
        int64_t layer = m / SITE_COUNT;
        int     site = (int)(m % SITE_COUNT), has = 0;
        for (int f = 0; f < FACTOR_COUNT; f++) has |= peft_found_at(x, (factor_id)f, layer, site) != NULL;
        for (int f = 0; has && f < FACTOR_COUNT; f++) {
            if (!x->layout->module_suffix[f]) continue;
            peft_tensor_key(c, x->layout, (factor_id)f, layer, site, key);
            const tensor_view *t = peft_found_at(x, (factor_id)f, layer, site);
            if (!t) show(&missing, key);
            if (t && !*there) snprintf(there, sizeof there, "%.*s", PEFT_KEY_MAX - 1, t->name);
        }
    }
    int rc = missing.n ? input_error("%s: a module needs all its factors, and of some only a part is there; missing: "
                                     "%s. The file is damaged or cut; save the adapter again",
                                     x->file->path, shown_text(&missing))
                       : OK;
    str_free(&missing.text);
    return rc;
}

/* The rank that the tensors of a module have, against what the config says. */
static int refuse_ranks(const peft_found *x, const peft_targets *t, const model_config *c, const int64_t *rank)
{
    shown differ = { 0 };
    int   rc     = OK;
    for (int64_t m = 0; m < c->layers * SITE_COUNT && !rc; m++) {
        char    path[PEFT_KEY_MAX], text[PEFT_KEY_MAX + 96];
        int64_t want;
        if (!peft_found_module(x, m)) continue;
        peft_module_path(c, m / SITE_COUNT, (int)(m % SITE_COUNT), path);
        rc = peft_targets_rank(t, path, &want);
        if (rc || want == rank[m]) continue;
        snprintf(text, sizeof text, "%s has rank %lld in the config and %lld in its tensors", path, (long long)want,
                 (long long)rank[m]);
        show(&differ, text);
    }
    if (!rc && differ.n)
        rc = input_error("%s: config and tensors disagree, and PEFT refuses such a folder: %s; set \"%s\" (and "
                         "rank_pattern, alpha_pattern) to what the adapter was trained with",
                         x->where, shown_text(&differ), x->layout->rank_key);
    str_free(&differ.text);
    return rc;
}

/* A module that the config adapts and the file does not hold is zero in PEFT, which warns; one that
 * the config does not adapt is left out there without a word. */
static int check_targets(const peft_found *x, const peft_targets *t, const model_config *c)
{
    static const char *const others[] = { "model.embed_tokens", "lm_head" };
    shown                    missing = { 0 }, extra = { 0 };
    site_set                 sites = 0;
    int                      rc    = OK;
    for (int64_t m = 0; m < c->layers * SITE_COUNT; m++)
        if (peft_found_module(x, m)) sites |= 1u << m % SITE_COUNT;
    for (int64_t m = 0; m < c->layers * SITE_COUNT && !rc; m++) {
        char path[PEFT_KEY_MAX];
        int  site   = (int)(m % SITE_COUNT);
        bool wanted = site_set_has(sites, site); /* where the config names none, the file's are meant */
        if (!*site_module(c, (site_id)site)) continue;
        peft_module_path(c, m / SITE_COUNT, site, path);
        if (peft_targets_are_named(t)) rc = peft_targets_has(t, path, &wanted);
        if (rc) break;
        if (wanted && !peft_found_module(x, m)) show(&missing, path);
        if (!wanted && peft_found_module(x, m)) show(&extra, path);
    }
    for (int i = 0; i < 2 && !rc && peft_targets_are_named(t); i++) {
        bool wanted;
        rc = peft_targets_has(t, others[i], &wanted);
        if (!rc && wanted) show(&missing, others[i]);
    }
    if (!rc && extra.n)
        rc = input_error("%s: holds %s, which target_modules, exclude_modules or layers_to_transform of %s leave out: "
                         "PEFT would not load them; correct the config",
                         x->file->path, shown_text(&extra), x->where);
    if (!rc && missing.n)
        warn("%s: the config adapts %s, of which %s holds nothing; left as the base has them, as PEFT does with a "
             "warning of its own",
             x->where, shown_text(&missing), x->file->path);
    str_free(&missing.text);
    str_free(&extra.text);
    return rc;
}

int peft_check_modules(const peft_found *x, const peft_targets *t, const model_config *c, const int64_t *rank)
{
    int rc = refuse_halves(x, c);
    if (!rc) rc = refuse_ranks(x, t, c, rank);
    if (!rc) rc = check_targets(x, t, c);
    return rc;
}
