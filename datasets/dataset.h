/* Readers of the tasks' original file formats. An item has named string fields.
 *
 *     dataset *d;
 *     int rc = dataset_read(&d, "squad", "dev-v1.1.json");
 *     for (int64_t i = 0; i < d->n; i++) puts(item_field(&d->items[i], "question"));
 *     dataset_free(d); */
#ifndef TIEBREAK_DATASETS_DATASET_H
#define TIEBREAK_DATASETS_DATASET_H
#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"

typedef struct {
    const char *name, *text; /* UTF-8, NUL-terminated, without any other NUL */
    size_t      n;           /* bytes of text */
} field;

/* The fields each reader gives; [] marks one that may be absent, * one that may repeat. Repeated
 * fields keep the file's order.
 *
 *     squad       [title] context question answer*    (no answer: the question has none)
 *     dialogsum   dialogue [summary*] [topic*]
 *     iwslt       de en
 *     hellaswag   activity_label ctx_a ctx_b ctx ending* (4) [label] ("0".."3")
 *     gsm8k       question answer
 *     text        text
 *     tokens      none: token_ids and token_labels instead */
typedef struct {
    const char *id;   /* the item's own id, or its 0-based number in the file */
    int64_t     line; /* the line of the file it begins on, 1-based; 0: the format has no lines */
    int64_t     n_fields;
    field      *fields;
    /* For the reader `tokens`, else NULL: ids and labels as given; label -100 means not scored. */
    const int32_t *token_ids, *token_labels;
    int64_t        n_tokens;
} data_item;

typedef struct {
    arena      memory; /* owns all that follows */
    int64_t    n;
    data_item *items;
    char       sha256[65]; /* the file's; for a pair of files, that of their two hashes */
} dataset;

/* Reads a file. reader: a row of the reader table (squad, dialogsum, iwslt, hellaswag, gsm8k, text,
 * tokens). The form (JSON, JSONL, CSV, XML, ...) is recognised from the content; a byte order mark
 * and CRLF line ends are accepted. For a parallel text, path is the German side, and the English
 * side lies beside it, with the last ".de" of the name made ".en". Errors are ERR_INPUT and name
 * the file, the line or the path inside it, the value and what is allowed. */
int dataset_read(dataset **out, const char *reader, const char *path);
/* The same for bytes, NUL-terminated or not, that need to live only during the call. `where`
 * names them in messages. `target` is the other side of a parallel text, or NULL. sha256 is left
 * empty. */
int  dataset_parse(dataset **out, const char *reader, const char *bytes, size_t n, const char *target, size_t n_target,
                   const char *where);
void dataset_free(dataset *d);
const char *dataset_reader_name(int i); /* the i-th reader; NULL past the end */

/* the text of the first field of that name; NULL when absent */
const char *item_field(const data_item *item, const char *name);
/* the k-th field of that name; NULL past the last */
const field *item_fields(const data_item *item, const char *name, int64_t k);
#endif
