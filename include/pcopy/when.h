/*
 * when: points in time and durations, as a command line has them. Dates are in local time.
 *
 * Each function returns false, and leaves *out alone, for what is not of its form: none is both a
 * duration and a date, so that they can be tried one after another.
 */
#ifndef PCOPY_WHEN_H
#define PCOPY_WHEN_H

#include <stdbool.h>
#include <time.h>

/*
 * A number and one of the letters s, m, h, d, w, as in "12h", to seconds. `unit` is the letter that
 * is meant where there is none, or 0 if there must be one.
 */
bool pc_when_duration(const char *text, char unit, time_t *out);

/*
 * "2026-11-25", which is its midnight, "2026-11-25 10:00", "2026-11-25 10:00:30", either with a 'T'
 * between; or seconds since 1970, "@1795600000".
 */
bool pc_when_date(const char *text, time_t *out);

/* "23:59", "9:05" or "23:59:30": the first time after `now` that it is that. */
bool pc_when_next(const char *text, time_t now, time_t *out);

#endif
