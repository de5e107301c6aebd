/* Feeds any bytes to every reader. The first byte, a digit, chooses the reader ("2" is the third
 * row). Either the bytes are refused with a message or every item is whole. For a parallel text the
 * two sides part at a \x01 byte, or else in the middle. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/str.h"
#include "datasets/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check_item(const data_item *item)
{
    if (!item->id || item->n_fields < 0 || (!item->n_fields && !item->token_ids)) abort();
    for (int64_t i = 0; i < item->n_fields; i++) {
        const field *f = &item->fields[i];
        if (strlen(f->text) != f->n || utf8_valid_prefix(f->text, f->n) != f->n || !item_field(item, f->name)) abort();
    }
    for (int64_t i = 0; i < item->n_tokens; i++)
        if (item->token_ids[i] < 0 || (item->token_labels[i] < 0 && item->token_labels[i] != -100)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    int readers = 0;
    while (dataset_reader_name(readers)) readers++;
    if (!n) return 0;
    const char *reader = dataset_reader_name((uint8_t)(bytes[0] - '0') % readers);
    const char *text   = (const char *)bytes + 1, *cut;
    dataset    *d;
    n--;
    error_clear();
    if (!strcmp(reader, "iwslt") && n > 1) {
        cut    = memchr(text, 1, n);
        cut    = cut ? cut : text + n / 2;
        int rc = dataset_parse(&d, reader, text, (size_t)(cut - text), cut + 1, (size_t)(text + n - cut - 1), "fuzz");
        if (rc && !*error_text()) abort();
    } else if (dataset_parse(&d, reader, text, n, NULL, 0, "fuzz") && !*error_text()) {
        abort();
    }
    for (int64_t i = 0; d && i < d->n; i++) check_item(&d->items[i]);
    dataset_free(d);
    return 0;
}
