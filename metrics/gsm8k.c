#include "metrics/gsm8k.h"

#include <string.h>

static const char invalid[] = "[invalid]";

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_number(char c) { return is_digit(c) || c == '.' || c == ','; }
static bool is_money(char c) { return is_number(c) || c == '$'; }

/* The number of bytes from `at` on that are of the class. */
static size_t run(slice text, size_t at, bool of(char))
{
    size_t n = 0;
    while (at + n < text.n && of(text.s[at + n])) n++;
    return n;
}

/* The first number right after the mark. then_any: a character other than a newline must follow;
 * where none does, the number gives its last character for it, as a regex would. */
static slice number_after(slice text, const char *mark, bool then_any)
{
    const size_t k = strlen(mark);
    for (size_t i = 0; i + k <= text.n; i++) {
        if (memcmp(text.s + i, mark, k)) continue;
        size_t sign = i + k < text.n && text.s[i + k] == '-', n = run(text, i + k + sign, is_number),
               end = i + k + sign + n;
        if (then_any && n && (end == text.n || text.s[end] == '\n')) n--;
        if (n) return (slice) { text.s + i + k, sign + n };
    }
    return slice_of(invalid);
}

slice gsm8k_strict(slice text) { return number_after(text, "#### ", false); }
slice gsm8k_cot_strict(slice text) { return number_after(text, "The answer is ", true); }

slice gsm8k_flexible(slice text)
{
    slice last = slice_of(invalid);
    for (size_t i = 0; i < text.n;) {
        size_t sign = text.s[i] == '-', n = run(text, i + sign, is_money);
        if (n < 2) n = run(text, i + sign, is_digit);
        if (!n) {
            i++;
            continue;
        }
        last = (slice) { text.s + i, sign + n };
        i += sign + n;
    }
    return py_strip(last);
}

/* Applies the regexes of what the task ignores, in their order, then lower case. kept is
 * scratch. */
static void normalize(slice text, str *kept, str *out)
{
    static const char mark[] = "#### ";
    const size_t      k      = sizeof mark - 1;
    str_clear(kept);
    char *to = str_reserve(kept, text.n);
    for (size_t i = 0; i < text.n; i++)
        if (text.s[i] != ',' && text.s[i] != '$') *to++ = text.s[i];
    slice rest = { kept->s, (size_t)(to - kept->s) };
    for (size_t i = rest.n; i >= k; i--) {
        if (memcmp(rest.s + i - k, mark, k)) continue;
        rest = (slice) { rest.s + i, rest.n - i };
        break;
    }
    /* `\.$` is the dot before the end, or before a newline that ends the text and stays. */
    size_t newline = rest.n && rest.s[rest.n - 1] == '\n';
    bool   dot     = rest.n > newline && rest.s[rest.n - 1 - newline] == '.';
    str_clear(out);
    py_lower((slice) { rest.s, rest.n - newline * dot - dot }, out);
    if (newline && dot) str_putc(out, '\n');
}

bool gsm8k_match(slice extracted, slice reference)
{
    static _Thread_local str kept, a, b; /* memory kept from item to item */
    normalize(extracted, &kept, &a);
    normalize(reference, &kept, &b);
    return a.n == b.n && !memcmp(str_c(&a), str_c(&b), a.n);
}

static slice extract(const metric *m, const metric_input *in)
{
    static slice (*const filters[])(slice) = { gsm8k_strict, gsm8k_flexible, gsm8k_cot_strict };
    return filters[m->order](in->prediction);
}

static void gsm8k_match_item(const metric *m, const metric_input *in, double *stats)
{
    *stats = in->n_references && gsm8k_match(extract(m, in), in->references[0]);
}

static void gsm8k_invalid_item(const metric *m, const metric_input *in, double *stats)
{
    *stats = slice_equal(extract(m, in), slice_of(invalid));
}

/* order: 0 = strict, 1 = flexible, 2 = gsm8k_cot's strict. */
const metric metric_rows_gsm8k[] = {
    { "exact_match", "the number after ####, strictly", "gsm8k|filter:strict|version:lm-eval-3", METRIC_TEXT,
      METRIC_MEAN(1), .item = gsm8k_match_item },
    { "exact_match_flexible", "the last number in the text", "gsm8k|filter:flexible|version:lm-eval-3", METRIC_TEXT,
      METRIC_MEAN(1), .order = 1, .item = gsm8k_match_item },
    { "gsm8k-cot-strict", "the number after The answer is", "gsm8k_cot|filter:strict|version:lm-eval-3", METRIC_TEXT,
      METRIC_MEAN(1), .order = 2, .item = gsm8k_match_item },
    { "invalid", "share of texts without #### and a number", "gsm8k|filter:strict|version:lm-eval-3", METRIC_TEXT,
      .scale = 1, .higher = false, .n_stats = 1, .item = gsm8k_invalid_item },
    { "invalid_flexible", "share of texts without a number", "gsm8k|filter:flexible|version:lm-eval-3", METRIC_TEXT,
      .scale = 1, .higher = false, .n_stats = 1, .order = 1, .item = gsm8k_invalid_item },
    { 0 },
};
