#include "metrics/rouge.h"

#include <string.h>

#include "core/memory.h"
#include "metrics/lcs.h"
#include "metrics/ngrams.h"
#include "metrics/porter.h"

/* A text, its tokens, and where its non-empty lines end (only "\n" ends a line). For a reference
 * also its n-gram matches with the prediction, as far as they have been counted. */
typedef struct {
    str        text;
    token_list tokens, ends;
    int        orders;
    int64_t    matches[ROUGE_ORDER_MAX];
} lines;

/* Memory for one item. It is kept, because the next metric mostly asks about the same texts. */
typedef struct {
    bool          stem;
    int64_t       n; /* references read */
    lines         prediction, *references;
    size_t        n_lines;
    str           token;
    vocabulary    words;
    int32_t       width; /* distinct tokens of the prediction */
    ngram_counter ngrams;
    lcs_scratch   lcs;
    /* for each token, its unused occurrences in the reference and in the prediction */
    int32_t *left[2];
    bool    *hit;
    size_t   left_cap[2], hit_cap;
} workspace;
static _Thread_local workspace own;

/* The lower case of the token character at the start of text, 0 where there is none; *len receives
 * its bytes. Beyond ASCII two characters lower to ASCII: U+0130 to i (and a mark), U+212A to k. */
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
    out->orders = 0;
    tokens_clear(&out->tokens);
    tokens_clear(&out->ends);
    str_clear(&out->text);
    str_add(&out->text, text.s, text.n);
    str_clear(&w->token);
    char  *token = str_reserve(&w->token, text.n);
    size_t n     = 0, len;
    bool   empty = true; /* whether the line is empty so far */
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

/* The first order asked for is counted together with those below it: who asks for another will ask
 * for more. */
static rouge_score rouge_n(workspace *w, lines *ref, int order)
{
    const token_list *hyp = &w->prediction.tokens;
    if (order > ref->orders) {
        ref->orders = ref->orders ? ROUGE_ORDER_MAX : order;
        ngrams_match(&w->ngrams, hyp, w->width, &ref->tokens, 1, ref->orders, ref->matches);
    }
    int64_t in_hyp = ngrams_total(hyp->n, order), in_ref = ngrams_total(ref->tokens.n, order);
    double  common = (double)ref->matches[order - 1];
    return from_ratios(common / (double)(in_hyp > 1 ? in_hyp : 1), common / (double)(in_ref > 1 ? in_ref : 1));
}

/* The hits of the union LCS. Each of its tokens counts while the whole summaries have unused
 * occurrences on both sides. */
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
            lcs_mark(&w->lcs, w->hit + r0, (token_run) { ref->tokens.ids + r0, ref->ends.ids[r] - r0 },
                     (token_run) { hyp->tokens.ids + h0, hyp->ends.ids[h] - h0 }, w->words.n);
    for (size_t i = 0; i < n_ref; i++) {
        int32_t token = ref->tokens.ids[i];
        if (!w->hit[i] || w->left[0][token] <= 0 || w->left[1][token] <= 0) continue;
        hits++;
        w->left[0][token]--;
        w->left[1][token]--;
    }
    return hits;
}

static bool is_text(const lines *l, slice text) { return slice_equal((slice) { l->text.s, l->text.n }, text); }

static bool is_item(const workspace *w, slice prediction, const slice *references, int64_t n, bool stem)
{
    if (w->stem != stem || w->n != n || !is_text(&w->prediction, prediction)) return false;
    for (int64_t i = 0; i < n; i++)
        if (!is_text(&w->references[i], references[i])) return false;
    return true;
}

static workspace *read_item(slice prediction, const slice *references, int64_t n, bool stem)
{
    workspace *w = &own;
    if (is_item(w, prediction, references, n, stem)) return w;
    if ((size_t)n > w->n_lines) {
        w->references = mem_resize(w->references, (size_t)n, sizeof *w->references);
        for (; w->n_lines < (size_t)n; w->n_lines++) w->references[w->n_lines] = (lines) { 0 };
    }
    w->stem = stem;
    w->n    = n;
    vocabulary_clear(&w->words);
    read_lines(w, prediction, stem, &w->prediction);
    w->width = (int32_t)w->words.n;
    for (int64_t i = 0; i < n; i++) read_lines(w, references[i], stem, &w->references[i]);
    return w;
}

static rouge_score against(workspace *w, int64_t reference, int order)
{
    lines  *r = &w->references[reference], *h = &w->prediction;
    int64_t n_ref = r->tokens.n, n_hyp = h->tokens.n;
    if (!n_ref || !n_hyp) return (rouge_score) { 0 };
    if (order > 0) return rouge_n(w, r, order);
    int64_t hits = order == ROUGE_L ? lcs_length(&w->lcs, (token_run) { r->tokens.ids, n_ref },
                                                 (token_run) { h->tokens.ids, n_hyp }, w->words.n)
                                    : summary_hits(w, r, h);
    return from_ratios((double)hits / (double)n_hyp, (double)hits / (double)n_ref);
}

rouge_score rouge(const slice *references, int64_t n, slice prediction, int order, bool stem)
{
    workspace  *w    = read_item(prediction, references, n, stem);
    rouge_score best = against(w, 0, order);
    for (int64_t i = 1; i < n; i++) {
        rouge_score s = against(w, i, order);
        if (s.f > best.f) best = s;
    }
    return best;
}

static void rouge_sign(const metric *m, int64_t n_refs, str *out)
{
    str_printf(out, "|refs:%s|stem:%s", metric_multi_names[m->options.multi],
               m->options.stemmer ? "porter-nltk" : "no");
}

static void rouge_item(const metric *m, const metric_input *in, double *stats)
{
    bool    stem = m->options.stemmer;
    int64_t n    = m->options.multi == REFERENCES_FIRST && in->n_references ? 1 : in->n_references;
    *stats       = 0;
    if (m->options.multi == REFERENCES_MEAN) {
        workspace *w = read_item(in->prediction, in->references, n, stem);
        for (int64_t i = 0; i < n; i++) *stats += against(w, i, m->order).f;
        if (n) *stats /= (double)n;
    } else if (n) {
        *stats = rouge(in->references, n, in->prediction, m->order, stem).f;
    }
}

/* The score is F. order says which ROUGE; the options say whether to stem and how several
 * references count. */
#define ROUGE(shown, what, which)                                                                                      \
    .name = (shown), .about = (what), .rules = shown "|case:lower|version:rouge_score-0.1.2", .source = METRIC_TEXT,   \
    METRIC_MEAN(1), .order = (which), .sign = rouge_sign, .item = rouge_item

const metric metric_rows_rouge[] = {
    { ROUGE("rouge1", "unigram F", 1) },
    { ROUGE("rouge2", "bigram F", 2) },
    { ROUGE("rouge3", "trigram F", 3) },
    { ROUGE("rouge4", "4-gram F", 4) },
    { ROUGE("rouge5", "5-gram F", 5) },
    { ROUGE("rouge6", "6-gram F", 6) },
    { ROUGE("rouge7", "7-gram F", 7) },
    { ROUGE("rouge8", "8-gram F", 8) },
    { ROUGE("rouge9", "9-gram F", 9) },
    { ROUGE("rougeL", "longest common subsequence F", ROUGE_L) },
    { ROUGE("rougeLsum", "summary-level longest common subsequence F", ROUGE_LSUM), .lines_by_lines = true },
    { 0 },
};
