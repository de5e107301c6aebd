#include "eval/rouge.h"

#include <string.h>

#include "core/memory.h"
#include "eval/lcs.h"
#include "eval/ngrams.h"
#include "eval/porter.h"

/* A text's tokens; where its non-empty lines end (only "\n" ends a line). */
typedef struct {
    token_list tokens, ends;
} lines;

/* What one pair of texts needs, kept from one to the next. */
typedef struct {
    str           token;
    vocabulary    words;
    int32_t       width; /* distinct tokens of the prediction */
    lines         prediction, reference;
    ngram_counter ngrams;
    lcs_scratch   lcs;
    int32_t      *left[2]; /* unused occurrences in reference and prediction, per token */
    bool         *hit;
    size_t        left_cap[2], hit_cap;
} workspace;
static _Thread_local workspace own;

/* The lower case of the token character at the start of text, 0 where there is none; *len: its bytes. Beyond ASCII two lower to ASCII: U+0130 to i
 * (and a mark), U+212A to k. */
static inline char token_character(slice text, size_t *len)
{
    char c = text.s[0];
    *len   = 1;
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) return c;
    if (c >= 'A' && c <= 'Z') return (char)(c + 32);
    if (c == '\xC4' && text.n > 1 && text.s[1] == '\xB0') return *len = 2, 'i';
    if (c == '\xE2' && text.n > 2 && text.s[1] == '\x84' && text.s[2] == '\xAA') return *len = 3, 'k';
    return 0;
}

static void add_token(workspace *w, char *token, size_t n, bool stem, token_list *out)
{
    if (stem && n > 3) n = porter_stem(token, n);
    if (n) tokens_add(out, vocabulary_add(&w->words, token, n));
}

static void read_lines(workspace *w, slice text, bool stem, lines *out)
{
    tokens_clear(&out->tokens);
    tokens_clear(&out->ends);
    str_clear(&w->token);
    char  *token = str_reserve(&w->token, text.n);
    size_t n     = 0, len;
    bool   empty = true; /* the line so far */
    for (; text.n; text.s += len, text.n -= len) {
        char c = token_character(text, &len);
        if (c) {
            token[n++] = c;
        } else {
            if (n) add_token(w, token, n, stem, &out->tokens);
            n = 0;
        }
        bool dotted = len == 2; /* U+0130: the mark after its i ends the token */
        if (dotted) {
            add_token(w, token, n, stem, &out->tokens);
            n = 0;
        }
        if (*text.s != '\n') {
            empty = false;
        } else {
            if (!empty) tokens_add(&out->ends, (int32_t)out->tokens.n);
            empty = true;
        }
    }
    if (n) add_token(w, token, n, stem, &out->tokens);
    if (!empty) tokens_add(&out->ends, (int32_t)out->tokens.n);
}

static rouge_score from_ratios(double precision, double recall)
{
    double sum = precision + recall;
    return (rouge_score) { precision, recall, sum > 0 ? 2 * precision * recall / sum : 0 };
}

static rouge_score rouge_n(workspace *w, const token_list *ref, const token_list *hyp, int order)
{
    int64_t matches[ROUGE_ORDER_MAX], in_hyp = ngrams_total(hyp->n, order), in_ref = ngrams_total(ref->n, order);
    ngrams_match(&w->ngrams, hyp, w->width, ref, 1, order, matches);
    double common = (double)matches[order - 1];
    return from_ratios(common / (double)(in_hyp > 1 ? in_hyp : 1), common / (double)(in_ref > 1 ? in_ref : 1));
}

