/* chrF (Popovic 2015) and chrF++ (Popovic 2017) as sacreBLEU 2.6.0 computes them: an F-score over
 * n-grams of characters, and in chrF++ of words too.
 *
 * Characters are those of the text without any whitespace, which is kept on demand. Words are split
 * at whitespace; of a word longer than one character, a final ASCII punctuation character is split
 * off, or else one at its start. For each segment the reference with the best F counts, the first
 * on ties. The corpus score is the F of the summed counts, never a mean over segments. */
#include <string.h>

#include "metrics/metric.h"
#include "metrics/ngrams.h"

enum { CHAR_ORDER = 6, BETA = 2 };

static int char_order(const metric *m) { return m->options.char_order ? m->options.char_order : CHAR_ORDER; }
static int word_order(const metric *m) { return m->options.word_order ? m->options.word_order : m->order; }
static int beta(const metric *m) { return m->options.beta ? m->options.beta : BETA; }

static void chrf_prepare(metric *m) { m->n_stats = 3 * (char_order(m) + word_order(m)); }

/* The signature as sacreBLEU prints it: chrF2, chrF2++. */
static void chrf_sign(const metric *m, int64_t n_refs, str *out)
{
    const metric_options *o = &m->options;
    str_printf(out, "%d", beta(m));
    for (int i = 0; i < word_order(m); i++) str_putc(out, '+');
    if (n_refs)
        str_printf(out, "|nrefs:%lld", (long long)n_refs);
    else
        str_puts(out, "|nrefs:var");
    str_printf(out, "|case:%s|eff:%s|nc:%d|nw:%d|space:%s|version:2.6.0", o->lowercase ? "lc" : "mixed",
               o->eps_smoothing ? "no" : "yes", char_order(m), word_order(m), o->whitespace ? "yes" : "no");
}

/* A text as its characters and its words. */
typedef struct {
    token_list characters, words;
} sequences;

typedef struct {
    str lower;
    /* each ASCII character's number + 1, or 0 where it has none yet; and how many have one */
    int32_t ascii[128], distinct;
    /* the same for characters beyond ASCII, by their place in `characters` */
    token_list    wide;
    vocabulary    characters, words;
    sequences     hyp, ref;
    ngram_counter ngrams;
} workspace;
static _Thread_local workspace own;

/* Numbers a character in the order of first use; ASCII needs no hashing. */
static int32_t number_of(workspace *w, const char *s, size_t len)
{
    int32_t *slot = &w->ascii[*s & 0x7F];
    if (*s & 0x80) {
        int32_t wide = vocabulary_add(&w->characters, s, len);
        while (wide >= w->wide.n) tokens_add(&w->wide, 0);
        slot = &w->wide.ids[wide];
    }
    if (!*slot) *slot = ++w->distinct;
    return *slot - 1;
}

