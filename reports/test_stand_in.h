#ifndef TIEBREAK_REPORTS_TEST_STAND_IN_H
#define TIEBREAK_REPORTS_TEST_STAND_IN_H
/* Stands for gnuplot: draws nothing, and fails on a script with a line that no plot of ours has. */
static const char stand_in[] =
    "#!/bin/sh\n"
    "case $# in 1) ;; *) exit 9 ;; esac\n"
    "case $1 in *[!A-Za-z0-9_.-]*|-*) exit 9 ;; *.gp) ;; *) exit 9 ;; esac\n"
    "grep -avE '^(set (terminal|output|border|tics|grid|key|logscale|xlabel|ylabel|title|offsets|format|xrange|yrange|ytics"
    "|arrow) |plot |EOD$|[$](m[0-9]+|f[0-9]+|front) << EOD$|[-+0-9.e nan]+$)' \"$1\" && exit 9\n"
    "echo '<svg/>' >\"${1%.gp}.svg\"\n";
#endif
