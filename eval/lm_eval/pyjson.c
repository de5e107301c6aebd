#include "eval/lm_eval/pyjson.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints the fewest digits that read back as x, as float.__repr__ does: with an exponent when it is
 * below -4 or at least 16. */
void py_repr(double x, str *out)
{
    char digits[32], *e;
    int  precision = 0;
    if (!isfinite(x)) {
        str_puts(out, isnan(x) ? "NaN" : x > 0 ? "Infinity" : "-Infinity");
        return;
    }
    do snprintf(digits, sizeof digits, "%.*e", precision, x);
    while (strtod(digits, NULL) != x && ++precision < 17);
    e            = strchr(digits, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    if (exponent >= 16 || exponent < -4)
        str_printf(out, "%.*se%c%02d", (int)(e - digits), digits, exponent < 0 ? '-' : '+', abs(exponent));
    else if (precision > exponent)
        str_printf(out, "%.*f", precision - exponent, x);
    else
        str_printf(out, "%.0f.0", x);
}

json *py_float(double x)
{
    str text = { 0 };
    py_repr(x, &text);
    json *j = json_of_raw(text.s);
    str_free(&text);
    return j;
}

static void quote(str *out, const char *s, size_t n)
{
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    str_putc(out, '"');
    for (; n; s++, n--) {
        const char *at = strchr(from, *s);
        if (at)
            str_printf(out, "\\%c", to[at - from]);
        else if ((unsigned char)*s < 0x20)
            str_printf(out, "\\u%04x", (unsigned)(unsigned char)*s);
        else
            str_putc(out, *s);
    }
    str_putc(out, '"');
}

static void number(double x, str *out)
{
    if (fabs(x) < 1e15 && x == (double)(int64_t)x)
        str_printf(out, "%lld", (long long)x);
    else
        py_repr(x, out);
}

void py_dumps(const json *j, int indent, str *out)
{
    json_print_as(j, out,
                  &(json_style) { .indent = indent, .comma = ", ", .colon = ": ", .quote = quote, .number = number });
}