/* The 32 punctuation characters of ASCII. */
static bool is_punctuation(char c)
{
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

/* A final punctuation character is a word of its own, or else one at the start. A punctuation
 * character alone stays as it is. */
static void add_word(vocabulary *v, const char *s, size_t n, token_list *out)
{
    size_t cut = is_punctuation(s[n - 1]) ? n - 1 : is_punctuation(s[0]);
    if (cut) tokens_add(out, vocabulary_add(v, s, cut));
    tokens_add(out, vocabulary_add(v, s + cut, n - cut));
}

static void read_text(workspace *w, const metric *m, slice text, sequences *out)
{
    bool whitespace = m->options.whitespace, words = word_order(m) > 0;
    if (m->options.lowercase) {
        str_clear(&w->lower);
        py_lower(text, &w->lower);
        text = (slice) { str_c(&w->lower), w->lower.n };
    }
    tokens_clear(&out->words);
    tokens_reserve(&out->characters, text.n);
    int32_t *to    = out->characters.ids;
    size_t   start = 0; /* where the word starts */
    for (size_t i = 0, len; i < text.n; i += len) {
        const char *s     = text.s + i;
        bool        blank = py_starts_blank(s, text.n - i, &len);
        *to               = number_of(w, s, len);
        to += whitespace || !blank;
        if (!blank) continue;
        if (words && i > start) add_word(&w->words, text.s + start, i - start, &out->words);
        start = i + len;
    }
    if (words && text.n > start) add_word(&w->words, text.s + start, text.n - start, &out->words);
    out->characters.n = to - out->characters.ids;
}

static double f_score(const metric *m, const double *stats)
{
    const double eps = 1e-16, factor = (double)beta(m) * beta(m);
    int          orders = char_order(m) + word_order(m), effective = 0;
    double       smoothed = 0, precisions = 0, recalls = 0;
    for (int i = 0; i < orders; i++) {
        double hyp = stats[3 * i], ref = stats[3 * i + 1], match = stats[3 * i + 2];
        double precision = hyp > 0 ? match / hyp : eps, recall = ref > 0 ? match / ref : eps,
               denominator = factor * precision + recall;
        smoothed += denominator > 0 ? (1 + factor) * precision * recall / denominator : eps;
        if (hyp > 0 && ref > 0) {
            precisions += precision;
            recalls += recall;
            effective++;
        }
    }
    if (m->options.eps_smoothing) return 100 * smoothed / orders;
    if (!effective) return 0;
    precisions /= effective;
    recalls /= effective;
    if (!(precisions + recalls > 0)) return 0;
    double score = (1 + factor) * precisions * recalls;
    score /= factor * precisions + recalls;
    return 100 * score;
}

/* Writes the counts of orders 1..orders. Where the reference has no n-gram of an order, the
 * hypothesis's do not count either. */
static double *count(workspace *w, const token_list *hyp, int32_t width, const token_list *ref, int orders,
                     double *stats)
{
    int64_t matches[METRIC_STATS_MAX];
    if (orders) ngrams_match(&w->ngrams, hyp, width, ref, 1, orders, matches);
    for (int n = 1; n <= orders; n++) {
        int64_t in_ref = ngrams_total(ref->n, n);
        *stats++       = in_ref ? (double)ngrams_total(hyp->n, n) : 0;
        *stats++       = (double)in_ref;
        *stats++       = (double)matches[n - 1];
    }
    return stats;
}

static void chrf_item(const metric *m, const metric_input *in, double *stats)
{
    static const slice nothing = { "", 0 };
    workspace         *w       = &own;
    const slice       *refs    = in->n_references ? in->references : &nothing;
    int64_t            n       = in->n_references ? in->n_references : 1;
    double             best    = -1;
    vocabulary_clear(&w->characters);
    vocabulary_clear(&w->words);
    tokens_clear(&w->wide);
    memset(w->ascii, 0, sizeof w->ascii);
    w->distinct = 0;
    read_text(w, m, in->prediction, &w->hyp);
    int32_t characters = w->distinct, words = (int32_t)w->words.n;
    for (int64_t r = 0; r < n; r++) {
        double one[METRIC_STATS_MAX], f;
        read_text(w, m, refs[r], &w->ref);
        double *rest = count(w, &w->hyp.characters, characters, &w->ref.characters, char_order(m), one);
        count(w, &w->hyp.words, words, &w->ref.words, word_order(m), rest);
        f = n > 1 ? f_score(m, one) : 0;
        if (f <= best) continue;
        best = f;
        memcpy(stats, one, (size_t)m->n_stats * sizeof *stats);
    }
}

static double chrf_corpus(const metric *m, const double *sums, int64_t n) { return f_score(m, sums); }

/* order is that of words where the options give none. n_stats: for each order, the n-grams of the
 * hypothesis, of the reference, and those that match. */
const metric metric_rows_chrf[] = {
    { "chrf", "character n-gram F", "chrF", METRIC_TEXT, .scale = 100, .prepare = chrf_prepare, .sign = chrf_sign, .higher = true,
      .error = STDERR_BOOTSTRAP, .n_stats = 18, .item = chrf_item, .corpus = chrf_corpus },
    { "chrf++", "character and word n-gram F", "chrF", METRIC_TEXT, .order = 2, .scale = 100, .prepare = chrf_prepare,
      .sign = chrf_sign, .higher = true, .error = STDERR_BOOTSTRAP, .n_stats = 24, .item = chrf_item,
      .corpus = chrf_corpus },
    { 0 },
};
