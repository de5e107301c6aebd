/* Readers of the tasks' original file formats into records of named string fields.
 *
 *     dataset *d;
 *     int rc = dataset_read(&d, "squad", "dev-v1.1.json");
 *     for (int64_t i = 0; i < d->n; i++) puts(record_field(&d->items[i], "question"));
 *     dataset_free(d);
 */
#ifndef TIEBREAK_DATASETS_DATASET_H
#define TIEBREAK_DATASETS_DATASET_H
#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"

typedef struct {
    const char *name, *text; /* UTF-8, NUL-terminated; holds no other NUL */
    size_t      n;           /* bytes of text */
} field;

/* A field may repeat (answers, references, endings): they keep the file's order. What each
 * reader gives, [] where it may be absent, * where it repeats: squad       [title] context
 * question answer* (none: the question has no answer) dialogsum   dialogue [summary*] [topic*]
 * iwslt       de en
 *   hellaswag   activity_label ctx_a ctx_b ctx ending* (4) [label] ("0".."3")
 *   gsm8k       question answer
 *   text        text
 *   tokens      no fields: token_ids and token_labels */
typedef struct {
    const char *id;   /* the item's own id, or its 0-based number in the file */
    int64_t     line; /* where it stands in the file (1-based; 0: not by lines) */
    int64_t     n_fields;
    field      *fields;
    /* the reader `tokens`: ids and labels given directly, labels -100 = not scored; else NULL */
    const int32_t *token_ids, *token_labels;
    int64_t        n_tokens;
} data_item;

typedef struct {
    arena      memory; /* owns everything below */
    int64_t    n;
    data_item *items;
    char       sha256[65]; /* of the file; of a pair of files, the hash of their two hashes */
} dataset;

/* reader: a row of the reader table (squad, dialogsum, iwslt, hellaswag, gsm8k, text, tokens).
 * The form (JSON, JSONL, CSV, XML, ...) is recognised from the content; a byte order mark and
 * CRLF line ends are accepted. Of a parallel text, path is the German side: the English one lies
 * beside it, with the last ".de" of the name made ".en". Errors are ERR_INPUT and name file,
 * line or path inside it, the value, what is allowed. */
int dataset_read(dataset **out, const char *reader, const char *path);
/* The same over bytes that only this call needs, NUL-terminated or not; `where` names them in
 * messages. `target`: the other side of a parallel text, or NULL. sha256 is left empty. */
int  dataset_parse(dataset **out, const char *reader, const char *bytes, size_t n, const char *target, size_t n_target,
                   const char *where);
void dataset_free(dataset *d);
const char *dataset_reader_name(int i); /* NULL past the end */

/* first of that name; NULL when absent */
const char *record_field(const data_item *item, const char *name);
/* k-th of that name; NULL past the last */
const field *record_fields(const data_item *item, const char *name, int64_t k);
#endif
