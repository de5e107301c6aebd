/* tiebreak VERB ...: finds the verb, runs it, prints its error message, exits with its status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "core/error.h"

static void usage(FILE *to)
{
    fputs("tiebreak: which adapter? What each one costs and what it scores.\n\nusage: tiebreak VERB ...\n\n", to);
    for (const verb *const *v = verb_table; *v; v++) fprintf(to, "  %-10s %s\n", (*v)->name, (*v)->about);
    fputs(
        "\n`tiebreak VERB --help` shows a verb's options. Exit status: 0 fine, 1 failed or regressed, 2 wrong usage or input, 3 inconclusive,\n4 another process works on the same, 5 the device is lost to this process.\n",
        to);
}

/* Worker threads that wait should sleep soon: an OpenMP runtime that spins instead takes the
 * core from whoever holds up the barrier, and a busy machine then runs ten times slower. The
 * runtime reads its environment before main, so the program starts itself once more. */
static void wait_politely(char **argv)
{
    static const char *const chosen[] = { "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME" };
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++)
        if (getenv(chosen[i])) return;   /* the user's choice, or ours already */
    setenv("GOMP_SPINCOUNT", "2000", 1); /* some microseconds */
    setenv("KMP_BLOCKTIME", "0", 1);
    execv("/proc/self/exe", argv); /* where that fails, go on as we are */
}

/* Every message names the verb; those from below do not know it. */
static void print_error(const char *name)
{
    const char *text  = error_text();
    size_t      n     = strlen(name);
    bool        named = !strncmp(text, name, n) && text[n] == ':';
    fprintf(stderr, "tiebreak %s%s%s\n", named ? "" : name, named ? "" : ": ", text);
}

int main(int argc, char **argv)
{
    wait_politely(argv);
    if (argc < 2) {
        usage(stderr);
        return ERR_INPUT;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        usage(stdout);
        return OK;
    }
    const char *names[32] = { NULL };
    for (int i = 0; verb_table[i]; i++) {
        names[i] = verb_table[i]->name;
        if (strcmp(argv[1], names[i])) continue;
        int rc = verb_table[i]->run(argc - 1, argv + 1);
        if (rc == OPTIONS_HELP) return OK;
        if (rc) print_error(names[i]);
        if (fflush(stdout) && !rc) return ERR_FAILED;
        return rc;
    }
    fprintf(stderr, "tiebreak: %s: no such verb%s; `tiebreak --help` lists them\n", argv[1],
            did_you_mean(argv[1], names).text);
    return ERR_INPUT;
}
