#include "model/sites.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/str.h"
#include "model/names.h"

const site_info site_table[SITE_COUNT] = {
    [SITE_QKV] = { "qkv" }, [SITE_Q] = { "q" },       [SITE_K] = { "k" },
    [SITE_V] = { "v" },     [SITE_O] = { "o" },       [SITE_GATE] = { "gate" },
    [SITE_UP] = { "up" },   [SITE_DOWN] = { "down" }, [SITE_GATE_UP] = { "gate_up" },
};

const char *site_name(int i) { return i < SITE_COUNT ? site_table[i].name : NULL; }

static const site_set QKV_FUSED = 1u << SITE_QKV, Q_K_V = 1u << SITE_Q | 1u << SITE_K | 1u << SITE_V;
static const site_set GATE_UP_FUSED = 1u << SITE_GATE_UP, GATE_UP_APART = 1u << SITE_GATE | 1u << SITE_UP;
static const site_set ALL = ((1u << SITE_COUNT) - 1) & ~(1u << SITE_QKV | 1u << SITE_GATE_UP);

const char *site_module(const model_config *c, site_id s) { return names_of(c)->module[s]; }

static bool gated(const model_config *c) { return !c->counting_only && !c->plan.ungated; }

int64_t site_in(const model_config *c, site_id s)
{
    if ((s == SITE_GATE || s == SITE_GATE_UP) && !gated(c)) return 0;
    return s == SITE_O ? c->heads * c->head_dim : s == SITE_DOWN ? c->inter : c->hidden;
}

int64_t site_out(const model_config *c, site_id s)
{
    int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    switch (s) {
    case SITE_QKV: return q + 2 * kv;
    case SITE_Q: return q;
    case SITE_K:
    case SITE_V: return kv;
    case SITE_GATE: return gated(c) ? c->inter : 0;
    case SITE_GATE_UP: return gated(c) ? 2 * c->inter : 0;
    case SITE_UP: return c->inter;
    default: return c->hidden;
    }
}

static int bad_site(const char *text, const char *word, size_t n, const char *why)
{
    return input_error(
        "sites \"%s\": \"%.*s\" %s; allowed: qkv, all, or a list of q k v o gate up down with commas (qkv stands for q, k and v fused, gate_up for gate and up)",
        text, (int)(n > 40 ? 40 : n), word, why);
}

int site_set_parse(site_set *out, const char *text)
{
    *out = 0;
    if (!strcmp(text, "all")) {
        *out = ALL;
        return OK;
    }
    for (const char *word = text;;) {
        size_t n = strcspn(word, ",");
        int    s = 0;
        while (s < SITE_COUNT && (strlen(site_table[s].name) != n || strncmp(site_table[s].name, word, n) != 0)) s++;
        if (s == SITE_COUNT) return bad_site(text, word, n, "is no site");
        if (site_set_has(*out, s)) return bad_site(text, word, n, "stands there twice");
        *out |= 1u << s;
        if (*out & QKV_FUSED && *out & Q_K_V) return bad_site(text, word, n, "adapts q, k or v a second time");
        if (*out & GATE_UP_FUSED && *out & GATE_UP_APART)
            return bad_site(text, word, n, "adapts gate or up a second time");
        if (!word[n]) return OK;
        word += n + 1;
    }
}

int site_set_fit(site_set *sites, const model_config *c, const char *text)
{
    for (int s = 0; s < SITE_COUNT; s++) {
        if (!site_set_has(*sites, s) || (site_in(c, (site_id)s) && site_out(c, (site_id)s))) continue;
        if (strcmp(text, "all") != 0)
            return input_error("--sites %s: %s has no linear `%s`", text, c->name, site_table[s].name);
        *sites &= ~(1u << s);
    }
    return OK;
}

void site_set_print(site_set s, char *out, int64_t size)
{
    str b = { 0 };
    for (int i = 0; i < SITE_COUNT; i++)
        if (site_set_has(s, i)) str_item(&b, ",", site_table[i].name);
    snprintf(out, (size_t)size, "%s", s == ALL ? "all" : str_c(&b));
    str_free(&b);
}