/* Hits of the union LCS, each token of it counted while the whole summaries have unused occurrences on both sides. */
static int64_t summary_hits(workspace *w, const lines *ref, const lines *hyp)
{
    size_t  words = (size_t)w->words.n, n_ref = (size_t)ref->tokens.n;
    int64_t hits = 0;
    for (int k = 0; k < 2; k++) {
        const token_list *t = k ? &hyp->tokens : &ref->tokens;
        w->left[k]          = mem_scratch(w->left[k], &w->left_cap[k], words, sizeof *w->left[k]);
        memset(w->left[k], 0, words * sizeof *w->left[k]);
        for (int64_t i = 0; i < t->n; i++) w->left[k][t->ids[i]]++;
    }
    w->hit = mem_scratch(w->hit, &w->hit_cap, n_ref, sizeof *w->hit);
    memset(w->hit, 0, n_ref * sizeof *w->hit);
    for (int64_t r = 0, r0 = 0; r < ref->ends.n; r0 = ref->ends.ids[r++])
        for (int64_t h = 0, h0 = 0; h < hyp->ends.n; h0 = hyp->ends.ids[h++])
            lcs_mark(&w->lcs, w->hit + r0, ref->tokens.ids + r0, ref->ends.ids[r] - r0, hyp->tokens.ids + h0, hyp->ends.ids[h] - h0, w->words.n);
    for (size_t i = 0; i < n_ref; i++) {
        int32_t token = ref->tokens.ids[i];
        if (!w->hit[i] || w->left[0][token] <= 0 || w->left[1][token] <= 0) continue;
        hits++;
        w->left[0][token]--;
        w->left[1][token]--;
    }
    return hits;
}

/* Of the prediction that was read last. */
static rouge_score against(workspace *w, slice reference, int order, bool stem)
{
    lines *r = &w->reference, *h = &w->prediction;
    read_lines(w, reference, stem, r);
    int64_t n_ref = r->tokens.n, n_hyp = h->tokens.n;
    if (!n_ref || !n_hyp) return (rouge_score) { 0 };
    if (order > 0) return rouge_n(w, &r->tokens, &h->tokens, order);
    int64_t hits = order == ROUGE_L ? lcs_length(&w->lcs, r->tokens.ids, n_ref, h->tokens.ids, n_hyp, w->words.n) : summary_hits(w, r, h);
    return from_ratios((double)hits / (double)n_hyp, (double)hits / (double)n_ref);
}

static workspace *start(slice prediction, bool stem)
{
    vocabulary_clear(&own.words);
    read_lines(&own, prediction, stem, &own.prediction);
    own.width = (int32_t)own.words.n;
    return &own;
}

rouge_score rouge(slice reference, slice prediction, int order, bool stem) { return against(start(prediction, stem), reference, order, stem); }

rouge_score rouge_multi(const slice *references, int64_t n, slice prediction, int order, bool stem)
{
    workspace  *w    = start(prediction, stem);
    rouge_score best = against(w, references[0], order, stem);
    for (int64_t i = 1; i < n; i++) {
        rouge_score s = against(w, references[i], order, stem);
        if (s.f > best.f) best = s;
    }
    return best;
}

void rouge_sign(const metric *m, int64_t n_refs, str *out)
{
    static const char *const multi[] = { [REFERENCES_MAX] = "max", [REFERENCES_FIRST] = "first", [REFERENCES_MEAN] = "mean" };
    (void)n_refs;
    str_printf(out, "|refs:%s|stem:%s", multi[m->options.multi], m->options.stemmer ? "porter-nltk" : "no");
}

void rouge_item(const metric *m, const metric_input *in, double *stats)
{
    bool    stem = m->options.stemmer;
    int64_t n    = m->options.multi == REFERENCES_FIRST && in->n_references ? 1 : in->n_references;
    *stats       = 0;
    if (m->options.multi == REFERENCES_MEAN) {
        workspace *w = start(in->prediction, stem);
        for (int64_t i = 0; i < n; i++) *stats += against(w, in->references[i], m->order, stem).f;
        if (n) *stats /= (double)n;
    } else if (n) {
        *stats = rouge_multi(in->references, n, in->prediction, m->order, stem).f;
    }
}
