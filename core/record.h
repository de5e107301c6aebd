/* Records: the one interchange. Every command that measures writes them; every command that shows
 * or judges reads them and nothing else.
 *
 * A record is one JSON file, written whole or not at all: the configuration that was asked for
 * (`asked`), what came out (`result`) and the machine and build it is from (`where`). Its id is a
 * hash of the configuration. core/record_fields.def lists every member; core/RECORDS.md is that
 * list to read. */
#ifndef TIEBREAK_CORE_RECORD_H
#define TIEBREAK_CORE_RECORD_H
#include "core/record_fields.h"

/* The `source` of a file or folder: the last part of its path, whatever slashes end it, and the
 * hash of its content (NULL: unknown). */
json *record_named(const char *path, const char *sha256);

/* 16 hex digits and a NUL: the hash of a configuration. */
void record_id(const json *asked, char out[17]);
/* The same without the adapter's training seed and the hash of what it gave: runs of one cell that
 * differ in nothing else share it. */
void record_cell_id(const json *asked, char out[17]);

/* A whole record; takes asked, result and gpu. threads: how many were in use. gpu: what the device
 * says of itself, or NULL for the host. */
json *record_new(record_kind kind, json *asked, json *result, const char *device, int threads, json *gpu);
int   record_write(const json *record, const char *path);

/* Reads and checks: schema, the id, of a kind that is known every member that the list has, and
 * that no text or name of a member holds a control character.
 * Errors name file and member. *out is the caller's. */
int record_read(json **out, const char *path);
/* All records under a folder (files *.json that begin as ours do), sorted by path; other JSON files
 * are skipped, broken records are errors. *out is an array of *n records, all the caller's. */
int record_scan(json ***out, int64_t *n, const char *dir);
/* The configurations of cells under a folder that were begun and have no record yet: cell.json
 * (core/cell.h) without a record.json beside it. *out as above; each gets a member "folder". Files
 * of another form are skipped. */
int         record_scan_unfinished(json ***out, int64_t *n, const char *dir);
record_kind record_kind_of(const json *record);

/* What scripts read of a record, flat, the caller's: n members of its configuration, all of its
 * result, its id and where it lies. */
json *record_summary(const json *record, const record_field *asked, int n, const char *out);
#endif
