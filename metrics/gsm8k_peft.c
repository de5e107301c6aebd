#include "metrics/gsm8k_peft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static slice strip_left(slice t, const char *of)
{
    while (t.n && strchr(of, *t.s) && *t.s) t.s++, t.n--;
    return t;
}

static slice strip_right(slice t, const char *of)
{
    while (t.n && strchr(of, t.s[t.n - 1]) && t.s[t.n - 1]) t.n--;
    return t;
}

/* The text after the last occurrence of the mark; s is NULL when there is none. */
static slice after_last(slice text, const char *mark)
{
    size_t k    = strlen(mark);
    slice  last = { NULL, 0 };
    for (const char *at = text.n ? memmem(text.s, text.n, mark, k) : NULL; at; at = memmem(last.s, last.n, mark, k))
        last = (slice) { at + k, (size_t)(text.s + text.n - at) - k };
    return last;
}

/* The answer itself: the first line without blanks and signs at its ends. */
static slice trim(slice rest)
{
    rest                = py_strip(rest);
    const char *newline = rest.n ? memchr(rest.s, '\n', rest.n) : NULL;
    if (newline) rest.n = (size_t)(newline - rest.s);
    return strip_left(strip_right(rest, " .!?$%"), " .!?$%");
}

slice gsm8k_peft_answer(slice text)
{
    static const char *const marks[] = { "The answer is: ", "The answer is ",
                                         "The final answer is: ", "The final answer is ", "#### " };
    text                             = strip_right(py_strip(text), ".!?");
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        slice rest = after_last(text, marks[i]);
        if (rest.s) return trim(rest);
    }
    return (slice) { NULL, 0 };
}

/* A number as decimal.Decimal reads it. */
typedef struct {
    double value;
    bool   plain; /* only digits and at most one point: the value is units / 10^places */
    double units;
    int    places;
} number;

/* Converts to ASCII: digits of all scripts become 0..9, and underscores go. */
static void to_ascii(slice text, str *out)
{
    str_clear(out);
    for (size_t i = 0; i < text.n;) {
        unsigned cp;
        size_t   len   = (size_t)py_next(text.s + i, text.n - i, &cp);
        int      digit = py_digit(cp);
        if (digit >= 0)
            str_putc(out, (char)('0' + digit));
        else if (cp != '_')
            str_add(out, text.s + i, len);
        i += len;
    }
}

static size_t digits(const char *s) { return strspn(s, "0123456789"); }

static bool is_name(const char *s)
{
    static const char *const infinite[] = { "inf", "infinity" };
    for (int i = 0; i < 2; i++)
        if (!strcasecmp(s, infinite[i])) return true;
    if (*s == 's' || *s == 'S') s++;
    return !strncasecmp(s, "nan", 3) && !s[3 + digits(s + 3)];
}

static bool read_number(slice text, number *out)
{
    static _Thread_local str ascii;
    text = py_strip(text);
    to_ascii(text, &ascii);
    const char *s = str_c(&ascii), *start = s;
    if (strlen(s) != ascii.n) return false; /* there is a NUL inside */
    *out = (number) { 0 };
    if (*s == '+' || *s == '-') s++;
    if (is_name(s)) {
        out->value = *s == 'i' || *s == 'I' ? (*start == '-' ? -INFINITY : INFINITY) : NAN;
        return true;
    }
    size_t whole = digits(s), places = s[whole] == '.' ? digits(s + whole + 1) : 0,
           all = whole + (s[whole] == '.') + places;
    if (whole + places == 0) return false;
    const char *rest = s + all;
    if (*rest == 'e' || *rest == 'E') {
        rest += 1 + (rest[1] == '+' || rest[1] == '-');
        if (!digits(rest) || rest[digits(rest)]) return false;
    } else if (*rest) {
        return false;
    } else {
        out->plain  = whole + places <= 15;
        out->places = (int)places;
    }
    out->value = strtod(start, NULL);
    /* This is exact: fewer than 16 digits are an integer below 2^53, and rounding finds it
     * again. */
    if (out->plain) out->units = rint(out->value * pow(10, out->places));
    return true;
}

/* Reads a / b as a number. */
static bool read_fraction(slice a, slice b, double *value)
{
    number x, y;
    if (!read_number(a, &x) || !read_number(b, &y) || y.value == 0 || (isinf(x.value) && isinf(y.value))) return false;
    *value = x.value / y.value;
    if (x.plain && y.plain) {
        /* Dividing whole numbers makes the division's rounding the only one: 0.1/0.3 is 1/3. */
        double up   = x.units * pow(10, fmax(0, y.places - x.places)),
               down = y.units * pow(10, fmax(0, x.places - y.places));
        if (fabs(up) < 9e15 && fabs(down) < 9e15) *value = up / down;
    }
    return true;
}

static bool read_value(slice text, double *value)
{
    number      x     = { 0 };
    const char *slash = text.n ? memchr(text.s, '/', text.n) : NULL;
    if (!slash) {
        bool is = read_number(text, &x);
        *value  = x.value;
        return is;
    }
    size_t before = (size_t)(slash - text.s), after = text.n - before - 1;
    if (memchr(slash + 1, '/', after)) return false;
    return read_fraction((slice) { text.s, before }, (slice) { slash + 1, after }, value);
}

bool gsm8k_peft_equal(slice a, slice b)
{
    double x, y;
    bool   x_is = read_value(a, &x), y_is = read_value(b, &y);
    if (x_is != y_is) return false;
    return x_is ? x == y : slice_equal(a, b);
}

static void gsm8k_peft_item(const metric *m, const metric_input *in, double *stats)
{
    *stats = 0;
    if (!in->n_references) return;
    slice got = gsm8k_peft_answer(in->prediction), want = gsm8k_peft_answer(in->references[0]);
    if (!want.s) want = trim(in->references[0]);
    *stats = got.s && gsm8k_peft_equal(got, want);
}

/* The reference is a whole solution with one of the phrases, or the bare answer. */
const metric metric_rows_gsm8k_peft[] = {
    { "gsm8k-peft", "the answer as PEFT's comparison of methods reads it", "gsm8k|filter:peft|version:013424400c",
      METRIC_TEXT, METRIC_MEAN(1), .item = gsm8k_peft_item },
    { 0 },
};
