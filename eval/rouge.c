#include "eval/rouge.h"

#include <stdlib.h>

#include "core/memory.h"
#include "eval/porter.h"
#include "eval/tokens.h"

static bool is_token_byte(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

static void tokenize(slice text, bool stem, token_list *out)
{
    str lower = { 0 }, stemmed = { 0 };
    py_lower(text, &lower);
    for (size_t i = 0; i < lower.n;) {
        size_t start = i;
        while (i < lower.n && is_token_byte(lower.s[i])) i++;
        size_t n = i - start;
        if (stem && n > 3) {
            porter_stem(lower.s + start, n, &stemmed);
            if (stemmed.n) tokens_add(out, stemmed.s, stemmed.n);
        } else if (n) {
            tokens_add(out, lower.s + start, n);
        }
        while (i < lower.n && !is_token_byte(lower.s[i])) i++;
    }
    str_free(&lower);
    str_free(&stemmed);
}

static rouge_score from_ratios(double precision, double recall)
{
    double sum = precision + recall;
    return (rouge_score) { precision, recall, sum > 0 ? 2 * precision * recall / sum : 0 };
}

static rouge_score rouge_n(const int32_t *ref, int64_t n_ref, const int32_t *hyp, int64_t n_hyp, int order)
{
    ngram_table r = ngrams(ref, n_ref, order), h = ngrams(hyp, n_hyp, order);
    double      common = (double)ngrams_clipped(&h, &r, 1);
    rouge_score s      = from_ratios(common / (double)(h.total > 1 ? h.total : 1), common / (double)(r.total > 1 ? r.total : 1));
    ngrams_free(&r);
    ngrams_free(&h);
    return s;
}

/* Lengths of longest common subsequences, [n_ref + 1, n_hyp + 1]. */
static int32_t *lcs_table(const int32_t *ref, int64_t n_ref, const int32_t *hyp, int64_t n_hyp)
{
    int64_t  width = n_hyp + 1;
    int32_t *t     = mem_alloc((size_t)(n_ref + 1) * (size_t)width, sizeof *t);
    for (int64_t i = 1; i <= n_ref; i++) {
        const int32_t *above = t + (i - 1) * width;
        int32_t       *row   = t + i * width;
        for (int64_t j = 1; j <= n_hyp; j++) row[j] = ref[i - 1] == hyp[j - 1] ? above[j - 1] + 1 : above[j] > row[j - 1] ? above[j] : row[j - 1];
    }
    return t;
}

static int64_t lcs_length(const int32_t *ref, int64_t n_ref, const int32_t *hyp, int64_t n_hyp)
{
    int32_t *row = mem_alloc((size_t)n_hyp + 1, sizeof *row);
    for (int64_t i = 0; i < n_ref; i++) {
        int32_t diagonal = 0;
        for (int64_t j = 1; j <= n_hyp; j++) {
            int32_t above = row[j];
            row[j]        = ref[i] == hyp[j - 1] ? diagonal + 1 : above > row[j - 1] ? above : row[j - 1];
            diagonal      = above;
        }
    }
    int64_t length = row[n_hyp];
    free(row);
    return length;
}

/* Mark the reference positions of one LCS, walking back from the end. The tie rule is the tool's: left in the prediction only if strictly better. */
static void mark_lcs(bool *hit, const int32_t *ref, int64_t n_ref, const int32_t *hyp, int64_t n_hyp)
{
    int64_t  width = n_hyp + 1, i = n_ref, j = n_hyp;
    int32_t *t = lcs_table(ref, n_ref, hyp, n_hyp);
    while (i > 0 && j > 0) {
        if (ref[i - 1] == hyp[j - 1])
            hit[i - 1] = true, i--, j--;
        else if (t[i * width + j - 1] > t[(i - 1) * width + j])
            j--;
        else
            i--;
    }
    free(t);
}

/* The tokens of the non-empty lines; ends[k] is where line k ends. Only "\n" ends a line. */
static void tokenize_lines(slice text, bool stem, token_list *out, int64_t **ends, int64_t *n_lines)
{
    size_t cap = 0;
    *ends      = NULL;
    *n_lines   = 0;
    for (size_t start = 0; start <= text.n;) {
        size_t end = start;
        while (end < text.n && text.s[end] != '\n') end++;
        if (end > start) {
            if ((size_t)*n_lines == cap) *ends = mem_grow(*ends, &cap, sizeof **ends);
            tokenize((slice) { text.s + start, end - start }, stem, out);
            (*ends)[(*n_lines)++] = out->n;
        }
        start = end + 1;
    }
}

/* Hits of the union LCS, each token of it counted while the whole summaries have unused occurrences on both sides. */
static int64_t summary_hits(const int32_t *ref, int64_t n_ref, const int64_t *ref_ends, int64_t ref_lines, const int32_t *hyp, int64_t n_hyp,
                            const int64_t *hyp_ends, int64_t hyp_lines)
{
    int32_t *left_ref = mem_alloc((size_t)(n_ref + n_hyp), sizeof *left_ref), *left_hyp = mem_alloc((size_t)(n_ref + n_hyp), sizeof *left_hyp);
    bool    *hit  = mem_alloc((size_t)n_ref, sizeof *hit);
    int64_t  hits = 0;
    for (int64_t i = 0; i < n_ref; i++) left_ref[ref[i]]++;
    for (int64_t i = 0; i < n_hyp; i++) left_hyp[hyp[i]]++;
    for (int64_t r = 0, r0 = 0; r < ref_lines; r0 = ref_ends[r++])
        for (int64_t h = 0, h0 = 0; h < hyp_lines; h0 = hyp_ends[h++]) mark_lcs(hit + r0, ref + r0, ref_ends[r] - r0, hyp + h0, hyp_ends[h] - h0);
    for (int64_t i = 0; i < n_ref; i++) {
        if (!hit[i] || left_ref[ref[i]] <= 0 || left_hyp[ref[i]] <= 0) continue;
        hits++;
        left_ref[ref[i]]--;
        left_hyp[ref[i]]--;
    }
    free(left_ref);
    free(left_hyp);
    free(hit);
    return hits;
}

rouge_score rouge(slice reference, slice prediction, int order, bool stem)
{
    token_list r = { 0 }, h = { 0 };
    int64_t   *r_ends, *h_ends, r_lines, h_lines;
    int32_t   *ids[2];
    tokenize_lines(reference, stem, &r, &r_ends, &r_lines);
    tokenize_lines(prediction, stem, &h, &h_ends, &h_lines);
    tokens_number((const token_list *const[]) { &r, &h }, 2, ids);
    rouge_score s = { 0 };
    if (r.n && h.n) {
        if (order > 0) {
            s = rouge_n(ids[0], r.n, ids[1], h.n, order);
        } else {
            int64_t hits = order == ROUGE_L ? lcs_length(ids[0], r.n, ids[1], h.n)
                                            : summary_hits(ids[0], r.n, r_ends, r_lines, ids[1], h.n, h_ends, h_lines);
            s            = from_ratios((double)hits / (double)h.n, (double)hits / (double)r.n);
        }
    }
    free(ids[0]);
    free(ids[1]);
    free(r_ends);
    free(h_ends);
    tokens_free(&r);
    tokens_free(&h);
    return s;
}

rouge_score rouge_multi(const slice *references, int64_t n, slice prediction, int order, bool stem)
{
    rouge_score best = rouge(references[0], prediction, order, stem);
    for (int64_t i = 1; i < n; i++) {
        rouge_score s = rouge(references[i], prediction, order, stem);
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
        for (int64_t i = 0; i < n; i++) *stats += rouge(in->references[i], in->prediction, m->order, stem).f / (double)n;
    } else if (n) {
        *stats = rouge_multi(in->references, n, in->prediction, m->order, stem).f;
    }
}
