/* Files: whole reads with limits, mapped reads, writes that are there whole or not at all. */
#ifndef TIEBREAK_CORE_FILE_H
#define TIEBREAK_CORE_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

/* Read a whole regular file (or "-" = stdin). Missing, unreadable, a folder, or larger than
 * max_bytes: ERR_INPUT naming it. */
int file_read(const char *path, size_t max_bytes, str *out);

typedef struct {
    const unsigned char *bytes;
    size_t               n;
} file_map_t;
/* Map read-only, private. An empty file maps to n = 0. */
int  file_map(file_map_t *m, const char *path);
void file_unmap(file_map_t *m);

typedef struct {
    const void *bytes;
    size_t      n;
} file_part;
/* Write beside, fsync, rename: a reader sees the old file or the new one. The second form writes
 * n parts one after the other. */
int  file_write_atomic(const char *path, const void *bytes, size_t n);
int  file_write_atomic_parts(const char *path, const file_part *parts, size_t n);
int  file_make_dirs(const char *path); /* mkdir -p */
bool file_exists(const char *path);
bool file_is_dir(const char *path);

/* "dir/name" into a fresh string the caller frees. */
char       *path_join(const char *dir, const char *name);
const char *path_base(const char *path);

/* Lines of a text file, split on \n only (a final \r stays; a last line without \n counts).
 * Returns false at the end.
 * *line is not NUL-terminated; *pos starts at 0. */
bool next_line(const char *text, size_t n, size_t *pos, const char **line, size_t *len);

/* SHA-256 as 64 hex digits + NUL. */
void sha256_hex(const void *bytes, size_t n, char out[65]);
int  sha256_file(const char *path, char out[65]);
#endif
