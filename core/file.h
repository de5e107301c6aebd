/* Files: reading whole with a limit, mapping, and writing so that a file is there whole or not at
 * all. */
#ifndef TIEBREAK_CORE_FILE_H
#define TIEBREAK_CORE_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

/* Reads a whole regular file, or stdin for "-". A file that is missing, unreadable, a folder, a Git
 * LFS pointer or larger than max_bytes is ERR_INPUT, and the message names it. */
int file_read(const char *path, size_t max_bytes, str *out);

typedef struct {
    const unsigned char *bytes;
    size_t               n;
} file_map_t;
/* Maps a file read-only and private. An empty file maps to n = 0. A Git LFS pointer is
 * ERR_INPUT. */
int  file_map(file_map_t *m, const char *path);
void file_unmap(file_map_t *m);

typedef struct {
    const void *bytes;
    size_t      n;
} file_part;
/* Writes a file beside the old one, calls fsync and renames it: a reader sees the old file or the
 * new one. The second form writes n parts one after the other. */
int  file_write_atomic(const char *path, const void *bytes, size_t n);
int  file_write_atomic_parts(const char *path, const file_part *parts, size_t n);
int  file_write_in(const char *dir, const char *name, const str *text); /* the file dir/name */
int  file_make_dirs(const char *path);                                  /* like mkdir -p */
bool file_exists(const char *path);
bool file_is_dir(const char *path);

/* The regular files in a folder and in those in it, at most 16 deep, whose names are wanted, sorted
 * by path; links to files count as files, and hidden ones and links to folders are passed over.
 * ERR_INPUT when a folder cannot be opened. The caller frees each of the *n paths, and *out, after
 * an error too. */
int file_find(char ***out, size_t *n, const char *dir, bool wanted(const char *name));

/* Returns "dir/name" as a new string that the caller frees. */
char       *path_join(const char *dir, const char *name);
const char *path_base(const char *path);

/* Steps through the lines of a text; false at the end. *pos starts at 0; *line is not
 * NUL-terminated. Only \n ends a line: a \r before it stays. A last line without \n counts. */
bool next_line(const char *text, size_t n, size_t *pos, const char **line, size_t *len);

/* The SHA-256 as 64 hex digits and a NUL. */
void sha256_hex(const void *bytes, size_t n, char out[65]);
int  sha256_file(const char *path, char out[65]);
#endif
