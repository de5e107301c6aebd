/* This machine and this build, for records and `tiebreak info`. The strings live as long as the
 * process. */
#ifndef TIEBREAK_CORE_MACHINE_H
#define TIEBREAK_CORE_MACHINE_H
#include <stdbool.h>

#define TIEBREAK_VERSION "0.1.0"

const char *machine_cpu(void);   /* "AMD EPYC, 2 cores, avx512f avx512_bf16" */
const char *machine_os(void);    /* "Debian GNU/Linux 12 (bookworm), Linux 6.1" */
int         machine_cores(void); /* available to this process */
const char *build_compiler(void);
const char *build_flags(void);
const char *build_commit(void); /* "unknown" outside a git checkout */
bool        build_dirty(void);
#endif
