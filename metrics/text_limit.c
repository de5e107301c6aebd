#include "metrics/text_limit.h"

#include <string.h>

#include "core/error.h"

/* The most bytes of one table. With several threads each may have one. */
#define TABLE_BYTES_MAX (1u << 30)

static size_t longest_line(slice text)
{
    size_t longest = 0;
    for (size_t start = 0; start <= text.n;) {
        const char *end = start < text.n ? memchr(text.s + start, '\n', text.n - start) : NULL;
        size_t      n   = end ? (size_t)(end - text.s) - start : text.n - start;
        if (n > longest) longest = n;
        start += n + 1;
    }
    return longest;
}

int text_limit_check(const metric_list *list, slice prediction, const slice *references, int64_t n, const char *where)
{
    const metric *table = NULL;
    for (int m = 0; m < list->n; m++)
        if (list->rows[m].lines_by_lines) table = &list->rows[m];
    if (!table || prediction.n < 1024) return OK;
    double line = (double)longest_line(prediction);
    for (int64_t i = 0; i < n; i++) {
        /* A token and the blank after it are two bytes at least; a byte of the table holds eight
         * pairs. */
        double other = (double)longest_line(references[i]);
        if (line / 2 * (other / 2) / 8 <= TABLE_BYTES_MAX) continue;
        return input_error(
            "%s: %s compares line with line, and lines of %.0f and %.0f bytes are too long for it (their product may be %.2g): break "
            "them, or take rougeL",
            where, table->name, line, other, 32.0 * TABLE_BYTES_MAX);
    }
    return OK;
}
